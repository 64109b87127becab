"""Discrete Fourier transforms: the ``fft`` extension of the array API standard."""
