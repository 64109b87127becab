"""Linear algebra: the ``linalg`` extension of the array API standard."""
