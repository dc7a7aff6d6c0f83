"""How a forecast changes with each value that it was made from: the chain rule, from its end to the rows.

All stages but the network are linear, or act on one number at a time::

    values -> transformed and scaled -> differenced -> moved, in blocks -> forecast by each part
           -> summed up -> mixed -> undone

Which number went where is found by running the stages that only move numbers over the numbers of the cells
instead of their values; how forecasts of changes add up, by running the sum over unit vectors. So what is
written twice here is little: the slopes of transforms and scalers.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..data.differencing import difference, integrate
from ..data.panel import Panel
from ..data.preparation import Preparation
from ..data.roles import ColumnLayout, Roles
from ..data.scaling import LIMIT, Scaler
from ..data.schema import Schema
from ..data.seasonal_naive import seasonal_naive
from ..data.transforms import Transform
from ..kernels.constants import LEAST_DEVIATION
from ..learning.window_denormalization import Units, last_observed
from .linear_map import LinearMap
from .prepared_panel import PanelPreparer, PreparedPanel
from .window_scaling import WindowScaling, deviations
from .window_source import WindowSource, to_wide


@dataclass(frozen=True)
class Chain:
    """From the rows around one cutoff to the forecast made there.

    Letters: h steps of the horizon, k targets, m rows, c columns.

    Attributes
    ----------
    preparer : PanelPreparer
    panel : Panel
        One series: the rows before the cutoff that a forecast may read, and h rows after it.
    cutoff : int
    """

    preparer: PanelPreparer
    panel: Panel
    cutoff: int

    @cached_property
    def prepared(self) -> PreparedPanel:
        """What parts read."""
        return self.preparer.prepare(self.panel)

    @property
    def preparation(self) -> Preparation:
        return self.preparer.preparation

    @property
    def levels(self) -> Panel:
        """The scaled values."""
        return self.prepared.scaled

    @property
    def source(self) -> WindowSource:
        """The inputs that windows are cut from."""
        return self.prepared.source

    @cached_property
    def cells(self) -> WindowSource:
        """The number of the cell (m, c) of `_changed` that each input was, NaN where missing."""
        changed = self._changed
        cells = np.where(np.isnan(changed), np.nan, np.arange(changed.size).reshape(changed.shape))
        treatment = replace(self.preparation.options, differences=())
        moving = replace(self.preparer, preparation=replace(self.preparation, options=treatment))
        return moving.prepare_scaled(self.levels.with_values(cells)).source

    @cached_property
    def _changed(self) -> np.ndarray:
        """Levels, of the targets their scaled changes if these are read: (m, c)."""
        return np.hstack([self.source.wide_targets(), self.levels.values[:, self._k :]])

    @property
    def _targets(self) -> np.ndarray:
        """Levels of the targets, (m, k)."""
        return self.levels.values[:, : self._k]

    @property
    def _horizon(self) -> int:
        return self.preparation.horizon

    @property
    def _number(self) -> int:
        """Of the series, among those that were fitted."""
        return int(self.panel.series_numbers[0])

    @property
    def _k(self) -> int:
        return self.preparation.layout.targets

    @property
    def _lags(self) -> tuple[int, ...]:
        return self.preparation.options.differences

    # -- from the forecasts of levels back to levels: (h, k, m, c)

    def of_part(self, slopes: np.ndarray, reads_past_covariates: bool = True) -> np.ndarray:
        """Return derivatives of a part's forecasts, from those by what it read.

        slopes : (n_blocks, n_outputs, n_rows, n_columns), by the last rows before the cutoff and the first
        columns of each block; without past covariates, if the part does not read them.
        """
        n_blocks, n_outputs, n_rows, n_columns = slopes.shape
        source = self.cells if reads_past_covariates else self.cells.without_past()
        cells = source.values[:, self.cutoff - n_rows : self.cutoff, :n_columns]
        found = np.zeros((n_blocks, self._changed.size, n_outputs))
        for by_cell, by_input, source in zip(found, slopes, cells, strict=True):
            seen = ~np.isnan(source)
            np.add.at(by_cell, source[seen].astype(np.int64), by_input[:, seen].T)
        wide = to_wide(found.reshape(-1, self._horizon, self.source.n_targets), n_blocks)
        by_changed = wide.reshape(*self._changed.shape, self._horizon, -1).transpose(2, 3, 0, 1)
        return self._integrated(by_changed) if self._lags else by_changed

    def of_naive(self, season_length: int) -> np.ndarray:
        """Of the seasonal naive forecast."""
        return self._of_repeated(self._targets, season_length)

    def _of_repeated(self, values: np.ndarray, season_length: int) -> np.ndarray:
        """Of what `seasonal_naive` repeats of `values` (m, k): 1 by the one value that it is."""
        numbers = np.where(np.isnan(values), np.nan, np.arange(len(values))[:, None])
        rows = seasonal_naive(numbers, np.array([self.cutoff]), season_length, self._horizon)[0]
        lead, target = np.nonzero(~np.isnan(rows))
        slopes = np.zeros((*rows.shape, *self._changed.shape))
        slopes[lead, target, rows[lead, target].astype(np.int64), target] = 1.0
        return slopes

    def _integrated(self, slopes: np.ndarray) -> np.ndarray:
        """Of forecasts of levels, from those of scaled changes by scaled changes."""
        lags, k, targets = self._lags, self._k, self._targets
        scaler = self.preparation.difference_scaler.select_series(self._number)
        slopes = slopes * _inverse_slopes(scaler)[:, None, None]
        slopes[..., :k] *= _scaling_slopes(scaler, self._changed[:, :k])
        slopes[..., :k] = _of_differenced(slopes[..., :k], lags)
        slopes = self._summed(slopes, lags)
        for done, lag in enumerate(lags):
            season = self._of_repeated(difference(targets, lags[:done]), lag)
            slopes += self._summed(_of_differenced(season, lags[:done]), lags[:done])
        nothing = np.zeros((1, self._horizon, k))
        unknown = np.isnan(integrate(nothing, targets, np.array([self.cutoff]), lags))[0]
        return np.where(unknown[:, :, None, None], 0.0, slopes)

    def _summed(self, slopes: np.ndarray, lags: tuple[int, ...]) -> np.ndarray:
        """Of what `integrate` makes of forecasts: how they add up, it tells of unit vectors."""
        units, zeros = np.eye(self._horizon)[:, :, None], np.zeros((self.cutoff, 1))
        sums = integrate(units, zeros, np.full(self._horizon, self.cutoff), lags)[:, :, 0]
        return np.einsum("io,ikmc->okmc", sums, slopes)

    # -- in the user's units

    def in_units(self, slopes: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Of the forecasts by the values as they came, NaN by missing ones: (h, k, m, c).

        slopes : of levels by levels; forecasts : levels, (h, k).
        """
        return slopes * self._undoing(forecasts)[:, :, None, None] * self._preparing()

    def _preparing(self) -> np.ndarray:
        """Of each level by its value, (m, c)."""
        k, values, levels = self._k, self.panel.values, self.levels.values
        scaler = self.preparation.target_scaler.select_series(self._number).join_columns(
            self.preparation.covariate_scaler
        )
        slopes = _scaling_slopes(scaler, levels)
        inside = np.where(np.isnan(levels), 1.0, values)[:, :k]  # where there is a slope
        slopes[:, :k] *= _transform_slopes(self.preparation.transform.select_series(self._number), inside)
        return np.where(np.isnan(levels), np.nan, slopes)

    def _undoing(self, forecasts: np.ndarray) -> np.ndarray:
        """Of each forecast by its level, (h, k)."""
        transform = self.preparation.transform.select_series(self._number)
        scaler = self.preparation.target_scaler.select_series(self._number)
        undone = self.preparation.unscale(forecasts[None], self.panel.series_numbers)[0]
        with np.errstate(divide="ignore"):
            slopes = _inverse_slopes(scaler) / _transform_slopes(transform, undone)
        return np.where(_at_the_end(transform, undone), 0.0, slopes)


# -- one part, and one number at a time


def linear_slopes(linear: LinearMap, blocks: WindowSource, start: int, window: int) -> np.ndarray:
    """Of its forecast from the window at `start`, by the values of the window in each block: (n_blocks,
    n_outputs, window, n_columns)."""
    windows, n_outputs, way = blocks.values[:, start : start + window], len(linear.intercept), linear.way
    unread = blocks.columns.past_slice if way.covariates == "none" else slice(0)
    places = np.delete(np.arange(blocks.n_columns), unread)
    slopes = np.zeros((len(blocks), n_outputs, window, blocks.n_columns))
    slopes[:, :, window - linear.n_steps :, places] = linear.weights.T.reshape(n_outputs, -1, len(places))
    units = _units(windows, way, blocks.columns)
    forecasts = linear.forecast(blocks, np.array([start]), window).reshape(len(blocks), -1)
    return units.of_values(slopes, windows, units.outputs(forecasts))


def _units(windows: np.ndarray, way: WindowScaling, columns: ColumnLayout) -> Units:
    """As `WindowScaling.read` reads windows (n, n_rows, n_columns)."""
    relative, k, of_scales = way.n_relative(columns), columns.targets, np.zeros_like(windows)
    offsets, of_offsets = last_observed(windows, relative)
    scales, made_of = np.ones_like(offsets), np.zeros((windows.shape[2],) * 2, bool)
    if way.normalization == "instance":
        scales[:, :relative] = deviations(windows[:, :, :k])[:, None]
        of_scales[:, :, :k] = _of_deviations(windows[:, :, :k], scales[:, :1, None])
        made_of[:relative, :k] = True
    return Units(offsets, scales, of_offsets, of_scales, made_of, k)


def _of_deviations(windows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Of `deviations`, which are `found` (n, 1, 1), by the values."""
    seen = ~np.isnan(windows)
    n = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    apart = np.where(seen, windows - np.where(seen, windows, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    n_columns = np.maximum(seen.any(axis=1).sum(axis=1), 1)[:, None, None]
    return np.where(found > LEAST_DEVIATION, apart / (n * n_columns * found), 0.0)


def _of_differenced(slopes: np.ndarray, lags: tuple[int, ...]) -> np.ndarray:
    """From derivatives by differences (..., m, c) to those by what was differenced."""
    for lag in lags:
        later = np.zeros_like(slopes)
        later[..., :-lag, :] = slopes[..., lag:, :]
        slopes = slopes - later
    return slopes


def _scaling_slopes(scaler: Scaler, scaled: np.ndarray) -> np.ndarray:
    """Of `Scaler.transform`: none where it clips."""
    return np.where(np.abs(scaled) < LIMIT, 1 / scaler.scale, 0.0)


def _inverse_slopes(scaler: Scaler) -> np.ndarray:
    return np.where(scaler.constant, 0.0, scaler.scale)


def _transform_slopes(transform: Transform, values: np.ndarray) -> np.ndarray:
    """Of `Transform.transform`: a power of what it takes the logarithm of; see there."""
    if transform.kind == "none":
        return np.ones_like(values)
    with np.errstate(divide="ignore", over="ignore"):  # at the end of what can be undone
        power = np.where(_is_below(transform, values), 1 - transform.lambdas, transform.lambdas - 1)
        return _inside(transform, values) ** power / transform.unit


def _inside(transform: Transform, values: np.ndarray) -> np.ndarray:
    """What `Transform.transform` takes the logarithm of."""
    sign = np.where(_is_below(transform, values), -1.0, 1.0)
    return sign * values / transform.unit + (transform.kind in ("log1p", "yeo-johnson"))


def _is_below(transform: Transform, values: np.ndarray) -> np.ndarray:
    """Where the other side of a transform with two sides is."""
    return (values < 0) & (transform.kind == "yeo-johnson")


def _at_the_end(transform: Transform, undone: np.ndarray) -> np.ndarray:
    """Where `Transform.inverse_transform` can go no further."""
    if transform.kind == "none":
        return np.zeros(undone.shape, bool)
    return (np.abs(undone) >= transform.bound) | (_inside(transform, undone) <= 0)


# -- all together


def to_frame(slopes: np.ndarray, schema: Schema, ids: list[Any]) -> pd.DataFrame:
    """Return derivatives of forecasts (n_series, h, k, m, c) as a frame; see `BaseForecaster.sensitivity`."""
    columns, values = by_column_and_lag(slopes, schema.roles)
    labels = [ids, schema.roles.targets, list(range(1, slopes.shape[1] + 1))]
    names = [schema.column_spec.id_col, "target", "lead"]
    first = 0 if schema.has_ids else 1
    index = pd.MultiIndex.from_product(labels[first:], names=names[first:])
    return pd.DataFrame(values, index, pd.MultiIndex.from_tuples(columns, names=["column", "lag"]))


def by_column_and_lag(slopes: np.ndarray, roles: Roles) -> tuple[list[tuple[Hashable, int]], np.ndarray]:
    """Column and lag of each value, and derivatives by it, (n_series * k * h, n_values).

    slopes : (n_series, h, k, m, c), of rows that end h steps after the cutoff. What lies after it is left out
    but of columns that are known ahead, and so are features made of stamps, which stand before the static
    columns. All rows of a static column have the value of the last one before the cutoff.
    """
    _, horizon, _, m, c = slopes.shape
    slopes, lags = slopes.swapaxes(1, 2).reshape(-1, m, c), m - horizon - np.arange(m)
    labels: list[tuple[Hashable, int]] = []
    parts: list[np.ndarray] = []
    for place, name in enumerate([*roles.targets, *roles.past, *roles.future]):
        known = (lags > 0) | (name in roles.future)
        labels += [(name, lag) for lag in lags[known].tolist()]
        parts.append(slopes[:, known, place])
    for place, name in enumerate(roles.static, -len(roles.static)):
        last = slopes[:, lags == 1, place]
        labels.append((name, 1))
        parts.append(np.where(np.isnan(last), np.nan, np.nansum(slopes[:, :, place], axis=1, keepdims=True)))
    return labels, np.hstack(parts)
