"""Cases of ``xgrad.linalg``."""

CASES: dict[str, list[tuple[tuple, dict]]] = {}
