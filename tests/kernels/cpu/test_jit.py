"""Decorators of kernels, and the functions that they generate."""

import warnings

import numpy as np
import pytest

from seqcast.kernels.cpu.jit import silent, unrolled_load, unrolled_store

ROW = np.arange(12.0)


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
