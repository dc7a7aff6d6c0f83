"""How CUDA kernels are compiled and kept on disk: the only module that imports numba.cuda.

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

import atexit
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, float64, njit, types
from numba.core import config
from numba.core.dispatcher import Dispatcher
from numba.cuda.cudadrv import error as cuda_errors
from numba.cuda.cudadrv.driver import CudaAPIError

from ..cache import KernelCache, source_stamp
from ..jit import FLAGS, silent
from ..parallel import tell

if cuda.implementation != "NVIDIA":
    raise ImportError("numba's own target for CUDA, which is deprecated, is not enough")

if not hasattr(np, "row_stack"):  # gone from NumPy 2.5; numba-cuda 0.30 asks for it when it compiles
    np.row_stack = np.vstack

SIMULATED = bool(config.ENABLE_CUDASIM)
# What numba raises where the driver reports an error; the simulator has no class for all of it.
GPU_ERRORS: tuple[type[Exception], ...] = (
    getattr(cuda_errors, "CudaDriverError", CudaAPIError),
    cuda_errors.CudaSupportError,
)
if not SIMULATED:  # contexts, modules and launches are cuda-core's, whose error is no relative of numba's
    from cuda.core._utils.cuda_utils import CUDAError

    GPU_ERRORS += (CUDAError,)
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
    "GPU_ERRORS",
    "SIMULATED",
    "Example",
    "clear",
    "cuda",
    "cuda_kernel",
    "device_function",
    "driver",
    "free_from_any_thread",
    "gpu_capabilities",
    "has_toolkit",
    "is_out_of_memory",
    "opt_in",
    "real_type",
    "signature_of",
    "start_gpu",
    "stream_apart",
    "view_of",
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


def gpu_capabilities() -> list[tuple[int, int]]:
    """The compute capability of each GPU; RuntimeError, with the driver's words, if none can be used."""
    if SIMULATED:
        return [(9, 0)]
    with told("no GPU can be used"):
        return _ask_capabilities()


def _ask_capabilities() -> list[tuple[int, int]]:
    if not cuda.is_available() and (said := cuda.cuda_error()):
        raise RuntimeError(f"no GPU can be used: {_sentence(said)}")
    if not has_toolkit():
        raise ImportError("the compiler of the CUDA toolkit")
    (knows, _), (compiles, _) = driver().get_version(), cuda.runtime.get_version()
    if knows < compiles:
        older = ', or pip install "seqcast[cuda12]" instead' if knows == 12 else ""
        found = f"the driver is CUDA {knows}, the compiler CUDA {compiles}"
        raise RuntimeError(f"{found}: update the driver{older}.")
    return [gpu.compute_capability for gpu in cuda.gpus]


def start_gpu(ordinal: int) -> None:
    """Do what a GPU refuses where it is another process's alone, full, or broken; then RuntimeError."""
    if SIMULATED:
        return
    with told("that GPU can not be used"), context_kept(), cuda.gpus[ordinal]:
        cuda.current_context().get_memory_info()


@contextmanager
def context_kept() -> Iterator[None]:
    """Leave the thread the context it has, of PyTorch, say; numba's first one would take its place."""
    before = driver().cuCtxGetCurrent()
    try:
        yield
    finally:
        if int(before):
            driver().cuCtxSetCurrent(before)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raise a RuntimeError with the driver's words where it reports an error."""
    try:
        yield
    except GPU_ERRORS as error:
        raise RuntimeError(f"{what}: {_sentence(error)}") from error


def _sentence(said: object) -> str:
    """The driver's words on one line; it ends some of them with a full stop."""
    return " ".join(str(said).split()).rstrip(".") + "."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what the driver reported."""
    code = getattr(getattr(error, "code", None), "name", "") or str(error).partition(":")[0]
    return code == "CUDA_ERROR_OUT_OF_MEMORY"


def has_toolkit() -> bool:
    """Whether the CUDA toolkit's compiler is installed, which numba-cuda can be imported without."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        return all(load_nvidia_dynamic_lib(name).abs_path for name in ("nvvm", "nvrtc"))
    except DynamicLibNotFoundError:
        return False


def view_of(array) -> Any:
    """numba's view of an array of any library that lies on a GPU; waits for what that library still does."""
    if not SIMULATED:
        return cuda.as_cuda_array(array)
    from numba.cuda.cudadrv.devicearray import FakeCUDAArray

    return FakeCUDAArray(np.asarray(SimpleNamespace(__array_interface__=array.__cuda_array_interface__)))


def clear(array, stream) -> None:
    """Set all bytes of an array of the device to zero."""
    from numba.cuda.cudadrv.driver import device_memset

    device_memset(array, 0, array.nbytes, stream)


def free_from_any_thread() -> None:
    """Let memory of the current GPU be freed by any thread, whatever GPU it has at hand, or none.

    numba frees in whichever thread lets an array go, and the driver frees nothing in one without a context.
    """
    context = cuda.current_context()
    for pending in (context.deallocations, context.memory_manager.deallocations):
        pending.clear = _with_context(pending.clear, context.handle, threading.RLock())


_ending: list[bool] = []
atexit.register(_ending.append, True)


def _with_context(clear: Callable[[], None], handle, lock) -> Callable[[], None]:
    push, pop, process = driver().cuCtxPushCurrent, driver().cuCtxPopCurrent, os.getpid()

    def clear_with_context() -> None:
        # The end frees all, and numba would unload twice what two GPUs share; a fork has no GPU.
        if _ending or os.getpid() != process:
            return
        with lock:  # numba's own loop may find nothing where another thread took the last
            push(handle)
            try:
                with suppress(*GPU_ERRORS):  # of a GPU that has failed, of which others tell
                    clear()
            finally:
                pop()

    return clear_with_context


def stream_apart() -> Any:
    """A stream of the current GPU that does not wait for the default stream, nor lets it wait; for good."""
    from cuda.bindings.driver import CUstream_flags

    return cuda.external_stream(int(driver().cuStreamCreate(int(CUstream_flags.CU_STREAM_NON_BLOCKING))))


def driver() -> Any:
    """The CUDA driver's functions, which raise where the driver reports an error."""
    from numba.cuda.cudadrv.driver import driver

    return driver


def signature_of(kernel, arguments) -> tuple:
    """numba's types of arguments."""
    return tuple(kernel.typeof_pyval(argument) for argument in arguments)


def opt_in(kernel, signature: tuple, n_bytes: int) -> None:
    """Allow a kernel so much dynamic shared memory; without a word, 48 KB is the most."""
    from cuda.bindings.driver import CUfunction_attribute

    function = kernel.compile(signature).library.get_cufunc()
    attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    driver().cuKernelSetAttribute(attribute, n_bytes, function.handle, function.device.id)
