"""Products of small matrices, compared with NumPy on integers, so that both are exact."""

from functools import cache

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.kernels.cpu.jit import FLAGS
from seqcast.kernels.cpu.matmul import compile_products
from seqcast.kernels.cpu_target import HOST, CpuTarget

# The number around the arrays. It must stay, and must not get into a product.
GUARD = 7.0
TARGETS = [CpuTarget(vector_bytes) for vector_bytes in (16, 32, 64)]
few = settings(derandomize=True, max_examples=150)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
drawn = given(
    rows=st.integers(0, 40),
    columns=st.integers(1, 70),
    depth=st.integers(0, 70),
    gap=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)


@cache
def products(target):
    """Return the products as functions that Python can call."""
    add_product, set_product, add_outer_product = compile_products(target)

    @nb.njit(**FLAGS)
    def product(a, a_row, rows, panels, depth, c, c_row, columns):
        add_product(a, a_row, rows, panels, depth, c, c_row, columns)

    @nb.njit(**FLAGS)
    def outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns):
        add_outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns)

    @nb.njit(**FLAGS)
    def affine_product(a, a_row, rows, panels, depth, start, c, c_row, columns):
        set_product(a, a_row, rows, panels, depth, start, c, c_row, columns)

    return product, outer_product, affine_product


def draw(rng, dtype, *shape):
    return rng.integers(-8, 9, shape).astype(dtype)


def spread(matrix, stride):
    """Write the rows of a matrix into a flat array, `stride` apart, with guards after each row."""
    flat = np.full((len(matrix) + 2, stride), GUARD, matrix.dtype)
    flat[: len(matrix), : matrix.shape[1]] = matrix
    return flat.ravel()


def in_panels(b, target=HOST):
    """Pack B (depth, columns) as the docstring of the module describes."""
    width = target.panel_width(b.dtype)
    panels = [b[:, first : first + width] for first in range(0, b.shape[1], width)]
    whole = [np.pad(panel, ((0, 0), (0, width - panel.shape[1]))) for panel in panels]
    return np.concatenate([panel.ravel() for panel in whole])


def check_product(dtype, rows, columns, depth, gap=1, seed=0, target=HOST):
    """Check that C + A B is at the right place, and that nothing else was changed."""
    rng = np.random.default_rng(seed)
    a, b, c = (draw(rng, dtype, *shape) for shape in ((rows, depth), (depth, columns), (rows, columns)))
    a_row, c_row = depth + gap, target.pad(columns, dtype) + gap
    found, expected = spread(c, c_row), spread(c + a @ b, c_row)
    panels = in_panels(b, target)
    products(target)[0](spread(a, a_row), a_row, rows, panels, depth, found, c_row, columns)
    np.testing.assert_array_equal(found, expected)


def check_affine_product(dtype, rows, columns, depth, gap=1, seed=0, target=HOST):
    """Check that the row S plus A B is at the right place, and that at most the padding was changed."""
    rng, width = np.random.default_rng(seed), target.pad(columns, dtype)
    a, b, s = (draw(rng, dtype, *shape) for shape in ((rows, depth), (depth, columns), (1, width)))
    a_row, c_row = depth + gap, width + gap
    found, expected = spread(np.full((rows, columns), 3, dtype), c_row), spread(s[:, :columns] + a @ b, c_row)
    panels = in_panels(b, target)
    products(target)[2](spread(a, a_row), a_row, rows, panels, depth, s.ravel(), found, c_row, columns)
    found, expected = found.reshape(-1, c_row), expected.reshape(-1, c_row)
    found[:rows, columns:width] = GUARD
    np.testing.assert_array_equal(found, expected)


def check_outer_product(dtype, rows, columns, depth, gap=1, seed=0, target=HOST):
    """Check that C + A^T B is at the right place, and that at most the padding was changed."""
    rng = np.random.default_rng(seed)
    a, b, c = (draw(rng, dtype, *shape) for shape in ((depth, rows), (depth, columns), (rows, columns)))
    a_row, b_row, c_row = rows + gap, target.pad(columns, dtype) + gap, target.pad(columns, dtype) + gap
    found, expected = spread(c, c_row), spread(c + a.T @ b, c_row)
    given = spread(a, a_row), a_row, rows, spread(b, b_row), b_row
    products(target)[1](*given, depth, found, c_row, columns)
    found, expected = found.reshape(-1, c_row), expected.reshape(-1, c_row)
    found[:rows, columns : target.pad(columns, dtype)] = GUARD
    np.testing.assert_array_equal(found, expected)


def edges(target, dtype):
    """Rows, columns and depths are one less and one more than every tile and vector."""
    width = target.lanes(dtype)
    columns = sorted({1, 2, *(k * width + d for k in (1, 2, 3, 4) for d in (-1, 0, 1))})
    return [(rows, n, depth) for rows in (*range(20), 24, 25) for n in columns for depth in (0, 1, 2, 5)]


@dtypes
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: 8 * target.vector_bytes)
def test_products_are_exact_at_every_edge(target, dtype):
    """LLVM splits vectors that are wider than those of the processor."""
    for size in edges(target, dtype):
        check_product(dtype, *size, target=target)
        check_outer_product(dtype, *size, target=target)
        if size[2] > 0:
            check_affine_product(dtype, *size, target=target)


@dtypes
@few
@drawn
def test_products_equal_those_of_numpy(dtype, rows, columns, depth, gap, seed):
    check_product(dtype, rows, columns, depth, gap, seed)


@dtypes
@few
@drawn
def test_outer_products_equal_those_of_numpy(dtype, rows, columns, depth, gap, seed):
    check_outer_product(dtype, rows, columns, depth, gap, seed)


@pytest.mark.nojit
@dtypes
def test_small_products_equal_those_of_numpy(dtype):
    for size in (
        (1, 1, 1),
        (9, HOST.lanes(dtype) + 1, 3),
        (3, 2 * HOST.lanes(dtype), 4),
        (7, 3 * HOST.lanes(dtype), 2),
        (2, 1, 0),
    ):
        check_product(dtype, *size)
        check_outer_product(dtype, *size)
        if size[2] > 0:
            check_affine_product(dtype, *size)


@dtypes
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype):
    """Results have the same bits, with numbers that are rounded."""
    rng = np.random.default_rng(0)
    rows, depth, columns = 23, 37, 3 * HOST.lanes(dtype) + 1
    a, b = (
        rng.normal(size=(rows, depth)).astype(dtype),
        in_panels(rng.normal(size=(depth, columns)).astype(dtype)),
    )
    width = HOST.pad(columns, dtype)

    def multiply(first, count):
        c = np.zeros((count, width), dtype)
        products(HOST)[0](a[first:].ravel(), depth, count, b, depth, c.ravel(), width, columns)
        return c

    whole = multiply(0, rows)
    assert abs(whole).max() > 1
    for first in range(rows):
        for count in (1, 2, 3, 5, 8):
            stop = min(rows, first + count)
            np.testing.assert_array_equal(multiply(first, stop - first), whole[first:stop])
