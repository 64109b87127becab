"""Optimisers: rules that turn gradients into steps, made only of what any user of xgrad has.

Names and meanings are PyTorch's, those of ``torch.optim``, ``torch.optim.lr_scheduler`` and ``torch.nn.utils``.
"""

from .adaptive import Adagrad as Adagrad
from .adaptive import Adam as Adam
from .adaptive import AdamW as AdamW
from .adaptive import RMSprop as RMSprop
from .base import Optimizer as Optimizer
from .clipping import clip_grad_norm as clip_grad_norm
from .clipping import clip_grad_value as clip_grad_value
from .sgd import SGD as SGD
from .sgd import Lion as Lion
