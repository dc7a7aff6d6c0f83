"""numba-cuda's simulator, made quicker and stricter.

Its own runs the threads of a block side by side and asks each over and over whether it waits: 0.2 s for 32
threads and ten barriers. Here one thread runs at a time, up to its next barrier, and hands on to the next;
a kernel without barriers needs a single thread of the system. Stricter, as a GPU is:

- Threads run in ascending order up to the first barrier, then in descending order, and so on: a missing
  barrier makes wrong numbers, whoever reads too early.
- Threads of a block that wait at different barriers, or never come to one, are an error.
- Shared and local memory begin as NaN, in each block anew.
- A negative index is an error: on a GPU it reads what lies in front of the array.
- So is an array of the host as an argument: it would be copied there and back at each launch.
"""

import sys
import threading

import numpy as np
from numba.cuda import types
from numba.cuda.np import numpy_support
from numba.cuda.simulator import kernel, kernelapi

NAN_BYTE = 0xFF  # NaN of all floats


class Worker(threading.Thread):
    """Runs threads of the block from the beginning, one after the other, until one of them has to wait."""

    def __init__(self, block: "Block"):
        super().__init__(daemon=True)
        self._block = block
        self.turn = threading.Lock()
        self.turn.acquire()

    def run(self):
        block = self._block
        with np.errstate(all="ignore"):  # as machine code
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
        frame = sys._getframe(2)  # the kernel's, behind that of cuda.syncthreads
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
        count, total = np.count_nonzero(votes), votes.size
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
    """Stands in for numba's BlockManager."""

    def __init__(self, function, grid_dim, block_dim, debug):
        self._function = function
        shape = block_dim[::-1]  # x is the quickest
        self._threads = [(i, kernelapi.Dim3(*point[::-1])) for i, point in enumerate(np.ndindex(*shape))]

    def run(self, place, *arguments):
        self.function = lambda: self._function(*arguments)
        self.place = kernelapi.Dim3(*place)
        self.fresh = self._threads[::-1]  # popped from the end
        self.votes = np.zeros(len(self.fresh), bool)
        self.waiting: list[Worker] = []
        self.ended = 0
        self.error = None
        self._ready: list[Worker] = []
        self._over = threading.Event()
        forget(kernel._get_kernel_context().shared)
        self.go_on()
        self._over.wait()
        if self.error is not None:
            raise self.error

    def go_on(self):
        """Let the next thread run; called by the one that has just run."""
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
        self._ready, self.waiting = self.waiting, []  # who came last goes first
        if self.error is None and self._ready:
            if self.ended:
                self.error = RuntimeError("threads wait at a barrier, others of their block have ended")
            elif len({worker.barrier for worker in self._ready}) > 1:
                self.error = RuntimeError("threads of a block wait at different barriers")


def forget(shared):
    for memory in [shared._dynshared, *shared._allocations.values()]:
        fill(memory)


def fill(memory):
    memory.view(np.ndarray).reshape(-1).view(np.uint8)[:] = NAN_BYTE


def _dtype(kind):
    return numpy_support.as_dtype(kind) if isinstance(kind, types.Type) else np.dtype(kind)


def _local_array(self, shape, dtype, alignment=None):
    result = np.empty(shape, _dtype(dtype)).view(StrictArray)
    fill(result)
    return result


def _shared_array(self, shape, dtype, alignment=None):
    if shape == 0:
        count = self._dynshared.size // _dtype(dtype).itemsize
        return np.frombuffer(self._dynshared.data, _dtype(dtype), count).view(StrictArray)
    frame = sys._getframe(1)
    place = frame.f_code, frame.f_lasti  # numba's takes the line: two arrays made on one would be the same
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


def _refuse(array):
    raise TypeError("an array of the host is an argument of a kernel")


def install():
    """Let kernels run this way from now on."""
    kernel.BlockManager = Block
    kernel.FakeWithinKernelCUDAArray = lambda array: array._ary.view(StrictArray)
    kernel.InOut = _refuse
    kernelapi.FakeCUDALocal.array = _local_array
    kernelapi.FakeCUDAShared.array = _shared_array
