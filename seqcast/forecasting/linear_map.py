"""A linear map from the window to the horizon, fitted by ridge regression in closed form.

If the last value of the window is subtracted and added again, the model is NLinear (Zeng et al., "Are
Transformers Effective for Time Series Forecasting?", AAAI 2023). It is fitted by one solve, and not by
gradient descent with a learning rate. The window scaling, the number of steps, the
seasonal features and the ridge are chosen by the squared error on validation windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add, itemgetter

import numpy as np

from ..data.training_windows import subsample
from .normal_equations import NormalEquations
from .seasonal_features import SeasonalFeatures, list_candidates, merge
from .window_scaling import WindowScaling
from .window_source import WindowSource

# Ridges that are compared, in units of the mean square of an input.
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
DEFAULT_RIDGE = 1e-3
# The ridge of seasonal features, as a share of their own sums of squares. The ridge of the window is chosen
# for inputs that are nearly collinear. Phases are not, and they are few, but they add up to 1, so that they
# need a penalty.
SEASONAL_RIDGE = 0.03
# Seasonal features must reduce the squared error on validation windows, which are of one season only, by this
# share. At 0, the worst of 40 tasks lost 16 %, at 0.05 2.5 %, and the mean gain was the same (7 %).
MIN_GAIN = 0.05
# The maximum number of windows that are read, equally spaced: more of them change nothing.
MAX_WINDOWS = 200_000
# The maximum number of windows that window scalings are compared on.
MAX_VALIDATION_WINDOWS = 4000
# The maximum number of inputs from a window: the time of a solve grows with the cube of their number.
MAX_INPUTS = 2048
MIN_STEPS = 2


@dataclass(frozen=True)
class Reading:
    """The inputs that are read of a window, and the number of steps that are forecast.

    Attributes
    ----------
    window_scaling : WindowScaling
    seasonal_features : SeasonalFeatures
    n_steps : int
        The last steps of the window are read.
    horizon : int
    """

    window_scaling: WindowScaling
    seasonal_features: SeasonalFeatures
    n_steps: int
    horizon: int

    def sum_windows(self, source: WindowSource, starts: np.ndarray, window: int) -> NormalEquations:
        """Return the normal equations of windows of `window` steps, without those with missing targets.

        Their inputs are the seasonal features, then the values of the window.
        """
        n_inputs = len(self.seasonal_features) + self.n_steps * self.window_scaling.count_read(source.columns)
        n_outputs = self.horizon * source.n_targets
        none = NormalEquations.from_rows(np.empty((0, n_inputs)), np.empty((0, n_outputs)))
        return reduce(add, self._sum_chunks(source, starts, window), none)

    def _sum_chunks(self, source: WindowSource, starts: np.ndarray, window: int) -> Iterator[NormalEquations]:
        for _, places, windows in source.cut_windows(starts, window + self.horizon):
            scaled = self.window_scaling.apply(windows[:, :window], source.columns, self.n_steps)
            targets = scaled.scale(windows[:, window:, : source.n_targets])
            complete = ~np.isnan(targets).any(axis=(1, 2))
            seasonal = self.seasonal_features.encode(_find_first_steps(source, starts[places], window))
            inputs = np.hstack([seasonal, scaled.inputs])
            weights = None
            if source.weights is not None:
                rows = starts[places][complete, None] + window + np.arange(self.horizon)
                weights = source.weights[rows].mean(axis=1)
            yield NormalEquations.from_rows(
                inputs[complete], targets[complete].reshape(-1, targets[0].size), weights
            )


@dataclass(frozen=True)
class LinearMap(Reading):
    """A fitted linear map.

    Attributes
    ----------
    weights : ndarray, shape (n_steps * n_columns_read, horizon * n_targets)
    seasonal_weights : ndarray, shape (n_seasonal_features, horizon * n_targets)
    intercept : ndarray, shape (horizon * n_targets,)
    ridge : float
        The penalty on `weights`, in units of the mean square of an input.
    """

    weights: np.ndarray
    seasonal_weights: np.ndarray
    intercept: np.ndarray
    ridge: float

    def forecast(self, source: WindowSource, starts: np.ndarray, window: int) -> np.ndarray:
        """Forecast from windows of `window` steps; shape (n_groups * n_starts, horizon, n_targets)."""
        shape = self.horizon, source.n_targets
        forecasts = np.empty((len(source), len(starts), *shape))
        for group, places, windows in source.cut_windows(starts, window):
            scaled = self.window_scaling.apply(windows, source.columns, self.n_steps)
            # One product for each row: the bits of a forecast must not depend on the other rows.
            outputs = (scaled.inputs[:, None] @ self.weights)[:, 0] + self.intercept
            first_steps = _find_first_steps(source, starts[places], window)
            outputs += self.seasonal_features.multiply(first_steps, self.seasonal_weights)
            forecasts[group, places] = scaled.unscale(outputs.reshape(-1, *shape))
        return forecasts.reshape(-1, *shape)

    def refit(self, training: NormalEquations) -> LinearMap:
        """Fit the weights to other windows, with the same inputs and the same ridge."""
        return _TwoStepFit.make(self, training).solve(self.n_steps, self.ridge)


def fit_linear(
    source: WindowSource,
    training: np.ndarray,
    validation: np.ndarray,
    window: int,
    horizon: int,
    scalings: Sequence[WindowScaling],
    periods: Sequence[int] = (),
    year: float | None = None,
) -> LinearMap | None:
    """Fit a linear map to training windows.

    The scaling, the seasonal features, the number of steps and the ridge have the smallest squared error on
    validation windows. Without validation windows, they are the first scaling, no features, all steps and a
    ridge of 0.001.

    Parameters
    ----------
    source : WindowSource
    training, validation : ndarray of int
        The first rows of the windows. Windows with missing targets are left out.
    window, horizon : int
    scalings : sequence of WindowScaling
        The scalings that are compared.
    periods : sequence of int
        Periods in steps; at most one of them is chosen as a seasonal feature.
    year : float or None
        The number of steps in a year, which may be chosen, too.

    Returns
    -------
    LinearMap or None
        None if no training window is complete.
    """
    training = limit_windows(training, len(source))
    validation = limit_windows(validation, len(source))
    candidates = [SeasonalFeatures()]
    if source.clock is not None and len(training) and len(validation):
        n_seen = np.ptp(_find_first_steps(source, training, window)) + window + horizon
        candidates = list_candidates(periods, year, int(n_seen))
    maps = []
    for scaling in scalings:
        n_steps = min(window, max(MIN_STEPS, MAX_INPUTS // scaling.count_read(source.columns)))
        reading = Reading(scaling, merge(candidates), n_steps, horizon)
        of_training = reading.sum_windows(source, training, window)
        of_validation = reading.sum_windows(source, validation, window)
        if of_training.count > 1:
            maps.append(_choose_seasonal_features(reading, of_training, of_validation, candidates))
    compared = subsample(validation, max(1, MAX_VALIDATION_WINDOWS // len(source)))
    if len(maps) < 2 or not len(compared):
        return maps[0] if maps else None
    return min(maps, key=lambda one: _squared_error(one, source, compared, window))


def _choose_seasonal_features(
    reading: Reading,
    training: NormalEquations,
    validation: NormalEquations,
    candidates: list[SeasonalFeatures],
) -> LinearMap:
    """Return the map with the best seasonal features, or without them if their gain is too small."""
    found = []
    for features in candidates:
        first = reading.seasonal_features.find_inputs(features)
        places = np.concatenate([first, np.arange(len(reading.seasonal_features), len(training.x))])
        fit = _TwoStepFit.make(replace(reading, seasonal_features=features), training.select(places))
        if not validation.count:
            return fit.solve(reading.n_steps, DEFAULT_RIDGE)
        found.append(fit.choose_map(validation.select(places)))
    smallest_error, best = min(found, key=itemgetter(0))
    plain_error, plain = found[0]
    return best if smallest_error < (1 - MIN_GAIN) * plain_error else plain


@dataclass(frozen=True)
class _TwoStepFit:
    """Least squares in two steps: regression on seasonal features, then on the window.

    The second regression is that of the residuals of the first. The result is the same as that of one
    regression on both (Lovell, "Seasonal Adjustment of Economic Time Series", JASA 58, 1963), but the first
    step is done once for all numbers of steps and all ridges.

    Attributes
    ----------
    reading : Reading
    seasonal : ndarray
        The weights of the first regression; see `NormalEquations.regress_on_first`.
    residuals : NormalEquations
        The sums of the residuals of the first regression.
    """

    reading: Reading
    seasonal: np.ndarray
    residuals: NormalEquations

    @classmethod
    def make(cls, reading: Reading, training: NormalEquations) -> _TwoStepFit:
        """Regress the window and the horizon on the seasonal features."""
        training = training.penalize(len(reading.seasonal_features), SEASONAL_RIDGE)
        seasonal = training.regress_on_first(len(reading.seasonal_features))
        return cls(reading, seasonal, training.subtract_regression(seasonal))

    def solve(self, n_steps: int, ridge: float) -> LinearMap:
        """Regress the residuals of the horizon on those of the last steps of the window."""
        n_inputs = len(self.residuals.x)
        n = n_inputs // self.reading.n_steps * n_steps
        weights, intercept = self.residuals.solve(n, ridge)
        seasonal_weights = self.seasonal[:, n_inputs:] - self.seasonal[:, n_inputs - n : n_inputs] @ weights
        return LinearMap(
            self.reading.window_scaling,
            self.reading.seasonal_features,
            n_steps,
            self.reading.horizon,
            weights,
            seasonal_weights,
            intercept,
            ridge,
        )

    def choose_map(self, validation: NormalEquations) -> tuple[float, LinearMap]:
        """Return the smallest squared error on validation windows, and the map that has it.

        The number of steps and the ridge are chosen.
        """
        validation = validation.subtract_regression(self.seasonal)
        maps = (self.solve(n, ridge) for n in _halve_repeatedly(self.reading.n_steps) for ridge in RIDGES)
        errors = ((validation.squared_error(one.weights, one.intercept), one) for one in maps)
        return min(errors, key=itemgetter(0))


def _halve_repeatedly(n_steps: int) -> Iterator[int]:
    """Yield numbers of steps: all, half of them, a quarter, ..."""
    yield n_steps
    while n_steps >= 2 * MIN_STEPS:
        n_steps //= 2
        yield n_steps


def _squared_error(linear: LinearMap, source: WindowSource, starts: np.ndarray, window: int) -> float:
    """Return the sum of squared errors over the observed targets after these windows."""
    truth = source.targets[:, starts[:, None] + window + np.arange(linear.horizon)]
    errors = linear.forecast(source, starts, window) - truth.reshape(-1, *truth.shape[2:])
    return float(np.nansum(errors * errors))


def _find_first_steps(source: WindowSource, starts: np.ndarray, window: int) -> np.ndarray:
    """Return the numbers of the first steps that are forecast, or zeros if the source has no clock."""
    return np.zeros_like(starts) if source.clock is None else source.clock[starts + window]


def limit_windows(starts: np.ndarray, n_groups: int) -> np.ndarray:
    """Return equally spaced windows, not more than are read."""
    return starts[:: max(1, -(-len(starts) * n_groups // MAX_WINDOWS))]
