"""The fit of a recurrent network and a linear map: fit the parts, weigh them, compute residuals, make the
model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from ..data.training_windows import subsample
from ..learning.fitting import FittedNetwork, Monitor
from .combination import ValidationForecasts, choose_weights, fit_reference_weights, root_mean_square
from .conformal import ConformalResiduals
from .examples import Examples, FitPlan, make_examples
from .fit_callbacks import FitCallbacks
from .fitted import FittedForecaster
from .local import LocalModels
from .model import ForecastModel
from .parts.linear import LinearPart
from .parts.naive import NaivePart
from .parts.part import OutOfFoldPart, Part, find_distribution_forecast
from .parts.recurrent import RecurrentOptions, RecurrentPart
from .predictive import compute_residual_unit
from .updating import UpdatedSeries, build_updated_panel

logger = logging.getLogger("seqcast")

# Validation cutoffs are subsampled so that the forecasts of a part have at most this many values.
MAX_VALIDATION_NUMBERS = 4_000_000


@dataclass(frozen=True)
class CombinationOptions:
    """The parameters of an estimator that concern the parts of a forecaster, under the same names.

    Attributes
    ----------
    recurrent : RecurrentOptions
    normalization : str
    linear, naive_fallback : bool
    intervals_by_distribution : bool
        Whether quantiles are those of the distribution that the network forecasts, not of residuals.
    """

    recurrent: RecurrentOptions
    normalization: str
    linear: bool
    naive_fallback: bool
    intervals_by_distribution: bool


def fit_combination(
    plan: FitPlan,
    options: CombinationOptions,
    previous: RecurrentPart | None,
    rng: np.random.RandomState,
    monitor: Monitor[ForecastModel],
    keep: Callable[[ForecastModel], None],
) -> None:
    """Fit a linear map and networks, weigh them, and keep their residuals.

    Parameters
    ----------
    plan : FitPlan
    options : CombinationOptions
    previous : RecurrentPart or None
        The networks from whose weights training continues.
    rng : RandomState
    monitor : Monitor
        Called for each network; each of its epochs is reported.
    keep : callable
        Called with a complete model after each network, also if training was interrupted.
    """
    examples = make_examples(plan, _count_steps_read(plan, options))
    others = _fit_other_parts(examples, options)
    # Out-of-fold forecasts need no network: they are made first, so that an interrupted fit ends at once.
    folds = _forecast_folds(others, examples, options.naive_fallback)

    def make_model(recurrent: RecurrentPart) -> ForecastModel:
        parts: dict[str, Part] = {"recurrent": recurrent, **others}
        weights, residuals = _weigh_parts(examples, parts, folds, options.naive_fallback)
        return ForecastModel.from_examples(
            examples,
            plan.memory,
            parts | _make_naive_parts(examples),
            weights,
            residuals,
            plan.lengths.window,
            options.intervals_by_distribution,
        )

    callbacks = FitCallbacks(monitor, keep).convert(make_model)
    reads_past = _need_past_covariates(others)
    RecurrentPart.fit(examples, options.recurrent, reads_past, previous, rng, callbacks)


def _fit_other_parts(examples: Examples, options: CombinationOptions) -> dict[str, Part]:
    """Fit the parts that are weighed beside the networks, by name.

    To add a part, add a line here.
    """
    parts: dict[str, Part | None] = {
        "linear": LinearPart.fit(examples, options.normalization) if options.linear else None,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _need_past_covariates(others: dict[str, Part]) -> bool:
    """Return whether the networks read covariates of which only the past is known.

    They read them only if covariates improve the linear map on the validation windows. This assumes that
    covariates without a linear effect have none that networks find.
    """
    linear = others.get("linear")
    return not isinstance(linear, LinearPart) or linear.reads_past_covariates


def fit_further(
    fitted: FittedForecaster,
    updated: dict[Any, UpdatedSeries],
    options: RecurrentOptions,
    monitor: Monitor[FittedNetwork],
) -> FittedForecaster:
    """Train networks by one pass over the samples whose horizons include new steps.

    updated : the series with new steps, as returned by `update`.
    """
    updated = {id_: series for id_, series in updated.items() if series.n_new}
    if not isinstance(fitted.model, LocalModels):
        return replace(fitted, model=_fit_model_further(fitted, updated, options, monitor))
    models = dict(fitted.model.models)
    for id_, series in updated.items():
        models[id_] = _fit_model_further(fitted.select_series(id_), {id_: series}, options, monitor)
    return replace(fitted, model=LocalModels(models))


def _fit_model_further(
    fitted: FittedForecaster,
    updated: dict[Any, UpdatedSeries],
    options: RecurrentOptions,
    monitor: Monitor[FittedNetwork],
) -> ForecastModel:
    (model,) = fitted.models
    if not updated:
        return model
    lengths, series_preparer = fitted.lengths, model.series_preparer
    n_lost = series_preparer.options.count_lost_steps(lengths.horizon)
    panel = build_updated_panel(fitted, updated, n_lost + lengths.window + lengths.horizon)
    shape = fitted.n_targets, lengths.window, lengths.horizon
    cutoffs = panel.training_starts(*shape, panel.ends, n_lost) + lengths.window
    n_new = np.array([series.n_new for series in updated.values()])
    first_new = (panel.ends - n_new)[panel.find_series(cutoffs - lengths.window + 1)]
    new = cutoffs + lengths.horizon > first_new
    if not new.any():
        # There are too few new steps, or no target was observed in them. A later call may have enough.
        return model
    prepared = model.preparer.prepare(panel)
    recurrent = recurrent_part(model).fit_further(options, prepared, cutoffs[new], monitor)
    return replace(model, parts=model.parts | {"recurrent": recurrent})


def recurrent_part(model: ForecastModel) -> RecurrentPart:
    """Return the recurrent part of a model."""
    part = model.parts["recurrent"]
    assert isinstance(part, RecurrentPart)
    return part


@dataclass(frozen=True)
class _Folds:
    """Out-of-fold forecasts of training samples, by the parts that have them.

    Attributes
    ----------
    cutoffs : ndarray of int, shape (n,)
    forecasts : ValidationForecasts
    """

    cutoffs: np.ndarray
    forecasts: ValidationForecasts


def _count_steps_read(plan: FitPlan, options: CombinationOptions) -> int:
    """Return how many steps of a window all parts read: the network reads whole segments only."""
    segment = options.recurrent.count_segment_steps(plan.lengths.window)
    return plan.lengths.window // segment * segment


def _make_naive_parts(examples: Examples) -> dict[str, NaivePart]:
    return {"naive": NaivePart(1), "seasonal_naive": NaivePart.fit(examples)}


def _forecast_folds(parts: dict[str, Part], examples: Examples, naive_fallback: bool) -> _Folds | None:
    """Return out-of-fold forecasts of the cutoffs that all parts with such forecasts have in common."""
    found = {
        name: part.forecast_out_of_fold(examples)
        for name, part in parts.items()
        if isinstance(part, OutOfFoldPart)
    }
    if not found:
        return None
    common = reduce(np.intersect1d, [cutoffs for cutoffs, _ in found.values()])
    if not len(common):
        return None
    forecasts = {name: values[np.isin(cutoffs, common)] for name, (cutoffs, values) in found.items()}
    n_horizons = len(examples.train) / examples.lengths.horizon
    return _Folds(common, _collect_forecasts(examples, common, forecasts, n_horizons, naive_fallback))


def _collect_forecasts(
    examples: Examples,
    cutoffs: np.ndarray,
    forecasts: dict[str, np.ndarray],
    n_horizons: float,
    naive_fallback: bool,
) -> ValidationForecasts:
    """Return forecasts of parts together with naive forecasts and the truth."""
    naive = {}
    if naive_fallback:
        parts = _make_naive_parts(examples)
        naive = {name: part.forecast(examples.prepared, cutoffs).center for name, part in parts.items()}
    return ValidationForecasts(forecasts, naive, examples.prepared.cut_targets(cutoffs), n_horizons)


def _weigh_parts(
    examples: Examples, parts: dict[str, Part], folds: _Folds | None, naive_fallback: bool
) -> tuple[dict[str, float], ConformalResiduals | None]:
    """Return the weights of the parts, and the residuals of their weighted sum."""
    if not len(examples.validation):
        weights = dict.fromkeys(parts, 1 / len(parts))
        return weights, _keep_residuals_of_folds(examples, parts, folds)
    n_numbers = examples.lengths.horizon * examples.prepared.n_targets
    cutoffs = subsample(examples.validation, max(1, MAX_VALIDATION_NUMBERS // n_numbers))
    found = {name: part.forecast(examples.prepared, cutoffs) for name, part in parts.items()}
    centers = {name: part.center for name, part in found.items()}
    n_horizons = len(examples.validation) / examples.lengths.horizon
    validation = _collect_forecasts(examples, cutoffs, centers, n_horizons, naive_fallback)
    weights = choose_weights(validation, folds.forecasts if folds else None)
    if weights.keys().isdisjoint(parts):
        logger.info("SeqForecaster: nothing was better than the %s forecast of the last rows", *weights)
    residuals = validation.truth - validation.forecast(weights)
    scaled = examples.prepared.scaled
    one = find_distribution_forecast(found[name] for name in weights if name in found)
    if one is not None:
        unit = compute_residual_unit(one.distribution, one.parameters, examples.volatility, scaled, cutoffs)
        return weights, ConformalResiduals.from_series(scaled, [(cutoffs, residuals / unit)])
    groups = [(cutoffs, residuals / examples.volatility.measure(scaled, cutoffs))]
    if folds is not None:
        groups.append((folds.cutoffs, _resize_residuals_of_folds(examples, weights, validation, folds)))
    return weights, ConformalResiduals.from_series(scaled, groups)


def _resize_residuals_of_folds(
    examples: Examples, weights: dict[str, float], validation: ValidationForecasts, folds: _Folds
) -> np.ndarray:
    """Return residuals of training samples, in their unit, as large as those of the forecast would be.

    They are residuals of the parts that have out-of-fold forecasts, or of the naive forecast if that was
    chosen. They are multiplied by the ratio of the sizes that residuals of the forecast and of these parts
    have on validation samples. Residuals of validation samples alone would be of one season only.
    """
    is_naive = weights.keys().isdisjoint(validation.parts)
    reference = weights if is_naive else fit_reference_weights(validation, folds.forecasts)
    size, reference_size = (
        root_mean_square(validation.truth - validation.forecast(own)) for own in (weights, reference)
    )
    residuals = examples.compute_residuals(folds.cutoffs, folds.forecasts.forecast(reference))
    return size / reference_size * residuals


def _keep_residuals_of_folds(
    examples: Examples, parts: dict[str, Part], folds: _Folds | None
) -> ConformalResiduals | None:
    """Return the out-of-fold residuals of parts with equal weights, if there are no validation samples.

    The result is None if a part forecasts a distribution. Its spread is the unit of residuals, and is not
    known out of fold.
    """
    if folds is None or any(part.distribution is not None for part in parts.values()):
        return None
    names = folds.forecasts.parts
    found = folds.forecasts.forecast(dict.fromkeys(names, 1 / len(names)))
    groups = [(folds.cutoffs, examples.compute_residuals(folds.cutoffs, found))]
    return ConformalResiduals.from_series(examples.prepared.scaled, groups)
