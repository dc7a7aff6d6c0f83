"""Updates with later rows."""

import numpy as np
import pandas as pd
import pytest
from plan_tasks import KEYS, daily, long

from seqcast import LinearForecaster, NaiveForecaster
from seqcast.forecasting.updating import build_updated_panel, update

ROWS = long(a=daily(np.arange(30.0)), b=daily(np.arange(40.0)))
LATER = long(b=daily([7.0, 8.0], start="2024-02-11"))


@pytest.fixture(scope="module")
def fitted():
    return NaiveForecaster(2, season_length=3, **KEYS).fit(ROWS).fitted_


def test_only_series_with_new_rows_are_updated(fitted):
    after, updated = update(fitted, LATER, None, "update")
    assert list(updated) == ["b"]
    # Of the 42 steps, the one without a row is missing.
    assert (updated["b"].n_new, updated["b"].state.n_steps) == (3, 43)
    np.testing.assert_array_equal(updated["b"].known[-4:, 0], [39, np.nan, 7, 8])
    assert after.series["a"] is fitted.series["a"]
    assert after.series["b"].last == pd.Timestamp("2024-02-12")


def test_an_update_does_not_change_the_previous_record(fitted):
    before = {id_: (state.n_steps, state.tail.copy()) for id_, state in fitted.series.items()}
    after, _ = update(fitted, LATER, None, "update")
    assert after is not fitted
    for id_, (n_steps, tail) in before.items():
        assert fitted.series[id_].n_steps == n_steps
        np.testing.assert_array_equal(fitted.series[id_].tail, tail)


def test_two_updates_are_one_with_all_rows(fitted):
    rows = daily([7.0, 8.0, 9.0], start="2024-02-10")
    once, _ = update(fitted, long(b=rows), None, "update")
    twice, _ = update(update(fitted, long(b=rows[:1]), None, "update")[0], long(b=rows[1:]), None, "update")
    np.testing.assert_array_equal(once.series["b"].tail, twice.series["b"].tail)
    assert once.series["b"].n_steps == twice.series["b"].n_steps


def test_series_that_were_not_in_fit_come_after_the_others(fitted):
    after, updated = update(fitted, long(c=daily([1.0, 2, 3, 4, 5])), None, "update")
    assert after.ids == ["a", "b", "c"]
    assert updated["c"].n_new == 5
    # One season of three steps ahead, each change is 3.
    np.testing.assert_array_equal(after.naive_errors[:, 2, 0], [3, 3])
    assert after.model.target_scales.shape == (3, 1)


def test_local_models_refuse_new_series():
    local = LinearForecaster(2, 4, scope="local", **KEYS).fit(ROWS).fitted_
    with pytest.raises(ValueError, match=r"Got 1 others, such as 'c'. Fit with them"):
        update(local, long(c=daily(np.arange(20.0))), None, "update")


def test_a_panel_of_updated_series_has_the_requested_steps(fitted):
    after, updated = update(fitted, LATER, None, "update")
    panel = build_updated_panel(after, updated, 100)
    assert panel.lengths.tolist() == [100]
    np.testing.assert_array_equal(panel.values[-3:, 0], [np.nan, 7, 8])
