"""Scaled values of all series, from which windows are cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..data.panel import Clock
from ..data.roles import ColumnLayout

# The maximum number of values in the windows that are cut at once: 16 MB.
CHUNK_NUMBERS = 2**21


@dataclass(frozen=True)
class WindowSource:
    """Scaled targets and covariates of all series, one series after the other.

    A window holds the targets of one group: all targets (then there is one group), or a single target. Each
    group has its targets and all covariates.

    Attributes
    ----------
    values : ndarray, shape (n_groups, n_rows, n_columns)
        NaN where nothing was observed.
    columns : ColumnLayout
        The columns of a group.
    clock : Clock or None
        The step numbers of the rows, the same for all groups.
    weights : ndarray, shape (n_rows,), or None
        The weight of each row as a target, the same for all groups.
    """

    values: np.ndarray
    columns: ColumnLayout
    clock: Clock | None = None
    weights: np.ndarray | None = None

    @classmethod
    def from_inputs(
        cls, values: np.ndarray, columns: ColumnLayout, multivariate: bool, clock: Clock | None = None
    ) -> WindowSource:
        """Return the source for inputs (n_rows, n_columns), with one group, or one for each target."""
        if multivariate or columns.targets == 1:
            return cls(values[None], columns, clock)
        groups = [values[:, columns.target_columns(k)] for k in range(columns.targets)]
        return cls(np.stack(groups), replace(columns, targets=1), clock)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_targets(self) -> int:
        """The number of targets of each group."""
        return self.columns.targets

    @property
    def n_rows(self) -> int:
        return self.values.shape[1]

    @property
    def n_columns(self) -> int:
        return self.values.shape[2]

    @property
    def n_relative(self) -> int:
        """The number of columns that may be read relative to their last value.

        Columns that are known ahead, such as a holiday or a price, are read as they are.
        """
        return self.columns.past_slice.stop

    @property
    def targets(self) -> np.ndarray:
        """The targets of each group, shape (n_groups, n_rows, n_targets)."""
        return self.values[:, :, : self.n_targets]

    def all_targets(self) -> np.ndarray:
        """Return the targets of all groups, shape (n_rows, n_groups * n_targets)."""
        return self.targets[0] if len(self) == 1 else np.concatenate(list(self.targets), axis=1)

    def drop_static(self) -> WindowSource:
        """Return the source without the static columns."""
        if not self.columns.static:
            return self
        values = self.values[:, :, : self.columns.static_slice.start]
        return replace(self, values=values, columns=replace(self.columns, static=0))

    def drop_past(self) -> WindowSource:
        """Return the source without the covariates of which only the past is known."""
        values = np.delete(self.values, self.columns.past_slice, axis=2)
        return replace(self, values=values, columns=replace(self.columns, past=0))

    def drop_before(self, first: int) -> WindowSource:
        """Return the source without the rows before `first`."""
        clock = None if self.clock is None else self.clock.rebase(first)
        weights = None if self.weights is None else self.weights[first:]
        return replace(self, values=self.values[:, first:], clock=clock, weights=weights)

    def to_flat_rows(self, starts: np.ndarray) -> np.ndarray:
        """Return these rows of every group as rows of values (n_groups * n_rows, n_columns)."""
        return (np.arange(len(self))[:, None] * self.n_rows + starts).ravel()

    def cut_windows(self, starts: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Cut windows of `size` rows that start at these rows, in chunks.

        Yields
        ------
        group : int
        places : ndarray of int, shape (n,)
            The places in `starts` of the windows of this chunk.
        windows : ndarray, shape (n, size, n_columns)
        """
        step = max(1, CHUNK_NUMBERS // (size * self.n_columns))
        for group, values in enumerate(self.values):
            # Shape (n, n_columns, size).
            windows = sliding_window_view(values, size, axis=0)
            for first in range(0, len(starts), step):
                places = np.arange(first, min(first + step, len(starts)))
                yield group, places, windows[starts[places]].transpose(0, 2, 1)


def join_targets(forecasts: np.ndarray, n_groups: int) -> np.ndarray:
    """Join the targets of groups: (n_groups * n, horizon, k) becomes (n, horizon, n_groups * k)."""
    n, horizon, k = len(forecasts) // n_groups, *forecasts.shape[1:]
    by_group = forecasts.reshape(n_groups, n, horizon, k)
    return by_group.transpose(1, 2, 0, 3).reshape(n, horizon, n_groups * k)
