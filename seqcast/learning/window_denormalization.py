"""Windows that are read relative to what their own values tell: the chain rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """How the columns of windows are read, ``x = (v - offset) / scale``, and how what is made of them comes
    back, ``y = out * scale + offset`` with the offset and the scale of its target.

    Attributes
    ----------
    offsets, scales : ndarray, shape (n, n_columns)
    of_offsets, of_scales : ndarray, shape (n, n_rows, n_columns)
        Their derivatives by each value; where a scale is made of several columns, by all of their values.
    made_of : ndarray of bool, shape (n_columns, n_columns)
        Whether the scale of one column (first axis) is made of the values of another.
    n_targets : int
        The first columns: output j is of target ``j % n_targets``.
    """

    offsets: np.ndarray
    scales: np.ndarray
    of_offsets: np.ndarray
    of_scales: np.ndarray
    made_of: np.ndarray
    n_targets: int

    def outputs(self, forecasts: np.ndarray) -> np.ndarray:
        """out of y, (n, n_outputs)."""
        target = np.arange(forecasts.shape[1]) % self.n_targets
        return (forecasts - self.offsets[:, target]) / self.scales[:, target]

    def of_values(self, slopes: np.ndarray, windows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Derivatives of y by v, from those of out by x; 0 by missing values.

        Parameters
        ----------
        slopes : ndarray, shape (n, n_outputs, n_rows, n_columns)
            Those by missing values are not looked at.
        windows : ndarray, shape (n, n_rows, n_columns)
            v, NaN where missing.
        outputs : ndarray, shape (n, n_outputs)
            out.

        Returns
        -------
        ndarray, shape (n, n_outputs, n_rows, n_columns)
        """
        seen, target = ~np.isnan(windows), np.arange(outputs.shape[1]) % self.n_targets
        own = target[:, None] == np.arange(windows.shape[2])
        read = np.where(seen, (windows - self.offsets[:, None]) / self.scales[:, None], 0.0)
        units = self.scales[:, target, None] / self.scales[:, None]
        direct = np.where(seen[:, None], slopes, 0.0) * units[:, :, None]
        by_offset = own - direct.sum(axis=2)
        by_scale = (own * outputs[..., None] - (direct * read[:, None]).sum(axis=2)) @ self.made_of
        return (
            direct
            + by_offset[:, :, None] * self.of_offsets[:, None]
            + by_scale[:, :, None] * self.of_scales[:, None]
        )


def last_observed(windows: np.ndarray, n_relative: int) -> tuple[np.ndarray, np.ndarray]:
    """The last observed value of each of the first columns, 0 where there is none and of the others: (n,
    n_columns); and its derivatives, (n, n_rows, n_columns)."""
    seen = ~np.isnan(windows)
    last = seen & (np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] == 1)
    last[:, :, n_relative:] = False
    return np.where(last, windows, 0.0).sum(axis=1), last.astype(np.float64)
