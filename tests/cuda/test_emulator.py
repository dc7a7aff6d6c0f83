"""Mistakes that the emulator finds in small kernels and in the library's kernels."""

import math
import re
import types
from pathlib import Path

import numpy as np
import pytest
from emulator import LaunchError, check_launches, emulator
from emulator.launching import ORDERS
from emulator.translation import UnknownPtxError
from layer_cases import Case
from layer_stacks import Stack
from numba import float32, float64

from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda import register_unroll, tiled_products
from seqcast.kernels.cuda.compiler import cuda, cuda_kernel
from seqcast.kernels.cuda.kernel_shape import KernelShape
from seqcast.kernels.cuda.products import Matrix

# Number of threads of a block.
N = 64


@cuda_kernel(threads=N)
def reverse_blocks(x, y, n):
    memory = cuda.shared.array(N, float32)
    i = cuda.threadIdx.x
    at = cuda.grid(1)
    memory[i] = x[at]
    cuda.syncthreads()
    y[at] = memory[N - 1 - i]


@cuda_kernel
def read_without_barrier(x, y, n):
    memory = cuda.shared.array(N, float32)
    i = cuda.threadIdx.x
    at = cuda.grid(1)
    memory[i] = x[at]
    y[at] = memory[N - 1 - i]


@cuda_kernel
def write_without_barrier(x, y, n):
    i = cuda.threadIdx.x
    y[cuda.grid(1)] = x[i]
    if cuda.blockIdx.x == 0:
        x[N - 1 - i] = 1


@cuda_kernel
def read_beyond_array(x, y, n):
    i = cuda.grid(1)
    y[i] = x[i + 1]


@cuda_kernel
def write_before_array(x, y, n):
    i = cuda.grid(1)
    # numba adds the length to a negative index, once.
    y[i - n - 1] = x[i]


@cuda_kernel
def read_beyond_shared(x, y, n):
    memory = cuda.shared.array(0, float32)
    i = cuda.threadIdx.x
    memory[i] = x[i]
    cuda.syncthreads()
    y[cuda.grid(1)] = memory[i + n - 2 * N + 1]


@cuda_kernel
def read_unwritten(x, y, n):
    memory = cuda.shared.array(N, float32)
    i = cuda.threadIdx.x
    if i < n - N - 1:
        memory[i] = x[i]
    cuda.syncthreads()
    y[cuda.grid(1)] = memory[i]


@cuda_kernel
def write_from_two_blocks(x, y, n):
    y[cuda.threadIdx.x] = x[cuda.grid(1)]


@cuda_kernel
def end_early(x, y, n):
    i = cuda.threadIdx.x
    if i == n - 2 * N:
        return
    y[cuda.grid(1)] = x[i]
    cuda.syncthreads()
    y[cuda.grid(1)] += x[i + 1 if i < N - 1 else 0]


@cuda_kernel
def wait_at_two_barriers(x, y, n):
    i = cuda.threadIdx.x
    if x[i] < 30:
        y[cuda.grid(1)] = 1
        cuda.syncthreads()
        y[cuda.grid(1)] = x[i]
    else:
        y[cuda.grid(1)] = 2
        cuda.syncthreads()
        y[cuda.grid(1)] = x[0]


MISTAKES = [
    (
        read_without_barrier,
        r"thread \d+ of block \d reads what thread \d+ wrote at byte \d+ of shared memory",
    ),
    (write_without_barrier, r"thread \d+ of block 0 writes what .* read at byte \d+ of 'x'"),
    (read_beyond_array, r"thread 63 of block 1 reads out of bounds at byte 512 of 'x'"),
    (write_before_array, r"thread 0 of block 0 writes out of bounds at byte -4 of 'y'"),
    (
        read_beyond_shared,
        r"thread 63 of block \d reads out of bounds at byte 256 of shared memory",
    ),
    (read_unwritten, r"thread 63 of block \d reads what was never written at byte 252 of shared memory"),
    (write_from_two_blocks, r"writes what thread \d+ of another block wrote at byte \d+ of 'y'"),
    (end_early, r"thread 0 of block \d has ended where thread 1 waits at this barrier; .*bar\.sync"),
    (wait_at_two_barriers, r"thread 30 of block \d waits at this barrier, thread 0 at another; .*bar\.sync"),
]


def run_kernel(queue, kernel, n=2 * N):
    x = queue.upload(np.arange(2 * N, dtype=np.float32))
    y = queue.zeros(2 * N, np.float32)
    queue.launch(kernel, 2, N, x, y, n, shared=4 * N if kernel is read_beyond_shared else 0)
    return queue.download(y)


def test_correct_kernel_gives_results_in_any_order(queue):
    for _ in range(3):
        expected = [*range(N)[::-1], *range(N, 2 * N)[::-1]]
        np.testing.assert_array_equal(run_kernel(queue, reverse_blocks), expected)
    assert emulator.take_reports() == []


@pytest.mark.parametrize(("kernel", "message"), MISTAKES, ids=lambda value: getattr(value, "__name__", ""))
def test_mistake_is_reported_in_any_order(queue, kernel, message):
    for order in ORDERS:
        run_kernel(queue, kernel)
        reports = "\n".join(emulator.take_reports())
        assert re.search(f"^{kernel.__name__}: .*{message}.*{order}", reports, re.MULTILINE)


def test_mistakes_raise(queue):
    with pytest.raises(LaunchError, match="reads out of bounds"), check_launches():
        run_kernel(queue, read_beyond_array)


def test_mistakes_are_added_to_another_error(queue):
    def fail():
        with check_launches():
            run_kernel(queue, read_beyond_array)
            raise KeyError

    with pytest.raises(KeyError) as caught:
        fail()
    assert "reads out of bounds" in caught.value.__notes__[0]


def test_unknown_instruction_raises(queue):
    @cuda_kernel
    def count(x):
        cuda.atomic.add(x, 0, 1)

    with pytest.raises(UnknownPtxError, match=r"Line \d+ is unknown: atom\.global\.add"):
        queue.launch(count, 1, 1, queue.zeros(1, np.float32))


def test_launches_refused_by_a_driver_raise(queue):
    with pytest.raises(RuntimeError, match="reverse_blocks: at most 64 threads"):
        queue.launch(reverse_blocks, 1, N + 1, *[queue.zeros(N + 1, np.float32)] * 2, 0)
    with pytest.raises(TypeError, match="an array of the host"):
        queue.launch(reverse_blocks, 1, N, *[np.zeros(N, np.float32)] * 2, 0)


VALUES = np.float32([0, -0.0, 1.5, -2.5, 1e-40, 3e38, np.inf, -np.inf, np.nan, 7, 7])
ARITHMETIC = {
    "less": (lambda x, y: x < y, np.less),
    "not less": (lambda x, y: not x < y, lambda x, y: ~(x < y)),
    "not equal": (lambda x, y: x != y, np.not_equal),
    "sum and product": (lambda x, y: x + y * x, lambda x, y: (x + y.astype(float) * x).astype("f")),
    "quotient": (lambda x, y: x / y, np.divide),
    "root": (lambda x, y: math.sqrt(x), lambda x, y: np.sqrt(x)),
    "exponential": (lambda x, y: math.exp(x), lambda x, y: np.exp(x)),
    "function": (
        lambda x, y: math.lgamma(abs(float64(x)) + 1),
        lambda x, y: [math.lgamma(abs(v) + 1) for v in x],
    ),
}


@pytest.mark.parametrize(("function", "expected"), ARITHMETIC.values(), ids=ARITHMETIC)
def test_arithmetic_matches_numpy(queue, function, expected):
    compiled = cuda.jit(device=True)(function)

    @cuda_kernel
    def calculate(x, y, result):
        i = cuda.grid(1)
        result[i] = compiled(x[i], y[i])

    x, y = (part.ravel() for part in np.meshgrid(VALUES, VALUES))
    result = queue.zeros(x.size, np.float64)
    queue.launch(calculate, 1, x.size, queue.upload(x), queue.upload(y), result)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(queue.download(result), expected(x, y), rtol=2e-7)


# -- the library's kernels


def remove_barrier(module, number):
    """Return a module without one of its barriers."""
    lines = Path(module.__file__).read_text().splitlines()
    at = [k for k, line in enumerate(lines) if line.strip() == "cuda.syncthreads()"][number]
    lines[at] = lines[at].replace("cuda.syncthreads()", "pass")
    edited = types.ModuleType(module.__name__)
    edited.__package__ = module.__package__
    exec(compile("\n".join(lines), module.__file__, "exec"), vars(edited))
    return edited


def list_barriers(module):
    return range(Path(module.__file__).read_text().count("cuda.syncthreads()"))


@pytest.mark.parametrize("barrier", list_barriers(tiled_products))
def test_every_barrier_of_a_product_is_needed(queue, barrier):
    a, b, c = (Matrix(queue.upload(np.ones(n, np.float32)), 0, 40) for n in (200, 1600, 200))
    tiled_products.TiledProducts(queue, "float32").multiply(a, b, c, (5, 40, 40))
    assert emulator.take_reports() == []
    remove_barrier(tiled_products, barrier).TiledProducts(queue, "float32").multiply(a, b, c, (5, 40, 40))
    assert "shared memory" in emulator.take_reports()[0]


@pytest.mark.parametrize("barrier", list_barriers(register_unroll))
def test_every_barrier_of_register_unroll_is_needed(queue, barrier):
    module = remove_barrier(register_unroll, barrier)
    case = Case(LSTM, 5, dtype="float32")
    shape = KernelShape(LSTM, np.dtype("float32"), 5, 2, 4)
    stack = Stack(queue, case, lambda *made: module.RegisterUnroll(*made[:2], shape))
    stack.forward()
    stack.backward()
    assert re.search("(forward|backward): thread", emulator.take_reports()[0])
