"""Compilation of CUDA kernels and their cache on disk. Only this module and `driver` import numba.cuda.

Compiler options and their reasons:

- None of numba's ``fastmath``. It has a single switch for all liberties: subnormals are flushed, division and
  square root are approximate, and ``tanh.approx`` has errors of 5e-4. Without it the compiler still contracts
  a product and a sum into one fma, which matters most here. NaN stays NaN, so diverging fits are noticed.
  Division is exact except in activations, which have the CPU's flags (errors of 2 units in the last place).
- No link-time optimization. The compiler would run twice for each kernel, and there is nothing to link. So
  the code that `make ptx` checks is the code that runs.
- Device functions are inlined. Otherwise local arrays passed to them would leave the registers.

Every module with kernels lists examples of them for the check of their machine code::

    def ptx_examples() -> Iterator[Example]:
        kernel = make_kernel(float32, 64)
        yield Example("kernel, H 64", kernel, (float32[::1], uint32), threads=256, stationary=True)
"""

import hashlib
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, float64, njit, types
from numba.core import config
from numba.core.dispatcher import Dispatcher

from ..cpu.cache import KernelCache, source_stamp
from ..cpu.compiling import tell
from ..cpu.jit import FLAGS, silent

if cuda.implementation != "NVIDIA":
    raise ImportError("numba's built-in CUDA target is deprecated and not supported")

# NumPy 2.5 removed it, but numba-cuda 0.30 needs it to compile.
if not hasattr(np, "row_stack"):
    np.row_stack = np.vstack

SIMULATED = bool(config.ENABLE_CUDASIM)
# Bytes. Shared arrays are read four numbers at once.
ALIGNMENT = None if SIMULATED else 16
COMPILER_PACKAGES = (
    "numba-cuda",
    "cuda-core",
    "cuda-bindings",
    "nvidia-nvvm",
    "nvidia-nvjitlink",
    "nvidia-cuda-nvcc-cu12",
    "nvidia-nvjitlink-cu12",
)

__all__ = [
    "ALIGNMENT",
    "SIMULATED",
    "Example",
    "cuda",
    "cuda_kernel",
    "device_function",
    "get_signature",
    "has_toolkit",
    "real_type",
]


class Example(NamedTuple):
    """A kernel as a fit would compile it, for the check of its machine code.

    signature: numba types of its arguments. threads: of a block. shared: bytes of dynamic shared memory.
    stationary: whether it keeps its weights in registers, so that it must not use local memory.
    distributions: whether it may compute in float64 where the network uses float32.
    """

    name: str
    kernel: Any
    signature: tuple
    threads: int = 256
    shared: int = 0
    stationary: bool = False
    distributions: bool = False


def real_type(dtype) -> Any:
    """Return numba's type of a network's numbers."""
    return {"float32": float32, "float64": float64}[np.dtype(dtype).name]


def device_function(function: Callable) -> Callable:
    """Return a function that kernels can call, from a Python function or a compiled function of the CPU."""
    if SIMULATED:
        return _simulate(function)
    return function if isinstance(function, Dispatcher) else cuda.jit(device=True, forceinline=True)(function)


def _simulate(function: Callable) -> Callable:
    """Return a function that kernels can call in the simulator."""
    # Python cannot call a `kernel` of the CPU.
    if isinstance(function, Dispatcher):
        return silent(njit(**FLAGS)(function.py_func))
    # The decorator only replaces the module `cuda` within the function.
    if any(function.__globals__.get(name) is cuda for name in function.__code__.co_names):
        return cuda.jit(device=True)(function)
    return function


def cuda_kernel(function: Callable | None = None, *, threads: int | None = None) -> Any:
    """Return a kernel that is compiled, or loaded from disk, at its first launch.

    threads: largest number of threads of a block. With it the compiler knows how many registers a thread may
    use.
    """
    if function is None:
        return partial(cuda_kernel, threads=threads)
    if SIMULATED:
        return cuda.jit(function)
    dispatcher = cuda.jit(function, launch_bounds=threads, lto=False)
    if (variant := name_variant(function, threads)) is not None:
        dispatcher._cache = CudaKernelCache(variant, on_miss=partial(tell, True))
    return dispatcher


class CudaKernelCache(KernelCache):
    """A cache of kernels of a GPU, whose model is part of the key.

    No process waits for another one that compiles the same kernel, because few processes share a GPU.
    """

    def _stamp(self) -> bytes:
        return cuda_stamp()

    def _load_after_others(self, path):
        self._miss()

    def _reduce(self, result):
        return result._reduce_states()

    def _rebuild(self, target_context, payload):
        from numba.cuda.dispatcher import _Kernel

        return _Kernel._rebuild(**payload)


@cache
def cuda_stamp() -> bytes:
    """Return a hash of all sources of kernels and of the versions of the packages that compile them."""
    digest = hashlib.sha256(source_stamp())
    sources = sorted(Path(__file__).parent.glob("*.py"))
    if not sources:
        raise FileNotFoundError("the sources of the CUDA kernels are missing")
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    # A setting of numba, from the environment.
    debugging = getattr(config, "CUDA_DEBUGINFO_DEFAULT", None)
    digest.update(repr([debugging, *map(_find_version, COMPILER_PACKAGES)]).encode())
    return digest.digest()


def _find_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class _UnknownSourceError(Exception):
    """Raised for a kernel that refers to something whose versions cannot be distinguished."""


def name_variant(function: Callable, threads: int | None) -> str | None:
    """Return a name for the code and closure from which a kernel is compiled.

    It is None if the kernel refers to anything outside this package, such as a user's cell, whose sources the
    cache does not know.
    """
    try:
        digest = hashlib.sha256(repr((threads, _identify(function))).encode()).hexdigest()
    except _UnknownSourceError:
        return None
    return f"cuda-{function.__name__}-{digest[:16]}"


def _identify(value) -> Any:
    """Return an object whose repr identifies the compiled code and is the same in every process."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic | np.dtype):
        return type(value).__name__, repr(value)
    if isinstance(value, types.Type):
        return "numba", str(value)
    if isinstance(value, tuple | list):
        return type(value).__name__, [_identify(item) for item in value]
    if isinstance(value, type | ModuleType):
        return "name", getattr(value, "__module__", ""), value.__name__
    if hasattr(value, "py_func"):
        return "compiled", _identify(value.py_func)
    if isinstance(value, FunctionType) and value.__module__.split(".")[0] == __name__.split(".")[0]:
        cells = [_identify(cell.cell_contents) for cell in value.__closure__ or ()]
        return "function", value.__module__, value.__qualname__, _identify_code(value.__code__), cells
    raise _UnknownSourceError(value)


def _identify_code(code: CodeType) -> Any:
    """Return what identifies a code object; functions made from text have no source."""
    constants = [
        _identify_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts
    ]
    return code.co_code.hex(), code.co_names, constants


def has_toolkit() -> bool:
    """Return whether the compiler of the CUDA toolkit is installed; numba-cuda can be imported without it."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        return all(load_nvidia_dynamic_lib(name).abs_path for name in ("nvvm", "nvrtc"))
    except DynamicLibNotFoundError:
        return False


def get_signature(kernel, arguments) -> tuple:
    """Return the numba types of arguments."""
    return tuple(kernel.typeof_pyval(argument) for argument in arguments)
