"""The fits of the naive and of the linear forecaster."""

from __future__ import annotations

from ..data.training_windows import subsample
from .conformal import MAX_SAMPLES
from .examples import FitPlan, make_examples
from .freezing import freeze_model, keep_residuals, unit_residuals
from .model import ForecastModel
from .parts.linear import LinearPart
from .parts.naive import NaivePart


def fit_naive(plan: FitPlan) -> ForecastModel:
    """Keep the residuals of the seasonal naive forecast on all samples, since it learns nothing."""
    examples = make_examples(plan, plan.lengths.window)
    part = NaivePart(plan.lengths.season_length)
    cutoffs = subsample(examples.train, MAX_SAMPLES)
    residuals = None
    if len(cutoffs):
        found = part.forecast(examples.prepared, cutoffs).center
        residuals = keep_residuals(examples, [(cutoffs, unit_residuals(examples, cutoffs, found))])
    return freeze_model(
        plan, examples, {"seasonal_naive": part}, {"seasonal_naive": 1.0}, residuals, window=None
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
    groups = [
        (cutoffs, part.forecast(examples.prepared, cutoffs).center),
        part.forecast_out_of_fold(examples),
    ]
    residuals = [(own, unit_residuals(examples, own, found)) for own, found in groups if len(own)]
    kept = keep_residuals(examples, residuals)
    return freeze_model(plan, examples, {"linear": part}, {"linear": 1.0}, kept, plan.lengths.window)
