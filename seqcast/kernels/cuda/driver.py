"""What is asked of CUDA's driver beside launches: GPUs, contexts, streams, memory; what its errors mean."""

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

# What numba raises where the driver reports an error; the simulator has no class for all of it.
GPU_ERRORS: tuple[type[Exception], ...] = (
    getattr(cuda_errors, "CudaDriverError", CudaAPIError),
    cuda_errors.CudaSupportError,
)
if not SIMULATED:
    # Contexts, modules and launches are cuda-core's, whose error is no relative of numba's, and has no public
    # name; should it have another one day, errors are told in its own words.
    with suppress(ImportError):
        from cuda.core._utils.cuda_utils import CUDAError

        GPU_ERRORS += (CUDAError,)


def cuda_driver() -> Any:
    """The CUDA driver's functions, which raise where the driver reports an error."""
    from numba.cuda.cudadrv.driver import driver

    return driver


def gpu_capabilities() -> list[tuple[int, int]]:
    """The compute capability of each GPU; RuntimeError, with the driver's words, if none can be used."""
    if SIMULATED:
        return [(9, 0)]
    with errors_told("no GPU can be used"):
        return _ask_capabilities()


def _ask_capabilities() -> list[tuple[int, int]]:
    if not cuda.is_available() and (said := cuda.cuda_error()):
        raise RuntimeError(f"no GPU can be used: {_sentence(said)}")
    if not has_toolkit():
        raise ImportError("the compiler of the CUDA toolkit")
    (knows, _), (compiles, _) = cuda_driver().get_version(), cuda.runtime.get_version()
    if knows < compiles:
        older = ', or pip install "seqcast[cuda12]" instead' if knows == 12 else ""
        found = f"the driver is CUDA {knows}, the compiler CUDA {compiles}"
        raise RuntimeError(f"{found}: update the driver{older}.")
    return [gpu.compute_capability for gpu in cuda.gpus]


def start_gpu(ordinal: int) -> None:
    """Do what a GPU refuses where it is another process's alone, full, or broken; then RuntimeError."""
    if SIMULATED:
        return
    with errors_told("that GPU can not be used"), context_kept(), cuda.gpus[ordinal]:
        cuda.current_context().get_memory_info()


@contextmanager
def context_kept() -> Iterator[None]:
    """Leave the thread the context it has, of PyTorch, say; numba's first one would take its place."""
    before = cuda_driver().cuCtxGetCurrent()
    try:
        yield
    finally:
        if int(before):
            cuda_driver().cuCtxSetCurrent(before)


@contextmanager
def errors_told(what: str) -> Iterator[None]:
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


def opt_in(kernel, signature: tuple, n_bytes: int) -> None:
    """Allow a kernel so much dynamic shared memory; without a word, 48 KB is the most."""
    from cuda.bindings.driver import CUfunction_attribute

    function = kernel.compile(signature).library.get_cufunc()
    attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    cuda_driver().cuKernelSetAttribute(attribute, n_bytes, function.handle, function.device.id)


# -- streams, and memory that is freed


def free_from_any_thread() -> None:
    """Let memory of the current GPU be freed by any thread, whatever GPU it has at hand, or none.

    numba frees in whichever thread lets an array go, and the driver frees nothing in one without a context.
    """
    context = cuda.current_context()
    for pending in (context.deallocations, context.memory_manager.deallocations):
        pending.clear = _with_context(pending.clear, context.handle)


# Held while memory is freed: numba's loop would trip over another thread that takes the last of a list. One
# for all GPUs and kinds of memory, as what goes may let something else go.
freeing = threading.RLock()
_ending: list[bool] = []
atexit.register(_ending.append, True)


def _with_context(clear: Callable[[], None], handle) -> Callable[[], None]:
    push, pop, process = cuda_driver().cuCtxPushCurrent, cuda_driver().cuCtxPopCurrent, os.getpid()

    def clear_with_context() -> None:
        # The end frees all, and numba would unload twice what two GPUs share; a fork has no GPU.
        if _ending or os.getpid() != process:
            return
        with freeing, suppress(*GPU_ERRORS):  # of a GPU that has failed, of which others tell
            push(handle)
            try:
                clear()
            finally:
                pop()

    return clear_with_context


def wait_for_frees() -> None:
    """Return when no thread is freeing memory any more that began before."""
    freeing.acquire()
    freeing.release()


def stream_apart() -> Any:
    """A stream of the current GPU that does not wait for the default stream, nor lets it wait; for good."""
    from cuda.bindings.driver import CUstream_flags

    return cuda.external_stream(int(cuda_driver().cuStreamCreate(int(CUstream_flags.CU_STREAM_NON_BLOCKING))))
