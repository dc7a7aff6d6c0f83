"""The fits of the naive and of the linear forecaster."""

from __future__ import annotations

from ..data.training_windows import subsample
from .conformal import MAX_SAMPLES, ConformalResiduals
from .examples import FitPlan, make_examples
from .model import ForecastModel
from .parts.linear import LinearPart
from .parts.naive import NaivePart


def fit_naive(plan: FitPlan) -> ForecastModel:
    """Fit the seasonal naive forecast.

    It learns nothing, so that its residuals are those of all samples.
    """
    examples = make_examples(plan, plan.lengths.window)
    part = NaivePart.fit(examples)
    cutoffs = subsample(examples.train, MAX_SAMPLES)
    residuals = None
    if len(cutoffs):
        found = part.forecast(examples.prepared, cutoffs).center
        groups = [(cutoffs, examples.compute_residuals(cutoffs, found))]
        residuals = ConformalResiduals.from_series(examples.prepared.scaled, groups)
    weights = {"seasonal_naive": 1.0}
    return ForecastModel.from_examples(
        examples, plan.memory, {"seasonal_naive": part}, weights, residuals, window=None
    )


def fit_linear(plan: FitPlan, normalization: str) -> ForecastModel:
    """Fit the linear part, and keep its residuals on validation samples and out of fold."""
    examples = make_examples(plan, plan.lengths.window)
    part = LinearPart.fit(examples, normalization)
    if part is None:
        raise ValueError(
            f"{plan.rules.owner}.fit needs windows with all {plan.lengths.horizon} steps after them "
            f"observed. Got none among those to learn from. Pass more rows, or a shorter horizon."
        )
    cutoffs = subsample(examples.validation, MAX_SAMPLES)
    forecasts = [
        (cutoffs, part.forecast(examples.prepared, cutoffs).center),
        part.forecast_out_of_fold(examples),
    ]
    groups = [(own, examples.compute_residuals(own, found)) for own, found in forecasts if len(own)]
    residuals = ConformalResiduals.from_series(examples.prepared.scaled, groups)
    return ForecastModel.from_examples(
        examples, plan.memory, {"linear": part}, {"linear": 1.0}, residuals, plan.lengths.window
    )
