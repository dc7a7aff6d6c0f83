"""Integer division and sums of a block."""

import numpy as np
from numba import float64

from seqcast.kernels.cuda.compiler import cuda, cuda_kernel
from seqcast.kernels.cuda.device_math import divide, make_block_sum

block_sum = make_block_sum(float64, 8)


@cuda_kernel
def divide_each(numbers, by, quotients, remainders):
    i = cuda.threadIdx.x
    quotients[i], remainders[i] = divide(numbers[i], by)


@cuda_kernel(threads=8)
def sum_twice(x, sums):
    i = cuda.grid(1)
    total = block_sum(x[i])
    sums[i] = total + block_sum(-2 * x[i])


def test_quotient_and_remainder_below_32_bits(queue):
    numbers = np.array([0, 6, 7, 20, 2**32 - 1])
    quotients, remainders = (queue.zeros(5, np.int64) for _ in range(2))
    queue.launch(divide_each, 1, 5, queue.upload(numbers), 7, quotients, remainders)
    np.testing.assert_array_equal(queue.download(quotients), numbers // 7)
    np.testing.assert_array_equal(queue.download(remainders), numbers % 7)


def test_every_thread_gets_the_sum_of_its_block(queue):
    x = np.arange(16.0)
    sums = queue.zeros(16, np.float64)
    queue.launch(sum_twice, 2, 8, queue.upload(x), sums)
    expected = np.repeat(-x.reshape(2, 8).sum(axis=1), 8)
    np.testing.assert_array_equal(queue.download(sums), expected)
