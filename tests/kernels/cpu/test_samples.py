"""The table of samples, and the order of their steps."""

import numpy as np
import pytest

from seqcast.kernels.cpu import samples
from seqcast.kernels.samples import sample_table


def plain(name):
    function = getattr(samples, name)
    return getattr(function, "py_func", function)


def test_samples_are_numbered_in_a_table_of_integers():
    table = sample_table(np.array([5, 7]), np.array([3, 2]), np.array([0, 4]))
    assert table.dtype == np.int64
    assert table.tolist() == [[5, 3, 0, 0], [7, 2, 4, 1]]


@pytest.mark.nojit
def test_running_samples_are_counted_from_any_count():
    lengths = np.array([6, 4, 4, 2, 0])
    block = sample_table(lengths, lengths, lengths)
    for step in range(8):
        for count in range(len(lengths) + 1):
            assert plain("count_running")(block, step, count) == (lengths > step).sum()


@pytest.mark.nojit
def test_the_reverse_direction_begins_at_the_end():
    time = plain("natural_time")
    assert [time(0, s, 3) for s in range(4)] == [0, 1, 2, -1]
    assert [time(1, s, 3) for s in range(4)] == [2, 1, 0, -1]
