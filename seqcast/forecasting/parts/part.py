"""The interface of the parts of a forecaster."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from ..prepared_panel import PreparedPanel
from ..sensitivity import Chain

if TYPE_CHECKING:
    # It imports numba, which takes half a second, and only networks need it.
    from ..distributions import Distribution


class PartForecast(NamedTuple):
    """The forecasts of one part, in scaled values.

    Attributes
    ----------
    center : ndarray, shape (n_cutoffs, horizon, n_targets)
    distribution : Distribution or None
        The distribution that the part forecasts for each step and target; None for a single number.
    parameters : ndarray, shape (n_cutoffs, n_parameters, horizon, n_targets), or None
        The parameters of these distributions.
    """

    center: np.ndarray
    distribution: Distribution | None = None
    parameters: np.ndarray | None = None


class Part(Protocol):
    """A fitted part: immutable, complete, and free of the estimator's parameters.

    It is given a panel and cutoffs, not windows, so that it may read as much of the history as it likes.
    """

    @property
    def distribution(self) -> Distribution | None:
        """The kind of distribution that is forecast, None for a number."""
        ...

    def forecast(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PartForecast:
        """Forecast the horizon after each cutoff, shape (n_cutoffs,)."""
        ...

    def gradient(self, chain: Chain) -> np.ndarray:
        """Return derivatives of the forecast of a chain by the scaled values around its cutoff.

        Shape (horizon, n_targets, n_rows, n_columns).
        """
        ...
