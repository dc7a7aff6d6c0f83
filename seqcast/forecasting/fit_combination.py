"""The fit of a recurrent network and a linear map: fit the parts, weigh them, keep residuals, freeze."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.training_windows import subsample
from ..learning.fitting import FittedNetwork, Monitor
from ..learning.history import EpochReport
from .combination import ValidationForecasts, choose_weights, root_mean_square
from .conformal import ConformalResiduals
from .examples import Examples, FitPlan, make_examples
from .fitted import FittedForecaster
from .freezing import freeze_model, keep_residuals, unit_residuals
from .local import LocalModels
from .model import ForecastModel
from .parts.linear import LinearPart
from .parts.naive import NaivePart
from .parts.part import Part
from .parts.recurrent import RecurrentOptions, RecurrentPart
from .predictive import compute_residual_unit
from .updating import UpdatedSeries, build_updated_panel

logger = logging.getLogger("seqcast")

MAX_VALIDATION_NUMBERS = 4_000_000  # of the forecasts that the parts are weighed by


@dataclass(frozen=True)
class CombinationOptions:
    """The parameters of an estimator that concern the parts of a forecaster, under the same names.

    Attributes
    ----------
    recurrent : RecurrentOptions
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
        The networks whose weights training goes on from.
    rng : RandomState
    monitor : Monitor
        Told of each epoch of each network.
    keep : callable
        Given a complete model after each network; also if training was interrupted.
    """
    examples = make_examples(plan, _steps_read(plan, options))
    linear = LinearPart.fit(examples, options.normalization) if options.linear else None
    # Out-of-fold forecasts need no network: an interrupted fit need not wait for them.
    folds = None if linear is None else _forecast_folds(linear, examples, options.naive_fallback)
    # Covariates that are of no use to the linear map are of none to the network.
    reads_past_covariates = linear is None or linear.reads_past_covariates

    def freeze(recurrent: RecurrentPart) -> ForecastModel:
        parts: dict[str, Part] = {"recurrent": recurrent}
        if linear is not None:
            parts["linear"] = linear
        weights, residuals = _weigh(examples, parts, folds, options.naive_fallback)
        parts |= _naive_parts(plan.lengths.season_length)
        by_distribution = options.intervals_by_distribution
        return freeze_model(plan, examples, parts, weights, residuals, plan.lengths.window, by_distribution)

    def watch(
        max_iter: int, result: Callable[[EpochReport], RecurrentPart]
    ) -> AbstractContextManager[Callable[[EpochReport], bool]]:
        return monitor(max_iter, lambda epoch: freeze(result(epoch)))

    without_networks = RecurrentPart.without_networks(examples, options.recurrent, reads_past_covariates)
    without_networks.fit(examples, options.recurrent, previous, rng, watch, lambda part: keep(freeze(part)))


def fit_further(
    fitted: FittedForecaster,
    updated: dict[Any, UpdatedSeries],
    options: RecurrentOptions,
    monitor: Monitor[FittedNetwork],
) -> FittedForecaster:
    """Train networks by one pass over the samples that end in steps which are new.

    updated : the series with new steps, as `update` returns them.
    """
    if not isinstance(fitted.model, LocalModels):
        return replace(fitted, model=_fit_model_further(fitted, updated, options, monitor))
    models = dict(fitted.model.models)
    for id_, series in updated.items():
        models[id_] = _fit_model_further(fitted.for_one(id_), {id_: series}, options, monitor)
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
    n_lost = series_preparer.options.n_lost_steps(lengths.horizon)
    panel = build_updated_panel(fitted, updated, n_lost + lengths.window + lengths.horizon)
    shape = fitted.n_targets, lengths.window, lengths.horizon
    cutoffs = panel.training_starts(*shape, panel.ends, n_lost) + lengths.window
    n_new = np.array([series.n_new for series in updated.values()])
    first_new = (panel.ends - n_new)[panel.find_series(cutoffs - lengths.window + 1)]
    new = cutoffs + lengths.horizon > first_new
    if not new.any():
        # There are too few steps, or nothing was observed in them: the next ones may do.
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
    """Out-of-fold forecasts of training samples by the linear part."""

    cutoffs: np.ndarray
    forecasts: ValidationForecasts


def _steps_read(plan: FitPlan, options: CombinationOptions) -> int:
    """Return how many steps of a window all parts read: the network reads whole segments only."""
    segment = options.recurrent.segment_steps(plan.lengths.window)
    return plan.lengths.window // segment * segment


def _naive_parts(season_length: int) -> dict[str, NaivePart]:
    return {"naive": NaivePart(1), "seasonal_naive": NaivePart(season_length)}


def _forecast_folds(linear: LinearPart, examples: Examples, naive_fallback: bool) -> _Folds | None:
    cutoffs, found = linear.forecast_out_of_fold(examples)
    if not len(cutoffs):
        return None
    n_horizons = len(examples.train) / examples.lengths.horizon
    return _Folds(cutoffs, _compare(examples, cutoffs, {"linear": found}, n_horizons, naive_fallback))


def _compare(
    examples: Examples,
    cutoffs: np.ndarray,
    found: dict[str, np.ndarray],
    n_horizons: float,
    naive_fallback: bool,
) -> ValidationForecasts:
    """Return forecasts of parts beside naive ones and the truth."""
    naive = {}
    if naive_fallback:
        parts = _naive_parts(examples.lengths.season_length)
        naive = {name: part.forecast(examples.prepared, cutoffs).center for name, part in parts.items()}
    return ValidationForecasts(found, naive, examples.prepared.actual(cutoffs), n_horizons)


def _weigh(
    examples: Examples, parts: dict[str, Part], folds: _Folds | None, naive_fallback: bool
) -> tuple[dict[str, float], ConformalResiduals | None]:
    """Return the weights of the parts, and the residuals of their weighted sum."""
    if not len(examples.validation):
        weights = dict.fromkeys(parts, 1 / len(parts))
        return weights, _residuals_without_validation(examples, parts, folds)
    n_numbers = examples.lengths.horizon * examples.prepared.n_targets
    cutoffs = subsample(examples.validation, max(1, MAX_VALIDATION_NUMBERS // n_numbers))
    found = {name: part.forecast(examples.prepared, cutoffs) for name, part in parts.items()}
    centers = {name: part.center for name, part in found.items()}
    n_horizons = len(examples.validation) / examples.lengths.horizon
    validation = _compare(examples, cutoffs, centers, n_horizons, naive_fallback)
    weights = choose_weights(validation, folds.forecasts if folds else None)
    if "recurrent" not in weights:
        logger.info("SeqForecaster: nothing was better than the %s forecast of the last rows", *weights)
    residuals = validation.truth - validation.forecast(weights)
    network = found["recurrent"]
    if "recurrent" in weights and network.distribution is not None:
        volatility, scaled = examples.volatility, examples.prepared.scaled
        unit = compute_residual_unit(network.distribution, network.parameters, volatility, scaled, cutoffs)
        return weights, keep_residuals(examples, [(cutoffs, residuals / unit)])
    groups = [(cutoffs, residuals / examples.volatility.measure(examples.prepared.scaled, cutoffs))]
    if folds is not None:
        groups.append((folds.cutoffs, _residuals_of_folds(examples, weights, validation, folds)))
    return weights, keep_residuals(examples, groups)


def _residuals_of_folds(
    examples: Examples, weights: dict[str, float], validation: ValidationForecasts, folds: _Folds
) -> np.ndarray:
    """Return residuals of training samples, in their unit, as large as those of the forecast would be.

    They are those of the linear part out of fold, or of the naive forecast if that was chosen; the ratio of
    their size to that of the forecast's residuals is taken from validation samples. Those alone would be of
    one season only.
    """
    like = {"linear": 1.0} if "recurrent" in weights else weights
    size, size_of_like = (
        root_mean_square(validation.truth - validation.forecast(of_parts)) for of_parts in (weights, like)
    )
    residuals = unit_residuals(examples, folds.cutoffs, folds.forecasts.forecast(like))
    return size / size_of_like * residuals


def _residuals_without_validation(
    examples: Examples, parts: dict[str, Part], folds: _Folds | None
) -> ConformalResiduals | None:
    """Return the residuals of the linear part out of fold.

    None for a distribution, whose spread is the unit of residuals, and is not known out of fold.
    """
    if folds is None or parts["recurrent"].distribution is not None:
        return None
    found = folds.forecasts.parts["linear"]
    return keep_residuals(examples, [(folds.cutoffs, unit_residuals(examples, folds.cutoffs, found))])
