"""Small kernels and a substitute of the driver that several test modules use."""

import pytest
from numba import float32

from seqcast.kernels.cuda.compiler import SIMULATED, cuda, cuda_kernel

simulator_only = pytest.mark.skipif(not SIMULATED, reason="replaces or needs what only the simulator has")


@cuda_kernel
def add_number(x, number, n):
    i = cuda.grid(1)
    if i < n:
        x[i] += number


@cuda_kernel
def reverse_block(x, with_barrier):
    """Reverse the part of each block through shared memory."""
    memory = cuda.shared.array(0, float32)
    i, n = cuda.threadIdx.x, cuda.blockDim.x
    memory[i] = x[cuda.grid(1)]
    if with_barrier:
        cuda.syncthreads()
    x[cuda.grid(1)] = memory[n - 1 - i]


@cuda_kernel
def reverse_all(x, n):
    """Reverse n numbers through the shared memory of one block."""
    memory = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        memory[i] = x[i]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        x[i] = memory[n - 1 - i]


class FakeDriver:
    """A driver that records its calls; each call returns its name."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *(getattr(value, "name", value) for value in arguments)))
            return name

        return call
