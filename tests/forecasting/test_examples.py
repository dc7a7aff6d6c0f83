"""Cutoffs to train and to validate at, and the weights of rows."""

import numpy as np
import pandas as pd
import pytest
from plan_tasks import daily, examples_of, long, make_plan

Y = np.random.default_rng(0).normal(size=30)
OTHER = np.random.default_rng(1).normal(size=20)


def test_training_horizons_end_before_the_validation_steps():
    """The last 6 of 30 steps are held back; windows have 4 steps, horizons 2."""
    found = examples_of(Y)
    np.testing.assert_array_equal(found.train, np.arange(4, 23))
    np.testing.assert_array_equal(found.validation, np.arange(24, 29))
    assert found.n_series == 1
    assert found.weights is None


def test_without_validation_all_steps_are_trained_on():
    found = examples_of(Y, fraction=None)
    np.testing.assert_array_equal(found.train, np.arange(4, 29))
    assert not len(found.validation)


def test_differences_and_lags_take_steps_before_a_window():
    np.testing.assert_array_equal(examples_of(Y, differences=(1, 2), lags=(4,)).train, np.arange(9, 23))


def test_windows_without_an_observed_target_are_no_examples():
    values = Y.copy()
    values[10:13] = np.nan
    expected = [cutoff for cutoff in range(4, 23) if np.isfinite(values[cutoff : cutoff + 2]).any()]
    np.testing.assert_array_equal(examples_of(values).train, expected)


def test_cutoffs_of_several_series_are_rows_of_one_panel():
    found = examples_of(long(a=daily(Y), b=daily(OTHER)))
    first = found.prepared.scaled.ends[1] - 20
    np.testing.assert_array_equal(found.train, np.r_[4:23, first + 4 : first + 15])
    np.testing.assert_array_equal(found.validation, np.r_[24:29, first + 16 : first + 19])
    assert found.n_series == 2


def test_weights_are_halved_with_every_half_life():
    weights = examples_of(Y, half_life=5.0).weights
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(weights[5:] / weights[:-5], 2)


def test_sample_weights_have_a_mean_of_one():
    given = np.arange(30.0)
    found = examples_of(Y, sample_weight=given)
    np.testing.assert_allclose(found.weights, given / given.mean())
    np.testing.assert_array_equal(found.source.weights, found.weights)


def test_weights_must_leave_something_to_learn_from():
    for zero, use in ((slice(None, 24), "trained on"), (slice(24, None), "held back for validation")):
        weights = np.ones(30)
        weights[zero] = 0
        with pytest.raises(ValueError, match=f"rows that are {use} a weight above 0"):
            examples_of(Y, sample_weight=weights)


def test_a_column_must_be_observed_among_the_steps_trained_on():
    values = pd.DataFrame({"y": Y, "x": np.r_[np.full(24, np.nan), Y[24:]]})
    with pytest.raises(ValueError, match=r"The column 'x' of X in Test\.fit .* its first 24 steps"):
        examples_of(values)


def test_a_plan_for_one_series_keeps_the_lengths_of_all():
    plan = make_plan(long(a=daily(Y), b=daily(OTHER)))
    one = plan.select_series(1)
    assert one.data.ids == ["b"]
    assert (one.lengths, one.memory, one.options) == (plan.lengths, plan.memory, plan.options)


def test_calendar_features_are_chosen_once_for_all_series():
    plan = make_plan(long(a=daily(Y), b=daily(OTHER)), calendar_features=["day_of_week"])
    assert plan.calendar_columns.names == ("day_of_week",)
    assert make_plan(daily(Y)).calendar_columns.names == ()


def test_residuals_are_in_units_of_recent_changes():
    # Every step is one higher than the last: a change over two steps is 2, and the geometric mean sqrt(2).
    examples, cutoffs = examples_of(np.arange(40.0)), np.array([30, 35])
    last = examples.prepared.scaled.values[cutoffs - 1, :1]
    found = examples.compute_residuals(cutoffs, np.repeat(last[:, None], 2, axis=1))
    np.testing.assert_allclose(found[..., 0], [[1 / np.sqrt(2), np.sqrt(2)]] * 2, rtol=1e-9)
