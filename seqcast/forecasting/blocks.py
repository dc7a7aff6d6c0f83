"""Series one below the other: one model learns from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CHUNK_NUMBERS = 2**21  # of windows cut at once: 16 MB


@dataclass(frozen=True)
class Blocks:
    """Scaled series of one length, each with its targets and its covariates side by side.

    Attributes
    ----------
    values : ndarray, shape (n_blocks, n_steps, n_columns)
        Targets first. NaN where nothing was observed.
    n_targets : int
        Targets of each block.
    """

    values: np.ndarray
    n_targets: int

    @classmethod
    def of(cls, grid: np.ndarray, n_targets: int, joint: bool) -> Blocks:
        """From scaled targets and covariates (n_steps, n_columns): one block, or one for each target."""
        if joint or n_targets == 1:
            return cls(grid[None], n_targets)
        covariates = grid[:, n_targets:]
        blocks = [np.column_stack([grid[:, k], covariates]) for k in range(n_targets)]
        return cls(np.stack(blocks), 1)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_steps(self) -> int:
        return self.values.shape[1]

    @property
    def n_columns(self) -> int:
        return self.values.shape[2]

    @property
    def targets(self) -> np.ndarray:
        """Shape (n_blocks, n_steps, n_targets)."""
        return self.values[:, :, : self.n_targets]

    def wide_targets(self) -> np.ndarray:
        """All blocks' targets side by side, shape (n_steps, n_blocks * n_targets)."""
        return self.targets[0] if len(self) == 1 else np.concatenate(list(self.targets), axis=1)

    def since(self, first: int) -> Blocks:
        """Without the steps before `first`."""
        return Blocks(self.values[:, first:], self.n_targets)

    def rows(self, starts: np.ndarray) -> np.ndarray:
        """Windows that start at these steps, in every block, as rows of the stacked values."""
        return (np.arange(len(self))[:, None] * self.n_steps + starts).ravel()

    def chunks(self, starts: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Windows of `size` steps, part by part: block, places in `starts`, and (n, size, n_columns)."""
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
