"""The naive part: repeat the last season."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..examples import Examples
from ..prepared_panel import PreparedPanel
from ..sensitivity import Chain
from .part import PartForecast


@dataclass(frozen=True)
class NaivePart:
    """The seasonal naive forecast.

    Attributes
    ----------
    season_length : int
        1 for the naive forecast, which repeats the last observed value.
    """

    season_length: int
    distribution: ClassVar[None] = None

    @classmethod
    def fit(cls, examples: Examples) -> NaivePart:
        """Return the seasonal naive forecast, which learns nothing."""
        return cls(examples.lengths.season_length)

    def forecast(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PartForecast:
        """Forecast each target by its last season.

        Where nothing was observed, the forecast is 0, which is the mean of scaled values.
        """
        horizon = prepared.preparation.horizon
        found = prepared.targets.seasonal_naive(cutoffs, self.season_length, horizon)
        return PartForecast(np.nan_to_num(found))

    def gradient(self, chain: Chain) -> np.ndarray:
        """Return 1 for the value that each forecast repeats, and 0 elsewhere."""
        return chain.differentiate_naive(self.season_length)
