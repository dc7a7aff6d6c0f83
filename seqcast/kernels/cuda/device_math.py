"""Integer division, times of steps, and sums over the threads of a block in a fixed order."""

from collections.abc import Callable
from functools import cache

from numba import uint32

from ..cpu import samples
from .compiler import cuda, device_function

natural_time = device_function(samples.natural_time)


@device_function
def divide(n, by):
    """Return quotient and remainder of numbers below 2**32, which takes half the time of 64-bit division."""
    n = uint32(n)
    by = uint32(by)
    quotient = uint32(n // by)
    return quotient, uint32(n - uint32(quotient * by))


@cache
def make_block_sum(real, threads: int) -> Callable:
    """Return ``block_sum(x)``, the sum of x over all threads of a block.

    The number of threads must be a power of two. Every thread of the block must call it, and every thread
    gets the sum. The order of additions is fixed, so the result is the same in every run.
    """

    @device_function
    def block_sum(x):
        memory = cuda.shared.array(threads, real)
        i = cuda.threadIdx.x
        memory[i] = x
        half = threads // 2
        while half > 0:
            cuda.syncthreads()
            if i < half:
                memory[i] += memory[i + half]
            half //= 2
        cuda.syncthreads()
        total = memory[0]
        # All threads must have read the sum before the next one is written to the same memory.
        cuda.syncthreads()
        return total

    return block_sum
