"""Local models: one model for each series, with the interface of a single model."""

from dataclasses import dataclass

import numpy as np
import pytest

from seqcast.data.panel import Panel
from seqcast.forecasting.local import LocalModels

HORIZON = 2


@dataclass
class LastValue:
    """A model that forecasts the last value plus a constant."""

    shift: float
    n_residuals: float = 3
    needs_residuals: bool = True

    @property
    def target_scales(self):
        return np.array([[self.shift]])

    def forecast(self, panel, cutoffs, probabilities=()):
        assert len(panel) == 1
        last = panel.values[cutoffs - 1][:, None] + self.shift
        return np.stack([np.repeat(last, HORIZON, axis=1)] * (1 + len(probabilities)))

    def draw(self, panel, begins, steps, n_paths, rngs):
        assert len(rngs) == len(begins)
        last = panel.values[begins - 1][:, None, None] + self.shift
        return np.broadcast_to(last, (len(begins), n_paths, steps, 1))

    def gradient(self, panel, cutoff):
        return np.full((HORIZON, 1, 1, 1), self.shift)


MODELS = LocalModels({"a": LastValue(100.0), "b": LastValue(200.0, n_residuals=1)})
# Series a has the rows 0 to 3, series b 4 to 6.
PANEL = Panel(np.arange(7.0)[:, None], np.array([0, 4, 7]), np.array([0, 1]), np.array([0, 0]))
CUTOFFS = np.array([6, 2, 7, 4])


@pytest.mark.parametrize("probabilities", [(), (0.1, 0.9)])
def test_each_cutoff_is_forecast_by_the_model_of_its_series(probabilities):
    found = MODELS.forecast(PANEL, CUTOFFS, probabilities)
    assert found.shape == (1 + len(probabilities), 4, HORIZON, 1)
    np.testing.assert_array_equal(found[0, :, 0, 0], [205, 101, 206, 103])


def test_paths_are_drawn_by_the_model_of_each_series():
    rngs = [np.random.default_rng(0)] * 4
    found = MODELS.draw(PANEL, CUTOFFS, 3, 5, rngs)
    assert found.shape == (4, 5, 3, 1)
    np.testing.assert_array_equal(found[:, 0, 0, 0], [205, 101, 206, 103])


def test_derivatives_are_those_of_the_model_of_the_series():
    assert MODELS.gradient(PANEL, np.array([4]))[0, 0, 0, 0] == 100
    assert MODELS.gradient(PANEL, np.array([7]))[0, 0, 0, 0] == 200


def test_the_series_with_the_fewest_residuals_counts():
    assert MODELS.n_residuals == 1
    some = LocalModels({"a": LastValue(1.0), "b": LastValue(1.0, n_residuals=0, needs_residuals=False)})
    assert (some.n_residuals, some.needs_residuals) == (3, True)
    none = LocalModels({"b": LastValue(1.0, needs_residuals=False)})
    assert (none.n_residuals, none.needs_residuals) == (np.inf, False)


def test_models_are_in_the_order_of_the_series():
    assert MODELS[1] is MODELS.models["b"]
    np.testing.assert_array_equal(MODELS.target_scales, [[100], [200]])
