"""Preparation of columns for the parts of a forecaster, and forecasts back in their own units.

There are two stages. *Scaled* columns are transformed and scaled: targets by statistics of their own series,
covariates by statistics of all series together, because their size may tell one series from another.
Residuals are measured in these units. *Inputs* are the columns that windows are cut from. Their targets may
be differenced. Lags beyond the window and future covariates are shifted, so that the window before a cutoff
holds their values up to the last forecast step.
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
    """The parameters of a forecaster that say how targets are prepared.

    Attributes
    ----------
    transform : str
        One of `transforms.KINDS`.
    scaling : {"standard", "robust", "none"}
    differences : tuple of int
        Lags at which targets are differenced, one after the other.
    lags : tuple of int
        Lags of the targets that are inputs of their own, each at least the horizon.
    """

    transform: str = "none"
    scaling: ScalingMethod = "standard"
    differences: tuple[int, ...] = ()
    lags: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """Statistics of the training rows, and the functions that apply them.

    Attributes
    ----------
    layout : ColumnLayout
        The columns before preparation.
    options : TargetOptions
    horizon : int
    shifts : tuple of int
        Numbers of steps by which future covariates are shifted. The shifted columns together cover the
        horizon, even if it is longer than the window that a part reads.
    transform : Transform
        Transform of the targets of each series.
    target_scaler : Scaler
        Scaler of the transformed targets of each series.
    difference_scaler : Scaler
        Scaler of the differenced, scaled targets of each series.
    raw_scaler : Scaler
        Scaler of the targets of each series in their own units.
    covariate_scaler : Scaler
        Scaler of the covariates of all series.
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
        layout: ColumnLayout,
        options: TargetOptions,
        horizon: int,
        shared_window: int,
        names: Sequence[Hashable],
        owner: str,
        ids: Sequence[Hashable],
    ) -> Preparation:
        """Learn the statistics of training rows.

        Parameters
        ----------
        grids : list of ndarray, shape (n_steps, n_columns)
            The training rows of each series.
        layout : ColumnLayout
        options : TargetOptions
        horizon : int
        shared_window : int
            Number of steps before a cutoff that all parts read.
        names : sequence of labels
            Labels of the targets, for messages.
        owner : str
            Name of the estimator, for messages.
        ids : sequence of labels
            Ids of the series, for messages.
        """
        k = layout.targets
        statistics = _fit_all_targets([grid[:, :k] for grid in grids], options, names, owner, ids)
        # Not concatenated, and so not copied, if there is a single series.
        covariates = grids[0][:, k:] if len(grids) == 1 else np.concatenate([grid[:, k:] for grid in grids])
        method: ScalingMethod = "robust" if options.scaling == "robust" else "standard"
        return cls(
            layout=layout,
            options=options,
            horizon=horizon,
            shifts=tuple(range(horizon, 0, -shared_window)),
            covariate_scaler=Scaler.fit(covariates, method=method),
            **statistics,
        )

    def with_series(
        self, grids: list[np.ndarray], names: Sequence[Hashable], owner: str, ids: Sequence[Hashable]
    ) -> Preparation:
        """Return a preparation with more series, after the others; the covariate scaler stays the same."""
        targets = [grid[:, : self.layout.targets] for grid in grids]
        statistics = _fit_all_targets(targets, self.options, names, owner, ids)
        extended = {name: getattr(self, name).append(new) for name, new in statistics.items()}
        return replace(self, **extended)

    @property
    def input_layout(self) -> ColumnLayout:
        """The columns of the inputs."""
        n_future = self.layout.future * len(self.shifts)
        return replace(self.layout, lags=len(self.options.lags), future=n_future)

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the training targets in their own units, shape (n_series, n_targets)."""
        return self.raw_scaler.scale

    @property
    def is_linear(self) -> bool:
        """True if inputs of targets are the targets in another unit."""
        return self.options.transform == "none" and not self.options.differences

    def scale(self, panel: Panel) -> Panel:
        """Return the panel with transformed and scaled columns."""
        parts = zip(panel, panel.series_numbers, strict=True)
        scaled = [self._scale_series(values, number) for values, number in parts]
        return panel.with_values(scaled[0] if len(scaled) == 1 else np.concatenate(scaled))

    def _scale_series(self, values: np.ndarray, number: int) -> np.ndarray:
        k = self.layout.targets
        transform = self.transform.select_series(number)
        if transform.kind != "none":
            values = np.hstack([transform.transform(values[:, :k]), values[:, k:]])
        scaler = self.target_scaler.select_series(number).join_columns(self.covariate_scaler)
        return scaler.transform(values, values.dtype)

    def unscale(self, scaled: np.ndarray, series_numbers: np.ndarray) -> np.ndarray:
        """Return scaled targets in their own units, the inverse of `scale`.

        Parameters
        ----------
        scaled : ndarray, shape (n, ..., n_targets)
        series_numbers : ndarray of int, shape (n,)
            The series of each of them.
        """
        transform = self.transform.select_series(series_numbers)
        target_scaler = self.target_scaler.select_series(series_numbers)
        raw_scaler = self.raw_scaler.select_series(series_numbers)
        values = transform.inverse_transform(target_scaler.inverse_transform(scaled))
        # Transforming a constant and back changes it by a rounding error, so it is put in again.
        between = (slice(None), *(None,) * (scaled.ndim - 2))
        return np.where(raw_scaler.constant[between], raw_scaler.center[between], values)

    def make_inputs(self, scaled: Panel) -> np.ndarray:
        """Return the columns that windows are cut from, shape (n_rows, n_columns), in `input_layout`."""
        values = scaled.values
        if not (self.layout.future or self.options.lags or self.options.differences):
            return values
        targets = values[:, : self.layout.targets]
        if self.options.differences:
            targets = self._difference_targets(scaled)
        future = scaled.with_values(values[:, self.layout.future_slice])
        return np.hstack(
            [
                targets,
                *self._make_lags(scaled.with_values(targets)),
                values[:, self.layout.past_slice],
                *(shift_back(future, steps) for steps in self.shifts),
                values[:, self.layout.static_slice],
            ]
        )

    def _make_lags(self, targets: Panel) -> list[np.ndarray]:
        """Return the lags of all targets as one array, or no array if there are none."""
        shifted = [shift_back(targets, self.horizon - lag) for lag in self.options.lags]
        return [np.stack(shifted, axis=2).reshape(len(targets.values), -1)] if shifted else []

    def _difference_targets(self, scaled: Panel) -> np.ndarray:
        """Return the differences of the targets, scaled."""
        k = self.layout.targets
        differences = np.empty((len(scaled.values), k))
        parts = zip(scaled, scaled.with_values(differences), scaled.series_numbers, strict=True)
        for values, out, number in parts:
            raw = difference(values[:, :k], self.options.differences)
            out[:] = self.difference_scaler.select_series(number).transform(raw, differences.dtype)
        return differences

    def integrate(
        self, forecasts: np.ndarray, scaled: Panel, cutoffs: np.ndarray, lookback: int | None = None
    ) -> np.ndarray:
        """Turn forecasts of inputs into forecasts of scaled targets.

        Parameters
        ----------
        forecasts : ndarray, shape (n_cutoffs, horizon, n_targets)
        scaled : Panel
        cutoffs : ndarray of int, shape (n_cutoffs,)
        lookback : int or None
            Number of steps before a cutoff that are read; None for all.
        """
        if not self.options.differences:
            return forecasts
        numbers = scaled.series_numbers[scaled.find_series(cutoffs)]
        differences = self.difference_scaler.select_series(numbers).inverse_transform(forecasts)
        integrated = np.empty_like(differences)
        for number, places, own in scaled.group_by_series(cutoffs):
            values = scaled.series(number)[:, : self.layout.targets]
            integrated[places] = integrate(
                differences[places], values, own, self.options.differences, lookback
            )
        return np.nan_to_num(integrated)


@contextmanager
def add_note(note: str | None) -> Iterator[None]:
    """Add a note to a ValueError that is raised within the context."""
    try:
        yield
    except ValueError as error:
        if note is not None:
            error.add_note(note)
        raise


def _fit_all_targets(
    grids: list[np.ndarray],
    options: TargetOptions,
    names: Sequence[Hashable],
    owner: str,
    ids: Sequence[Hashable],
) -> dict[str, Any]:
    """Return the attributes of a `Preparation` that hold statistics of each series (n, n_targets)."""
    fitted = []
    for grid, id_ in zip(grids, ids, strict=True):
        with add_note(None if id_ is None else f"This is series {id_!r}."):
            fitted.append((*_fit_targets(grid, options, names, owner), Scaler.fit(grid)))
    transforms, target_scalers, difference_scalers, raw_scalers = zip(*fitted, strict=True)
    return {
        "transform": Transform.stack(transforms),
        "target_scaler": Scaler.stack(target_scalers),
        "difference_scaler": Scaler.stack(difference_scalers),
        "raw_scaler": Scaler.stack(raw_scalers),
    }


def _fit_targets(
    values: np.ndarray, options: TargetOptions, names: Sequence[Hashable], owner: str
) -> tuple[Transform, Scaler, Scaler]:
    """Return the transform and the scalers of targets and differences of one series (n, n_targets)."""
    transform = Transform.fit(values, options.transform, names, owner)
    transformed = transform.transform(values)
    if options.scaling == "none":
        check_limit(transformed, names, owner)
    scaler = Scaler.fit(transformed, method=options.scaling)
    if not options.differences:
        return transform, scaler, Scaler.identity(values.shape[1])
    differences = difference(scaler.transform(transformed, values.dtype), options.differences)
    return transform, scaler, Scaler.fit(differences)


def shift_back(panel: Panel, steps: int) -> np.ndarray:
    """Return at each row the values `steps` later, or earlier if negative; NaN beyond the ends."""
    shifted = np.full_like(panel.values, np.nan)
    for values, out in zip(panel, panel.with_values(shifted), strict=True):
        if steps > 0:
            out[:-steps] = values[steps:]
        else:
            out[-steps:] = values[: len(values) + steps]
    return shifted
