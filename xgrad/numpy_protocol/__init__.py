"""NumPy's own functions on Tensors: ``np.sin(t)``, ``np.sum(t, axis=0)``, ``ndarray * t``.

NumPy hands the call over, and the function of the same meaning is called here, so it is recorded.  ``ufuncs`` and the
pages below it hold one explicit table; what is not in it raises TypeError with its name, and nothing is converted
silently.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NotAnArrayError
from . import algebra as algebra  # the pages enter their functions in the table
from . import creation as creation
from . import inspection as inspection
from . import manipulation as manipulation
from . import numerics as numerics
from . import reductions as reductions
from . import selection as selection
from . import sets as sets
from . import without_nan as without_nan
from . import writes as writes
from .table import NEVER, deliver, handlers, name_of, unsupported
from .ufunc_methods import methods
from .ufuncs import call, calls


class NumPyProtocol:
    """``__array_ufunc__`` and ``__array_function__`` of a Tensor."""

    __slots__ = ()
    __array_priority__ = 1000.0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs or method != "__call__":
            return methods[method](ufunc, *inputs, **kwargs)
        if inputs[0] is not self and isinstance(inputs[0], np.generic):
            inputs = (inputs[0].item(), *inputs[1:])  # np.float64(2) * t: a number, which takes the short path
        function = calls.get(ufunc)
        if function is not None:
            try:
                return function(*inputs)
            except NotAnArrayError:
                pass
        return call(ufunc, inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler, place = handlers.get(func, (None, NEVER))
        if handler is None:
            if func in creation.makers:
                return creation.made_like(self, func, args, kwargs)
            raise unsupported(name_of(func))
        if len(args) <= place and "out" not in kwargs:
            return handler(*args, **kwargs)
        kwargs = dict(kwargs)
        out = kwargs.pop("out", None)
        if len(args) > place:
            out, args = args[place], (*args[:place], None, *args[place + 1 :])
        result = handler(*args, **kwargs)
        return result if out is None else deliver(name_of(func), result, out)
