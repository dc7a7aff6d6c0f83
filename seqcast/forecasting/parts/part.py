"""The interface of the parts of a forecaster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..examples import Examples
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
    """A fitted part: immutable, complete, and independent of the estimator.

    A part is made by its class method `fit`, and forecasts any panel that is prepared like that of the fit.
    It is given a panel and cutoffs, not windows, so that it may read the whole history before a cutoff.
    """

    @classmethod
    def fit(cls, examples: Examples, *args: Any, **kwargs: Any) -> Part | None:
        """Fit the part to the training cutoffs of examples, and return it.

        The further arguments are the options of the part. The result is None if the examples are not
        sufficient; the other parts then forecast without it. A part that learns nothing reads its constants
        from the examples.
        """
        ...

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


@runtime_checkable
class OutOfFoldPart(Part, Protocol):
    """A part that also forecasts its training samples, by fits that did not learn from them."""

    def forecast_out_of_fold(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Forecast training samples by fits without them.

        Returns
        -------
        cutoffs : ndarray of int, shape (n,)
            Ascending; there may be none.
        forecasts : ndarray, shape (n, horizon, n_targets)
            Scaled values.
        """
        ...


def find_distribution_forecast(found: Iterable[PartForecast]) -> PartForecast | None:
    """Return the first of the forecasts that has a distribution, None if there is none."""
    return next((part for part in found if part.distribution is not None), None)
