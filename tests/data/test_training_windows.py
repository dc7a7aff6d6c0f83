"""Windows for training and validation, compared with loops over single steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.training_windows import (
    subsample,
    training_starts,
    validation_start,
    validation_starts,
)


@st.composite
def series(draw, max_steps=40):
    """Draw up to three columns of small numbers, some of them missing."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=st.integers(-9, 9)))
    missing = draw(arrays.arrays(bool, shape, elements=st.booleans()))
    return np.where(missing & draw(st.booleans()), np.nan, values)


lengths = st.integers(1, 9)


def is_usable(targets, start, window, horizon):
    seen = targets[start : start + window]
    asked = targets[start + window : start + window + horizon]
    return any(x == x for x in seen.flat) and any(x == x for x in asked.flat)


@given(targets=series(), window=lengths, horizon=lengths, data=st.data())
def test_training_targets_end_before_the_border(targets, window, horizon, data):
    end = data.draw(st.integers(0, len(targets)))
    expected = [
        start
        for start in range(len(targets))
        if start + window + horizon <= end and is_usable(targets, start, window, horizon)
    ]
    assert training_starts(targets, window, horizon, end).tolist() == expected


@given(targets=series(), window=lengths, horizon=lengths, data=st.data())
def test_validation_targets_begin_at_the_border(targets, window, horizon, data):
    begin = data.draw(st.integers(0, len(targets)))
    expected = [
        start
        for start in range(len(targets))
        if begin <= start + window
        and start + window + horizon <= len(targets)
        and is_usable(targets, start, window, horizon)
    ]
    assert validation_starts(targets, window, horizon, begin).tolist() == expected


def test_no_training_target_is_a_validation_target():
    targets = np.arange(30.0)[:, None]
    train, validation = training_starts(targets, 4, 3, 20), validation_starts(targets, 4, 3, 20)
    assert train.tolist() == list(range(14))
    assert validation.tolist() == list(range(16, 24))


@pytest.mark.parametrize(
    ("n", "horizon", "fraction", "first"),
    [(100, 5, 0.1, 90), (100, 24, 0.1, 76), (100, 5, 0.257, 74), (3, 1, 0.1, 2), (10, 12, 0.1, -2)],
)
def test_validation_keeps_the_last_fraction_or_one_horizon(n, horizon, fraction, first):
    assert validation_start(n, horizon, fraction) == first


@pytest.mark.parametrize(
    ("n", "expected"),
    [(None, list(range(10, 20))), (10, list(range(10, 20))), (4, [10, 13, 16, 19]), (1, [10])],
)
def test_a_subsample_is_evenly_spaced(n, expected):
    assert subsample(np.arange(10, 20), n).tolist() == expected
