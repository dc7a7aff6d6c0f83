"""How much a series moves just before an origin: large errors come in times of large changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.panel import Panel

HORIZONS, SEASONS, FEWEST = 4, 4, 24  # steps back: so many horizons or seasons, but not fewer than that
LEAST = 0.1  # of the usual change; after a flat stretch errors are not 0


@dataclass(frozen=True)
class LocalScale:
    """The mean absolute change from step to step.

    Attributes
    ----------
    usual : ndarray, shape (n_series, n_targets)
        In training.
    span : int
        Steps before an origin that are looked at.
    """

    usual: np.ndarray
    span: int

    @classmethod
    def of(cls, levels: Panel, ends: np.ndarray, n_targets: int, span: int) -> LocalScale:
        """Of training rows, each series up to its row in `ends`."""
        parts = zip(levels, levels.begins, ends, strict=True)
        return cls(
            np.stack([mean_change(values[: end - begin, :n_targets]) for values, begin, end in parts]), span
        )

    def at(self, levels: Panel, origins: np.ndarray) -> np.ndarray:
        """Of the rows before each origin, shape (n_origins, 1, n_targets)."""
        series = levels.numbers(origins)
        rows = origins[:, None] + np.arange(-self.span, 0)
        values = levels.values[np.maximum(rows, 0), : self.usual.shape[1]]
        values[rows < levels.begins[series][:, None]] = np.nan
        usual, changes = self.usual[levels.fitted[series]], np.diff(values, axis=1)
        found = np.maximum(mean_change(values.swapaxes(0, 1)), LEAST * usual)
        found = np.where(np.isfinite(changes).any(axis=1), found, usual)
        return np.where(found > 0, found, 1.0)[:, None]


def mean_change(values: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbours along the first axis; 0 where no two were observed."""
    changes = np.abs(np.diff(values, axis=0))
    seen = np.isfinite(changes)
    return np.where(seen, changes, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)


def span_of(horizon: int, season_length: int) -> int:
    return max(HORIZONS * horizon, SEASONS * season_length, FEWEST)
