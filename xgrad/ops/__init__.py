"""One file per page of the array API standard; a function stands directly above its rule."""
