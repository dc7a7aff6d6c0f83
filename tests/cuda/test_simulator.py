"""The simulator in which these tests run: mistakes that a GPU does not report raise or change results."""

import math

import numpy as np
import pytest
from numba import float32
from small_kernels import add_number, reverse_block, simulator_only

from seqcast.kernels.cuda.compiler import cuda, cuda_kernel

pytestmark = simulator_only


@cuda_kernel
def misplaced_barriers(x, kind):
    if kind == 0 and cuda.threadIdx.x > 0:
        return
    if kind == 1 and cuda.threadIdx.x > 0:
        cuda.syncthreads()
    else:
        cuda.syncthreads()


@cuda_kernel
def read_unwritten(x):
    one, two = cuda.shared.array(1, float32), cuda.shared.array(2, float32)
    three = cuda.local.array(1, float32)
    x[0], x[1], x[2] = one[0], two[0], three[0]
    one[0] = two[0] = x[0] + 1


@cuda_kernel
def read_before_array(x):
    x[0] = x[cuda.threadIdx.x - 1]


@cuda_kernel
def take_root(x):
    x[0] = math.sqrt(x[cuda.threadIdx.x] - 2)


def test_missing_barrier_changes_results(queue):
    x = queue.upload(np.arange(12, dtype=np.float32))
    queue.launch(reverse_block, 3, 4, x, False, shared=16)
    np.testing.assert_array_equal(np.isnan(queue.download(x)), [1, 1, 0, 0] * 3)


@pytest.mark.parametrize(("kind", "message"), [(0, "others of their block have ended"), (1, "different")])
def test_misplaced_barrier_raises(queue, kind, message):
    with pytest.raises(RuntimeError, match=message):
        queue.launch(misplaced_barriers, 1, 4, queue.zeros(1, np.float32), kind)


def test_memory_of_a_block_is_nan_at_first(queue):
    x = queue.zeros(3, np.float32)
    queue.launch(read_unwritten, 2, 1, x)
    assert np.isnan(queue.download(x)).all()


def test_negative_index_raises(queue):
    with pytest.raises(IndexError, match="negative index -1"):
        queue.launch(read_before_array, 1, 2, queue.zeros(3, np.float32))


def test_error_in_a_kernel_names_the_thread(queue):
    with pytest.raises(ValueError, match="math domain") as caught:
        queue.launch(take_root, 1, 4, queue.upload(np.float32([3, 3, 1, 3])))
    assert caught.value.__notes__ == ["in thread (2, 0, 0) of block (0, 0, 0)"]


def test_host_array_as_argument_raises(queue):
    with pytest.raises(TypeError, match="an array of the host"):
        queue.launch(add_number, 1, 1, np.zeros(3), 1, 3)
