"""From columns as they came to the numbers that the parts of a forecaster read, and forecasts back.

In two stages. *Levels* are transformed and scaled columns: targets by what was learned of their own series,
covariates by what was learned of all series together, since their level may tell one series from another.
Errors are weighed in these units. *Inputs* are what windows are cut from: targets may be differenced; lags
beyond the window and columns that are known ahead are moved, so that a window before a cutoff holds them up
to the last step that is forecast from there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .differencing import difference, integrate
from .panel import Panel
from .roles import ColumnLayout
from .scaling import Scaler, ScalingMethod, check_limit
from .transforms import Transform


@dataclass(frozen=True)
class TargetOptions:
    """What a forecaster's parameters say about targets; see there."""

    transform: str = "none"
    scaling: ScalingMethod = "standard"
    differences: tuple[int, ...] = ()
    lags: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """What was learned of the training rows.

    Attributes
    ----------
    layout : ColumnLayout
        As they come.
    options : TargetOptions
    horizon : int
    shifts : tuple of int
        By how many steps the columns that are known ahead are moved up: side by side, these cover the
        horizon, even if it is longer than what a part reads of a window.
    transform : Transform
        Of the targets, a row for each series.
    target_scaler : Scaler
        Of transformed targets, likewise.
    difference_scaler : Scaler
        Of differenced scaled, likewise.
    raw_scaler : Scaler
        Of targets as they came, likewise.
    covariate_scaler : Scaler
    """

    layout: ColumnLayout
    options: TargetOptions
    horizon: int
    shifts: tuple[int, ...]
    transform: Transform
    target_scaler: Scaler
    difference_scaler: Scaler
    raw_scaler: Scaler
    covariate_scaler: Scaler

    @classmethod
    def fit(
        cls,
        grids: list[np.ndarray],
        columns: ColumnLayout,
        options: TargetOptions,
        horizon: int,
        reach: int,
        names: Sequence[Hashable],
        owner: str,
        ids: Sequence[Hashable],
    ) -> Preparation:
        """Learn from training rows (n_steps, n_columns) of each series.

        reach : so many steps of a window, the last ones, are read by all parts.
        names : labels of the targets, for messages; owner : name of the estimator; ids : of the series.
        """
        k = columns.targets
        learned = _of_targets([grid[:, :k] for grid in grids], options, names, owner, ids)
        covariates = grids[0][:, k:] if len(grids) == 1 else np.concatenate([grid[:, k:] for grid in grids])
        return cls(
            layout=columns,
            options=options,
            horizon=horizon,
            shifts=tuple(range(horizon, 0, -reach)),
            covariate_scaler=Scaler.fit(
                covariates, how="robust" if options.scaling == "robust" else "standard"
            ),
            **learned,
        )

    def with_series(
        self, grids: list[np.ndarray], names: Sequence[Hashable], owner: str, ids: Sequence[Hashable]
    ) -> Preparation:
        """With series that were not there, after the others; covariates are scaled as they were."""
        targets = [grid[:, : self.layout.targets] for grid in grids]
        learned = _of_targets(targets, self.options, names, owner, ids)
        both = {name: getattr(self, name).append(new) for name, new in learned.items()}
        return replace(self, **both)

    @property
    def input_layout(self) -> ColumnLayout:
        """Of the inputs."""
        return replace(self.layout, lags=len(self.options.lags), future=self.layout.future * len(self.shifts))

    @property
    def target_scales(self) -> np.ndarray:
        """Training deviations, shape (n_series, n_targets)."""
        return self.raw_scaler.scale

    @property
    def is_linear(self) -> bool:
        """Whether scaled are targets in another unit, and nothing else."""
        return self.options.transform == "none" and not self.options.differences

    def scale(self, panel: Panel) -> Panel:
        """Transformed and scaled columns."""
        scaled = [
            self._scale_series(values, number)
            for values, number in zip(panel, panel.series_numbers, strict=True)
        ]
        return panel.with_values(scaled[0] if len(scaled) == 1 else np.concatenate(scaled))

    def _scale_series(self, values: np.ndarray, number: int) -> np.ndarray:
        """Of one series."""
        k, transform = self.layout.targets, self.transform.select_series(number)
        if transform.kind != "none":
            values = np.hstack([transform.transform(values[:, :k]), values[:, k:]])
        return (
            self.target_scaler.select_series(number)
            .join_columns(self.covariate_scaler)
            .transform(values, values.dtype)
        )

    def make_inputs(self, scaled: Panel) -> np.ndarray:
        """What windows are cut from, shape (n_rows, n_columns) of `columns`."""
        values, k = scaled.values, self.layout.targets
        if not (self.layout.future or self.options.lags or self.options.differences):
            return values
        targets = self._differenced(scaled) if self.options.differences else values[:, :k]
        changed, ahead = scaled.with_values(targets), scaled.with_values(values[:, self.layout.future_slice])
        lagged = [shift_back(changed, self.horizon - lag) for lag in self.options.lags]
        lags = [np.stack(lagged, axis=2).reshape(len(values), -1)] if lagged else []
        past, static = values[:, self.layout.past_slice], values[:, self.layout.static_slice]
        return np.hstack([targets, *lags, past, *(shift_back(ahead, steps) for steps in self.shifts), static])

    def _differenced(self, scaled: Panel) -> np.ndarray:
        """Changes of the targets, scaled."""
        changes = np.empty((len(scaled.values), self.layout.targets))
        for values, out, number in zip(
            scaled, scaled.with_values(changes), scaled.series_numbers, strict=True
        ):
            raw = difference(values[:, : self.layout.targets], self.options.differences)
            out[:] = self.difference_scaler.select_series(number).transform(raw, changes.dtype)
        return changes

    def integrate(
        self, forecasts: np.ndarray, scaled: Panel, cutoffs: np.ndarray, reach: int | None = None
    ) -> np.ndarray:
        """Forecasts of inputs (n_cutoffs, horizon, n_targets) as those of scaled.

        reach : so many steps before a cutoff are read; None: all.
        """
        if not self.options.differences:
            return forecasts
        changes = self.difference_scaler.select_series(
            scaled.series_numbers[scaled.find_series(cutoffs)]
        ).inverse_transform(forecasts)
        summed = np.empty_like(changes)
        for number, places, own in scaled.group_by_series(cutoffs):
            values = scaled.series(number)[:, : self.layout.targets]
            summed[places] = integrate(changes[places], values, own, self.options.differences, reach)
        return np.nan_to_num(summed)

    def unscale(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Levels (n, ..., n_targets) in the targets' own units; fitted (n,): of which series they are."""
        values = self.transform.select_series(fitted).inverse_transform(
            self.target_scaler.select_series(fitted).inverse_transform(forecasts)
        )
        raw = self.raw_scaler.select_series(fitted)
        # A constant that was transformed and undone is no longer quite the same.
        between = (slice(None), *(None,) * (forecasts.ndim - 2))
        return np.where(raw.constant[between], raw.center[between], values)


@contextmanager
def add_note(note: str | None) -> Iterator[None]:
    """Add to the errors of what is done meanwhile."""
    try:
        yield
    except ValueError as error:
        if note is not None:
            error.add_note(note)
        raise


def _of_targets(
    grids: list[np.ndarray],
    options: TargetOptions,
    names: Sequence[Hashable],
    owner: str,
    ids: Sequence[Hashable],
) -> dict[str, Any]:
    """What a `Preparation` has of each series, of series (n, n_targets) with these ids."""
    fitted = []
    for grid, id_ in zip(grids, ids, strict=True):
        with add_note(None if id_ is None else f"This is series {id_!r}."):
            fitted.append((*_fit_targets(grid, options, names, owner), Scaler.fit(grid)))
    transforms, targets, changes, raw = zip(*fitted, strict=True)
    return {
        "transform": Transform.stack(transforms),
        "target_scaler": Scaler.stack(targets),
        "difference_scaler": Scaler.stack(changes),
        "raw_scaler": Scaler.stack(raw),
    }


def _fit_targets(
    values: np.ndarray, options: TargetOptions, names: Sequence[Hashable], owner: str
) -> tuple[Transform, Scaler, Scaler]:
    """Of one series (n, n_targets)."""
    transform = Transform.fit(values, options.transform, names, owner)
    straight = transform.transform(values)
    if options.scaling == "none":
        check_limit(straight, names, owner)
    scaler = Scaler.fit(straight, how=options.scaling)
    if not options.differences:
        return transform, scaler, Scaler.identity(values.shape[1])
    changes = difference(scaler.transform(straight, values.dtype), options.differences)
    return transform, scaler, Scaler.fit(changes)


def shift_back(panel: Panel, steps: int) -> np.ndarray:
    """The values of so many steps later (earlier, if negative); NaN where the series does not reach."""
    moved = np.full_like(panel.values, np.nan)
    for values, out in zip(panel, panel.with_values(moved), strict=True):
        if steps > 0:
            out[:-steps] = values[steps:]
        else:
            out[-steps:] = values[: len(values) + steps]
    return moved
