"""Bringing every column to mean 0 and deviation 1, and back."""

from dataclasses import dataclass

import numpy as np

# scaled values are clipped here: beyond it float32 products may overflow, and no NaN may leave a forecast
LIMIT = 1e6


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation of each column, of the rows it was fitted on.

    Attributes
    ----------
    center, scale : ndarray, shape (n_columns,)
        A constant column has scale 1.
    constant : ndarray of bool, shape (n_columns,)
    """

    center: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Scaler":
        """Fit to `values` (n, n_columns), missing ones left out; each column must have an observed one."""
        # Divided by the largest first: the square of 1e200 is no float64.
        largest = np.nanmax(np.abs(values), axis=0)
        unit = np.where(largest > 0, largest, 1.0)
        center, scale = np.nanmean(values / unit, axis=0) * unit, np.nanstd(values / unit, axis=0) * unit
        constant = np.nanmax(values, axis=0) == np.nanmin(values, axis=0)
        center = np.where(constant, np.nanmax(values, axis=0), center)
        return cls(center, np.where(constant | (scale == 0), 1.0, scale), constant)

    def transform(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Scale `values`, C-contiguous, in `dtype`; NaN stays NaN."""
        with np.errstate(over="ignore"):  # beyond float64 is beyond the limit
            scaled = (values - self.center) / self.scale
        return np.ascontiguousarray(np.clip(scaled, -LIMIT, LIMIT), dtype)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values back in their own units, float64."""
        return scaled.astype(np.float64) * self.scale + self.center

    def columns(self, first: int) -> "Scaler":
        """The same for the first columns only."""
        return Scaler(self.center[:first], self.scale[:first], self.constant[:first])
