"""Random numbers on every device, with the method names of NumPy's ``Generator``.

There is no global generator, and so no ``random.seed`` and no ``random.normal``: a program's numbers would depend on
who drew before.  Make a generator with ``default_rng`` and pass it on, or its children (``spawn``).
"""

from .generator import Generator as Generator
from .generator import default_rng as default_rng
