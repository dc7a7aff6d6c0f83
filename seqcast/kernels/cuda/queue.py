"""Launches, in order, on one stream of one GPU; and a graph of them, which is launched as one.

A launch by numba takes some 7 us, and 4 us for each array among its arguments: more than most kernels of a
small network run. A graph takes that once for all its launches.
"""

import gc
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import numpy as np

from .compiler import SIMULATED, cuda, signature_of
from .devices import refuse_fork
from .driver import (
    GPU_ERRORS,
    clear,
    cuda_driver,
    free_from_any_thread,
    is_out_of_memory,
    opt_in,
    stream_apart,
    wait_for_frees,
)
from .shapes import Gpu

THREADS = 32 if SIMULATED else 256  # of a block, where any number would do
SHARED_WITHOUT_ASKING = 48 * 1024  # bytes; a kernel that wants more must say so before its launch
MOST_CONFIGURED = 4096  # launches of one kernel and size that are kept; beyond it they are made anew
SHARED_SIMULATED = 227 * 1024  # what an H100 has


class RecordedLaunches:
    """What the simulator has instead of a CUDA graph."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None], arguments: tuple) -> None:
        self._calls.append(call)

    def replay(self) -> None:
        """Run all that was recorded, in order."""
        for call in self._calls:
            call()

    @contextmanager
    def recording(self) -> Iterator[None]:
        yield


class CudaGraph:
    """Launches that the driver has recorded."""

    def __init__(self, queue: "Queue"):
        self._queue, self._gpu, self._stream = queue, queue.gpu, queue.stream
        self._arguments: list[tuple] = []  # the graph knows the addresses of arrays, but does not keep them

    def add(self, call: Callable[[], None], arguments: tuple) -> None:
        call()
        self._arguments.append(arguments)

    def replay(self) -> None:
        """Run all that was recorded, in order."""
        with self._gpu:
            cuda_driver().cuGraphLaunch(self._executable, self._stream.handle)

    @contextmanager
    def recording(self) -> Iterator[None]:
        from cuda.bindings.driver import CUstreamCaptureMode

        # "Relaxed", no memory freed, no garbage collected: otherwise what happens to be freed meanwhile, as a
        # handle of another library that waits for the GPU, would make the whole recording void.
        mode, recorder = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED, self._queue.recorder
        with self._gpu, cuda.defer_cleanup(), no_garbage_collected(), self._queue.on(recorder):
            wait_for_frees()
            try:  # here, as Ctrl-C may come when the driver records already
                cuda_driver().cuStreamBeginCapture(recorder.handle, mode)
                yield
            except BaseException:
                with suppress(Exception):  # the first error is the one to be seen
                    cuda_driver().cuGraphDestroy(cuda_driver().cuStreamEndCapture(recorder.handle))
                raise
            self._instantiate(cuda_driver().cuStreamEndCapture(recorder.handle))

    def _instantiate(self, graph) -> None:
        try:
            self._executable = cuda_driver().cuGraphInstantiate(graph, 0)
        finally:
            cuda_driver().cuGraphDestroy(graph)
        weakref.finalize(self, _destroy, self._executable).atexit = False


def _destroy(executable) -> None:
    with suppress(*GPU_ERRORS):  # in a fork, or of a GPU that has failed
        cuda_driver().cuGraphExecDestroy(executable)


@contextmanager
def no_garbage_collected() -> Iterator[None]:
    """Reference cycles wait, with whatever they do when they go."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()


Graph = RecordedLaunches | CudaGraph


class Queue:
    """Launches in order on one stream of one GPU; `queue_of` makes them.

    Parameters
    ----------
    ordinal : int
        Number of the GPU.

    Attributes
    ----------
    lock : RLock
        Held by who launches what belongs together, as other threads have the same queue.
    """

    def __init__(self, ordinal: int = 0):
        self.ordinal = ordinal
        self.lock = threading.RLock()
        self.gpu: AbstractContextManager = cuda.gpus[ordinal]  # for each call, from whatever thread
        # Which waits for the default stream, and lets it wait: arrays of other libraries come from there.
        with self.gpu:
            self.stream: Any = cuda.stream()
            if not SIMULATED:
                free_from_any_thread()
                # Has nothing to do with the default stream, which other threads may use while it records.
                self.recorder = stream_apart()
        self._graph: Graph | None = None
        self._launched: set = set()
        self._opted_in: dict[tuple, int] = {}
        self._configured: dict[tuple, Callable] = {}
        self._sources: list[np.ndarray] = []  # of copies that may still be under way

    @property
    def shared_limit(self) -> int:
        """The most dynamic shared memory of a block, in bytes."""
        return SHARED_SIMULATED if SIMULATED else self.gpu.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN  # type: ignore

    @property
    def stream_address(self) -> int:
        """The stream, as libraries written in C know it."""
        return 0 if SIMULATED else int(self.stream)

    @property
    def free_memory(self) -> float:
        """In bytes."""
        with self.gpu:
            context = cuda.current_context()
            if not SIMULATED:  # numba may hold back what was freed, up to a fifth of all memory
                context.memory_manager.deallocations.clear()
            return context.get_memory_info()[0]

    def zeros(self, n: int, dtype) -> Any:
        """Return a flat array on the device, all zero."""
        with self._host("made"), self._room_for(n * np.dtype(dtype).itemsize):
            array = cuda.device_array(n, dtype, stream=self.stream)
        self.clear(array)
        return array

    def upload(self, array: np.ndarray) -> Any:
        """Return a copy on the device."""
        with self._host("uploaded"), self._room_for(array.nbytes):
            return cuda.to_device(self._kept(array), stream=self.stream)

    def download(self, array) -> np.ndarray:
        """Return a copy on the host, of what is there when all before is done."""
        with self._host("downloaded"):
            result = array.copy_to_host(stream=self.stream)
            self._wait()
        return result

    def copy(self, to, source) -> None:
        """Copy `source`, flat, on the device or on the host, to the beginning of `to`, of the same dtype."""
        if source.size > to.size:
            raise ValueError(f"{source.size} numbers do not fit into {to.size}")
        if isinstance(source, np.ndarray):
            with self._host("copied"):
                source = self._kept(source)
        # The part is taken with the GPU at hand, or numba would take it on the first one.
        self.run(lambda: to[: source.size].copy_to_device(source, stream=self.stream), (to, source))

    def clear(self, array) -> None:
        """Set all of an array to zero."""
        if array.size > 0:
            self.run(lambda: clear(array, self.stream), (array,))

    def synchronize(self) -> None:
        """Wait until all is done."""
        with self._host("waited for"):
            self._wait()

    def launch(self, kernel, blocks, threads, *arguments, shared: int = 0) -> None:
        """Launch a kernel, with `shared` bytes of dynamic shared memory.

        Parameters
        ----------
        kernel : what `cuda_kernel` returned
        blocks, threads : int or tuple of int
            How many blocks, none is fine, and threads in each.
        *arguments : arrays of the device, or numbers
            A Python int is an int64 there and a Python float a float64.
        shared : int
        """
        if 0 in (blocks if isinstance(blocks, tuple) else (blocks,)):
            return
        if self._graph is None:
            self._prepare(kernel, arguments, shared)
        elif kernel not in self._launched:
            raise RuntimeError(f"{kernel.__name__} must have run once before it is recorded")
        self.run(lambda: self._configure(kernel, blocks, threads, shared)(*arguments), arguments)

    def for_each(self, kernel, n: int, *arguments) -> None:
        """Launch a kernel with a thread for each of n, and some more: it checks its own bound."""
        self.launch(kernel, -(-n // THREADS), THREADS, *arguments)

    @contextmanager
    def captured(self) -> Iterator[Graph]:
        """Record what is launched and copied meanwhile, instead of running it; ``.replay()`` runs it.

        Each kernel must have run before, as it would be compiled now, and nothing may touch the host. Another
        thread that waits meanwhile for the whole GPU, and not for a stream, gets an error from the driver.
        """
        with self.lock:
            with self._host("recorded"):
                graph = RecordedLaunches() if SIMULATED else CudaGraph(self)
            with graph.recording():
                self._graph = graph
                try:
                    yield graph
                finally:
                    self._graph = None

    @contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        """Put all on another stream meanwhile."""
        usual = self.stream
        try:
            self.stream = stream
            yield
        finally:
            self.stream = usual

    def run(self, call: Callable[[], None], arguments: tuple) -> None:
        """Call a function that puts work on the stream, now or, while recording, in the graph.

        arguments: the arrays that it works on, kept as long as the graph.
        """
        with self.gpu:
            if self._graph is None:
                call()
            else:
                self._graph.add(call, arguments)

    def _kept(self, array: np.ndarray) -> np.ndarray:
        """As it can be uploaded; kept until all is done, as the driver need not have read it before."""
        source = np.require(array, requirements=["C", "W"])  # numba might make a copy of any other
        self._sources.append(source)
        return source

    def _wait(self) -> None:
        self.stream.synchronize()
        self._sources.clear()

    @contextmanager
    def _room_for(self, n_bytes: int) -> Iterator[None]:
        try:
            yield
        except GPU_ERRORS as error:
            if not is_out_of_memory(error):
                raise
            asked, free = f"{n_bytes / 2**20:.1f} MiB", f"{self.free_memory / 2**20:.1f} MiB"
            text = f"GPU {self.ordinal} has not enough memory: {asked} were asked for, {free} are free."
            raise MemoryError(text) from error

    def _host(self, verb: str) -> AbstractContextManager:
        if self._graph is not None:
            raise RuntimeError(f"Nothing can be {verb} while launches are recorded.")
        return self.gpu

    def _prepare(self, kernel, arguments: tuple, shared: int) -> None:
        """What a first launch needs, and can not be done while recording."""
        self._launched.add(kernel)
        if SIMULATED or shared <= SHARED_WITHOUT_ASKING:
            return
        key = kernel, signature_of(kernel, arguments)
        if self._opted_in.get(key, 0) < shared:
            with self.gpu:
                opt_in(*key, shared)
            self._opted_in[key] = shared

    def _configure(self, kernel, blocks, threads, shared: int) -> Callable:
        """Kept, as numba's own cache has room for 128, of all kernels together."""
        key = kernel, blocks, threads, shared, self.stream_address
        if key not in self._configured:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of few blocks; small batches have few
                configured = kernel[blocks, threads, self.stream, shared]
            if SIMULATED:  # where it is the kernel itself, which knows its last one only
                return configured
            if len(self._configured) >= MOST_CONFIGURED:
                self._configured.clear()
            self._configured[key] = configured
        return self._configured[key]


def limits_of(queue: Queue) -> Gpu:
    """Return what limits launches on the queue's GPU."""
    if SIMULATED:
        return Gpu(132, queue.shared_limit)
    gpu: Any = queue.gpu
    return Gpu(
        processors=gpu.MULTIPROCESSOR_COUNT,
        shared=queue.shared_limit,
        registers=gpu.MAX_REGISTERS_PER_MULTIPROCESSOR,
        threads=gpu.MAX_THREADS_PER_MULTIPROCESSOR,
        blocks=gpu.MAX_BLOCKS_PER_MULTIPROCESSOR,
        shared_of_all=gpu.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
        shared_reserved=gpu.RESERVED_SHARED_MEMORY_PER_BLOCK,
    )


_queues: dict[int, Queue] = {}
_making = threading.Lock()


def queue_of(ordinal: int = 0) -> Queue:
    """Return the queue of a GPU, always the same in a process.

    Who launches what belongs together holds its `lock`. A queue of its own for each fit would leave its
    stream, and the memory that cuBLAS works in, to the garbage collector.
    """
    refuse_fork()
    with _making:
        if ordinal not in _queues:
            _queues[ordinal] = Queue(ordinal)
        return _queues[ordinal]
