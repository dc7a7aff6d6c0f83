"""Checks of matrix products that tests of several modules share."""

import numpy as np
from hypothesis import strategies as st

from seqcast.kernels.cuda.products import Matrix

# Stands where nothing may be written.
GUARD = 7777
ARGUMENTS = {
    "shape": st.tuples(*[st.integers(0, 13)] * 2, st.integers(0, 40)),
    "dtype": st.sampled_from(["float32", "float64"]),
    "transposed": st.sampled_from(["", "a", "b"]),
    "add": st.booleans(),
    "offset": st.integers(0, 5),
    "gap": st.integers(0, 3),
}


def upload_matrix(queue, numbers, offset=0, gap=0):
    """Upload a matrix as a part of a larger array."""
    m, n = numbers.shape
    array = np.full(offset + m * (n + gap) + 3, GUARD, numbers.dtype)
    rows = array[offset : offset + m * (n + gap)].reshape(m, n + gap)
    rows[:, :n] = numbers
    return Matrix(queue.upload(array), offset, n + gap)


def download_matrix(queue, matrix, m, n):
    """Return the elements of a matrix, and check that nothing around them was written."""
    array = queue.download(matrix.array)
    rows = array[matrix.offset : matrix.offset + m * matrix.stride].reshape(m, matrix.stride)
    assert (rows[:, n:] == GUARD).all()
    assert (array[: matrix.offset] == GUARD).all()
    assert (array[-3:] == GUARD).all()
    return rows[:, :n]


def check_product(products, queue, shape, dtype="float32", transposed="", add=False, offset=0, gap=0):
    """Compare a product of random whole numbers with NumPy."""
    m, n, depth = shape
    draw = np.random.default_rng(0)
    a, b, c = (draw.integers(-9, 10, size).astype(dtype) for size in ((m, depth), (depth, n), (m, n)))
    if not add:
        c[:] = np.nan
    device_a = upload_matrix(queue, a.T if transposed == "a" else a, offset, gap)
    device_b = upload_matrix(queue, b.T if transposed == "b" else b, 2 * offset)
    device_c = upload_matrix(queue, c, 3 * offset, 2 * gap)
    products.multiply(device_a, device_b, device_c, shape, transposed=transposed, add=add)
    expected = a.astype(float) @ b.astype(float) + (c if add else 0)
    np.testing.assert_array_equal(download_matrix(queue, device_c, m, n), expected)


def check_recording(products, queue, depth):
    """Check that products are recorded and replayed."""
    a, b = (upload_matrix(queue, np.ones(size, "float32")) for size in ((2, depth), (depth, 3)))
    c = upload_matrix(queue, np.zeros((2, 3), "float32"))
    products.multiply(a, b, c, (2, 3, depth))
    with queue.record() as graph:
        products.multiply(a, b, c, (2, 3, depth), add=True)
    graph.replay()
    graph.replay()
    np.testing.assert_array_equal(download_matrix(queue, c, 2, 3), np.full((2, 3), 3 * depth))
