"""CUDA source compiled by the C++ compiler of this machine, so that kernels are tested without a GPU."""

import ctypes
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np

COMPILER = shutil.which("g++")
HEADER = pathlib.Path(__file__).with_name("cuda_on_cpu.h")
TYPES = {"float32": "float", "float64": "double", "float16": "float16", "int64": "long long"}
ON_CPU = {  # the two instructions that have no equal in C++
    'asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x))': "y = half_to_float(x)",
    'asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x))': "y = float_to_half(x)",
}


class Compiler:
    """Units of source, each known by its number; those that are new are compiled together when one is called."""

    def __init__(self):
        self.units, self.libraries = [], []

    def add(self, code):
        if code not in self.units:
            self.units.append(code)
            self.libraries.append(None)
        return self.units.index(code)

    def function(self, unit, name):
        if self.libraries[unit] is None:
            self._compile([i for i, library in enumerate(self.libraries) if library is None])
        return getattr(self.libraries[unit], f"unit{unit}_{name}")

    def _compile(self, numbers):
        text = f'#include "{HEADER}"\n' + "\n".join(self._wrapped(i) for i in numbers)
        with tempfile.TemporaryDirectory() as folder:
            source, made = pathlib.Path(folder, "kernels.cpp"), pathlib.Path(folder, "kernels.so")
            source.write_text(text)
            subprocess.run(
                [COMPILER, "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", str(source), "-o", str(made)],
                check=True,
            )
            library = ctypes.CDLL(str(made))
        for i in numbers:
            self.libraries[i] = library

    def _wrapped(self, i):
        """A unit in a namespace of its own, with functions that a host can call."""
        code = self.units[i]
        for instruction, plain in ON_CPU.items():
            code = code.replace(instruction, plain)
        names = re.findall(r"__global__ void (\w+)\(", code)
        calls = [
            f'extern "C" bool unit{i}_{n}(const unsigned* grid, const unsigned* block, void** args) '
            f"{{ return run([](void** args) {{ apply(unit{i}::{n}, args); }}, grid, block, args); }}"
            for n in names
        ]
        macros = re.findall(r"#define (\w+)", code)
        code = code.replace('extern "C" ', "")
        return "\n".join([f"namespace unit{i} {{", code, "}", *calls, *(f"#undef {m}" for m in macros)])


COMPILED = Compiler()


def launch(unit, name, grid, block, args):
    """Run a kernel: its arguments are NumPy arrays (their addresses), structures and numbers."""
    held = [_argument(a) for a in args]
    pointers = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
    function = COMPILED.function(unit, name)
    function.restype = ctypes.c_bool
    sizes = [(ctypes.c_uint * 3)(*(tuple(size) + (1, 1))[:3]) for size in (grid, block)]
    assert sizes[1][0] * sizes[1][1] % 32 == 0 and sizes[0][2] == sizes[1][2] == 1
    assert function(*sizes, pointers), f"{name}: the lanes of a warp part ways"


def _argument(value):
    if isinstance(value, np.ndarray) and value.dtype.names:
        return (ctypes.c_char * value.nbytes).from_buffer_copy(value.tobytes())
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return {int: ctypes.c_longlong, float: ctypes.c_double}[type(value)](value)


def elementwise_source(in_params, out_params, operation, name, preamble):
    """An elementwise kernel for every type ``T``: ``name_dtype`` of addresses, steps of the inputs, and a count."""
    inputs, outputs = ([p.split() for p in text.split(",")] for text in (in_params, out_params))
    arguments = [f"const {t}* {n}_all, long long {n}_step" for t, n in inputs] + [f"{t}* {n}_all" for t, n in outputs]
    names = [f"const {t}& {n} = {n}_all[i * {n}_step];" for t, n in inputs]
    names += [f"{t}& {n} = {n}_all[i];" for t, n in outputs]
    kernel = f"""__global__ void {name}_DTYPE({", ".join(arguments)}, long long count) {{
        for (long long i = threadIdx.x; i < count; i += blockDim.x) {{ {" ".join(names)} {operation}; }}
    }}"""
    kernels = [re.sub(r"\bT\b", TYPES[d], kernel).replace("DTYPE", d) for d in ("float32", "float64", "float16")]
    return "\n".join([preamble, "typedef double float64;", "typedef unsigned short uint16;", *kernels])
