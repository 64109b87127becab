"""Optimisers: rules that turn gradients into steps, made only of what any user of xgrad has.

Names and meanings are PyTorch's, those of ``torch.optim``, ``torch.optim.lr_scheduler`` and ``torch.nn.utils``.
"""

from .adaptive import Adagrad as Adagrad
from .adaptive import Adam as Adam
from .adaptive import AdamW as AdamW
from .adaptive import RMSprop as RMSprop
from .average import EMA as EMA
from .base import Optimizer as Optimizer
from .clipping import clip_grad_norm as clip_grad_norm
from .clipping import clip_grad_value as clip_grad_value
from .formulas import ConstantLR as ConstantLR
from .formulas import CosineAnnealingLR as CosineAnnealingLR
from .formulas import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from .formulas import ExponentialLR as ExponentialLR
from .formulas import LinearLR as LinearLR
from .formulas import MultiStepLR as MultiStepLR
from .formulas import PolynomialLR as PolynomialLR
from .formulas import StepLR as StepLR
from .lbfgs import LBFGS as LBFGS
from .one_cycle import OneCycleLR as OneCycleLR
from .plateau import ReduceLROnPlateau as ReduceLROnPlateau
from .scaler import GradScaler as GradScaler
from .schedules import LambdaLR as LambdaLR
from .schedules import LRScheduler as LRScheduler
from .schedules import SequentialLR as SequentialLR
from .sgd import SGD as SGD
from .sgd import Lion as Lion
