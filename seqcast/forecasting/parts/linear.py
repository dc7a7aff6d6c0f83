"""The linear part: ridge regression of the horizon on the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...data.calendar import WEEK, YEAR
from ..blas import one_blas_thread
from ..examples import Examples
from ..linear_map import LinearMap, fit_linear
from ..out_of_fold import forecast_out_of_fold
from ..prepared_panel import PreparedPanel
from ..sensitivity import Chain, differentiate_linear
from ..window_scaling import WindowScaling
from ..window_source import join_targets
from .part import PartForecast


@dataclass(frozen=True)
class LinearPart:
    """A linear map from a window to the horizon.

    Attributes
    ----------
    map : LinearMap
    window : int
        The number of steps of a window.
    """

    map: LinearMap
    window: int
    distribution: ClassVar[None] = None

    @classmethod
    def fit(cls, examples: Examples, normalization: str) -> LinearPart | None:
        """Fit the linear map that forecasts the validation samples best.

        Parameters
        ----------
        examples : Examples
        normalization : {"last", "instance", "none", "auto"}
            The estimator's parameter.

        Returns
        -------
        LinearPart or None
            None if no training sample is complete.
        """
        lengths, calendar = examples.lengths, examples.calendar
        seasons = {lengths.season_length, calendar.steps_per(WEEK)} if calendar.keeps_phase else set()
        periods = {int(steps) for steps in seasons if steps > 1 and steps == int(steps)}
        with one_blas_thread():
            fitted = fit_linear(
                examples.source.drop_static(),
                examples.train - lengths.window,
                examples.validation - lengths.window,
                lengths.window,
                lengths.horizon,
                _list_scalings(examples, normalization),
                sorted(periods),
                calendar.steps_per(YEAR) or None,
            )
        return None if fitted is None else cls(fitted, lengths.window)

    @property
    def reads_past_covariates(self) -> bool:
        """Whether the map reads covariates of which only the past is known."""
        return self.map.window_scaling.covariates != "none"

    def forecast(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PartForecast:
        """Forecast the horizon after each cutoff."""
        source = prepared.source.drop_static()
        forecasts = self.map.forecast(source, cutoffs - self.window, self.window)
        return PartForecast(prepared.integrate(join_targets(forecasts, len(source)), cutoffs))

    def forecast_out_of_fold(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Forecast training samples by maps that were fitted without them.

        Returns
        -------
        cutoffs : ndarray of int, shape (n,)
        forecasts : ndarray, shape (n, horizon, n_targets)
        """
        source, starts = examples.source.drop_static(), examples.train - self.window
        with one_blas_thread():
            starts, found = forecast_out_of_fold(
                self.map, source, starts, self.window, examples.lengths.horizon
            )
        cutoffs = starts + self.window
        return cutoffs, examples.prepared.integrate(join_targets(found, len(source)), cutoffs)

    def gradient(self, chain: Chain) -> np.ndarray:
        """Return derivatives of the forecast by scaled values; see `Part.gradient`."""
        source = chain.source.drop_static()
        return chain.differentiate_part(
            differentiate_linear(self.map, source, chain.cutoff - self.window, self.window)
        )


def _list_scalings(examples: Examples, normalization: str) -> list[WindowScaling]:
    """Return the window scalings that are compared on validation samples."""
    kinds = ["last", "instance", "none"] if normalization == "auto" else [normalization]
    if normalization == "last" and examples.n_series > 1:
        # The variances of series may differ.
        kinds = ["last", "instance"]
    if normalization == "last" and examples.prepared.preparation.options.lags:
        # Values of earlier seasons are repeated as they are, not relative to the last value.
        kinds.append("none")
    if not examples.prepared.preparation.layout.past:
        return [WindowScaling(kind) for kind in kinds]
    scalings = [WindowScaling(kind, how) for kind in kinds for how in ("relative", "absolute", "none")]
    # Without an offset, "relative" is "absolute".
    return [scaling for scaling in scalings if scaling != WindowScaling("none", "relative")]
