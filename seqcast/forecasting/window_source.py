"""Series one below the other: one model learns from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..data.panel import Clock
from ..data.roles import ColumnLayout

CHUNK_NUMBERS = 2**21  # of windows cut at once: 16 MB


@dataclass(frozen=True)
class WindowSource:
    """Scaled rows, each with its targets and its covariates side by side.

    Attributes
    ----------
    values : ndarray, shape (n_blocks, n_rows, n_columns)
        NaN where nothing was observed.
    columns : ColumnLayout
        Of a block.
    clock : Clock or None
        When the rows are; the same in all blocks.
    weights : ndarray, shape (n_rows,), or None
        What each row counts as a target; the same in all blocks.
    """

    values: np.ndarray
    columns: ColumnLayout
    clock: Clock | None = None
    weights: np.ndarray | None = None

    @classmethod
    def of(
        cls, values: np.ndarray, columns: ColumnLayout, multivariate: bool, clock: Clock | None = None
    ) -> WindowSource:
        """From scaled rows (n_rows, n_columns): one block, or one for each target."""
        if multivariate or columns.targets == 1:
            return cls(values[None], columns, clock)
        blocks = [values[:, columns.target_columns(k)] for k in range(columns.targets)]
        return cls(np.stack(blocks), replace(columns, targets=1), clock)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_targets(self) -> int:
        """Of each block."""
        return self.columns.targets

    @property
    def n_rows(self) -> int:
        return self.values.shape[1]

    @property
    def n_columns(self) -> int:
        return self.values.shape[2]

    @property
    def n_relative(self) -> int:
        """Columns that may be read relative to their last value. Those that are known ahead, such as a
        holiday or a price, say something by their level."""
        return self.columns.past_slice.stop

    @property
    def targets(self) -> np.ndarray:
        """Shape (n_blocks, n_rows, n_targets)."""
        return self.values[:, :, : self.n_targets]

    def wide_targets(self) -> np.ndarray:
        """All blocks' targets side by side, shape (n_rows, n_blocks * n_targets)."""
        return self.targets[0] if len(self) == 1 else np.concatenate(list(self.targets), axis=1)

    def changing(self) -> WindowSource:
        """Without the static columns."""
        if not self.columns.static:
            return self
        changing = self.values[:, :, : self.columns.static_slice.start]
        return replace(self, values=changing, columns=replace(self.columns, static=0))

    def without_past(self) -> WindowSource:
        """Without the covariates of which only the past is known."""
        values = np.delete(self.values, self.columns.past_slice, axis=2)
        return replace(self, values=values, columns=replace(self.columns, past=0))

    def since(self, first: int) -> WindowSource:
        """Without the rows before `first`."""
        clock = None if self.clock is None else self.clock.rebase(first)
        weights = None if self.weights is None else self.weights[first:]
        return replace(self, values=self.values[:, first:], clock=clock, weights=weights)

    def rows(self, starts: np.ndarray) -> np.ndarray:
        """Windows that start at these rows, in every block, as rows of the stacked values."""
        return (np.arange(len(self))[:, None] * self.n_rows + starts).ravel()

    def chunks(self, starts: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Windows of `size` rows, part by part: block, places in `starts`, and (n, size, n_columns)."""
        step = max(1, CHUNK_NUMBERS // (size * self.n_columns))
        for block, values in enumerate(self.values):
            windows = sliding_window_view(values, size, axis=0)  # (n, n_columns, size)
            for first in range(0, len(starts), step):
                places = np.arange(first, min(first + step, len(starts)))
                yield block, places, windows[starts[places]].transpose(0, 2, 1)


def to_wide(forecasts: np.ndarray, n_blocks: int) -> np.ndarray:
    """From (n_blocks * n, horizon, k) to (n, horizon, n_blocks * k): blocks' targets side by side."""
    n, horizon, k = len(forecasts) // n_blocks, *forecasts.shape[1:]
    by_block = forecasts.reshape(n_blocks, n, horizon, k)
    return by_block.transpose(1, 2, 0, 3).reshape(n, horizon, n_blocks * k)
