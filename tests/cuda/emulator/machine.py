"""Replacement of numba's driver; the code of `Queue` above it runs unchanged."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from numba import cuda
from numba.cuda import api, dispatcher
from numba.cuda.cudadrv import devices, driver

from seqcast.kernels.cuda import compiler, cublas, queue
from seqcast.kernels.cuda import driver as driver_module
from seqcast.kernels.cuda.graphs import RecordedLaunches

from .launching import Emulator, LaunchSize
from .memory import as_cuda_array, clear, device_array, to_device

# Bytes of free memory, at any time.
MEMORY = 80 * 10**9
emulator = Emulator()


class EmulatedGpu:
    """Sizes of an H100."""

    id = 0
    compute_capability = (9, 0)
    MULTIPROCESSOR_COUNT = 132
    MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 227 * 1024
    MAX_REGISTERS_PER_MULTIPROCESSOR = 65536
    MAX_THREADS_PER_MULTIPROCESSOR = 2048
    MAX_BLOCKS_PER_MULTIPROCESSOR = 32
    MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 228 * 1024
    RESERVED_SHARED_MEMORY_PER_BLOCK = 1024

    def __enter__(self) -> "EmulatedGpu":
        return self

    def __exit__(self, *_: object) -> None: ...


class EmulatedStream:
    """A stream on which all work is done at once."""

    def synchronize(self) -> None: ...

    def __int__(self) -> int:
        return 0


class EmulatedDriver:
    """A driver whose functions do nothing and return 0."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *arguments: 0


def _make_empty_list() -> SimpleNamespace:
    return SimpleNamespace(clear=lambda: None)


GPU = EmulatedGpu()
CONTEXT = SimpleNamespace(
    device=GPU,
    handle=0,
    deallocations=_make_empty_list(),
    memory_manager=SimpleNamespace(deallocations=_make_empty_list()),
    get_memory_info=lambda: (MEMORY, MEMORY),
)


def _launch(kernel: Any, arguments: tuple, configuration: Any) -> None:
    kinds = compiler.get_signature(kernel, arguments)
    text = kernel.compile(kinds).library.get_asm_str()
    threads, *others = configuration.blockdim
    if others != [1, 1]:
        raise NotImplementedError(f"blocks of {configuration.blockdim} threads")
    size = LaunchSize(configuration.griddim, threads, configuration.sharedmem)
    emulator.launch(kernel.py_func, text, kinds, arguments, size)


def install() -> None:
    """Compile and run kernels without a GPU from now on."""
    stamp = compiler.cuda_stamp()
    _replace(
        cuda,
        gpus=[GPU],
        stream=EmulatedStream,
        external_stream=lambda handle: EmulatedStream(),
        current_context=lambda: CONTEXT,
        device_array=device_array,
        to_device=to_device,
        as_cuda_array=as_cuda_array,
    )
    _replace(api, current_context=lambda *_: CONTEXT)
    _replace(devices, get_context=lambda *_: CONTEXT)
    _replace(driver, driver=EmulatedDriver(), device_memset=clear, _to_core_stream=lambda stream: stream)
    _replace(dispatcher._Kernel, bind=lambda kernel: kernel.library.get_asm_str())
    _replace(dispatcher.CUDADispatcher, call=_launch)
    # What is compiled here has no machine code, so a GPU must not find it in the cache.
    _replace(compiler, cuda_stamp=lambda: stamp + b"PTX")
    _replace(driver_module, _ask_capabilities=lambda: [GPU.compute_capability])
    _replace(cublas, find_library=lambda: None)
    _replace(queue, CudaGraph=lambda queue: RecordedLaunches(), allow_shared_memory=_allow_shared_memory)


def _allow_shared_memory(kernel: Any, signature: tuple, shared: int) -> None:
    emulator.allow(kernel.py_func, shared)


def _replace(owner: Any, **replacements: Any) -> None:
    for name, value in replacements.items():
        if not hasattr(owner, name):
            raise AttributeError(f"{owner} has no attribute {name}")
        setattr(owner, name, value)
