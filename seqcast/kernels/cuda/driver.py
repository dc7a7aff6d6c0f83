"""Calls of the CUDA driver apart from launches: GPUs, contexts, streams, memory and errors."""

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba.cuda.cudadrv import error as cuda_errors
from numba.cuda.cudadrv.driver import CudaAPIError

from .compiler import SIMULATED, cuda, has_toolkit

# Exceptions of numba for errors of the driver. The simulator does not define all of them.
GPU_ERRORS: tuple[type[Exception], ...] = (
    getattr(cuda_errors, "CudaDriverError", CudaAPIError),
    cuda_errors.CudaSupportError,
)
if not SIMULATED:
    # Contexts, modules and launches are cuda-core's. Its exception is not derived from numba's and has no
    # public name; if it is renamed, errors appear as cuda-core raises them.
    with suppress(ImportError):
        from cuda.core._utils.cuda_utils import CUDAError

        GPU_ERRORS += (CUDAError,)


def cuda_driver() -> Any:
    """Return the functions of the CUDA driver, which raise an exception if the driver reports an error."""
    from numba.cuda.cudadrv.driver import driver

    return driver


def gpu_capabilities() -> list[tuple[int, int]]:
    """Return the compute capability of each GPU.

    Raises
    ------
    RuntimeError
        If no GPU can be used, with the driver's message.
    """
    if SIMULATED:
        return [(9, 0)]
    with translate_gpu_errors("no GPU can be used"):
        return _ask_capabilities()


def _ask_capabilities() -> list[tuple[int, int]]:
    if not cuda.is_available() and (message := cuda.cuda_error()):
        raise RuntimeError(f"no GPU can be used: {_to_sentence(message)}")
    if not has_toolkit():
        raise ImportError("the compiler of the CUDA toolkit")
    driver_version, _ = cuda_driver().get_version()
    compiler_version, _ = cuda.runtime.get_version()
    if driver_version < compiler_version:
        other = ', or pip install "seqcast[cuda12]" instead' if driver_version == 12 else ""
        found = f"the driver supports CUDA {driver_version}, but the compiler is of CUDA {compiler_version}"
        raise RuntimeError(f"{found}: update the driver{other}.")
    return [gpu.compute_capability for gpu in cuda.gpus]


def start_gpu(ordinal: int) -> None:
    """Use a GPU once; raise a RuntimeError if it is reserved by another process, full, or broken."""
    if SIMULATED:
        return
    with translate_gpu_errors("that GPU cannot be used"), keep_current_context(), cuda.gpus[ordinal]:
        cuda.current_context().get_memory_info()


@contextmanager
def keep_current_context() -> Iterator[None]:
    """Restore the thread's CUDA context, for example PyTorch's, which numba's first context replaces."""
    before = cuda_driver().cuCtxGetCurrent()
    try:
        yield
    finally:
        if int(before):
            cuda_driver().cuCtxSetCurrent(before)


@contextmanager
def translate_gpu_errors(problem: str) -> Iterator[None]:
    """Raise a RuntimeError with the driver's message if the driver reports an error."""
    try:
        yield
    except GPU_ERRORS as error:
        raise RuntimeError(f"{problem}: {_to_sentence(error)}") from error


def _to_sentence(message: object) -> str:
    """Return the driver's message on one line with one full stop, which some messages already have."""
    return " ".join(str(message).split()).rstrip(".") + "."


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the driver reported that memory is missing."""
    code = getattr(getattr(error, "code", None), "name", "") or str(error).partition(":")[0]
    return code == "CUDA_ERROR_OUT_OF_MEMORY"


def view_device_array(array: Any) -> Any:
    """Return numba's view of a GPU array of any library, and wait for pending work of that library."""
    if not SIMULATED:
        return cuda.as_cuda_array(array)
    from numba.cuda.cudadrv.devicearray import FakeCUDAArray

    return FakeCUDAArray(np.asarray(SimpleNamespace(__array_interface__=array.__cuda_array_interface__)))


def clear(array: Any, stream: Any) -> None:
    """Set all bytes of a device array to zero."""
    from numba.cuda.cudadrv.driver import device_memset

    device_memset(array, 0, array.nbytes, stream)


def allow_shared_memory(kernel: Any, signature: tuple, n_bytes: int) -> None:
    """Allow a kernel `n_bytes` bytes of dynamic shared memory; the default limit is 48 KB."""
    from cuda.bindings.driver import CUfunction_attribute

    function = kernel.compile(signature).library.get_cufunc()
    attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    cuda_driver().cuKernelSetAttribute(attribute, n_bytes, function.handle, function.device.id)


# -- streams and freed memory


def free_from_any_thread() -> None:
    """Let any thread free memory of the current GPU, whatever its own current GPU is.

    numba frees memory in the thread that releases an array, and the driver frees nothing in a thread without
    a context.
    """
    context = cuda.current_context()
    for pending in (context.deallocations, context.memory_manager.deallocations):
        pending.clear = _with_context(pending.clear, context.handle)


# Held while memory is freed, because numba's loop fails if another thread takes the last element of a list.
# There is one lock for all GPUs and kinds of memory, as freeing one object may release another.
free_lock = threading.RLock()
# Not empty at the end of the process.
_ending: list[bool] = []
atexit.register(_ending.append, True)


def _with_context(clear: Callable[[], None], handle: Any) -> Callable[[], None]:
    """Return a function that frees memory with its CUDA context current."""
    push = cuda_driver().cuCtxPushCurrent
    pop = cuda_driver().cuCtxPopCurrent
    process = os.getpid()

    def clear_with_context() -> None:
        # The end of the process frees everything, and numba would unload shared modules twice. A forked
        # process has no GPU.
        if _ending or os.getpid() != process:
            return
        # A GPU that has failed reports its error elsewhere.
        with free_lock, suppress(*GPU_ERRORS):
            push(handle)
            try:
                clear()
            finally:
                pop()

    return clear_with_context


def wait_for_frees() -> None:
    """Wait until threads that are freeing memory now have finished."""
    free_lock.acquire()
    free_lock.release()


def create_nonblocking_stream() -> Any:
    """Create a stream of the current GPU that is independent of the default stream; it is never destroyed."""
    from cuda.bindings.driver import CUstream_flags

    return cuda.external_stream(int(cuda_driver().cuStreamCreate(int(CUstream_flags.CU_STREAM_NON_BLOCKING))))
