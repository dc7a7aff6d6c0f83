"""Parameters of windows as the options of a fit."""

import numpy as np
import pytest

from seqcast import LinearForecaster, SeqForecaster
from seqcast.data.roles import ColumnSpec
from seqcast.estimators.window_parameters import column_spec, input_options, length_rules
from seqcast.forecasting.lengths import LengthRules, Lengths
from seqcast.forecasting.series_preparer import InputOptions

LENGTHS = Lengths(horizon=4, window=9, season_length=7)


def test_columns_are_those_of_the_parameters():
    model = SeqForecaster(target="y", id_col="id", time_col="time", future_cols=["f"], static_cols="s")
    assert column_spec(model) == ColumnSpec("y", "id", "time", ["f"], "s")


def test_length_rules_have_the_parameters_and_the_season():
    model = LinearForecaster(4, 9, differences=[1, 7], short_series="drop", validation_fraction=0.3)
    assert length_rules(model, 7) == LengthRules("LinearForecaster", 4, 9, 7, 0.3, 8, "drop")
    assert length_rules(model, 7, holds_back=False).validation_fraction is None


def test_steps_become_tuples():
    model = SeqForecaster(4, lags=[7, 14], differences=1, multivariate=True, half_life=30.0)
    expected = InputOptions("auto", "standard", (1,), (7, 14), None, True, 30.0, counts=True)
    assert input_options(model, LENGTHS, counts=True) == expected


@pytest.mark.parametrize("lags", [3, [5, 5], [True], [4.5], ("7",)])
def test_lags_are_distinct_ints_from_the_horizon_on(lags):
    with pytest.raises(
        ValueError, match="'lags' parameter of LinearForecaster must hold ints, each at least"
    ):
        input_options(LinearForecaster(4, lags=lags), LENGTHS)


@pytest.mark.parametrize("differences", [0, [1, 1], [True]])
def test_differences_are_distinct_positive_ints(differences):
    with pytest.raises(ValueError, match="'differences' parameter of LinearForecaster must"):
        LinearForecaster(4, differences=differences).fit(np.arange(30.0))
