"""The naive part."""

import numpy as np
import pytest
from plan_tasks import examples_of

from seqcast.forecasting.parts.naive import NaivePart

Y = np.random.default_rng(0).normal(size=40)


@pytest.mark.parametrize(("season_length", "places"), [(1, [19, 19]), (2, [18, 19]), (5, [15, 16])])
def test_the_last_season_is_repeated(season_length, places):
    prepared = examples_of(Y).prepared
    found = NaivePart(season_length).forecast(prepared, np.array([20]))
    np.testing.assert_array_equal(found.center[0, :, 0], prepared.scaled.values[places, 0])
    assert found.distribution is None


def test_a_target_that_was_not_observed_is_forecast_by_its_mean():
    values = Y.copy()
    values[:9] = np.nan
    found = NaivePart(1).forecast(examples_of(values).prepared, np.array([5]))
    np.testing.assert_array_equal(found.center, np.zeros((1, 2, 1)))
