"""Launches, in order, on one stream of one GPU; and a graph of them, which is launched as one.

A launch by numba takes some 7 us, and 4 us for each array among its arguments: more than most kernels of a
small network run. A graph takes that once for all its launches.
"""

import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any

import numpy as np

from .compiler import SIMULATED, clear, cuda, driver, opt_in, signature_of

THREADS = 32 if SIMULATED else 256  # of a block, where any number would do
SHARED_WITHOUT_ASKING = 48 * 1024  # bytes; a kernel that wants more must say so before its launch
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
        self._gpu, self._stream = queue.gpu, queue.stream
        self._arguments: list[tuple] = []  # the graph knows the addresses of arrays, but does not keep them

    def add(self, call: Callable[[], None], arguments: tuple) -> None:
        call()
        self._arguments.append(arguments)

    def replay(self) -> None:
        """Run all that was recorded, in order."""
        with self._gpu:
            driver().cuGraphLaunch(self._executable, self._stream.handle)

    @contextmanager
    def recording(self) -> Iterator[None]:
        from cuda.bindings.driver import CUstreamCaptureMode

        # "Relaxed", and no memory freed meanwhile: otherwise what Python's garbage collector, or another
        # library, happens to free would make the whole recording void.
        mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        with self._gpu, cuda.defer_cleanup():
            driver().cuStreamBeginCapture(self._stream.handle, mode)
            try:
                yield
            except BaseException:
                with suppress(Exception):  # the first error is the one to be seen
                    driver().cuGraphDestroy(driver().cuStreamEndCapture(self._stream.handle))
                raise
            self._instantiate(driver().cuStreamEndCapture(self._stream.handle))

    def _instantiate(self, graph) -> None:
        self._executable = driver().cuGraphInstantiate(graph, 0)
        driver().cuGraphDestroy(graph)
        weakref.finalize(self, driver().cuGraphExecDestroy, self._executable).atexit = False


Graph = RecordedLaunches | CudaGraph


class Queue:
    """Launches in order on one stream of one GPU; from one thread at a time.

    Parameters
    ----------
    ordinal : int
        Number of the GPU.
    """

    def __init__(self, ordinal: int = 0):
        self.ordinal = ordinal
        cuda.select_device(ordinal)  # for good in this thread, which may free memory at any time
        self.gpu: AbstractContextManager = cuda.gpus[ordinal]  # for each call, from whatever thread
        # Which waits for the default stream, and lets it wait: arrays of other libraries come from there.
        with self.gpu:
            self.stream: Any = cuda.stream()
        self._graph: Graph | None = None
        self._launched: set = set()
        self._opted_in: dict[tuple, int] = {}
        # numba's own cache holds 128 for all kernels together; the simulator's kernels hold their last one
        self._configured = self._configure if SIMULATED else lru_cache(4096)(self._configure)

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
            return cuda.current_context().get_memory_info()[0]

    def zeros(self, n: int, dtype) -> Any:
        """Return a flat array on the device, all zero."""
        with self._host("made"):
            array = cuda.device_array(n, dtype, stream=self.stream)
        self.clear(array)
        return array

    def upload(self, array: np.ndarray) -> Any:
        """Return a copy on the device."""
        with self._host("uploaded"):
            return cuda.to_device(np.ascontiguousarray(array), stream=self.stream)

    def download(self, array) -> np.ndarray:
        """Return a copy on the host, of what is there when all before is done."""
        with self._host("downloaded"):
            result = array.copy_to_host(stream=self.stream)
            self.stream.synchronize()
        return result

    def copy(self, to, source) -> None:
        """Copy `source`, on the device or on the host, to `to`, of the same shape and dtype."""
        with self._host("copied") if isinstance(source, np.ndarray) else nullcontext():
            self.run(lambda: to.copy_to_device(source, stream=self.stream), (to, source))

    def clear(self, array) -> None:
        """Set all of an array to zero."""
        if array.size > 0:
            self.run(lambda: clear(array, self.stream), (array,))

    def synchronize(self) -> None:
        """Wait until all is done."""
        with self._host("waited for"):
            self.stream.synchronize()

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
        self.run(lambda: self._configured(kernel, blocks, threads, shared)(*arguments), arguments)

    def for_each(self, kernel, n: int, *arguments) -> None:
        """Launch a kernel with a thread for each of n, and some more: it checks its own bound."""
        self.launch(kernel, -(-n // THREADS), THREADS, *arguments)

    @contextmanager
    def captured(self) -> Iterator[Graph]:
        """Record what is launched and copied meanwhile, instead of running it; ``.replay()`` runs it.

        Each kernel must have run before, as it would be compiled now, and nothing may touch the host.
        """
        with self._host("recorded"):
            graph = RecordedLaunches() if SIMULATED else CudaGraph(self)
        with graph.recording():
            self._graph = graph
            try:
                yield graph
            finally:
                self._graph = None

    def run(self, call: Callable[[], None], arguments: tuple) -> None:
        """Call a function that puts work on the stream, now or, while recording, in the graph.

        arguments: the arrays that it works on, kept as long as the graph.
        """
        with self.gpu:
            if self._graph is None:
                call()
            else:
                self._graph.add(call, arguments)

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba finds few blocks worth a warning; small batches have few
            return kernel[blocks, threads, self.stream, shared]
