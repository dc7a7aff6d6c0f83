"""The products of small matrices against NumPy's: whole numbers throughout, so that both are exact."""

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.kernels import matmul
from seqcast.kernels.jit import FLAGS
from seqcast.kernels.matmul import add_outer_product, add_product, lanes, padded, panel_width

GUARD = 7.0  # what lies around the arrays; it must stay, and must not get into a product
few = settings(deadline=None, derandomize=True, max_examples=150)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
drawn = given(
    rows=st.integers(0, 40),
    columns=st.integers(1, 70),
    depth=st.integers(0, 70),
    gap=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)


@nb.njit(**FLAGS)
def product(a, a_row, rows, panels, depth, c, c_row, columns):
    add_product(a, a_row, rows, panels, depth, c, c_row, columns)


@nb.njit(**FLAGS)
def outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns):
    add_outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns)


def draw(rng, dtype, *shape):
    return rng.integers(-8, 9, shape).astype(dtype)


def spread(matrix, stride):
    """The matrix row by row in a flat array, `stride` apart, guards between the rows and after the last."""
    flat = np.full((len(matrix) + 2, stride), GUARD, matrix.dtype)
    flat[: len(matrix), : matrix.shape[1]] = matrix
    return flat.ravel()


def in_panels(b):
    """B (depth, columns) in the packed form that the docstring of the module describes."""
    width = panel_width(b.dtype)
    panels = [b[:, first : first + width] for first in range(0, b.shape[1], width)]
    whole = [np.pad(panel, ((0, 0), (0, width - panel.shape[1]))) for panel in panels]
    return np.concatenate([panel.ravel() for panel in whole])


def check_product(dtype, rows, columns, depth, gap=1, seed=0):
    """C + A B in the right place, and nothing else changed: the panels are padded with zeros."""
    rng = np.random.default_rng(seed)
    a, b, c = (draw(rng, dtype, *shape) for shape in ((rows, depth), (depth, columns), (rows, columns)))
    a_row, c_row = depth + gap, padded(columns, dtype) + gap
    found, expected = spread(c, c_row), spread(c + a @ b, c_row)
    product(spread(a, a_row), a_row, rows, in_panels(b), depth, found, c_row, columns)
    np.testing.assert_array_equal(found, expected)


def check_outer_product(dtype, rows, columns, depth, gap=1, seed=0):
    """C + A^T B in the right place; beside it, at most the padding up to whole vectors has changed."""
    rng = np.random.default_rng(seed)
    a, b, c = (draw(rng, dtype, *shape) for shape in ((depth, rows), (depth, columns), (rows, columns)))
    a_row, b_row, c_row = rows + gap, padded(columns, dtype) + gap, padded(columns, dtype) + gap
    found, expected = spread(c, c_row), spread(c + a.T @ b, c_row)
    outer_product(spread(a, a_row), a_row, rows, spread(b, b_row), b_row, depth, found, c_row, columns)
    found, expected = found.reshape(-1, c_row), expected.reshape(-1, c_row)
    found[:rows, columns : padded(columns, dtype)] = GUARD
    np.testing.assert_array_equal(found, expected)


def edges(dtype):
    """Rows, columns and depths either side of every tile and vector."""
    width = lanes(dtype)
    columns = sorted({1, 2, *(k * width + d for k in (1, 2, 3, 4) for d in (-1, 0, 1))})
    return [(rows, n, depth) for rows in (*range(20), 24, 25) for n in columns for depth in (0, 1, 2, 5)]


def check_everything():
    """Every edge in both dtypes; run in a process of its own for each width of vectors."""
    for dtype in ("float32", "float64"):
        for size in edges(dtype):
            check_product(dtype, *size)
            check_outer_product(dtype, *size)


def test_products_are_exact_at_every_edge():
    check_everything()


@dtypes
@few
@drawn
def test_product_is_numpys(dtype, rows, columns, depth, gap, seed):
    check_product(dtype, rows, columns, depth, gap, seed)


@dtypes
@few
@drawn
def test_outer_product_is_numpys(dtype, rows, columns, depth, gap, seed):
    check_outer_product(dtype, rows, columns, depth, gap, seed)


@pytest.mark.nojit
@dtypes
def test_small_products_are_numpys(dtype):
    for size in (
        (1, 1, 1),
        (9, lanes(dtype) + 1, 3),
        (3, 2 * lanes(dtype), 4),
        (7, 3 * lanes(dtype), 2),
        (2, 1, 0),
    ):
        check_product(dtype, *size)
        check_outer_product(dtype, *size)


@pytest.mark.slow
@pytest.mark.parametrize("bytes_", [16, 32, 64])
def test_vectors_of_any_width_give_the_same(bytes_, run_python, tmp_path):
    """On the machines of others: SSE or NEON, AVX, AVX-512. Products, and one whole layer on top of them."""
    if bytes_ == matmul.VECTOR_BYTES:
        pytest.skip("this machine's own width, tested everywhere else")
    script = f"""
import llvmlite.binding as llvm
real = llvm.get_host_cpu_features()
class Features(dict):
    flatten = real.flatten  # what numba asks for
llvm.get_host_cpu_features = lambda: Features({ {16: {}, 32: {"avx": True}, 64: {"avx512f": True}}[bytes_] })
import test_matmul, test_recurrent
test_matmul.check_everything()
test_recurrent.test_any_size_follows_the_equations_in_float64("gru_reset_before", (5, 9, 3, 9))
print(test_matmul.matmul.VECTOR_BYTES, test_matmul.matmul.TALL)
"""
    found = run_python(
        script, SEQCAST_CACHE_DIR=tmp_path
    )  # kernels of a made-up machine: not for the user's cache
    assert found == f"{bytes_} {6 if bytes_ == 32 else 8}"


@dtypes
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype):
    """Bit for bit, with numbers that round."""
    rng = np.random.default_rng(0)
    rows, depth, columns = 23, 37, 3 * lanes(dtype) + 1
    a, b = (
        rng.normal(size=(rows, depth)).astype(dtype),
        in_panels(rng.normal(size=(depth, columns)).astype(dtype)),
    )
    width = padded(columns, dtype)

    def multiply(first, count):
        c = np.zeros((count, width), dtype)
        product(a[first:].ravel(), depth, count, b, depth, c.ravel(), width, columns)
        return c

    whole = multiply(0, rows)
    assert abs(whole).max() > 1
    for first in range(rows):
        for count in (1, 2, 3, 5, 8):
            stop = min(rows, first + count)
            np.testing.assert_array_equal(multiply(first, stop - first), whole[first:stop])


def test_widths_are_whole_vectors():
    for dtype in ("float32", "float64"):
        width = lanes(dtype)
        assert width * np.dtype(dtype).itemsize == matmul.VECTOR_BYTES
        assert panel_width(dtype) == 2 * width
        assert [padded(n, dtype) for n in (0, 1, width, width + 1)] == [0, width, width, 2 * width]
