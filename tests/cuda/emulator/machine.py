"""What stands where numba's driver would be: all below `Queue`, whose own code runs as it is."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from numba import cuda
from numba.cuda import api, dispatcher
from numba.cuda.cudadrv import devices, driver

from seqcast.kernels.cuda import compiler, cublas, queue
from seqcast.kernels.cuda import driver as asked
from seqcast.kernels.cuda.queue import RecordedLaunches

from .launching import Emulator, Size
from .memory import as_cuda_array, clear, device_array, to_device

MEMORY = 80 * 10**9  # bytes, free at any time
emulator = Emulator()


class Gpu:
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

    def __enter__(self) -> "Gpu":
        return self

    def __exit__(self, *_: object) -> None: ...


class Stream:
    """Where all is done at once."""

    def synchronize(self) -> None: ...

    def __int__(self) -> int:
        return 0


class Driver:
    """Whose functions do nothing, and return 0."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *arguments: 0


def _nothing_pending() -> SimpleNamespace:
    return SimpleNamespace(clear=lambda: None)


GPU = Gpu()
CONTEXT = SimpleNamespace(
    device=GPU,
    handle=0,
    deallocations=_nothing_pending(),
    memory_manager=SimpleNamespace(deallocations=_nothing_pending()),
    get_memory_info=lambda: (MEMORY, MEMORY),
)


def _launch(kernel: Any, arguments: tuple, configuration: Any) -> None:
    kinds = compiler.signature_of(kernel, arguments)
    text = kernel.compile(kinds).library.get_asm_str()
    threads, *others = configuration.blockdim
    if others != [1, 1]:
        raise NotImplementedError(f"blocks of {configuration.blockdim} threads")
    size = Size(configuration.griddim, threads, configuration.sharedmem)
    emulator.launch(kernel.py_func, text, kinds, arguments, size)


def install() -> None:
    """Let kernels be compiled, and run, without a GPU from now on."""
    stamp = compiler.cuda_stamp()
    _replace(
        cuda,
        gpus=[GPU],
        stream=Stream,
        external_stream=lambda handle: Stream(),
        current_context=lambda: CONTEXT,
        device_array=device_array,
        to_device=to_device,
        as_cuda_array=as_cuda_array,
    )
    _replace(api, current_context=lambda *_: CONTEXT)
    _replace(devices, get_context=lambda *_: CONTEXT)
    _replace(driver, driver=Driver(), device_memset=clear, _to_core_stream=lambda stream: stream)
    _replace(dispatcher._Kernel, bind=lambda kernel: kernel.library.get_asm_str())
    _replace(dispatcher.CUDADispatcher, call=_launch)
    # A GPU must not find on the disk what was compiled here, as it has no machine code.
    _replace(compiler, cuda_stamp=lambda: stamp + b"PTX")
    _replace(asked, _ask_capabilities=lambda: [GPU.compute_capability])
    _replace(cublas, find_library=lambda: None)
    _replace(queue, CudaGraph=lambda queue: RecordedLaunches(), opt_in=_opt_in)


def _opt_in(kernel: Any, signature: tuple, shared: int) -> None:
    emulator.allow(kernel.py_func, shared)


def _replace(owner: Any, **replacements: Any) -> None:
    for name, value in replacements.items():
        if not hasattr(owner, name):
            raise AttributeError(f"{owner} has no {name} to be replaced")
        setattr(owner, name, value)
