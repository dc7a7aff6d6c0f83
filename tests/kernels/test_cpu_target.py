"""Widths of vectors, and the padding that follows from them."""

import numpy as np
import pytest

from seqcast.kernels.cpu_target import HOST, CpuTarget


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_widths_are_whole_vectors(vector_bytes, dtype):
    target = CpuTarget(vector_bytes)
    lanes = target.lanes(dtype)
    assert lanes * np.dtype(dtype).itemsize == vector_bytes
    assert target.panel_width(dtype) == 2 * lanes
    assert [target.pad(n, dtype) for n in (0, 1, lanes, lanes + 1)] == [0, lanes, lanes, 2 * lanes]


def test_the_host_has_vectors_of_a_known_width():
    assert HOST.vector_bytes in (16, 32, 64)
    assert HOST.n_registers in (16, 32)
