"""numba-cuda's simulator, made faster and stricter.

The original runs the threads of a block side by side and polls each of them for its barrier, which takes 0.2
s for 32 threads and ten barriers. Here one thread runs at a time, up to its next barrier, and then the next
one runs. A kernel without barriers needs a single thread of the operating system. Stricter rules reveal
mistakes that a GPU need not show:

- Threads run in ascending order up to the first barrier, then in descending order, and so on. A missing
  barrier changes the results, whichever thread reads too early.
- Threads of a block that wait at different barriers, or never reach one, raise an error.
- Shared and local memory is NaN at the beginning of each block.
- A negative index raises an error. On a GPU it would read memory before the array.
- An array of the host as an argument raises an error. It would be copied to the device and back at each
  launch.
"""

import sys
import threading

import numpy as np
from numba.cuda import types
from numba.cuda.np import numpy_support
from numba.cuda.simulator import kernel, kernelapi

# Bytes of 0xFF are NaN for all floats.
NAN_BYTE = 0xFF


class Worker(threading.Thread):
    """A thread of the operating system that runs threads of a block until one of them waits at a barrier."""

    def __init__(self, block: "Block"):
        super().__init__(daemon=True)
        self._block = block
        self.turn = threading.Lock()
        self.turn.acquire()

    def run(self):
        block = self._block
        # Machine code does not warn.
        with np.errstate(all="ignore"):
            try:
                while block.fresh and block.error is None:
                    self.thread_id, self.threadIdx = block.fresh.pop()
                    self.blockIdx = block.place
                    block.function()
                    block.ended += 1
            except Exception as error:
                if block.error is None:
                    error.add_note(f"in thread {self.threadIdx} of block {self.blockIdx}")
                    block.error = error
        block.go_on()

    def syncthreads(self):
        # The frame of the kernel, behind that of cuda.syncthreads.
        frame = sys._getframe(2)
        self.barrier = frame.f_code, frame.f_lasti
        self._block.waiting.append(self)
        self._block.go_on()
        self.turn.acquire()
        if self._block.error is not None:
            raise RuntimeError("another thread failed")

    def _vote(self, value):
        votes = self._block.votes
        votes[self.thread_id] = value
        self.syncthreads()
        count = np.count_nonzero(votes)
        total = votes.size
        self.syncthreads()
        return count, total

    def syncthreads_count(self, value):
        return self._vote(value)[0]

    def syncthreads_and(self, value):
        count, total = self._vote(value)
        return int(count == total)

    def syncthreads_or(self, value):
        return int(self._vote(value)[0] > 0)


class Block:
    """A replacement of numba's BlockManager."""

    def __init__(self, function, grid_dim, block_dim, debug):
        self._function = function
        # x varies fastest.
        shape = block_dim[::-1]
        self._threads = [(i, kernelapi.Dim3(*point[::-1])) for i, point in enumerate(np.ndindex(*shape))]

    def run(self, place, *arguments):
        self.function = lambda: self._function(*arguments)
        self.place = kernelapi.Dim3(*place)
        # Threads are popped from the end.
        self.fresh = self._threads[::-1]
        self.votes = np.zeros(len(self.fresh), bool)
        self.waiting: list[Worker] = []
        self.ended = 0
        self.error = None
        self._ready: list[Worker] = []
        self._over = threading.Event()
        clear_memory(kernel._get_kernel_context().shared)
        self.go_on()
        self._over.wait()
        if self.error is not None:
            raise self.error

    def go_on(self):
        """Let the next thread run; called by the thread that ran before."""
        if self.fresh and self.error is None:
            Worker(self).start()
            return
        if not self._ready:
            self._pass_barrier()
        if self._ready:
            self._ready.pop().turn.release()
        else:
            self._over.set()

    def _pass_barrier(self):
        # The last thread runs first.
        self._ready = self.waiting
        self.waiting = []
        if self.error is None and self._ready:
            if self.ended:
                self.error = RuntimeError("threads wait at a barrier, others of their block have ended")
            elif len({worker.barrier for worker in self._ready}) > 1:
                self.error = RuntimeError("threads of a block wait at different barriers")


def clear_memory(shared):
    for memory in [shared._dynshared, *shared._allocations.values()]:
        fill_with_nan(memory)


def fill_with_nan(memory):
    memory.view(np.ndarray).reshape(-1).view(np.uint8)[:] = NAN_BYTE


def _dtype(kind):
    return numpy_support.as_dtype(kind) if isinstance(kind, types.Type) else np.dtype(kind)


def _local_array(self, shape, dtype, alignment=None):
    result = np.empty(shape, _dtype(dtype)).view(StrictArray)
    fill_with_nan(result)
    return result


def _shared_array(self, shape, dtype, alignment=None):
    if shape == 0:
        count = self._dynshared.size // _dtype(dtype).itemsize
        return np.frombuffer(self._dynshared.data, _dtype(dtype), count).view(StrictArray)
    frame = sys._getframe(1)
    # numba identifies an array by its line, so two arrays made in one line would be the same.
    place = frame.f_code, frame.f_lasti
    if place not in self._allocations:
        self._allocations[place] = _local_array(self, shape, dtype)
    return self._allocations[place]


class StrictArray(np.ndarray):
    """An array within a kernel."""

    def __getitem__(self, index):
        _check(index)
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        _check(index)
        super().__setitem__(index, value)


def _check(index):
    indices = index if isinstance(index, tuple) else (index,)
    if any(not isinstance(i, slice) and i < 0 for i in indices):
        raise IndexError(f"negative index {index}")


def _refuse_host_array(array):
    raise TypeError("an array of the host is an argument of a kernel")


def install():
    """Run kernels in this way from now on."""
    kernel.BlockManager = Block
    kernel.FakeWithinKernelCUDAArray = lambda array: array._ary.view(StrictArray)
    kernel.InOut = _refuse_host_array
    kernelapi.FakeCUDALocal.array = _local_array
    kernelapi.FakeCUDAShared.array = _shared_array
