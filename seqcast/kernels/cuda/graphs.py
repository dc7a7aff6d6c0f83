"""Recorded launches, which are replayed as one: CUDA graphs, and their substitute in the simulator.

A launch by numba takes some 7 us, and 4 us more for each array among its arguments, which is longer than most
kernels of a small network run. A graph takes that time once for all its launches.
"""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .compiler import cuda
from .driver import GPU_ERRORS, cuda_driver, wait_for_frees


class RecordedLaunches:
    """A list of calls, which replaces a CUDA graph in the simulator."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None], arguments: tuple) -> None:
        """Record a call instead of running it."""
        self._calls.append(call)

    def replay(self) -> None:
        """Run all recorded calls in order."""
        for call in self._calls:
            call()

    @contextmanager
    def record(self) -> Iterator[None]:
        """Do nothing, as calls are recorded by `add`."""
        yield


class CudaGraph:
    """A CUDA graph of launches.

    Parameters
    ----------
    queue : Queue
        Its `recorder` is the stream that records.
    """

    def __init__(self, queue: Any):
        self._queue = queue
        self._gpu = queue.gpu
        self._stream = queue.stream
        # The graph knows the addresses of arrays, but does not keep the arrays.
        self._arguments: list[tuple] = []

    def add(self, call: Callable[[], None], arguments: tuple) -> None:
        """Record a call while `record` is active, and keep its arguments as long as the graph."""
        call()
        self._arguments.append(arguments)

    def replay(self) -> None:
        """Run all recorded launches in order."""
        with self._gpu:
            cuda_driver().cuGraphLaunch(self._executable, self._stream.handle)

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record the launches made in this context; the graph can be replayed afterwards."""
        from cuda.bindings.driver import CUstreamCaptureMode

        # "Relaxed", without freed memory or garbage collection: otherwise an object that is freed meanwhile,
        # such as a handle of another library that waits for the GPU, would invalidate the whole recording.
        mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        recorder = self._queue.recorder
        with self._gpu, cuda.defer_cleanup(), pause_garbage_collection(), self._queue.use_stream(recorder):
            wait_for_frees()
            # The begin is part of the try block, because Ctrl-C may come when the driver already records.
            try:
                cuda_driver().cuStreamBeginCapture(recorder.handle, mode)
                yield
            except BaseException:
                # A second error must not hide the first one.
                with suppress(Exception):
                    cuda_driver().cuGraphDestroy(cuda_driver().cuStreamEndCapture(recorder.handle))
                raise
            self._instantiate(cuda_driver().cuStreamEndCapture(recorder.handle))

    def _instantiate(self, graph: Any) -> None:
        try:
            self._executable = cuda_driver().cuGraphInstantiate(graph, 0)
        finally:
            cuda_driver().cuGraphDestroy(graph)
        weakref.finalize(self, _destroy, self._executable).atexit = False


def _destroy(executable: Any) -> None:
    # It fails in a forked process, and on a GPU that has failed.
    with suppress(*GPU_ERRORS):
        cuda_driver().cuGraphExecDestroy(executable)


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector, and enable it again if it was enabled."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()


Graph = RecordedLaunches | CudaGraph
