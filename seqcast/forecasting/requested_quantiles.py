"""The quantiles of a forecast that are requested, and the names of their columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# A level below 1 percent is a probability in the place of a level.
RANGES = {"level": (1, 100), "quantiles": (0, 1)}
RULES = {
    "level": "hold levels in percent, at least 1 and below 100: 95, not 0.95, for intervals that hold 95 %",
    "quantiles": "hold probabilities above 0 and below 1: 0.9, not 90, for the value that 90 % lie below",
}


@dataclass(frozen=True)
class RequestedQuantiles:
    """The requested quantiles of a forecast.

    Attributes
    ----------
    probabilities : tuple of float
        Ascending, without repetitions.
    columns : tuple of (str, float)
        The end of the name of each column, and its probability.
    """

    probabilities: tuple[float, ...]
    columns: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, level: Any, quantiles: Any, owner: str) -> RequestedQuantiles:
        """Read the levels of intervals, in percent, and single quantiles; either may be None."""
        levels = _read_numbers("level", level, owner)
        singles = _read_numbers("quantiles", quantiles, owner)
        columns: list[tuple[str, float]] = []
        for percent in levels:
            tail = round((100 - percent) / 200, 12)
            columns += [(f"-lo-{percent:g}", tail), (f"-hi-{percent:g}", 1 - tail)]
        columns += [(f"-q{probability:g}", probability) for probability in singles]
        names = [name for name, _ in columns]
        if len(set(names)) < len(names):
            raise ValueError(
                f"The 'level' and 'quantiles' parameters of {owner} must hold numbers that differ in their "
                f"first six digits. Got {level!r} and {quantiles!r} instead."
            )
        return cls(tuple(sorted({probability for _, probability in columns})), tuple(columns))

    def __bool__(self) -> bool:
        return bool(self.columns)

    def column_names(self, targets: Sequence[Hashable]) -> list[Hashable]:
        """Return the names of a forecast's columns: each target, followed by its quantiles."""
        return [
            name for target in targets for name in (target, *(f"{target}{end}" for end, _ in self.columns))
        ]

    def to_columns(self, values: np.ndarray) -> np.ndarray:
        """Return forecasts and quantiles in the order of `column_names`, shape (..., n_columns).

        values : ndarray, shape (1 + n_probabilities, ..., n_targets)
        """
        places = [0, *(1 + self.probabilities.index(probability) for _, probability in self.columns)]
        chosen = np.moveaxis(values[places], 0, -1)
        return chosen.reshape(*chosen.shape[:-2], -1)


def _read_numbers(name: str, given: Any, owner: str) -> list[float]:
    """Return levels or probabilities as a list of numbers, after checking their range."""
    if given is None:
        return []
    given = given.tolist() if isinstance(given, np.ndarray) else given
    numbers = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    lower, upper = RANGES[name]
    for number in numbers:
        is_number = isinstance(number, int | float | np.number) and not isinstance(number, bool)
        if not is_number or not (lower <= number < upper and number > 0):
            rule = RULES[name]
            raise ValueError(f"The {name!r} parameter of {owner} must {rule}. Got {given!r} instead.")
    return [float(number) for number in numbers]
