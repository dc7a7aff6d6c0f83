"""The lengths of the horizon and the window, and the check that series are long enough for them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ..data.training_windows import validation_start
from ..stacklevel import find_stacklevel

# The horizon if the index has no season.
DEFAULT_HORIZON = 12
# The default window has this many seasons, but not more than this many steps, ...
WINDOW_SEASONS, WINDOW_STEPS = 14, 336
# ... at least three seasons, and at most a third of the data.
MIN_WINDOW_SEASONS, MIN_WINDOWS = 3, 3


@dataclass(frozen=True)
class Lengths:
    """The lengths of a fitted forecaster, in steps.

    Attributes
    ----------
    horizon : int
        The number of steps that are forecast at once.
    window : int
        The number of past steps that one forecast reads.
    season_length : int
    """

    horizon: int
    window: int
    season_length: int

    def round_up_to_horizons(self, steps: int) -> int:
        """Return the smallest multiple of the horizon that is at least `steps`."""
        return -(-steps // self.horizon) * self.horizon


@dataclass(frozen=True)
class LengthRules:
    """The rules by which the horizon and the window are chosen, and series are checked.

    Attributes
    ----------
    owner : str
        Name of the estimator, for messages.
    horizon, window : int or None
        The estimator's parameters.
    season_length : int
    validation_fraction : float or None
        The share of each series that is held back for validation; None if nothing is held back.
    n_differences : int
        The number of steps at the beginning of a series that have no difference.
    short_series : {"pad", "drop", "error"}
    learns : bool
        Whether parameters are learned from training windows: a naive forecast needs none.
    """

    owner: str
    horizon: int | None
    window: int | None
    season_length: int
    validation_fraction: float | None = None
    n_differences: int = 0
    short_series: str = "pad"
    learns: bool = True

    @property
    def holds_back(self) -> bool:
        """Whether the last steps are held back for validation."""
        return self.validation_fraction is not None

    def choose(self, lengths: list[int]) -> Lengths:
        """Choose the horizon and the window for series with these lengths, by their median.

        Raises
        ------
        ValueError
            If no series is long enough. The message states how many rows are needed.
        """
        chosen = self._choose_lengths(int(np.median(lengths)))
        if max(self._count_room_steps(n, chosen.horizon) for n in lengths) < self._min_room(chosen):
            raise ValueError(self._explain_too_short(max(lengths)))
        return chosen

    def keep(self, ids: list[Hashable], sizes: list[int], lengths: Lengths, method: str) -> list[int]:
        """Return the numbers of the series that are used; `short_series` says what is done with short ones.

        Raises
        ------
        ValueError
            If a series is too short and `short_series` is "error".
        """
        if self.short_series == "pad":
            return list(range(len(ids)))
        short = [
            k for k, n in enumerate(sizes) if self._count_room_steps(n, lengths.horizon) < lengths.window
        ]
        if short and self.short_series == "error":
            raise ValueError(
                f"{self.owner}.{method} needs at least {self._find_min_rows(lengths)} rows of each series "
                f"for window={lengths.window} and horizon={lengths.horizon} with short_series='error'. Got "
                f"{sizes[short[0]]} of {ids[short[0]]!r}. Pass more rows, or short_series='pad' or 'drop'."
            )
        if short:
            warnings.warn(
                f"{len(short)} of {len(ids)} series are too short for window={lengths.window} and "
                f"horizon={lengths.horizon}, and are left out, such as {ids[short[0]]!r}.",
                stacklevel=find_stacklevel(),
            )
        left_out = set(short)
        return [k for k in range(len(ids)) if k not in left_out]

    def count_training_steps(self, n_steps: int, horizon: int) -> int:
        """Return how many of the steps of a series are trained on.

        All of them, if the series is too short to hold some back.
        """
        end = self._find_training_end(n_steps, horizon)
        return n_steps if end <= horizon else end

    def _choose_lengths(self, n: int) -> Lengths:
        natural = natural_horizon(self.season_length)
        horizon = self.horizon or max(1, min(natural, n // 8))
        wanted = max(MIN_WINDOW_SEASONS * natural, min(WINDOW_SEASONS * natural, WINDOW_STEPS))
        window = self.window or max(1, min(wanted, self._count_room_steps(n, horizon) // MIN_WINDOWS))
        return Lengths(horizon, window, self.season_length)

    def _find_training_end(self, n: int, horizon: int) -> int:
        return (
            n if self.validation_fraction is None else validation_start(n, horizon, self.validation_fraction)
        )

    def _count_room_steps(self, n: int, horizon: int) -> int:
        """Return how many of `n` steps the window of the last training sample may cover."""
        return self._find_training_end(n, horizon) - horizon - self.n_differences if self.learns else n

    def _min_room(self, lengths: Lengths) -> int:
        return 1 if self.short_series == "pad" else lengths.window

    def _find_min_rows(self, lengths: Lengths) -> int:
        """Return the smallest length of a series that has room for one window."""
        sizes = count(lengths.window + lengths.horizon)
        return next(n for n in sizes if self._count_room_steps(n, lengths.horizon) >= lengths.window)

    def _explain_too_short(self, n: int) -> str:
        least = next(m for m in count(n) if self._has_room(m))
        lengths = self._choose_lengths(least)
        held_back = f" (with validation_fraction={self.validation_fraction})" if self.holds_back else ""
        return (
            f"{self.owner}.fit needs at least {least} rows for window={lengths.window} and "
            f"horizon={lengths.horizon}{held_back}. Got n_samples={n} instead. Pass more rows, or a shorter "
            f"window or horizon."
        )

    def _has_room(self, n: int) -> bool:
        lengths = self._choose_lengths(n)
        return self._count_room_steps(n, lengths.horizon) >= self._min_room(lengths)


def natural_horizon(season_length: int) -> int:
    """Return one season, or 12 steps where there is no season."""
    return season_length if season_length > 1 else DEFAULT_HORIZON


def to_steps(given: Any) -> tuple[int, ...]:
    """Return one number of steps, several or None as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list | tuple) else (given,)
