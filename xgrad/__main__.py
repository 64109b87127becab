"""``python -m xgrad``: versions, usable devices, and why the others are not."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import xgrad as xg

from .backends.cupy import PACKAGES

_PACKAGES = (
    ("NumPy", ("numpy",)),
    ("array-api-compat", ("array-api-compat",)),
    ("CuPy", PACKAGES),
    ("PyTorch", ("torch",)),
    ("JAX", ("jax",)),
    ("Dask", ("dask",)),
    ("array-api-strict", ("array-api-strict",)),
    ("SciPy", ("scipy",)),
)


def _version(names: tuple[str, ...]) -> str | None:
    """The version of the first package of these names that is installed, found without importing it."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def main() -> int:
    """Print the report; the exit status is 0 whatever is missing."""
    found = {"xgrad": xg.__version__, "Python": platform.python_version()}
    found |= {label: number for label, names in _PACKAGES if (number := _version(names))}
    devices = {
        name: "ready" if reason is None else f"not usable: {reason.removeprefix('device: ')}"
        for name, reason in xg.devices().items()
    }
    width = max(map(len, [*found, *devices])) + 2
    for title, rows in (("versions", found), ("devices", devices)):
        print(title)
        for name, text in rows.items():
            print(f"  {name:{width}}{text}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
