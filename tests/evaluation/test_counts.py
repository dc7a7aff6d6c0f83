"""Validation of parameters that are counts."""

import numpy as np
import pytest

from seqcast.evaluation.counts import check_count


@pytest.mark.parametrize("value", [1, np.int32(3), 10**12])
def test_counts_are_returned_as_int(value):
    assert check_count(value, "n", "function") == value
    assert type(check_count(value, "n", "function")) is int


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, True, "3", None])
def test_other_values_raise(value):
    with pytest.raises(
        ValueError, match=r"'n' parameter of function must be an int of at least 1. Got .* instead"
    ):
        check_count(value, "n", "function")


def test_minimum_may_be_0():
    assert check_count(0, "gap", "function", minimum=0) == 0
    with pytest.raises(ValueError, match=r"at least 0. Got -1 instead"):
        check_count(-1, "gap", "function", minimum=0)
