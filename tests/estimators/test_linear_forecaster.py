"""LinearForecaster: attributes and parameters of its own."""

import doctest

import numpy as np
import pytest
from fitted_parts import linear_map_of
from plan_tasks import KEYS, daily, long
from sklearn.base import clone

from seqcast import LinearForecaster
from seqcast.estimators import linear_forecaster

WAVE = np.sin(np.arange(120) * np.pi / 5) + 3


def test_a_wave_is_forecast_from_a_window():
    model = LinearForecaster(5, 10).fit(WAVE)
    np.testing.assert_allclose(
        model.forecast(20)["y"], np.sin(np.arange(120, 140) * np.pi / 5) + 3, atol=1e-3
    )
    assert (model.horizon_, model.window_, model.season_length_) == (5, 10, 1)


def test_attributes_tell_what_was_chosen():
    model = LinearForecaster(5, 10, calendar_features=["day_of_week"]).fit(daily(WAVE))
    assert (model.ridge_, model.n_steps_) == (linear_map_of(model).ridge, linear_map_of(model).n_steps)
    assert model.target_transform_ == "none"
    assert model.calendar_features_ == ["day_of_week"]
    assert not hasattr(model, "models_")


def test_local_models_are_linear_forecasters_of_one_series():
    rows = long(a=daily(WAVE), b=daily(WAVE[:60] * 10))
    model = LinearForecaster(5, 10, scope="local", **KEYS).fit(rows)
    assert not hasattr(model, "ridge_")
    assert list(model.models_) == ["a", "b"]
    one = model.models_["b"]
    assert isinstance(one, LinearForecaster)
    assert one.scope == "global"
    assert one.forecast()["y"].tolist() == model.forecast().query("id == 'b'")["y"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "'window'"),
        ({"normalization": "max"}, "'normalization'"),
        ({"validation_fraction": 1.0}, "'validation_fraction'"),
        ({"lags": 3}, "'lags' parameter of LinearForecaster must hold ints, each at least the horizon, 5"),
        (
            {"differences": [1, 1]},
            "'differences' parameter of LinearForecaster must hold ints, each at least 1",
        ),
    ],
)
def test_bad_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LinearForecaster(**{"horizon": 5, **options}).fit(WAVE)


def test_the_docstring_example_is_true():
    result = doctest.testmod(linear_forecaster)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_parameters_are_cloned_as_given():
    model = LinearForecaster(3, target=["b"], lags=[4])
    assert clone(model).get_params() == model.get_params()
