"""Transforms: functions that take a function and return one that computes its derivative.

Arguments and results are arrays or trees of them (``pytree``).  They keep their kind: raw arrays of a library in, raw
arrays of that library out; Tensors in, Tensors out; Python numbers in, 0-d NumPy arrays out.
"""

from .checkpointing import checkpoint as checkpoint
from .custom import custom_jvp as custom_jvp
from .custom import custom_vjp as custom_vjp
from .custom import stop_gradient as stop_gradient
from .matrices import hessian as hessian
from .matrices import hvp as hvp
from .matrices import jacobian as jacobian
from .pullbacks import elementwise_grad as elementwise_grad
from .pullbacks import grad as grad
from .pullbacks import value_and_grad as value_and_grad
from .pullbacks import vjp as vjp
from .pushforwards import jvp as jvp
from .pushforwards import linearize as linearize
