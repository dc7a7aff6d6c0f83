"""Fits of the naive and of the linear forecast."""

import numpy as np
import pytest
from plan_tasks import make_plan

from seqcast.forecasting.fit_baselines import fit_linear, fit_naive

Y = np.random.default_rng(0).normal(size=60)


def test_naive_residuals_are_of_all_training_samples():
    model = fit_naive(make_plan(Y, fraction=None))
    assert model.weights == {"seasonal_naive": 1.0}
    assert model.window is None
    assert len(model.residuals.values) == 55


def test_linear_residuals_are_of_validation_and_folds():
    model = fit_linear(make_plan(Y), "last")
    # 12 steps are held back: 11 cutoffs there, and 43 before the border.
    assert model.weights == {"linear": 1.0}
    assert (model.window, len(model.residuals.values)) == (4, 54)


def test_the_linear_forecast_needs_a_complete_horizon():
    values = Y.copy()
    values[::2] = np.nan
    with pytest.raises(ValueError, match=r"Test\.fit needs windows with all 2 steps after them observed"):
        fit_linear(make_plan(values), "last")
