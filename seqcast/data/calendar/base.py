"""The interface of all calendars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd

from .axes import Axis, describe_labels

DAY = np.timedelta64(1, "D")
WEEK = np.timedelta64(7, "D")
# The mean length of a year of the Gregorian calendar.
YEAR = np.timedelta64(31_556_952, "s")


class Calendar(ABC):
    """The steps of an index and its continuation. Calendars are immutable; `infer_calendar` makes them."""

    axis: Axis

    @property
    @abstractmethod
    def season_length(self) -> int:
        """Number of steps after which the pattern of these stamps naturally repeats; 1 if none is known."""

    @property
    @abstractmethod
    def shortest_step(self) -> Any:
        """Smallest distance between neighbouring stamps, a NumPy scalar; None if only one stamp is known."""

    @property
    def kind(self) -> tuple[str, str]:
        """Key that is equal for calendars with the same steps."""
        return type(self).__name__, str(getattr(self, "step", ""))

    @property
    def clock(self) -> int:
        """Absolute number of the first training stamp, among all steps of this length since 1970, or since 0.

        Stamps of the same time in several series have the same number. It is 0 if steps have no such number.
        """
        return 0

    @property
    def duration(self) -> np.timedelta64 | None:
        """Duration of a step; None if it is no time, or not always the same."""
        return None

    @property
    def keeps_phase(self) -> bool:
        """True if a number of steps is always the same part of a day or week.

        This is not so if rows are counted, nor in a time zone with daylight saving time.
        """
        return True

    def positions(self, index: pd.Index, parameter: str = "X") -> np.ndarray:
        """Return the step numbers of stamps.

        Parameters
        ----------
        index : pandas.Index of n labels
            Of the kind of the training index; strictly increasing.
        parameter : str
            Name of the parameter that has this index, for messages.

        Returns
        -------
        ndarray of shape (n,), int64
            0 is the first training stamp. In a regular calendar, earlier stamps have negative numbers. In an
            observed calendar, stamps after the last training stamp take the numbers that follow, one each.

        Raises
        ------
        TypeError
            If the labels are of another kind than those of the training rows.
        ValueError
            If a stamp is not on the calendar.
        """
        steps, is_known = self._locate(self._numbers(index, parameter))
        if not is_known.all():
            raise ValueError(
                f"The index of {parameter} must follow the calendar of the training rows "
                f"({self._describe()}). "
                f"Got {index[int(np.argmin(is_known))]} instead. Resample such rows, or fit with rows like "
                f"them."
            )
        return steps

    def future(self, last: Any, n: int) -> pd.Index:
        """Return the labels after one.

        Parameters
        ----------
        last : label
            The stamp to continue from, usually the last one of the index.
        n : int
            Number of labels.

        Returns
        -------
        pandas.Index of n labels
            With the name, dtype and time zone of the training index.

        Raises
        ------
        TypeError, ValueError
            As for :meth:`positions`; also ``ValueError`` if there was only one training row, which tells no
            step.
        """
        return self.axis.labels(self._after(pd.Index([last]), n))

    def labels(self, first: int, n: int) -> pd.Index:
        """Return the labels of steps, with or without a row.

        Parameters
        ----------
        first : int
            Number of the first step, 0 for the first training stamp or later.
        n : int
            Number of labels.

        Returns
        -------
        pandas.Index of n labels
            Their :meth:`positions` are ``first``, ``first + 1``, ... After the last known stamp they continue
            as in :meth:`future`.

        Raises
        ------
        ValueError
            As for :meth:`future`.
        """
        return self.axis.labels(self._between(first, n))

    def steps_per(self, time: np.timedelta64) -> float:
        """Return the number of steps in a time; 0 if it is not known."""
        return 0.0 if self.duration is None else time / self.duration

    def align(self, index: pd.Index) -> Calendar | None:
        """Return a calendar with the same steps through the stamps of another series.

        Parameters
        ----------
        index : pandas.Index
            The stamps of the other series.

        Returns
        -------
        Calendar or None
            None if the stamps do not follow these steps.
        """
        return None

    @abstractmethod
    def extend(self, index: pd.Index) -> Calendar:
        """Return the calendar after later rows.

        Parameters
        ----------
        index : pandas.Index
            Strictly increasing. Stamps after the last known one are known from then on, which matters in
            observed calendars only.

        Returns
        -------
        Calendar

        Raises
        ------
        TypeError
            As for :meth:`positions`.
        """

    def fits(self, index: pd.Index) -> bool:
        """Return whether all stamps of an index of the kind of the training index are on the calendar."""
        return bool(self._locate(self.axis.numbers(index))[1].all())

    def _numbers(self, index: pd.Index, parameter: str = "X") -> np.ndarray:
        expected = describe_labels(self.axis.like)
        got = describe_labels(index)
        if expected != got:
            raise TypeError(
                f"The index of {parameter} must hold {expected}, as that of the training rows does. "
                f"Got {got} instead. Pass rows with the same kind of index as in fit."
            )
        return self.axis.numbers(index)

    @abstractmethod
    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return step numbers (n,), and whether each stamp is on the calendar (n,)."""

    @abstractmethod
    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        """Return the n stamps after the only one in `last`, on the axis."""

    @abstractmethod
    def _between(self, first: int, n: int) -> np.ndarray:
        """Return the stamps of n steps from `first` on, on the axis."""

    @abstractmethod
    def _describe(self) -> str:
        """Return the calendar in words, for messages."""
