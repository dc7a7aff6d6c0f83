"""Mean absolute changes before a cutoff, compared with values computed by hand."""

import numpy as np
import pytest

from seqcast.data.panel import Panel
from seqcast.forecasting import recent_volatility
from seqcast.forecasting.recent_volatility import (
    RecentVolatility,
    choose_span,
    compute_mean_change,
    compute_volatility,
)

NAN = np.nan


def column(*values):
    return np.array(values, float)[:, None]


def panel(*series):
    return Panel.stack([column(*values) for values in series])


def test_mean_changes_leave_missing_values_out():
    change, seen = compute_mean_change(column(0, 1, NAN, 5, 8), 1)
    assert (change.tolist(), seen.tolist()) == ([2.0], [True])
    change, seen = compute_mean_change(column(0, NAN, 3), 1)
    assert (change.tolist(), seen.tolist()) == ([0.0], [False])


def test_volatility_is_the_geometric_mean_of_both_changes():
    # Changes of 1 from step to step, and of 2 over two steps.
    assert compute_volatility(column(0, 1, 2, 3), 2) == pytest.approx([np.sqrt(2)])


def test_one_kind_of_changes_stands_for_a_missing_one():
    # Every second value is missing, so that no change from step to step is observed.
    assert compute_volatility(column(0, NAN, 3, NAN, 6), 2) == pytest.approx([3])
    assert compute_volatility(column(1, NAN, NAN), 2) == pytest.approx([0])


def test_a_series_that_repeats_itself_has_a_smallest_change():
    # Changes of 1 from step to step, and of 0 over the horizon, which counts as 0.1.
    assert compute_volatility(column(0, 1, 0, 1, 0), 2) == pytest.approx([np.sqrt(0.1)])


def test_volatility_before_a_cutoff_reads_its_span_only():
    scaled = panel([0, 8, 0, 8, 0, 1, 2, 3])
    found = RecentVolatility.fit(scaled, np.array([8]), 1, 1, span=4)
    assert found.measure(scaled, np.array([8])).tolist() == [[[1.0]]]
    assert found.measure(scaled, np.array([4])).tolist() == [[[8.0]]]


def test_many_cutoffs_are_read_in_parts(monkeypatch):
    scaled = panel(np.random.default_rng(0).normal(size=60).cumsum())
    found = RecentVolatility.fit(scaled, np.array([60]), 1, 2, span=8)
    cutoffs = np.arange(10, 60)
    at_once = found.measure(scaled, cutoffs)
    monkeypatch.setattr(recent_volatility, "MAX_NUMBERS", 3 * 8)
    np.testing.assert_array_equal(found.measure(scaled, cutoffs), at_once)
    assert found.measure(scaled, cutoffs[:0]).shape == (0, 1, 1)


def test_flat_and_missing_stretches_depend_on_training():
    scaled = panel([0, 2, 0, 2, 5, 5, 5, 5], [NAN, 1, 4, 1, 4, NAN, NAN, NAN])
    found = RecentVolatility.fit(scaled, np.array([4, 13]), 1, 1, span=3)
    assert found.in_training.tolist() == [[2.0], [3.0]]
    np.testing.assert_allclose(found.measure(scaled, np.array([8, 16])).ravel(), [0.2, 3.0])


def test_new_series_stand_after_the_others():
    one = RecentVolatility.fit(panel([0, 2, 0]), np.array([3]), 1, 1, span=2)
    both = one.with_series(panel([0, 5, 0]), np.array([3]))
    assert both.in_training.tolist() == [[2.0], [5.0]]
    assert one.in_training.tolist() == [[2.0]]


@pytest.mark.parametrize(("horizon", "season", "span"), [(24, 7, 96), (2, 12, 48), (1, 1, 24)])
def test_the_span_covers_horizons_and_seasons(horizon, season, span):
    assert choose_span(horizon, season) == span
