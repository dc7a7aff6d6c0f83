"""Forecasts beside the truth and the naive forecasts: a row for each that was observed."""

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
class Series:
    """One series before and after the end of training, with k targets.

    Attributes
    ----------
    history : ndarray, shape (n_known, k)
        At each step up to there, NaN where nothing was observed.
    steps : ndarray of int, shape (n,)
        Of the rows after it, counted from 0.
    truth : ndarray, shape (n, k)
    places : ndarray of int, shape (n,)
        Where these rows stood in what was given.
    """

    history: np.ndarray
    steps: np.ndarray
    truth: np.ndarray
    places: np.ndarray

    @classmethod
    def cut(
        cls, index: pd.Index, values: np.ndarray, places: np.ndarray, n: int, calendar: Calendar
    ) -> Series:
        """Rows in the order of time, `n` of which were trained on."""
        steps = calendar.positions(index)
        end = steps[n - 1] + 1
        return cls(insert_missing_steps(values[:n], steps[:n]), steps[n:] - end, values[n:], places[n:])

    def beside(
        self, cutoffs: np.ndarray, forecasts: np.ndarray, gap: int, season_length: int
    ) -> dict[str, np.ndarray]:
        """What was observed and forecast, and where: each of shape (n_cutoffs, horizon - gap, k).

        cutoffs : steps after training that each knows.
        forecasts : shape (n_cutoffs, horizon, k, n_forecasts).
        """
        horizon = forecasts.shape[1]
        rows = self._rows_at(cutoffs[:, None] + np.arange(gap, horizon))[:, :, None]
        naive = [self._naive(cutoffs, season, horizon)[:, gap:] for season in (season_length, 1)]
        return {
            "y": np.where(rows < 0, np.nan, self.truth[rows[:, :, 0]]),
            "place": np.broadcast_to(self.places[rows], naive[0].shape),
            "forecasts": forecasts[:, gap:],
            "seasonal_naive": naive[0],
            "persistence": naive[1],
        }

    def _rows_at(self, steps: np.ndarray) -> np.ndarray:
        """Which of the rows after training is at each step; -1 for none."""
        near = np.minimum(np.searchsorted(self.steps, steps), len(self.steps) - 1)
        return np.where(self.steps[near] == steps, near, -1)

    def _naive(self, cutoffs: np.ndarray, season_length: int, n: int) -> np.ndarray:
        """From all steps before each cutoff, shape (n_cutoffs, n, k); NaN where nothing was observed."""
        known = np.concatenate([self.history, insert_missing_steps(self.truth, self.steps)])
        return seasonal_naive(known, cutoffs + len(self.history), season_length, n)


@dataclass(frozen=True)
class ForecastComparison:
    """Forecasts of values that were observed: columns of one length.

    Attributes
    ----------
    targets : list of labels
    names : list of labels
        Of forecasts.
    columns : dict of str to ndarray
        "origin": number of its last known stamp, "lead", "target": number among `targets`, "place": where the
        row stood in what was given, "y", "forecasts" of shape (n, n_forecasts), "seasonal_naive",
        "persistence".
    """

    targets: list[Hashable]
    names: list[Hashable]
    columns: dict[str, np.ndarray]

    @classmethod
    def of(
        cls,
        targets: list[Hashable],
        names: list[Hashable],
        series: Sequence[dict[str, np.ndarray]],
        cutoffs: np.ndarray,
        gap: int = 0,
    ) -> ForecastComparison:
        """From `Series.beside` of each, in the order of cutoffs, series, targets and leads."""
        parts = {name: np.stack([one[name] for one in series], axis=1).swapaxes(2, 3) for name in series[0]}
        number, _, target, lead = np.ogrid[tuple(slice(n) for n in parts["y"].shape)]
        parts |= {"origin": cutoffs[number], "target": target, "lead": lead + gap + 1}
        observed = np.isfinite(parts["y"])
        return cls(targets, names, {name: _where(observed, part) for name, part in parts.items()})

    @classmethod
    def joined(cls, parts: Sequence[ForecastComparison]) -> ForecastComparison:
        """One below the other."""
        names = parts[0].columns
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
        return cls(parts[0].targets, parts[0].names, columns)

    def frame(
        self, stamps: pd.Index, times: pd.Index, ids: Mapping[Hashable, pd.Index] = MappingProxyType({})
    ) -> pd.DataFrame:
        """With labels for the numbers: stamps of cutoffs; time and id of each row that was given."""
        columns, forecasts = self.columns, dict(zip(self.names, self.columns["forecasts"].T, strict=True))
        return pd.DataFrame(
            {
                **{name: labels.take(columns["place"]) for name, labels in ids.items()},
                "cutoff": stamps.take(columns["origin"]),
                "time": times.take(columns["place"]),
                "lead": columns["lead"],
                "target": pd.Index(self.targets).take(columns["target"]),
                "y": columns["y"],
                "y_hat": forecasts.pop("y_hat"),
                "seasonal_naive": columns["seasonal_naive"],
                "persistence": columns["persistence"],
                **forecasts,
            }
        )


def _where(observed: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Of an array that may have an axis more, or be only as wide as one."""
    return np.broadcast_to(part, observed.shape + part.shape[observed.ndim :])[observed]
