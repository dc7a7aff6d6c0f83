"""The record of a fitted forecaster."""

import numpy as np
import pytest
from plan_tasks import KEYS, daily, long

from seqcast import LinearForecaster, NaiveForecaster

ROWS = long(b=daily(np.arange(40.0) % 5), a=daily(np.arange(30.0) % 7))


@pytest.fixture(scope="module")
def record():
    return NaiveForecaster(2, season_length=3, **KEYS).fit(ROWS).fitted_


@pytest.fixture(scope="module")
def local():
    return LinearForecaster(2, 4, scope="local", **KEYS).fit(ROWS).fitted_


def test_series_have_numbers_in_the_order_of_their_first_rows(record):
    assert record.ids == ["b", "a"]
    assert record.find_numbers(["a", "b", "a"]).tolist() == [1, 0, 1]
    assert (record.owner, record.targets, record.n_targets) == ("NaiveForecaster", ["y"], 1)


def test_states_hold_the_end_of_each_series(record):
    assert [state.n_steps for state in record.series.values()] == [40, 30]
    assert record.series["a"].tail[-1, 0] == 29 % 7


def test_changed_states_make_a_new_record(record):
    state = record.series["a"]
    other = record.with_series({"b": state, "c": state})
    assert other.ids == ["b", "a", "c"]
    assert other.series["b"] is state
    assert record.ids == ["b", "a"]


def test_there_is_one_model_or_one_for_each_series(record, local):
    assert record.models == [record.model]
    assert [id(model) for model in local.models] == [id(model) for model in local.model.models.values()]


def test_the_record_of_one_series_has_its_own_model_and_errors(local):
    one = local.select_series("a")
    assert one.ids == ["a"]
    assert one.model is local.model.models["a"]
    np.testing.assert_array_equal(one.naive_errors, local.naive_errors[:, 1:])
