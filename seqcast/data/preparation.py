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
from .roles import Columns
from .scaling import How, Scaler, check_limit
from .transforms import Transform


@dataclass(frozen=True)
class Treatment:
    """What a forecaster's parameters say about targets; see there."""

    transform: str = "none"
    scaling: How = "standard"
    differences: tuple[int, ...] = ()
    lags: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """What was learned of the training rows.

    Attributes
    ----------
    given : Columns
        As they come.
    treatment : Treatment
    horizon : int
    moves : tuple of int
        By how many steps the columns that are known ahead are moved up: side by side, these cover the
        horizon, even if it is longer than what a part reads of a window.
    transform : Transform
        Of the targets, a row for each series.
    targets : Scaler
        Of transformed targets, likewise.
    changes : Scaler
        Of differenced levels, likewise.
    raw : Scaler
        Of targets as they came, likewise.
    covariates : Scaler
    """

    given: Columns
    treatment: Treatment
    horizon: int
    moves: tuple[int, ...]
    transform: Transform
    targets: Scaler
    changes: Scaler
    raw: Scaler
    covariates: Scaler

    @classmethod
    def of(
        cls,
        grids: list[np.ndarray],
        columns: Columns,
        treatment: Treatment,
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
        learned = _of_targets([grid[:, :k] for grid in grids], treatment, names, owner, ids)
        covariates = grids[0][:, k:] if len(grids) == 1 else np.concatenate([grid[:, k:] for grid in grids])
        return cls(
            given=columns,
            treatment=treatment,
            horizon=horizon,
            moves=tuple(range(horizon, 0, -reach)),
            covariates=Scaler.of(covariates, how="robust" if treatment.scaling == "robust" else "standard"),
            **learned,
        )

    def with_series(
        self, grids: list[np.ndarray], names: Sequence[Hashable], owner: str, ids: Sequence[Hashable]
    ) -> Preparation:
        """With series that were not there, after the others; covariates are scaled as they were."""
        targets = [grid[:, : self.given.targets] for grid in grids]
        learned = _of_targets(targets, self.treatment, names, owner, ids)
        both = {name: getattr(self, name).followed_by(new) for name, new in learned.items()}
        return replace(self, **both)

    @property
    def columns(self) -> Columns:
        """Of the inputs."""
        return replace(self.given, lags=len(self.treatment.lags), future=self.given.future * len(self.moves))

    @property
    def target_scales(self) -> np.ndarray:
        """Training deviations, shape (n_series, n_targets)."""
        return self.raw.scale

    @property
    def is_linear(self) -> bool:
        """Whether levels are targets in another unit, and nothing else."""
        return self.treatment.transform == "none" and not self.treatment.differences

    def levels(self, panel: Panel) -> Panel:
        """Transformed and scaled columns."""
        levels = [self._levels_of(values, number) for values, number in zip(panel, panel.fitted, strict=True)]
        return panel.holding(levels[0] if len(levels) == 1 else np.concatenate(levels))

    def _levels_of(self, values: np.ndarray, number: int) -> np.ndarray:
        """Of one series."""
        k, transform = self.given.targets, self.transform.of_series(number)
        if transform.kind != "none":
            values = np.hstack([transform.apply(values[:, :k]), values[:, k:]])
        return self.targets.of_series(number).beside(self.covariates).transform(values, values.dtype)

    def inputs(self, levels: Panel) -> np.ndarray:
        """What windows are cut from, shape (n_rows, n_columns) of `columns`."""
        values, k = levels.values, self.given.targets
        if not (self.given.future or self.treatment.lags or self.treatment.differences):
            return values
        targets = self._differenced(levels) if self.treatment.differences else values[:, :k]
        changed, ahead = levels.holding(targets), levels.holding(values[:, self.given.known_ahead])
        lagged = [moved_up(changed, self.horizon - lag) for lag in self.treatment.lags]
        lags = [np.stack(lagged, axis=2).reshape(len(values), -1)] if lagged else []
        past, static = values[:, self.given.of_the_past], values[:, self.given.static_ones]
        return np.hstack([targets, *lags, past, *(moved_up(ahead, steps) for steps in self.moves), static])

    def _differenced(self, levels: Panel) -> np.ndarray:
        """Changes of the targets, scaled."""
        changes = np.empty((len(levels.values), self.given.targets))
        for values, out, number in zip(levels, levels.holding(changes), levels.fitted, strict=True):
            raw = difference(values[:, : self.given.targets], self.treatment.differences)
            out[:] = self.changes.of_series(number).transform(raw, changes.dtype)
        return changes

    def integrate(
        self, forecasts: np.ndarray, levels: Panel, cutoffs: np.ndarray, reach: int | None = None
    ) -> np.ndarray:
        """Forecasts of inputs (n_cutoffs, horizon, n_targets) as those of levels.

        reach : so many steps before a cutoff are read; None: all.
        """
        if not self.treatment.differences:
            return forecasts
        changes = self.changes.of_series(levels.fitted[levels.numbers(cutoffs)]).inverse(forecasts)
        summed = np.empty_like(changes)
        for number, places, own in levels.series_cutoffs(cutoffs):
            values = levels.series(number)[:, : self.given.targets]
            summed[places] = integrate(changes[places], values, own, self.treatment.differences, reach)
        return np.nan_to_num(summed)

    def undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Levels (n, ..., n_targets) in the targets' own units; fitted (n,): of which series they are."""
        values = self.transform.of_series(fitted).undo(self.targets.of_series(fitted).inverse(forecasts))
        raw = self.raw.of_series(fitted)
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
    treatment: Treatment,
    names: Sequence[Hashable],
    owner: str,
    ids: Sequence[Hashable],
) -> dict[str, Any]:
    """What a `Preparation` has of each series, of series (n, n_targets) with these ids."""
    fitted = []
    for grid, id_ in zip(grids, ids, strict=True):
        with add_note(None if id_ is None else f"This is series {id_!r}."):
            fitted.append((*_fit_targets(grid, treatment, names, owner), Scaler.of(grid)))
    transforms, targets, changes, raw = zip(*fitted, strict=True)
    return {
        "transform": Transform.stacked(transforms),
        "targets": Scaler.stacked(targets),
        "changes": Scaler.stacked(changes),
        "raw": Scaler.stacked(raw),
    }


def _fit_targets(
    values: np.ndarray, treatment: Treatment, names: Sequence[Hashable], owner: str
) -> tuple[Transform, Scaler, Scaler]:
    """Of one series (n, n_targets)."""
    transform = Transform.of(values, treatment.transform, names, owner)
    straight = transform.apply(values)
    if treatment.scaling == "none":
        check_limit(straight, names, owner)
    scaler = Scaler.of(straight, how=treatment.scaling)
    if not treatment.differences:
        return transform, scaler, Scaler.identity(values.shape[1])
    changes = difference(scaler.transform(straight, values.dtype), treatment.differences)
    return transform, scaler, Scaler.of(changes)


def moved_up(panel: Panel, steps: int) -> np.ndarray:
    """The values of so many steps later (earlier, if negative); NaN where the series does not reach."""
    moved = np.full_like(panel.values, np.nan)
    for values, out in zip(panel, panel.holding(moved), strict=True):
        if steps > 0:
            out[:-steps] = values[steps:]
        else:
            out[-steps:] = values[: len(values) + steps]
    return moved
