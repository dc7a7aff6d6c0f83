"""Residuals in their unit, and the model that a fit leaves."""

import numpy as np
from plan_tasks import examples_of, make_plan

from seqcast.forecasting.freezing import freeze_model, keep_residuals, unit_residuals
from seqcast.forecasting.parts.naive import NaivePart

# Every step is one higher than the last: a change over two steps is 2, and the geometric mean sqrt(2).
Y = np.arange(40.0)
CUTOFFS = np.array([30, 35])


def test_residuals_are_in_units_of_recent_changes():
    examples = examples_of(Y)
    forecasts = NaivePart(1).forecast(examples.prepared, CUTOFFS).center
    found = unit_residuals(examples, CUTOFFS, forecasts)
    np.testing.assert_allclose(found[..., 0], [[1 / np.sqrt(2), np.sqrt(2)]] * 2, rtol=1e-9)


def test_a_frozen_model_has_the_given_parts_and_residuals():
    plan, examples, part = make_plan(Y), examples_of(Y), NaivePart(1)
    residuals = keep_residuals(examples, [(CUTOFFS, np.ones((2, 2, 1)))])
    model = freeze_model(plan, examples, {"naive": part}, {"naive": 1.0}, residuals, window=4)
    assert (model.parts, model.weights, model.window) == ({"naive": part}, {"naive": 1.0}, 4)
    assert model.n_residuals == 2
    assert model.needs_residuals
    np.testing.assert_allclose(model.target_scales, [[Y[:32].std()]])


def test_without_residuals_there_are_none_to_count():
    examples = examples_of(Y)
    model = freeze_model(make_plan(Y), examples, {"naive": NaivePart(1)}, {"naive": 1.0}, None, window=4)
    assert model.n_residuals == 0
