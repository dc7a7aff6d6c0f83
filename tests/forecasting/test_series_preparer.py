"""The preparation of series as a panel with room for windows."""

import numpy as np
import pytest
from plan_tasks import daily, examples_of, long, make_plan, read

from seqcast.forecasting.series_preparer import InputOptions, SeriesPreparer

Y = np.random.default_rng(0).normal(size=30)


def preparer_of(plan, **options):
    return SeriesPreparer(InputOptions(**options), plan.rules, plan.lengths, plan.calendar_columns)


@pytest.mark.parametrize(
    ("differences", "lags", "expected"), [((), (), 0), ((1, 4), (), 5), ((), (3, 9), 4), ((2,), (5,), 2)]
)
def test_differences_and_far_lags_lose_steps(differences, lags, expected):
    assert InputOptions(differences=differences, lags=lags).count_lost_steps(5) == expected


def test_scales_are_learned_from_steps_that_are_not_held_back():
    plan = make_plan(Y)
    (grid,) = preparer_of(plan).cut_scaling_grids(plan.data)
    np.testing.assert_array_equal(grid[:, 0], Y[:24])


def test_a_target_observed_only_later_is_scaled_by_all_steps():
    values = np.r_[np.full(24, np.nan), Y[24:]]
    plan = make_plan(long(a=daily(Y), b=daily(values)))
    first, second = preparer_of(plan).cut_scaling_grids(plan.data)
    assert (len(first), len(second)) == (24, 30)


def test_short_series_are_padded_so_that_two_windows_fit():
    prepared = examples_of(long(a=daily(Y), b=daily(Y[:3]))).prepared
    # A window of 4, a horizon of 2, and one step more; a series this short holds nothing back.
    assert prepared.scaled.lengths.tolist() == [30, 7]
    assert np.isnan(prepared.scaled.values[30:34]).all()


def test_counts_below_zero_are_refused():
    plan = make_plan(np.array([3.0, 0, -2, *range(20)]))
    preparer_of(plan).check_counts(plan.data)
    with pytest.raises(ValueError, match=r"must be a count, 0 or more, .* Got -2\."):
        preparer_of(plan, counts=True).check_counts(plan.data)


def test_constant_targets_cause_a_warning():
    with pytest.warns(UserWarning, match=r"^Targets \['y'\] are constant in training"):
        examples_of(np.full(30, 2.0))
    with pytest.warns(UserWarning, match=r"^1 of 2 series are constant in training"):
        examples_of(long(a=daily(Y), b=daily(np.full(30, 2.0))))


def test_calendar_features_are_added_to_each_series():
    plan = make_plan(long(a=daily(Y), b=daily(Y[:20])), calendar_features=["day_of_week"])
    found = preparer_of(plan).add_calendar(plan.data)
    assert [grid.shape for grid in found.grids] == [(30, 3), (20, 3)]
    assert read(daily(Y)).grids[0].shape == (30, 1)
