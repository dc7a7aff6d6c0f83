"""Positions of samples in a block, and the order of their steps."""

import numpy as np
import pytest

from seqcast.kernels.cpu import samples
from seqcast.kernels.samples import sample_table


def plain(name):
    function = getattr(samples, name)
    return getattr(function, "py_func", function)


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
