"""The end of a fit: residuals in their unit, and the finished model."""

from __future__ import annotations

import numpy as np

from .conformal import ConformalResiduals
from .examples import Examples, FitPlan
from .model import ForecastModel
from .parts.part import Part


def unit_residuals(examples: Examples, cutoffs: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
    """Return residuals in units of how much the series moved before each cutoff."""
    unit = examples.volatility.measure(examples.prepared.scaled, cutoffs)
    return (examples.prepared.actual(cutoffs) - forecasts) / unit


def keep_residuals(examples: Examples, groups: list[tuple[np.ndarray, np.ndarray]]) -> ConformalResiduals:
    """Keep residuals of groups of samples, pairs of cutoffs and residuals in their unit."""
    return ConformalResiduals.from_series(examples.prepared.scaled, groups)


def freeze_model(
    plan: FitPlan,
    examples: Examples,
    parts: dict[str, Part],
    weights: dict[str, float],
    residuals: ConformalResiduals | None,
    window: int | None,
    intervals_by_distribution: bool = False,
) -> ForecastModel:
    """Return the model that a fit leaves; see `ForecastModel`."""
    return ForecastModel(
        plan.memory,
        examples.preparer,
        examples.series_preparer,
        parts,
        weights,
        residuals,
        examples.volatility,
        window,
        intervals_by_distribution,
    )
