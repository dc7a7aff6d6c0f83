"""The chain rule for windows that are normalized by their own values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """Offsets and scales of windows, and their derivatives.

    The columns of a window are read as ``x = (v - offset) / scale``. An output becomes
    ``y = out * scale + offset`` with the offset and the scale of its target.

    Attributes
    ----------
    offsets, scales : ndarray, shape (n, n_columns)
    of_offsets, of_scales : ndarray, shape (n, n_rows, n_columns)
        Their derivatives with respect to each value. If a scale is computed from several columns, these are
        derivatives with respect to the values of all of them.
    made_of : ndarray of bool, shape (n_columns, n_columns)
        Whether the scale of one column (first axis) is computed from the values of another.
    n_targets : int
        The first columns are targets: output j belongs to target ``j % n_targets``.
    """

    offsets: np.ndarray
    scales: np.ndarray
    of_offsets: np.ndarray
    of_scales: np.ndarray
    made_of: np.ndarray
    n_targets: int

    def outputs(self, forecasts: np.ndarray) -> np.ndarray:
        """Return out, given forecasts y of shape (n, n_outputs)."""
        target = np.arange(forecasts.shape[1]) % self.n_targets
        return (forecasts - self.offsets[:, target]) / self.scales[:, target]

    def of_values(self, slopes: np.ndarray, windows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Return the derivatives of y with respect to v, given those of out with respect to x.

        The derivatives with respect to missing values are 0.

        Parameters
        ----------
        slopes : ndarray, shape (n, n_outputs, n_rows, n_columns)
            Derivatives of out with respect to x. Those with respect to missing values are ignored.
        windows : ndarray, shape (n, n_rows, n_columns)
            Values v, NaN where missing.
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
    """Return the last observed value of each column, and its derivatives.

    Returns
    -------
    last : ndarray, shape (n, n_columns)
        0 if there is none, and for all but the first `n_relative` columns.
    derivatives : ndarray, shape (n, n_rows, n_columns)
    """
    seen = ~np.isnan(windows)
    last = seen & (np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] == 1)
    last[:, :, n_relative:] = False
    return np.where(last, windows, 0.0).sum(axis=1), last.astype(np.float64)
