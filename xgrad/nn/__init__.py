"""Layers, activations and losses: just enough to train, made only of what any user of xgrad has.

A layer is a ``Module``, an activation a plain function; ``Sequential`` takes both.  Everything runs on whatever device
the parameters are on, and nothing reads a value back from a device while it computes a loss or a gradient.
"""

from . import functional as functional
from .activations import elu as elu
from .activations import gelu as gelu
from .activations import glu as glu
from .activations import leaky_relu as leaky_relu
from .activations import log_softmax as log_softmax
from .activations import relu as relu
from .activations import sigmoid as sigmoid
from .activations import silu as silu
from .activations import softmax as softmax
from .activations import softplus as softplus
from .activations import tanh as tanh
from .attention import MultiheadAttention as MultiheadAttention
from .attention import scaled_dot_product_attention as scaled_dot_product_attention
from .class_losses import cross_entropy as cross_entropy
from .class_losses import nll_loss as nll_loss
from .layers import Linear as Linear
from .layers import Sequential as Sequential
from .losses import binary_cross_entropy as binary_cross_entropy
from .losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .losses import cosine_embedding_loss as cosine_embedding_loss
from .losses import cosine_similarity as cosine_similarity
from .losses import huber_loss as huber_loss
from .losses import kl_div as kl_div
from .losses import l1_loss as l1_loss
from .losses import mse_loss as mse_loss
from .module import Module as Module
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
from .wrapping import ELU as ELU
from .wrapping import GELU as GELU
from .wrapping import GLU as GLU
from .wrapping import BCELoss as BCELoss
from .wrapping import BCEWithLogitsLoss as BCEWithLogitsLoss
from .wrapping import CosineEmbeddingLoss as CosineEmbeddingLoss
from .wrapping import CosineSimilarity as CosineSimilarity
from .wrapping import CrossEntropyLoss as CrossEntropyLoss
from .wrapping import HuberLoss as HuberLoss
from .wrapping import KLDivLoss as KLDivLoss
from .wrapping import L1Loss as L1Loss
from .wrapping import LeakyReLU as LeakyReLU
from .wrapping import LogSoftmax as LogSoftmax
from .wrapping import MSELoss as MSELoss
from .wrapping import NLLLoss as NLLLoss
from .wrapping import ReLU as ReLU
from .wrapping import Sigmoid as Sigmoid
from .wrapping import SiLU as SiLU
from .wrapping import Softmax as Softmax
from .wrapping import Softplus as Softplus
from .wrapping import Tanh as Tanh
