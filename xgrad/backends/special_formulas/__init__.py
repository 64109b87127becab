"""Special functions that a library may lack, as formulas in standard calls: right on every library."""

from . import bessel as bessel
from . import elementary as elementary
from . import error as error
from . import exponentials as exponentials
from . import gamma as gamma
from . import incomplete as incomplete
from . import neural as neural
from . import updates as updates
