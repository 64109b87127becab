"""Cases of ``xgrad.special``."""

from .domains import one

CASES: dict[str, list[tuple[tuple, dict]]] = {
    "special.erf": one("R"),
}
