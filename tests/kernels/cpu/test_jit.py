"""Decorators of kernels, and the functions that they generate."""

import warnings

import numpy as np
import pytest

from seqcast.kernels.cpu.jit import entry, silent, unrolled_load, unrolled_store

ROW = np.arange(12.0)


@entry
def add_first(values, sums):
    sums[0] += values[0]


@pytest.mark.nojit
def test_an_entry_point_can_be_called_from_python():
    sums = np.zeros(1)
    add_first(ROW + 2, sums)
    assert sums[0] == 2


def test_an_entry_point_is_compiled_once_for_each_signature():
    for dtype in ("float32", "float64", "float32"):
        add_first(ROW.astype(dtype), np.zeros(1))
    assert len(add_first.signatures) == 2


@pytest.mark.nojit
def test_silent_functions_give_no_warnings_of_overflow():
    square = silent(lambda x: x * x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert square(np.float64(1e300)) == np.inf


@pytest.mark.nojit
def test_loads_read_one_number_of_each_block():
    load = unrolled_load((0, 2))
    assert load(ROW, np.int64(4), np.int64(3)) == (3.0, 11.0)


@pytest.mark.nojit
def test_stores_write_one_number_into_each_block():
    store, row = unrolled_store((0, 2), first=1), np.zeros(12)
    store(row, np.int64(4), np.int64(3), (5.0, 6.0, 7.0))
    assert row[[3, 11]].tolist() == [6.0, 7.0]
    assert np.count_nonzero(row) == 2


@pytest.mark.nojit
def test_a_store_without_blocks_writes_nothing():
    row = np.zeros(2)
    unrolled_store(())(row, np.int64(1), np.int64(0), (5.0,))
    assert not row.any()
