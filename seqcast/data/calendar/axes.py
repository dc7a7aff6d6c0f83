"""Axes: labels as plain numbers that can be added and compared, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype


@dataclass(frozen=True, eq=False)
class Axis(ABC):
    """Conversion between the labels of an index and numbers.

    Attributes
    ----------
    like : pandas.Index
        An index without rows, which has the name, dtype and time zone of the labels.
    """

    like: Any

    @abstractmethod
    def numbers(self, index: Any) -> np.ndarray:
        """Return labels as int64, float64, datetime64 or timedelta64, in the unit of the index.

        NumPy computes with mixed units exactly.
        """

    @abstractmethod
    def labels(self, numbers: np.ndarray) -> pd.Index:
        """Return numbers as labels that have the form of `like`."""

    def round_trip(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of the labels that are made of `numbers`."""
        return numbers


class NumberAxis(Axis):
    """Integers and floats."""

    def numbers(self, index: Any) -> np.ndarray:
        """Return labels as int64 or float64."""
        return index.to_numpy(dtype=np.float64 if is_float_dtype(index.dtype) else np.int64)

    def labels(self, numbers: np.ndarray) -> pd.Index:
        """Return numbers as labels, with a wider dtype than that of `like` where they do not fit it."""
        if isinstance(self.like, pd.RangeIndex):
            return _to_range(numbers, self.like.name)
        exact = pd.Index(numbers, name=self.like.name)
        narrow = exact.astype(self.like.dtype)
        # Future labels may be too large for a narrow integer type, and would wrap around.
        return narrow if is_float_dtype(narrow.dtype) or (narrow == exact).all() else exact


class ElapsedTimeAxis(Axis):
    """Timestamps with a time zone, counted in UTC, and timedeltas."""

    def numbers(self, index: Any) -> np.ndarray:
        """Return labels as datetime64 in UTC, or timedelta64."""
        plain = index if isinstance(index, pd.TimedeltaIndex) else index.tz_convert(None)
        return plain.to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        """Return times in UTC in the time zone of `like`."""
        if isinstance(self.like, pd.TimedeltaIndex):
            return pd.TimedeltaIndex(numbers).as_unit(self.like.unit).rename(self.like.name)
        return _to_timestamps(numbers, self.like).tz_localize("UTC").tz_convert(self.like.tz)


class LocalTimeAxis(Axis):
    """Timestamps in local time."""

    def numbers(self, index: Any) -> np.ndarray:
        """Return labels as datetime64 in local time."""
        plain = index if self.like.tz is None else index.tz_convert(self.like.tz).tz_localize(None)
        return plain.to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        """Return local times in the time zone of `like`.

        A time that the clock skips becomes the first one after it. Of a time that occurs twice, the earlier
        one is returned.
        """
        is_earlier = np.ones(len(numbers), dtype=bool)
        stamps = _to_timestamps(numbers, self.like)
        return stamps.tz_localize(self.like.tz, nonexistent="shift_forward", ambiguous=is_earlier)

    def round_trip(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of the labels that are made of `numbers`, which differ where the clock skips."""
        return numbers if self.like.tz is None else self.numbers(self.labels(numbers))


class PeriodAxis(Axis):
    """Periods, each as its start."""

    def numbers(self, index: Any) -> np.ndarray:
        """Return the starts of periods as datetime64."""
        return index.to_timestamp(how="start").to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        """Return starts as periods."""
        return pd.DatetimeIndex(numbers, name=self.like.name).to_period(self.like.freq)


def describe_labels(index: pd.Index) -> str:
    """Return the kind of labels in words, equal for indexes that can be compared."""
    if isinstance(index, pd.DatetimeIndex):
        return f"timestamps {'without' if index.tz is None else 'with'} a time zone"
    if isinstance(index, pd.TimedeltaIndex):
        return "timedeltas"
    return "numbers" if is_numeric_dtype(index.dtype) else f"labels of dtype {index.dtype}"


def _to_range(numbers: np.ndarray, name: Any) -> pd.RangeIndex:
    step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    start = int(numbers[0]) if len(numbers) else 0
    return pd.RangeIndex(start, start + step * len(numbers), step, name=name)


def _to_timestamps(numbers: np.ndarray, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(numbers, name=like.name).as_unit(like.unit)
