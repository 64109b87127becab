"""Constants and data types.

The data types are NumPy's on every backend, and under NumPy's names for them: ``xgrad.float32`` *is* ``numpy.float32``,
equal to the ``numpy.dtype`` objects that arrays carry.
"""

import math

import numpy as np
from numpy import bool as bool
from numpy import complex64 as complex64
from numpy import complex128 as complex128
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import int8 as int8
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import uint8 as uint8
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64

e = math.e
inf = math.inf
nan = math.nan
newaxis = None
pi = math.pi

_TYPES = (bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, complex64, complex128)
DTYPES = {dtype.name: dtype for dtype in map(np.dtype, _TYPES)}
