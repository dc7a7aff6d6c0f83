"""Launches, copies and memory on one stream of one GPU, in order; they can be recorded as a graph."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .compiler import SIMULATED, cuda, get_signature
from .devices import refuse_fork
from .driver import (
    GPU_ERRORS,
    allow_shared_memory,
    clear,
    create_nonblocking_stream,
    free_from_any_thread,
    is_out_of_memory,
)
from .graphs import CudaGraph, Graph, RecordedLaunches
from .kernel_shape import GpuLimits

# Threads of a block of kernels that work with any number of threads.
THREADS = 32 if SIMULATED else 256
# Bytes. A kernel that needs more shared memory must be allowed to before its launch.
DEFAULT_SHARED_LIMIT = 48 * 1024
# Number of launch configurations (kernel and size) that are kept. The limit is rarely reached.
MAX_CONFIGURATIONS = 4096
# Bytes of shared memory of a block in the simulator: those of an H100.
SIMULATED_SHARED_LIMIT = 227 * 1024


class Queue:
    """Launches in order on one stream of one GPU, made by `get_queue`.

    Parameters
    ----------
    ordinal : int
        Number of the GPU.

    Attributes
    ----------
    lock : RLock
        Must be held during launches that belong together, as other threads share the queue.
    gpu : context manager
        Makes the GPU current; used for each call, from any thread.
    stream : stream
        It waits for the default stream and the default stream waits for it, because arrays of other libraries
        come from there.
    recorder : stream
        Records graphs. It is independent of the default stream, which other threads may use meanwhile.
    """

    def __init__(self, ordinal: int = 0):
        self.ordinal = ordinal
        self.lock = threading.RLock()
        self.gpu: AbstractContextManager = cuda.gpus[ordinal]
        with self.gpu:
            self.stream: Any = cuda.stream()
            if not SIMULATED:
                free_from_any_thread()
                self.recorder = create_nonblocking_stream()
        self._graph: Graph | None = None
        self._launched: set = set()
        self._allowed_shared: dict[tuple, int] = {}
        self._configurations: dict[tuple, Callable] = {}
        # Sources of copies that may not be complete yet.
        self._sources: list[np.ndarray] = []

    @property
    def shared_limit(self) -> int:
        """Largest dynamic shared memory of a block, in bytes."""
        if SIMULATED:
            return SIMULATED_SHARED_LIMIT
        return self.gpu.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN  # type: ignore

    @property
    def stream_address(self) -> int:
        """Handle of the stream, as libraries written in C expect it."""
        return 0 if SIMULATED else int(self.stream)

    @property
    def free_memory(self) -> float:
        """Free memory of the GPU, in bytes."""
        with self.gpu:
            context = cuda.current_context()
            # numba may hold back freed memory, up to a fifth of all memory.
            if not SIMULATED:
                context.memory_manager.deallocations.clear()
            return context.get_memory_info()[0]

    def zeros(self, n: int, dtype: Any) -> Any:
        """Return a flat array of zeros on the device."""
        with self._use_host("made"), self._raise_memory_error(n * np.dtype(dtype).itemsize):
            array = cuda.device_array(n, dtype, stream=self.stream)
        self.clear(array)
        return array

    def upload(self, array: np.ndarray) -> Any:
        """Return a copy of an array on the device."""
        with self._use_host("uploaded"), self._raise_memory_error(array.nbytes):
            return cuda.to_device(self._keep_source(array), stream=self.stream)

    def download(self, array: Any) -> np.ndarray:
        """Return a copy of a device array on the host, after all work on the stream."""
        with self._use_host("downloaded"):
            result = array.copy_to_host(stream=self.stream)
            self._wait()
        return result

    def copy(self, to: Any, source: Any) -> None:
        """Copy a flat array of the device or the host to the beginning of `to`, which has the same dtype."""
        if source.size > to.size:
            raise ValueError(f"An array of {source.size} numbers does not fit into one of {to.size}.")
        if isinstance(source, np.ndarray):
            with self._use_host("copied"):
                source = self._keep_source(source)
        # The slice is taken within `run`, where the GPU is current. numba would use the first GPU otherwise.
        self.run(lambda: to[: source.size].copy_to_device(source, stream=self.stream), (to, source))

    def clear(self, array: Any) -> None:
        """Set all elements of an array to zero."""
        if array.size > 0:
            self.run(lambda: clear(array, self.stream), (array,))

    def synchronize(self) -> None:
        """Wait for all work on the stream."""
        with self._use_host("waited for"):
            self._wait()

    def launch(self, kernel: Any, blocks: Any, threads: Any, *arguments: Any, shared: int = 0) -> None:
        """Launch a kernel.

        Parameters
        ----------
        kernel : a result of `cuda_kernel`
        blocks, threads : int or tuple of int
            Number of blocks, which may be 0, and number of threads of each block.
        *arguments : arrays of the device, or numbers
            A Python int becomes an int64 and a Python float a float64.
        shared : int
            Bytes of dynamic shared memory.
        """
        if 0 in (blocks if isinstance(blocks, tuple) else (blocks,)):
            return
        if self._graph is None:
            self._prepare(kernel, arguments, shared)
        elif kernel not in self._launched:
            raise RuntimeError(f"The kernel {kernel.__name__} must run once before it is recorded.")
        self.run(lambda: self._configure(kernel, blocks, threads, shared)(*arguments), arguments)

    def for_each(self, kernel: Any, n: int, *arguments: Any) -> None:
        """Launch a kernel with at least n threads; the kernel checks the bound."""
        self.launch(kernel, -(-n // THREADS), THREADS, *arguments)

    @contextmanager
    def record(self) -> Iterator[Graph]:
        """Record launches and copies instead of running them; ``.replay()`` of the result runs them.

        Each kernel must have run before, because it would be compiled now. Nothing may touch the host. If
        another thread waits for the whole GPU instead of a stream meanwhile, it gets an error from the
        driver.
        """
        with self.lock:
            with self._use_host("recorded"):
                graph = RecordedLaunches() if SIMULATED else CudaGraph(self)
            with graph.record():
                self._graph = graph
                try:
                    yield graph
                finally:
                    self._graph = None

    @contextmanager
    def use_stream(self, stream: Any) -> Iterator[None]:
        """Put all work on another stream within this context."""
        usual = self.stream
        try:
            self.stream = stream
            yield
        finally:
            self.stream = usual

    def run(self, call: Callable[[], None], arguments: tuple) -> None:
        """Call a function that puts work on the stream, or record it.

        arguments: arrays that the function uses; they are kept as long as the graph.
        """
        with self.gpu:
            if self._graph is None:
                call()
            else:
                self._graph.add(call, arguments)

    def _keep_source(self, array: np.ndarray) -> np.ndarray:
        """Return an array that can be uploaded, and keep it until the stream is synchronized.

        The driver need not have read it before.
        """
        # numba might copy an array that is not contiguous and writeable.
        source = np.require(array, requirements=["C", "W"])
        self._sources.append(source)
        return source

    def _wait(self) -> None:
        self.stream.synchronize()
        self._sources.clear()

    @contextmanager
    def _raise_memory_error(self, n_bytes: int) -> Iterator[None]:
        """Raise a MemoryError if the driver reports that memory for `n_bytes` is missing."""
        try:
            yield
        except GPU_ERRORS as error:
            if not is_out_of_memory(error):
                raise
            needed = f"{n_bytes / 2**20:.1f} MiB"
            free = f"{self.free_memory / 2**20:.1f} MiB"
            text = f"GPU {self.ordinal} is out of memory: {needed} are needed, {free} are free."
            raise MemoryError(text) from error

    def _use_host(self, verb: str) -> AbstractContextManager:
        """Make the GPU current for work that touches the host, which cannot be recorded."""
        if self._graph is not None:
            raise RuntimeError(f"Nothing can be {verb} while launches are recorded.")
        return self.gpu

    def _prepare(self, kernel: Any, arguments: tuple, shared: int) -> None:
        """Prepare the first launch of a kernel, which cannot be done while recording."""
        self._launched.add(kernel)
        if SIMULATED or shared <= DEFAULT_SHARED_LIMIT:
            return
        key = kernel, get_signature(kernel, arguments)
        if self._allowed_shared.get(key, 0) < shared:
            with self.gpu:
                allow_shared_memory(*key, shared)
            self._allowed_shared[key] = shared

    def _configure(self, kernel: Any, blocks: Any, threads: Any, shared: int) -> Callable:
        """Return a kernel configured for a launch.

        Configurations are kept, as numba's own cache has room for 128 of all kernels together.
        """
        key = kernel, blocks, threads, shared, self.stream_address
        if key not in self._configurations:
            with warnings.catch_warnings():
                # numba warns of few blocks, which small batches have.
                warnings.simplefilter("ignore")
                configured = kernel[blocks, threads, self.stream, shared]
            # In the simulator it is the kernel itself, which knows only its last configuration.
            if SIMULATED:
                return configured
            if len(self._configurations) >= MAX_CONFIGURATIONS:
                self._configurations.clear()
            self._configurations[key] = configured
        return self._configurations[key]


def read_gpu_limits(queue: Queue) -> GpuLimits:
    """Return the limits on launches of the queue's GPU."""
    if SIMULATED:
        return GpuLimits(132, queue.shared_limit)
    gpu: Any = queue.gpu
    return GpuLimits(
        processors=gpu.MULTIPROCESSOR_COUNT,
        shared=queue.shared_limit,
        registers=gpu.MAX_REGISTERS_PER_MULTIPROCESSOR,
        threads=gpu.MAX_THREADS_PER_MULTIPROCESSOR,
        blocks=gpu.MAX_BLOCKS_PER_MULTIPROCESSOR,
        shared_total=gpu.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
        shared_reserved=gpu.RESERVED_SHARED_MEMORY_PER_BLOCK,
    )


_queues: dict[int, Queue] = {}
_queues_lock = threading.Lock()


def get_queue(ordinal: int = 0) -> Queue:
    """Return the queue of a GPU, which is the same for all calls in a process.

    A queue of its own for each fit would leave its stream, and the memory of cuBLAS, to the garbage
    collector.
    """
    refuse_fork()
    with _queues_lock:
        if ordinal not in _queues:
            _queues[ordinal] = Queue(ordinal)
        return _queues[ordinal]
