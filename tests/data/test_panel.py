"""Series one below the other: every look-up against a loop over the series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data import seasonal_naive
from seqcast.data.panel import Panel


def ragged(lengths, n_columns=2, seed=0, holes=0.3):
    """Return a series of each length, with missing values."""
    rng = np.random.default_rng(seed)
    grids = [rng.normal(size=(n, n_columns)) for n in lengths]
    return [np.where(rng.random(grid.shape) < holes, np.nan, grid) for grid in grids]


lengths = st.lists(st.integers(1, 12), min_size=1, max_size=5)
seeds = st.integers(0, 2**16)


def assert_same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


# -- stacking


@given(lengths, seeds, st.integers(0, 9))
def test_short_series_are_padded_at_their_beginning(lengths, seed, min_steps):
    grids = ragged(lengths, seed=seed)
    panel = Panel.stack(grids, min_steps)
    assert len(panel) == len(grids)
    assert_same(np.diff(panel.bounds), [max(n, min_steps) for n in lengths])
    for number, grid in enumerate(grids):
        blank = np.full((max(0, min_steps - len(grid)), 2), np.nan)
        assert_same(panel.series(number), np.concatenate([blank, grid]))
    assert_same(np.concatenate(list(panel)), panel.values)


def test_each_series_may_have_a_least_length_of_its_own():
    panel = Panel.stack([np.ones((2, 1)), np.ones((3, 1))], [4, 0])
    assert_same(panel.values[:, 0], [np.nan, np.nan, 1, 1, 1, 1, 1])
    assert_same(panel.starts, [0, 4])
    assert_same(panel.ends, [4, 7])


def test_a_single_long_series_is_not_copied():
    grid = np.ones((5, 2))
    assert np.shares_memory(Panel.stack([grid], 5).values, grid)
    assert not np.shares_memory(Panel.stack([grid], 6).values, grid)


def test_other_values_belong_to_the_same_series():
    panel = Panel.stack(ragged([3, 4])).with_series_numbers(np.array([5, 2]))
    held = panel.with_values(np.arange(7.0)[:, None])
    assert_same(held.series(1), [[3], [4], [5], [6]])
    assert_same(held.series_numbers, [5, 2])


# -- which series, and what lies around


@given(lengths, seeds)
def test_a_cutoff_belongs_to_the_series_of_the_row_before_it(lengths, seed):
    panel = Panel.stack(ragged(lengths, seed=seed))
    owners = [number for number, n in enumerate(lengths) for _ in range(n)]
    assert_same(panel.find_series(np.arange(1, len(owners) + 1)), owners)


@given(lengths, seeds, st.data())
def test_cutoffs_are_grouped_by_series(lengths, seed, data):
    panel = Panel.stack(ragged(lengths, seed=seed))
    n = len(panel.values)
    cutoffs = np.array(data.draw(st.lists(st.integers(1, n), min_size=1, max_size=8)))
    seen = {}
    for number, places, own in panel.group_by_series(cutoffs):
        assert len(places) == len(own)
        for place, step in zip(places, own, strict=True):
            seen[int(place)] = (number, int(step))
    expected = {}
    for place, cutoff in enumerate(cutoffs):
        number = next(k for k, end in enumerate(panel.ends) if cutoff <= end)
        expected[place] = (number, cutoff - panel.starts[number])
    assert seen == expected


@given(lengths, seeds, st.integers(1, 4), st.integers(0, 4))
def test_surroundings_of_cutoffs_are_series_of_their_own(lengths, seed, before, after):
    grids = ragged([n + before + after for n in lengths], seed=seed)
    panel = Panel.stack(grids).with_series_numbers(np.arange(len(grids))[::-1])
    places = [(k, before + step) for k, n in enumerate(lengths) for step in range(n + 1)]
    cutoffs = np.array([panel.starts[k] + step for k, step in places])
    near, its_cutoffs = panel.cut_around(cutoffs, before, after)
    assert len(near) == len(places)
    for row, (k, step) in enumerate(places):
        assert_same(near.series(row), grids[k][step - before : step + after])
        assert its_cutoffs[row] - near.starts[row] == before
        assert near.series_numbers[row] == len(grids) - 1 - k


def test_surroundings_are_copies():
    panel = Panel.stack([np.zeros((6, 1))])
    near, _ = panel.cut_around(np.array([3, 3]), 2, 1)
    near.values[0] = 1.0
    assert_same(panel.values, np.zeros((6, 1)))
    assert_same(near.values[:, 0], [1, 0, 0, 0, 0, 0])


# -- when the steps are


@given(lengths, st.integers(0, 9), st.data())
def test_steps_keep_their_absolute_numbers(lengths, min_steps, data):
    """Steps before a series and the part of it that is read do not matter."""
    clocks = np.array(data.draw(st.lists(st.integers(-50, 50), min_size=len(lengths), max_size=len(lengths))))
    panel = Panel.stack(ragged(lengths), min_steps, clocks)
    for number, (n, first) in enumerate(zip(lengths, clocks, strict=True)):
        cutoffs = panel.ends[number] - n + 1 + np.arange(n)  # a cutoff is the row after the ones before it
        assert_same(panel.clock[cutoffs], first + 1 + np.arange(n))
    near, its_cutoffs = panel.cut_around(panel.ends, 1, 0)
    assert_same(near.clock[its_cutoffs], panel.clock[panel.ends])
    assert_same(panel.clock.rebase(1)[panel.ends - 1], panel.clock[panel.ends])


# -- windows and naive forecasts stay within a series


@settings(max_examples=60)
@given(lengths, seeds, st.integers(1, 5), st.integers(1, 7))
def test_naive_forecasts_read_no_other_series(lengths, seed, season, n):
    grids = ragged(lengths, seed=seed, holes=0.5)
    panel = Panel.stack(grids)
    places = [(k, step) for k, own in enumerate(lengths) for step in range(1, own + 1)][::-1]
    cutoffs = np.array([panel.starts[k] + step for k, step in places])
    expected = [seasonal_naive.seasonal_naive(grids[k], np.array([step]), season, n)[0] for k, step in places]
    assert_same(panel.seasonal_naive(cutoffs, season, n), expected)


def starts_by_loop(panel, n_targets, window, horizon, borders, n_skipped, judged):
    """Return the first rows of the windows that are used, in order."""
    found = []
    for values, begin, border in zip(panel, panel.starts, borders, strict=True):
        for start in range(n_skipped, len(values) - window - horizon + 1):
            cutoff = start + window
            read, asked = (
                values[start:cutoff, :n_targets],
                values[cutoff : cutoff + horizon, :n_targets],
            )
            in_time = cutoff >= border - begin if judged else cutoff + horizon <= border - begin
            if in_time and np.isfinite(read).any() and np.isfinite(asked).any():
                found.append(begin + start)
    return found


@settings(max_examples=100)
@given(
    lengths=lengths,
    seed=seeds,
    window=st.integers(1, 5),
    horizon=st.integers(1, 4),
    n_skipped=st.integers(0, 3),
    n_targets=st.integers(1, 2),
    data=st.data(),
)
def test_windows_equal_those_of_a_loop(lengths, seed, window, horizon, n_skipped, n_targets, data):
    panel = Panel.stack(ragged(lengths, seed=seed, holes=0.5), n_skipped + window + horizon)
    borders = [
        data.draw(st.integers(int(begin) + n_skipped, int(end)))
        for begin, end in zip(panel.starts, panel.ends, strict=True)
    ]
    shape, borders = (n_targets, window, horizon), np.array(borders)
    train = panel.training_starts(*shape, borders, n_skipped)
    assert_same(train, starts_by_loop(panel, *shape, borders, n_skipped, judged=False))
    judged = panel.validation_starts(*shape, borders, n_skipped)
    assert_same(judged, starts_by_loop(panel, *shape, borders, n_skipped, judged=True))
    assert train.dtype == judged.dtype == np.int64


@pytest.mark.parametrize("lengths", [[4], [1, 9, 3]])
def test_no_window_reaches_from_one_series_into_the_next(lengths):
    panel = Panel.stack([np.full((n, 1), float(k)) for k, n in enumerate(lengths)])
    for start in panel.training_starts(1, 2, 1, panel.ends):
        assert len(set(panel.values[start : start + 3, 0])) == 1
