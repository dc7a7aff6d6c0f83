"""Forecasts compared with the truth and with naive forecasts: one element for each observed value."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from ...data.calendar import Calendar
from ...data.seasonal_naive import seasonal_naive
from ...data.time_steps import insert_missing_steps

OWN_COLUMNS = ("cutoff", "time", "lead", "target", "y", "y_hat", "seasonal_naive", "persistence")


@dataclass(frozen=True)
class ObservedSeries:
    """The observed values of one series with n_targets targets, before and after the end of training.

    Attributes
    ----------
    history : ndarray, shape (n_steps, n_targets)
        Values at each step up to the end of training, NaN where nothing was observed.
    steps : ndarray of int, shape (n_rows,)
        Step number of each row after training, 0 for the first step after it.
    truth : ndarray, shape (n_rows, n_targets)
        Values of these rows.
    positions : ndarray of int, shape (n_rows,)
        Positions of these rows in the data that were given.
    """

    history: np.ndarray
    steps: np.ndarray
    truth: np.ndarray
    positions: np.ndarray

    @classmethod
    def split(
        cls, index: pd.Index, values: np.ndarray, positions: np.ndarray, n_train: int, calendar: Calendar
    ) -> ObservedSeries:
        """Split rows in the order of time after the first `n_train` of them."""
        steps = calendar.positions(index)
        end = steps[n_train - 1] + 1
        history = insert_missing_steps(values[:n_train], steps[:n_train])
        return cls(history, steps[n_train:] - end, values[n_train:], positions[n_train:])

    def compare(
        self, cutoffs: np.ndarray, forecasts: np.ndarray, gap: int, season_length: int
    ) -> dict[str, np.ndarray]:
        """Return truth, forecasts and naive forecasts at each step after each cutoff.

        Parameters
        ----------
        cutoffs : ndarray of int, shape (n_cutoffs,)
            Number of steps after training that each cutoff knows.
        forecasts : ndarray, shape (n_cutoffs, n_steps, n_targets, n_forecasts)
            Forecasts of the steps after each cutoff.
        gap : int
            Number of steps after each cutoff that are left out.
        season_length : int
            Number of steps of one season, for the seasonal naive forecast.

        Returns
        -------
        dict of str to ndarray, shape (n_cutoffs, n_steps - gap, n_targets)
            "y", "position", "seasonal_naive" and "persistence", and "forecasts" with one more axis.
        """
        n_steps = forecasts.shape[1]
        rows = self._find_rows(cutoffs[:, None] + np.arange(gap, n_steps))[:, :, None]
        seasonal = self._forecast_naively(cutoffs, season_length, n_steps)[:, gap:]
        return {
            "y": np.where(rows < 0, np.nan, self.truth[rows[:, :, 0]]),
            "position": np.broadcast_to(self.positions[rows], seasonal.shape),
            "forecasts": forecasts[:, gap:],
            "seasonal_naive": seasonal,
            "persistence": self._forecast_naively(cutoffs, 1, n_steps)[:, gap:],
        }

    def _find_rows(self, steps: np.ndarray) -> np.ndarray:
        """Return which of the rows after training is at each step, -1 where there is none."""
        nearest = np.minimum(np.searchsorted(self.steps, steps), len(self.steps) - 1)
        return np.where(self.steps[nearest] == steps, nearest, -1)

    def _forecast_naively(self, cutoffs: np.ndarray, season_length: int, n_steps: int) -> np.ndarray:
        """Return seasonal naive forecasts, NaN where nothing was observed before the cutoff.

        The result has shape (n_cutoffs, n_steps, n_targets).
        """
        known = np.concatenate([self.history, insert_missing_steps(self.truth, self.steps)])
        return seasonal_naive(known, cutoffs + len(self.history), season_length, n_steps)


@dataclass(frozen=True)
class ForecastComparison:
    """Observed values and their forecasts, as columns of equal length.

    Attributes
    ----------
    targets : list of labels
        Names of the targets.
    names : list of labels
        Names of the forecasts: the point forecast, bounds of intervals, quantiles.
    columns : dict of str to ndarray, shape (n,)
        "cutoff": number of the last known stamp, "lead", "target": number among `targets`, "position": that
        of the row in the data that were given, "y", "seasonal_naive", "persistence", and "forecasts" of
        shape (n, n_forecasts).
    """

    targets: list[Hashable]
    names: list[Hashable]
    columns: dict[str, np.ndarray]

    @classmethod
    def from_series(
        cls,
        targets: list[Hashable],
        names: list[Hashable],
        series: Sequence[dict[str, np.ndarray]],
        cutoffs: np.ndarray,
        gap: int = 0,
    ) -> ForecastComparison:
        """Combine the results of `ObservedSeries.compare` of all series, without unobserved values.

        The order is that of cutoffs, series, targets and leads.
        """
        parts = {name: np.stack([one[name] for one in series], axis=1).swapaxes(2, 3) for name in series[0]}
        cutoff, _, target, lead = np.ogrid[tuple(slice(n) for n in parts["y"].shape)]
        parts |= {"cutoff": cutoffs[cutoff], "target": target, "lead": lead + gap + 1}
        observed = np.isfinite(parts["y"])
        return cls(targets, names, {name: _select(part, observed) for name, part in parts.items()})

    @classmethod
    def concatenate(cls, parts: Sequence[ForecastComparison]) -> ForecastComparison:
        """Return one comparison of all parts, which have the same targets and names."""
        names = parts[0].columns
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
        return cls(parts[0].targets, parts[0].names, columns)

    def to_frame(
        self, stamps: pd.Index, times: pd.Index, ids: Mapping[Hashable, pd.Index] = MappingProxyType({})
    ) -> pd.DataFrame:
        """Return a DataFrame with labels in place of numbers.

        Parameters
        ----------
        stamps : pandas.Index
            Stamps that the cutoffs are numbers of.
        times : pandas.Index
            Time stamp of each row of the data that were given.
        ids : mapping of label to pandas.Index
            Series id of each of these rows, by the name of the column.
        """
        columns = self.columns
        forecasts = dict(zip(self.names, columns["forecasts"].T, strict=True))
        return pd.DataFrame(
            {
                **{name: labels.take(columns["position"]) for name, labels in ids.items()},
                "cutoff": stamps.take(columns["cutoff"]),
                "time": times.take(columns["position"]),
                "lead": columns["lead"],
                "target": pd.Index(self.targets).take(columns["target"]),
                "y": columns["y"],
                "y_hat": forecasts.pop("y_hat"),
                "seasonal_naive": columns["seasonal_naive"],
                "persistence": columns["persistence"],
                **forecasts,
            }
        )


def _select(part: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the elements where `observed` is True.

    `part` is broadcast to the shape of `observed` first. It may have one more axis, which is kept.
    """
    return np.broadcast_to(part, observed.shape + part.shape[observed.ndim :])[observed]
