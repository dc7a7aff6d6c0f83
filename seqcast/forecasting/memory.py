"""The last steps of a series that are kept for forecasts after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.seasonal_naive import seasonal_ffill
from .lengths import Lengths
from .recent_volatility import choose_span


@dataclass(frozen=True)
class Memory:
    """The steps before a cutoff that are kept of a series.

    Attributes
    ----------
    n_steps : int
        The number of steps that are kept.
    n_read : int
        The maximum number of steps that parts read.
    season_length : int or None
        If not None, missing values are filled from earlier seasons, since a naive forecast repeats them.
    """

    n_steps: int
    n_read: int
    season_length: int | None = None

    @classmethod
    def for_windows(cls, lengths: Lengths, n_lost: int) -> Memory:
        """Return the memory for forecasts from windows, with `n_lost` steps that are read before a window."""
        n_read = max(lengths.window, lengths.season_length) + n_lost
        # One step more, for the last value of a target that has no recent observations.
        return cls(n_read + 1, n_read)

    @classmethod
    def for_seasons(cls, lengths: Lengths) -> Memory:
        """Return the memory for the seasonal naive forecast and the unit of its residuals."""
        n_steps = choose_span(lengths.horizon, lengths.season_length)
        return cls(n_steps, n_steps, lengths.season_length)

    def cut_tail(self, grid: np.ndarray, n_targets: int) -> np.ndarray:
        """Return the steps that are kept of a series (n_steps, n_columns)."""
        if self.season_length is not None:
            return self._cut_season_and_tail(grid, self.season_length)
        tail, before = grid[-self.n_steps :].copy(), grid[: -self.n_steps]
        # Targets without a recent observation: their last observed value comes first.
        for k in np.flatnonzero(np.isnan(tail[:, :n_targets]).all(axis=0)):
            seen = before[~np.isnan(before[:, k]), k]
            tail[0, k] = seen[-1] if seen.size else np.nan
        return tail

    def _cut_season_and_tail(self, grid: np.ndarray, season_length: int) -> np.ndarray:
        """Return the last steps, after one season of the values that were last observed before them."""
        first = max(0, len(grid) - self.n_steps)
        before = seasonal_ffill(grid[:first], season_length)[-season_length:]
        return np.concatenate([before, grid[first:]])
