"""Operations on rows, uncompiled; compiled, they are part of every kernel."""

import numpy as np
import pytest

from seqcast.kernels.cpu import row_ops
from seqcast.kernels.cpu_target import CpuTarget


def plain(name):
    function = getattr(row_ops, name)
    return getattr(function, "py_func", function)


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch):
    """Let operations that call each other call plain Python."""
    for name in ("copy_row", "add_row"):
        monkeypatch.setattr(row_ops, name, plain(name))


@pytest.mark.nojit
def test_rows_are_copied_added_scaled_and_cleared():
    to, source = np.ones(3), np.arange(5.0)
    plain("add_row")(to, source)
    assert to.tolist() == [1, 2, 3]
    plain("copy_row")(to, source)
    assert to.tolist() == [0, 1, 2]
    plain("scale_row")(to, 2.0)
    assert to.tolist() == [0, 2, 4]
    plain("clear")(to, 2)
    assert to.tolist() == [0, 0, 4]


@pytest.mark.nojit
def test_rows_lie_a_stride_apart():
    rows = np.array([1.0, 2.0, 0.0] * 3)
    total = np.zeros(2)
    plain("add_rows")(rows, 3, 3, total)
    assert total.tolist() == [3, 6]
    to = np.zeros(9)
    plain("copy_rows")(to, rows, 3, 1, 3, 2)
    assert to.tolist() == [0, 0, 0, 1, 2, 0, 1, 2, 0]


@pytest.mark.nojit
@pytest.mark.parametrize(("n", "expected"), [(1, 8), (8, 8), (9, 24), (24, 24), (32, 40)])
def test_rows_are_rounded_up_to_an_odd_number_of_vectors(n, expected):
    assert plain("skew")(n, 8) == expected
    assert CpuTarget(32).skew(n, "float32") == expected
