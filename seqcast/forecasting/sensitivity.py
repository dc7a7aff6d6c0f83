"""Derivatives of a forecast with respect to the values that it is made from, by the chain rule.

All stages but the network are linear, or act on one number at a time::

    values -> transformed and scaled -> differenced -> arranged as inputs -> forecast by each part
           -> integrated -> blended -> inverse transformed

The stages that only arrange values are applied to the numbers of the cells instead, to find the cell that
each input was read from. Integration is applied to unit vectors, to find its matrix. Only the derivatives of
transforms and scalers are therefore written here a second time.
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
from .window_scaling import WindowScaling, compute_deviations
from .window_source import WindowSource, join_targets


@dataclass(frozen=True)
class Chain:
    """The stages from the rows around one cutoff to its forecast.

    In shapes, h is the horizon, k the number of targets, m that of rows, and c that of columns.

    Attributes
    ----------
    preparer : PanelPreparer
    panel : Panel
        One series: the rows before the cutoff that a forecast may read, and h rows after them.
    cutoff : int
    """

    preparer: PanelPreparer
    panel: Panel
    cutoff: int

    @cached_property
    def prepared(self) -> PreparedPanel:
        """The panel as parts read it."""
        return self.preparer.prepare(self.panel)

    @property
    def preparation(self) -> Preparation:
        return self.preparer.preparation

    @property
    def scaled(self) -> Panel:
        """The scaled values."""
        return self.prepared.scaled

    @property
    def source(self) -> WindowSource:
        """The inputs that windows are cut from."""
        return self.prepared.source

    @cached_property
    def cells(self) -> WindowSource:
        """The cell number (m, c) of `_differenced` that each input was read from, NaN where missing."""
        differenced = self._differenced
        cells = np.where(
            np.isnan(differenced), np.nan, np.arange(differenced.size).reshape(differenced.shape)
        )
        options = replace(self.preparation.options, differences=())
        arranging = replace(self.preparer, preparation=replace(self.preparation, options=options))
        return arranging.prepare_scaled(self.scaled.with_values(cells)).source

    @cached_property
    def _differenced(self) -> np.ndarray:
        """The scaled values, with scaled differences of the targets if parts read these: (m, c)."""
        return np.hstack([self.source.all_targets(), self.scaled.values[:, self._k :]])

    @property
    def _targets(self) -> np.ndarray:
        """The scaled targets, (m, k)."""
        return self.scaled.values[:, : self._k]

    @property
    def _horizon(self) -> int:
        return self.preparation.horizon

    @property
    def _number(self) -> int:
        """The number of the series among the fitted ones."""
        return int(self.panel.series_numbers[0])

    @property
    def _k(self) -> int:
        return self.preparation.layout.targets

    @property
    def _lags(self) -> tuple[int, ...]:
        return self.preparation.options.differences

    # -- derivatives of scaled forecasts with respect to scaled values: (h, k, m, c)

    def differentiate_part(self, by_inputs: np.ndarray, reads_past_covariates: bool = True) -> np.ndarray:
        """Return derivatives of a part's forecasts with respect to scaled values.

        by_inputs : derivatives with respect to the inputs, (n_groups, n_outputs, n_rows, n_columns). The
        inputs are the last rows before the cutoff and the first columns of each group, without past
        covariates if the part does not read them.
        """
        n_groups, n_outputs, n_rows, n_columns = by_inputs.shape
        source = self.cells if reads_past_covariates else self.cells.drop_past()
        cells = source.values[:, self.cutoff - n_rows : self.cutoff, :n_columns]
        found = np.zeros((n_groups, self._differenced.size, n_outputs))
        for by_cell, by_input, numbers in zip(found, by_inputs, cells, strict=True):
            seen = ~np.isnan(numbers)
            np.add.at(by_cell, numbers[seen].astype(np.int64), by_input[:, seen].T)
        wide = join_targets(found.reshape(-1, self._horizon, self.source.n_targets), n_groups)
        by_differenced = wide.reshape(*self._differenced.shape, self._horizon, -1).transpose(2, 3, 0, 1)
        return self._integrate(by_differenced) if self._lags else by_differenced

    def differentiate_naive(self, season_length: int) -> np.ndarray:
        """Return derivatives of the seasonal naive forecast with respect to scaled values."""
        return self._differentiate_repeated(self._targets, season_length)

    def _differentiate_repeated(self, values: np.ndarray, season_length: int) -> np.ndarray:
        """Return 1 for the one of `values` (m, k) that `seasonal_naive` repeats, and 0 elsewhere."""
        numbers = np.where(np.isnan(values), np.nan, np.arange(len(values))[:, None])
        rows = seasonal_naive(numbers, np.array([self.cutoff]), season_length, self._horizon)[0]
        lead, target = np.nonzero(~np.isnan(rows))
        gradient = np.zeros((*rows.shape, *self._differenced.shape))
        gradient[lead, target, rows[lead, target].astype(np.int64), target] = 1.0
        return gradient

    def _integrate(self, gradient: np.ndarray) -> np.ndarray:
        """Return derivatives of scaled forecasts, given those of forecasts of scaled differences."""
        lags, k, targets = self._lags, self._k, self._targets
        scaler = self.preparation.difference_scaler.select_series(self._number)
        gradient = gradient * _differentiate_inverse_scaler(scaler)[:, None, None]
        gradient[..., :k] *= _differentiate_scaler(scaler, self._differenced[:, :k])
        gradient[..., :k] = _differentiate_differences(gradient[..., :k], lags)
        gradient = self._sum_up(gradient, lags)
        for done, lag in enumerate(lags):
            season = self._differentiate_repeated(difference(targets, lags[:done]), lag)
            gradient += self._sum_up(_differentiate_differences(season, lags[:done]), lags[:done])
        nothing = np.zeros((1, self._horizon, k))
        unknown = np.isnan(integrate(nothing, targets, np.array([self.cutoff]), lags))[0]
        return np.where(unknown[:, :, None, None], 0.0, gradient)

    def _sum_up(self, gradient: np.ndarray, lags: tuple[int, ...]) -> np.ndarray:
        """Return derivatives of forecasts after `integrate`, whose matrix is its result for unit vectors."""
        units, zeros = np.eye(self._horizon)[:, :, None], np.zeros((self.cutoff, 1))
        sums = integrate(units, zeros, np.full(self._horizon, self.cutoff), lags)[:, :, 0]
        return np.einsum("io,ikmc->okmc", sums, gradient)

    # -- derivatives in the user's units

    def to_user_units(self, gradient: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Return derivatives of forecasts with respect to values, both in the user's units: (h, k, m, c).

        Derivatives with respect to missing values are NaN.

        gradient : derivatives of scaled forecasts with respect to scaled values; forecasts : scaled, (h, k).
        """
        return (
            gradient
            * self._differentiate_unscaling(forecasts)[:, :, None, None]
            * self._differentiate_scaling()
        )

    def _differentiate_scaling(self) -> np.ndarray:
        """Return the derivative of each scaled value with respect to its value, (m, c)."""
        k, values, scaled = self._k, self.panel.values, self.scaled.values
        scaler = self.preparation.target_scaler.select_series(self._number).join_columns(
            self.preparation.covariate_scaler
        )
        found = _differentiate_scaler(scaler, scaled)
        # Missing targets become 1, where any transform has a derivative.
        observed = np.where(np.isnan(scaled), 1.0, values)[:, :k]
        found[:, :k] *= _differentiate_transform(
            self.preparation.transform.select_series(self._number), observed
        )
        return np.where(np.isnan(scaled), np.nan, found)

    def _differentiate_unscaling(self, forecasts: np.ndarray) -> np.ndarray:
        """Return the derivative of each forecast with respect to its scaled value, (h, k)."""
        transform = self.preparation.transform.select_series(self._number)
        scaler = self.preparation.target_scaler.select_series(self._number)
        unscaled = self.preparation.unscale(forecasts[None], self.panel.series_numbers)[0]
        with np.errstate(divide="ignore"):
            found = _differentiate_inverse_scaler(scaler) / _differentiate_transform(transform, unscaled)
        return np.where(_is_at_bound(transform, unscaled), 0.0, found)


# -- derivatives of the linear map, and of functions of one number


def differentiate_linear(linear: LinearMap, source: WindowSource, start: int, window: int) -> np.ndarray:
    """Return derivatives of the forecast from the window at `start` with respect to its values.

    Shape (n_groups, n_outputs, window, n_columns).
    """
    windows = source.values[:, start : start + window]
    n_outputs = len(linear.intercept)
    scaling = linear.window_scaling
    unread = source.columns.past_slice if scaling.covariates == "none" else slice(0)
    places = np.delete(np.arange(source.n_columns), unread)
    gradient = np.zeros((len(source), n_outputs, window, source.n_columns))
    gradient[:, :, window - linear.n_steps :, places] = linear.weights.T.reshape(n_outputs, -1, len(places))
    units = _make_units(windows, scaling, source.columns)
    forecasts = linear.forecast(source, np.array([start]), window).reshape(len(source), -1)
    return units.of_values(gradient, windows, units.outputs(forecasts))


def _make_units(windows: np.ndarray, scaling: WindowScaling, columns: ColumnLayout) -> Units:
    """Return the offsets and scales of windows (n, n_rows, n_columns), with their derivatives.

    They are those of `WindowScaling.apply`.
    """
    relative = scaling.count_relative(columns)
    k = columns.targets
    of_scales = np.zeros_like(windows)
    offsets, of_offsets = last_observed(windows, relative)
    scales, made_of = np.ones_like(offsets), np.zeros((windows.shape[2],) * 2, bool)
    if scaling.normalization == "instance":
        scales[:, :relative] = compute_deviations(windows[:, :, :k])[:, None]
        of_scales[:, :, :k] = _differentiate_deviations(windows[:, :, :k], scales[:, :1, None])
        made_of[:relative, :k] = True
    return Units(offsets, scales, of_offsets, of_scales, made_of, k)


def _differentiate_deviations(windows: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Return derivatives of `compute_deviations`, given its result (n, 1, 1), with respect to the values."""
    seen = ~np.isnan(windows)
    n = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    centered = np.where(seen, windows - np.where(seen, windows, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    n_columns = np.maximum(seen.any(axis=1).sum(axis=1), 1)[:, None, None]
    return np.where(deviations > LEAST_DEVIATION, centered / (n * n_columns * deviations), 0.0)


def _differentiate_differences(gradient: np.ndarray, lags: tuple[int, ...]) -> np.ndarray:
    """Return derivatives with respect to values, given those with respect to differences (..., m, c)."""
    for lag in lags:
        later = np.zeros_like(gradient)
        later[..., :-lag, :] = gradient[..., lag:, :]
        gradient = gradient - later
    return gradient


def _differentiate_scaler(scaler: Scaler, scaled: np.ndarray) -> np.ndarray:
    """Return derivatives of `Scaler.transform`, given its result; they are 0 where it clips."""
    return np.where(np.abs(scaled) < LIMIT, 1 / scaler.scale, 0.0)


def _differentiate_inverse_scaler(scaler: Scaler) -> np.ndarray:
    """Return derivatives of `Scaler.inverse_transform`, which are 0 for constant columns."""
    return np.where(scaler.constant, 0.0, scaler.scale)


def _differentiate_transform(transform: Transform, values: np.ndarray) -> np.ndarray:
    """Return derivatives of `Transform.transform`: powers of the base that it takes the power of."""
    if transform.kind == "none":
        return np.ones_like(values)
    # At the bound of the inverse transform, the power may be infinite.
    with np.errstate(divide="ignore", over="ignore"):
        power = np.where(_is_below(transform, values), 1 - transform.lambdas, transform.lambdas - 1)
        return _compute_base(transform, values) ** power / transform.unit


def _compute_base(transform: Transform, values: np.ndarray) -> np.ndarray:
    """Return the numbers that `Transform.transform` takes the power or the logarithm of."""
    sign = np.where(_is_below(transform, values), -1.0, 1.0)
    return sign * values / transform.unit + (transform.kind in ("log1p", "yeo-johnson"))


def _is_below(transform: Transform, values: np.ndarray) -> np.ndarray:
    """Return where the transform uses its branch for negative values."""
    return (values < 0) & (transform.kind == "yeo-johnson")


def _is_at_bound(transform: Transform, unscaled: np.ndarray) -> np.ndarray:
    """Return where `Transform.inverse_transform` is clipped to its bound."""
    if transform.kind == "none":
        return np.zeros(unscaled.shape, bool)
    return (np.abs(unscaled) >= transform.bound) | (_compute_base(transform, unscaled) <= 0)


# -- frames


def to_frame(gradient: np.ndarray, schema: Schema, ids: list[Any]) -> pd.DataFrame:
    """Return derivatives of forecasts (n_series, h, k, m, c) as a frame; see `BaseForecaster.sensitivity`."""
    columns, values = arrange_by_lag(gradient, schema.roles)
    labels = [ids, schema.roles.targets, list(range(1, gradient.shape[1] + 1))]
    names = [schema.column_spec.id_col, "target", "lead"]
    first = 0 if schema.has_ids else 1
    index = pd.MultiIndex.from_product(labels[first:], names=names[first:])
    return pd.DataFrame(values, index, pd.MultiIndex.from_tuples(columns, names=["column", "lag"]))


def arrange_by_lag(gradient: np.ndarray, roles: Roles) -> tuple[list[tuple[Hashable, int]], np.ndarray]:
    """Return the column and lag of each value, and derivatives with respect to it.

    Values after the cutoff are included for columns that are known ahead only. Features made of stamps, which
    precede the static columns, are left out. The derivatives with respect to a static column are summed over
    its rows, since all of them hold the same value.

    gradient : ndarray, shape (n_series, h, k, m, c), for rows that end h steps after the cutoff

    Returns
    -------
    labels : list of (column, lag)
    derivatives : ndarray, shape (n_series * k * h, n_values)
    """
    _, horizon, _, m, c = gradient.shape
    gradient, lags = gradient.swapaxes(1, 2).reshape(-1, m, c), m - horizon - np.arange(m)
    labels: list[tuple[Hashable, int]] = []
    parts: list[np.ndarray] = []
    for place, name in enumerate([*roles.targets, *roles.past, *roles.future]):
        known = (lags > 0) | (name in roles.future)
        labels += [(name, lag) for lag in lags[known].tolist()]
        parts.append(gradient[:, known, place])
    for place, name in enumerate(roles.static, -len(roles.static)):
        last = gradient[:, lags == 1, place]
        labels.append((name, 1))
        parts.append(
            np.where(np.isnan(last), np.nan, np.nansum(gradient[:, :, place], axis=1, keepdims=True))
        )
    return labels, np.hstack(parts)
