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
    def of(cls, values: np.ndarray, weights: np.ndarray | None = None) -> "Scaler":
        """Fit to `values` (n, n_columns), missing ones left out; each column must have an observed one.

        weights (n,): what each row counts, more than 0.
        """
        # Divided by the largest first: the square of 1e200 is no float64.
        largest = np.nanmax(np.abs(values), axis=0)
        unit = np.where(largest > 0, largest, 1.0)
        center, scale = (moment * unit for moment in _moments(values / unit, weights))
        constant = np.nanmax(values, axis=0) == np.nanmin(values, axis=0)
        center = np.where(constant, np.nanmax(values, axis=0), center)
        return cls(center, np.where(constant | (scale == 0), 1.0, scale), constant)

    @classmethod
    def identity(cls, n_columns: int) -> "Scaler":
        """Leaves values as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns, bool))

    def transform(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Scale `values`, C-contiguous, in `dtype`; NaN stays NaN."""
        with np.errstate(over="ignore"):  # beyond float64 is beyond the limit
            scaled = (values - self.center) / self.scale
        return np.ascontiguousarray(np.clip(scaled, -LIMIT, LIMIT), dtype)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values back in their own units, float64; a constant column's are the constant."""
        values = scaled.astype(np.float64) * self.scale + self.center
        return np.where(self.constant, self.center, values)

    def columns(self, first: int) -> "Scaler":
        """The same for the first columns only."""
        return Scaler(self.center[:first], self.scale[:first], self.constant[:first])


def _moments(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column."""
    if weights is None:
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    shares = np.where(np.isnan(values), 0.0, weights[:, None])
    shares /= shares.sum(axis=0)
    mean = np.nansum(shares * values, axis=0)
    return mean, np.sqrt(np.nansum(shares * (values - mean) ** 2, axis=0))
