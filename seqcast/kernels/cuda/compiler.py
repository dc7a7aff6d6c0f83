"""How CUDA kernels are compiled and kept on disk. No module but this one and `driver` imports numba.cuda.

What a kernel is compiled with, each with its reason:

- Nothing of numba's ``fastmath``. It is all or nothing there: subnormals flushed, approximate division and
  square root, and ``tanh.approx``, 5e-4 off. Without it the compiler still contracts a product and a sum into
  one fma, the liberty that matters here; NaN is NaN, so that diverging fits are seen; division is exact, but
  for that in activations, whose flags are the CPU's (2 units in the last place).
- No link-time optimisation: the compiler would run twice for each kernel, and there is nothing to link. What
  `make ptx` looks at is then what runs.
- Device functions are inlined, or the local arrays handed to them would leave the registers.

Every module of kernels says what its kernels look like, for that check of their machine code::

    def ptx_examples() -> Iterator[Example]:
        kernel = make_walk(float32, 64)
        yield Example("walk, H 64", kernel, (float32[::1], uint32), threads=256, stationary=True)
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

from ..cache import KernelCache, source_stamp
from ..jit import FLAGS, silent
from ..parallel import tell

if cuda.implementation != "NVIDIA":
    raise ImportError("numba's own target for CUDA, which is deprecated, is not enough")

if not hasattr(np, "row_stack"):  # gone from NumPy 2.5; numba-cuda 0.30 asks for it when it compiles
    np.row_stack = np.vstack

SIMULATED = bool(config.ENABLE_CUDASIM)
ALIGNMENT = None if SIMULATED else 16  # of shared arrays that are read four numbers at once
TOOLS = (
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
    "has_toolkit",
    "real_type",
    "signature_of",
]


class Example(NamedTuple):
    """A kernel as some fit would compile it, for the check of its machine code.

    signature: numba types of its arguments. threads: of a block. shared: bytes of dynamic shared memory.
    stationary: keeps its weights in registers, so that nothing of it may lie in local memory. distributions:
    may calculate in float64 where the network's numbers are float32.
    """

    name: str
    kernel: Any
    signature: tuple
    threads: int = 256
    shared: int = 0
    stationary: bool = False
    distributions: bool = False


def real_type(dtype) -> Any:
    """numba's type of a network's numbers."""
    return {"float32": float32, "float64": float64}[np.dtype(dtype).name]


def device_function(function: Callable) -> Callable:
    """What a kernel can call: of a Python function, or of one that is compiled for the CPU already."""
    if SIMULATED:
        return _simulated(function)
    return function if isinstance(function, Dispatcher) else cuda.jit(device=True, forceinline=True)(function)


def _simulated(function: Callable) -> Callable:
    if isinstance(function, Dispatcher):  # a `kernel` has no door for Python
        return silent(njit(**FLAGS)(function.py_func))
    if any(function.__globals__.get(name) is cuda for name in function.__code__.co_names):
        return cuda.jit(device=True)(function)
    return function  # the simulator would only look for the module `cuda` in it


def cuda_kernel(function: Callable | None = None, *, threads: int | None = None) -> Any:
    """Compile a kernel when it is first launched, or load it from the disk.

    threads: the most that a block will have; then the compiler knows how many registers each may take.
    """
    if function is None:
        return partial(cuda_kernel, threads=threads)
    if SIMULATED:
        return cuda.jit(function)
    dispatcher = cuda.jit(function, launch_bounds=threads, lto=False)
    if (variant := variant_of(function, threads)) is not None:
        dispatcher._cache = CudaKernelCache(variant, on_miss=partial(tell, True))
    return dispatcher


class CudaKernelCache(KernelCache):
    """The same for kernels of a GPU, whose model is part of the key.

    No process waits for another that compiles the same: few share a GPU.
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
    """Hash of every source that a kernel is made of, and of the versions that turn it into machine code."""
    digest = hashlib.sha256(source_stamp())
    sources = sorted(Path(__file__).parent.glob("*.py"))
    if not sources:
        raise FileNotFoundError("no sources of the CUDA kernels")
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    debugging = getattr(config, "CUDA_DEBUGINFO_DEFAULT", None)  # a setting of numba's, by the environment
    digest.update(repr([debugging, *map(_version, TOOLS)]).encode())
    return digest.digest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class _UnknownError(Exception):
    """What a kernel refers to can not be told from another version of it."""


def variant_of(function: Callable, threads: int | None) -> str | None:
    """A name for what a kernel is compiled from, closure and all; None if it refers to anything outside this
    package, as a user's own cell, whose sources the cache does not know."""
    try:
        digest = hashlib.sha256(repr((threads, _identity(function))).encode()).hexdigest()
    except _UnknownError:
        return None
    return f"cuda-{function.__name__}-{digest[:16]}"


def _identity(value) -> Any:
    """Something whose repr is the same in every process, and differs wherever the compiled code does."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic | np.dtype):
        return type(value).__name__, repr(value)
    if isinstance(value, types.Type):
        return "numba", str(value)
    if isinstance(value, tuple | list):
        return type(value).__name__, [_identity(item) for item in value]
    if isinstance(value, type | ModuleType):
        return "name", getattr(value, "__module__", ""), value.__name__
    if hasattr(value, "py_func"):
        return "compiled", _identity(value.py_func)
    if isinstance(value, FunctionType) and value.__module__.split(".")[0] == __name__.split(".")[0]:
        cells = [_identity(cell.cell_contents) for cell in value.__closure__ or ()]
        return "function", value.__module__, value.__qualname__, _code(value.__code__), cells
    raise _UnknownError(value)


def _code(code: CodeType) -> Any:
    """Of functions that are made from text there is no source, so their code itself."""
    constants = [_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return code.co_code.hex(), code.co_names, constants


def has_toolkit() -> bool:
    """Whether the CUDA toolkit's compiler is installed, which numba-cuda can be imported without."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        return all(load_nvidia_dynamic_lib(name).abs_path for name in ("nvvm", "nvrtc"))
    except DynamicLibNotFoundError:
        return False


def signature_of(kernel, arguments) -> tuple:
    """numba's types of arguments."""
    return tuple(kernel.typeof_pyval(argument) for argument in arguments)
