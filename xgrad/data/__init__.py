"""Data: arrays cut into batches, files of well-known formats, and the data sets that scikit-learn ships.

What is read is NumPy's, in the host's memory.  A ``DataLoader`` makes Tensors of it, batch by batch, on any device.
"""

from .bundled import breast_cancer as breast_cancer
from .bundled import diabetes as diabetes
from .bundled import digits as digits
from .bundled import iris as iris
from .bundled import linnerud as linnerud
from .bundled import wine as wine
from .datasets import ArrayDataset as ArrayDataset
from .datasets import Dataset as Dataset
from .datasets import collate as collate
from .datasets import train_test_split as train_test_split
from .files import load_cifar10 as load_cifar10
from .files import load_idx as load_idx
from .files import load_mnist as load_mnist
from .files import load_text as load_text
from .loader import DataLoader as DataLoader
from .text import ByteVocabulary as ByteVocabulary
from .text import Vocabulary as Vocabulary
