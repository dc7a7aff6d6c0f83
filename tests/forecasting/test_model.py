"""A fitted model of all series."""

import numpy as np
from plan_tasks import examples_of, make_plan

from seqcast.forecasting.conformal import ConformalResiduals
from seqcast.forecasting.model import ForecastModel
from seqcast.forecasting.parts.naive import NaivePart

# Every step is one higher than the last: a change over two steps is 2, and the geometric mean sqrt(2).
Y = np.arange(40.0)
CUTOFFS = np.array([30, 35])


def make_model(residuals):
    parts = {"naive": NaivePart(1)}
    return ForecastModel.from_examples(
        examples_of(Y), make_plan(Y).memory, parts, {"naive": 1.0}, residuals, window=4
    )


def test_a_model_has_the_given_parts_and_residuals():
    groups = [(CUTOFFS, np.ones((2, 2, 1)))]
    model = make_model(ConformalResiduals.from_series(examples_of(Y).prepared.scaled, groups))
    assert (model.parts, model.weights, model.window) == ({"naive": NaivePart(1)}, {"naive": 1.0}, 4)
    assert model.n_residuals == 2
    assert model.needs_residuals
    np.testing.assert_allclose(model.target_scales, [[Y[:32].std()]])


def test_without_residuals_there_are_none_to_count():
    assert make_model(None).n_residuals == 0
