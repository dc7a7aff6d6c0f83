"""A fitted model of one or several series: parts, their weights and their residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from ..data.panel import Panel
from .combination import blend
from .conformal import ConformalResiduals
from .examples import Examples
from .memory import Memory
from .parts.part import Part, PartForecast, find_distribution_forecast
from .predictive import DistributionForecast, PredictiveForecast, compute_residual_unit
from .prepared_panel import PanelPreparer, PreparedPanel
from .recent_volatility import RecentVolatility
from .sensitivity import Chain
from .series_preparer import SeriesPreparer
from .training_data import TrainingData


class Model(Protocol):
    """A model that forecasts panels: one model of all series, or one for each series."""

    def forecast(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Return forecasts at each cutoff, and their quantiles, in the targets' units.

        Shape (1 + n_probabilities, n_cutoffs, horizon, n_targets).
        """
        ...

    def draw(
        self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, rngs: list[np.random.Generator]
    ) -> np.ndarray:
        """Return sample paths that begin at each of these rows, (n_begins, n_paths, steps, n_targets)."""
        ...

    def gradient(self, panel: Panel, cutoff: np.ndarray) -> np.ndarray:
        """Return derivatives of the forecast at one cutoff, (horizon, n_targets, n_rows, n_columns)."""
        ...

    @property
    def needs_residuals(self) -> bool:
        """Whether quantiles are computed from residuals."""
        ...

    @property
    def n_residuals(self) -> float:
        """The number of residuals of the step, target or series with the fewest."""
        ...

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the targets in training, shape (n_series, n_targets)."""
        ...


@dataclass(frozen=True)
class ForecastModel:
    """A weighted sum of parts, with residuals for its quantiles.

    Attributes
    ----------
    memory : Memory
        The steps that are kept of a series before a cutoff.
    preparer : PanelPreparer
        Turns values into inputs of parts, and forecasts into the targets' units.
    series_preparer : SeriesPreparer
        Prepares series that are added.
    parts : dict of Part
        All fitted parts; `weights` names those that take part in the forecast.
    weights : dict of float
        The weight of each part; they add up to 1.
    residuals : ConformalResiduals or None
        Of samples that were not learned from; None if there were none.
    volatility : RecentVolatility
        The unit of residuals, unless a distribution with a spread is forecast.
    window : int or None
        If a target has no observed value in so many steps before a cutoff, its last observed value is the
        forecast. If None, the parts always forecast.
    intervals_by_distribution : bool
        Whether quantiles are those of the distribution that a part forecasts, not of residuals.
    """

    memory: Memory
    preparer: PanelPreparer
    series_preparer: SeriesPreparer
    parts: dict[str, Part]
    weights: dict[str, float]
    residuals: ConformalResiduals | None
    volatility: RecentVolatility
    window: int | None
    intervals_by_distribution: bool = False

    @classmethod
    def from_examples(
        cls,
        examples: Examples,
        memory: Memory,
        parts: dict[str, Part],
        weights: dict[str, float],
        residuals: ConformalResiduals | None,
        window: int | None,
        intervals_by_distribution: bool = False,
    ) -> ForecastModel:
        """Return the model whose parts were fitted to these examples."""
        return cls(
            memory,
            examples.preparer,
            examples.series_preparer,
            parts,
            weights,
            residuals,
            examples.volatility,
            window,
            intervals_by_distribution,
        )

    # -- forecasts

    def forecast(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Return forecasts at each cutoff, and their quantiles; see `Model.forecast`."""
        prepared = self.preparer.prepare(panel)
        predictive = self.predict(prepared, cutoffs)
        around = predictive.quantiles(probabilities) if probabilities else ()
        series = prepared.find_series(cutoffs)
        return np.stack([self.preparer.unscale(scaled, series) for scaled in (predictive.center, *around)])

    def predict(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PredictiveForecast:
        """Return the predictive distribution at each cutoff, in scaled values."""
        predictive = self._predict_by_parts(prepared, cutoffs)
        unobserved = self._find_unobserved(prepared, cutoffs)
        if not unobserved.any():
            return predictive
        last = prepared.targets.seasonal_naive(cutoffs, 1, prepared.preparation.horizon)
        return predictive.shift(np.where(unobserved[:, None], np.nan_to_num(last), predictive.center))

    def _predict_by_parts(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PredictiveForecast:
        found = blend_parts(self.parts, self.weights, prepared, cutoffs)
        unit = partial(
            compute_residual_unit,
            found.distribution,
            found.parameters,
            self.volatility,
            prepared.scaled,
            cutoffs,
        )
        series = prepared.find_series(cutoffs)
        if found.distribution is None or found.parameters is None or not self.intervals_by_distribution:
            return PredictiveForecast(found.center, unit, series, self.residuals)
        moved = found.distribution.shift(found.parameters, found.center)
        return DistributionForecast(moved[:, 0], unit, series, self.residuals, found.distribution, moved)

    def _find_unobserved(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> np.ndarray:
        """Return which targets were not observed in the window before each cutoff, (n_cutoffs, n_targets)."""
        if self.window is None:
            return np.zeros((len(cutoffs), prepared.n_targets), bool)
        rows = cutoffs[:, None] + np.arange(-self.window, 0)
        return np.isnan(prepared.scaled.values[np.maximum(rows, 0), : prepared.n_targets]).all(axis=1)

    def draw(
        self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, rngs: list[np.random.Generator]
    ) -> np.ndarray:
        """Return sample paths; see `Model.draw`.

        The draws of one horizon are the observed values from which the next horizon is forecast. The first
        horizon is forecast once for all paths from a row.
        """
        n_before, horizon = self.memory.n_steps, self._horizon
        n_after = -(-steps // horizon) * horizon
        copies, cutoffs = panel.cut_around(begins, n_before, n_after)
        drawn: list[np.ndarray] = []
        for done in range(0, steps, horizon):
            near, near_cutoffs = copies.cut_around(cutoffs + done, n_before, horizon)
            predictive = self.predict(self._prepare_copies(near, len(begins)), near_cutoffs)
            if not done:
                predictive = predictive.repeat(n_paths)
                copies, cutoffs = copies.cut_around(np.repeat(cutoffs, n_paths), n_before, n_after)
            drawn.append(self.preparer.unscale(predictive.draw(rngs), copies.series_numbers))
            rows = (cutoffs + done)[:, None] + np.arange(horizon)
            copies.values[rows, : drawn[-1].shape[2]] = drawn[-1]
        paths = np.concatenate(drawn, axis=1)[:, :steps]
        return paths.reshape(len(begins), n_paths, *paths.shape[1:])

    def _prepare_copies(self, copies: Panel, n_series: int) -> PreparedPanel:
        """Prepare the same number of copies of each of these series.

        All copies are scaled as one series, since scaling does not depend on where a copy ends.
        """
        each = len(copies) // n_series
        firsts = slice(None, None, each)
        whole = Panel(
            copies.values, copies.bounds[firsts], copies.series_numbers[firsts], copies.clocks[firsts]
        )
        scaled = self.preparer.prepare(whole).scaled.values
        return self.preparer.prepare_scaled(copies.with_values(scaled))

    def gradient(self, panel: Panel, cutoff: np.ndarray) -> np.ndarray:
        """Return derivatives of the forecast by the values around its cutoff; see `Model.gradient`."""
        near, cutoff = panel.cut_around(cutoff, self.memory.n_read, self._horizon)
        chain = Chain(self.preparer, near, int(cutoff[0]))
        predictive = self._predict_by_parts(chain.prepared, cutoff)
        gradient = blend({name: self.parts[name].gradient(chain) for name in self.weights}, self.weights)
        if isinstance(predictive, DistributionForecast):
            # The location of a distribution is clipped to its minimum.
            gradient[predictive.center[0] <= predictive.distribution.min_location] = 0.0
        gradient = chain.to_user_units(gradient, predictive.center[0])
        # The forecast of an unobserved target is an older value.
        gradient[:, self._find_unobserved(chain.prepared, cutoff)[0]] *= 0.0
        return gradient

    # -- residuals and scales

    @property
    def _horizon(self) -> int:
        return self.preparer.preparation.horizon

    @property
    def needs_residuals(self) -> bool:
        """Whether quantiles are computed from residuals."""
        has_distribution = any(self.parts[name].distribution is not None for name in self.weights)
        return not (self.intervals_by_distribution and has_distribution)

    def check_probabilities(self, probabilities: tuple[float, ...], owner: str) -> None:
        """Check that the distribution that is forecast has quantiles with these probabilities."""
        for part in self.parts.values():
            if part.distribution is not None and not self.needs_residuals:
                part.distribution.check_probabilities(probabilities, owner)

    @property
    def n_residuals(self) -> float:
        """The number of residuals of the step and target with the fewest."""
        return 0 if self.residuals is None else self.residuals.count_effective()

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the targets in training, shape (n_series, n_targets)."""
        return self.preparer.preparation.target_scales

    def add_series(self, data: TrainingData) -> ForecastModel:
        """Return the model with new series after the others.

        Of the new series, only their scales are learned.
        """
        before = self.preparer.preparation
        numbers = len(before.target_scales) + np.arange(len(data.ids))
        self.series_preparer.check_counts(data)
        data = self.series_preparer.add_calendar(data)
        grids = [self._drop_untransformable(grid) for grid in self.series_preparer.cut_scaling_grids(data)]
        owner, targets = data.schema.owner, data.schema.roles.targets
        preparer = replace(self.preparer, preparation=before.with_series(grids, targets, owner, data.ids))
        self.series_preparer.warn_constant(preparer.preparation, data, numbers)
        prepared, borders = self.series_preparer.prepare(data, preparer, numbers)
        return replace(
            self,
            preparer=preparer,
            volatility=self.volatility.with_series(prepared.scaled, borders),
            residuals=None if self.residuals is None else self.residuals.with_series(len(numbers)),
        )

    def _drop_untransformable(self, grid: np.ndarray) -> np.ndarray:
        """Return a grid with NaN for targets that have no logarithm, if "auto" chose logarithms in fit."""
        chosen = self.preparer.preparation.options.transform
        if self.series_preparer.options.target_transform != "auto" or chosen != "log":
            return grid
        is_target = np.arange(grid.shape[1]) < self.preparer.preparation.layout.targets
        return np.where(is_target & (grid <= 0), np.nan, grid)


def blend_parts(
    parts: dict[str, Part], weights: dict[str, float], prepared: PreparedPanel, cutoffs: np.ndarray
) -> PartForecast:
    """Return the weighted sum of the parts' forecasts.

    It has the distribution of the first part that forecasts one, with its location at the weighted sum.
    """
    found = {name: parts[name].forecast(prepared, cutoffs) for name in weights}
    center = blend({name: part.center for name, part in found.items()}, weights)
    one = find_distribution_forecast(found.values())
    return PartForecast(center) if one is None else one._replace(center=center)
