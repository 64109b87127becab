"""What is measured against others: each task once for every library, and once by hand as a careful engineer would."""

from __future__ import annotations

from .classifier import MLP_BIG, MLP_SMALL
from .elementwise import CHAIN, FAN_OUT
from .layers import ATTENTION, CONVOLUTION, EMBEDDING, LAYER_NORM
from .logistic import HESSIAN_PRODUCT
from .recurrent import RECURRENT
from .task import Arrays as Arrays
from .task import Task as Task

TASKS = {
    task.name: task
    for task in (
        CHAIN,
        MLP_SMALL,
        MLP_BIG,
        FAN_OUT,
        LAYER_NORM,
        ATTENTION,
        EMBEDDING,
        CONVOLUTION,
        RECURRENT,
        HESSIAN_PRODUCT,
    )
}
