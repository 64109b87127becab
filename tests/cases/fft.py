"""Cases of ``xgrad.fft``."""

CASES: dict[str, list[tuple[tuple, dict]]] = {}
