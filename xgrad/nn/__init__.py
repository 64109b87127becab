"""Layers, activations and losses: just enough to train, made only of what any user of xgrad has.

A layer is a ``Module``, an activation a plain function; ``Sequential`` takes both.  Everything runs on whatever device
the parameters are on, and nothing reads a value back from a device while it computes a loss or a gradient.
"""

from .attention import MultiheadAttention as MultiheadAttention
from .attention import scaled_dot_product_attention as scaled_dot_product_attention
from .functional import gelu as gelu
from .functional import log_softmax as log_softmax
from .functional import relu as relu
from .functional import softmax as softmax
from .functional import tanh as tanh
from .layers import Linear as Linear
from .layers import Sequential as Sequential
from .losses import cross_entropy as cross_entropy
from .losses import mse_loss as mse_loss
from .module import Module as Module
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
