"""Which quantiles are asked for, and what their columns are called."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RequestedQuantiles:
    """Quantiles of a forecast.

    Attributes
    ----------
    probabilities : tuple of float
        Each once, in order.
    columns : tuple of (str, float)
        How the names of columns end, and their probabilities.
    """

    probabilities: tuple[float, ...]
    columns: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, level: Any, quantiles: Any, owner: str) -> RequestedQuantiles:
        """Of prediction intervals (levels in percent) and single quantiles; either may be None."""
        levels = _numbers("level", level, 100, owner)
        singles = _numbers("quantiles", quantiles, 1, owner)
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

    def names(self, targets: Sequence[Hashable]) -> list[Hashable]:
        """Of the columns of a forecast: each target, then its quantiles."""
        return [
            name for target in targets for name in (target, *(f"{target}{end}" for end, _ in self.columns))
        ]

    def side_by_side(self, values: np.ndarray) -> np.ndarray:
        """Forecasts and their quantiles (1 + n_probabilities, ..., n_targets) as columns of these names."""
        places = [0, *(1 + self.probabilities.index(probability) for _, probability in self.columns)]
        chosen = np.moveaxis(values[places], 0, -1)
        return chosen.reshape(*chosen.shape[:-2], -1)


def _numbers(name: str, given: Any, most: float, owner: str) -> list[float]:
    if given is None:
        return []
    given = given.tolist() if isinstance(given, np.ndarray) else given
    numbers = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for number in numbers:
        if (
            not isinstance(number, int | float | np.number)
            or isinstance(number, bool)
            or not 0 < number < most
        ):
            raise ValueError(
                f"The {name!r} parameter of {owner} must hold numbers above 0 and below {most}, such as "
                f"{'80' if most == 100 else '0.9'}. Got {given!r} instead."
            )
    return [float(number) for number in numbers]
