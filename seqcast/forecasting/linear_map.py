"""The linear part: every step of the horizon is a linear function of the window, fitted in closed form.

With the window's last value subtracted and added again this is NLinear (Zeng et al., "Are Transformers
Effective for Time Series Forecasting?", AAAI 2023), but ridge regression instead of gradient descent: one
solve, no learning rate. How windows are read, how long they are, the place in the calendar and the ridge are
chosen by their error on validation windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add, itemgetter

import numpy as np

from ..data.training_windows import subsample
from .normal_equations import NormalEquations
from .seasonal_features import SeasonalFeatures, choices, together
from .window_scaling import WindowScaling
from .window_source import WindowSource

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # in units of the mean square of an input
USUAL_RIDGE = 1e-3
# Of the inputs of the calendar, as a share of their own squares. The window's ridge is chosen for inputs that
# nearly repeat each other; phases do not, and they are few, but they add up to 1: some penalty there must be.
PHASES_RIDGE = 0.03
# The calendar must save this share of the squared error on validation windows, which are of one season only:
# at 0, the worst of 40 tasks lost 16 %, at .05 2.5 %, and the mean gain was the same (7 %).
LEAST_GAIN = 0.05
MOST_ROWS = 200_000  # windows that are read at most, at equal distances: more of them change nothing
MOST_JUDGED = 4000  # windows that ways are compared on
MOST_INPUTS = 2048  # the longest window that is tried has so many numbers at most: a solve takes their cube
FEWEST_STEPS = 2


@dataclass(frozen=True)
class Reading:
    """What is read of a window, and how far it is forecast.

    Attributes
    ----------
    way : Way
    phases : Phases
        Of the calendar.
    n_steps : int
        Steps of the window, the last ones.
    horizon : int
    """

    way: WindowScaling
    phases: SeasonalFeatures
    n_steps: int
    horizon: int

    def moments(self, blocks: WindowSource, starts: np.ndarray, window: int) -> NormalEquations:
        """Of the windows of `window` steps whose targets were all observed: the inputs of the calendar, then
        those of the window."""
        n_inputs = len(self.phases) + self.n_steps * self.way.n_read(blocks.columns)
        n_outputs = self.horizon * blocks.n_targets
        none = NormalEquations.of(np.empty((0, n_inputs)), np.empty((0, n_outputs)))
        return reduce(add, self._parts(blocks, starts, window), none)

    def _parts(self, blocks: WindowSource, starts: np.ndarray, window: int) -> Iterator[NormalEquations]:
        for _, places, windows in blocks.chunks(starts, window + self.horizon):
            read = self.way.read(windows[:, :window], blocks.columns, self.n_steps)
            targets = read.relative(windows[:, window:, : blocks.n_targets])
            complete = ~np.isnan(targets).any(axis=(1, 2))
            phases = self.phases.inputs(_cutoffs(blocks, starts[places], window))
            inputs, weights = np.hstack([phases, read.inputs]), None
            if blocks.weights is not None:
                rows = starts[places][complete, None] + window + np.arange(self.horizon)
                weights = blocks.weights[rows].mean(axis=1)
            yield NormalEquations.of(
                inputs[complete], targets[complete].reshape(-1, targets[0].size), weights
            )


@dataclass(frozen=True)
class LinearMap(Reading):
    """A fitted linear part.

    Attributes
    ----------
    weights : ndarray, shape (n_steps * n_columns_read, horizon * n_targets)
    phase_weights : ndarray, shape (n_phases, horizon * n_targets)
    intercept : ndarray, shape (horizon * n_targets,)
    ridge : float
        The penalty, in units of the mean square of an input.
    """

    weights: np.ndarray
    phase_weights: np.ndarray
    intercept: np.ndarray
    ridge: float

    def forecast(self, blocks: WindowSource, starts: np.ndarray, window: int) -> np.ndarray:
        """Forecasts from windows of `window` steps, shape (n_blocks * n_starts, horizon, n_targets)."""
        shape = self.horizon, blocks.n_targets
        forecasts = np.empty((len(blocks), len(starts), *shape))
        for block, places, windows in blocks.chunks(starts, window):
            read = self.way.read(windows, blocks.columns, self.n_steps)
            # row by row, not in one product: the same bits in any batch
            part = (read.inputs[:, None] @ self.weights)[:, 0] + self.intercept
            part += self.phases.product(_cutoffs(blocks, starts[places], window), self.phase_weights)
            forecasts[block, places] = read.absolute(part.reshape(-1, *shape))
        return forecasts.reshape(-1, *shape)

    def refitted(self, known: NormalEquations) -> LinearMap:
        """What the same choices give for other windows, whose moments these are."""
        return _Fit.of(self, known).map(self.n_steps, self.ridge)


def fit_linear(
    blocks: WindowSource,
    training: np.ndarray,
    validation: np.ndarray,
    window: int,
    horizon: int,
    ways: Sequence[WindowScaling],
    periods: Sequence[int] = (),
    year: float | None = None,
) -> LinearMap | None:
    """Fit to the windows that start at `training`.

    The ridge, the steps, the way and what is read of the calendar are those that were best on the windows
    that start at `validation`; without such windows, a ridge of 0.001, all steps, the first way and nothing.
    Of the calendar, at most one of the `periods` is read, and the `year`, both in steps. None where no window
    is complete: those with missing targets are left out.
    """
    training, validation = limit_windows(training, len(blocks)), limit_windows(validation, len(blocks))
    calendars = [SeasonalFeatures()]
    if blocks.clock is not None and len(training) and len(validation):
        seen = np.ptp(_cutoffs(blocks, training, window)) + window + horizon
        calendars = choices(periods, year, int(seen))
    fits = []
    for way in ways:
        steps = min(window, max(FEWEST_STEPS, MOST_INPUTS // way.n_read(blocks.columns)))
        reading = Reading(way, together(calendars), steps, horizon)
        known, judged = (reading.moments(blocks, starts, window) for starts in (training, validation))
        if known.count > 1:
            fits.append(_best(reading, known, judged, calendars))
    judged_starts = subsample(validation, max(1, MOST_JUDGED // len(blocks)))
    if len(fits) < 2 or not len(judged_starts):
        return fits[0] if fits else None
    return min(fits, key=lambda fit: _squared_error(fit, blocks, judged_starts, window))


def _best(
    reading: Reading, known: NormalEquations, judged: NormalEquations, calendars: list[SeasonalFeatures]
) -> LinearMap:
    """Of the maps of one way: the one without the calendar, if the calendar does not gain enough."""
    found = []
    for phases in calendars:
        first = reading.phases.places(phases)
        places = np.concatenate([first, np.arange(len(reading.phases), len(known.x))])
        fit = _Fit.of(replace(reading, phases=phases), known.only(places))
        if not judged.count:
            return fit.map(reading.n_steps, USUAL_RIDGE)
        found.append(fit.best(judged.only(places)))
    least, best = min(found, key=itemgetter(0))
    without, plain = found[0]
    return best if least < (1 - LEAST_GAIN) * without else plain


@dataclass(frozen=True)
class _Fit:
    """Least squares in two steps: what the calendar says is taken from inputs and outputs, and the window's
    weights are fitted to what is left. It is the same as fitting both at once (Lovell, "Seasonal Adjustment
    of Economic Time Series", JASA 58, 1963), but the first step is done once for all steps and ridges."""

    reading: Reading
    explained: np.ndarray
    left: NormalEquations

    @classmethod
    def of(cls, reading: Reading, known: NormalEquations) -> _Fit:
        known = known.penalized(len(reading.phases), PHASES_RIDGE)
        explained = known.explained(len(reading.phases))
        return cls(reading, explained, known.less(explained))

    def map(self, n_steps: int, ridge: float) -> LinearMap:
        n_inputs = len(self.left.x)
        n = n_inputs // self.reading.n_steps * n_steps
        weights, intercept = self.left.solve(n, ridge)
        phase_weights = self.explained[:, n_inputs:] - self.explained[:, n_inputs - n : n_inputs] @ weights
        reading = self.reading.way, self.reading.phases, n_steps, self.reading.horizon
        return LinearMap(*reading, weights, phase_weights, intercept, ridge)

    def best(self, judged: NormalEquations) -> tuple[float, LinearMap]:
        """The steps and the ridge with the least error on the windows with these moments; and the error."""
        judged = judged.less(self.explained)
        maps = (self.map(steps, ridge) for steps in _halved(self.reading.n_steps) for ridge in RIDGES)
        return min(((judged.error(fit.weights, fit.intercept), fit) for fit in maps), key=itemgetter(0))


def _halved(steps: int) -> Iterator[int]:
    yield steps
    while steps >= 2 * FEWEST_STEPS:
        steps //= 2
        yield steps


def _squared_error(fit: LinearMap, blocks: WindowSource, starts: np.ndarray, window: int) -> float:
    """The sum over what was observed after these windows, in the unit of the blocks."""
    truth = blocks.targets[:, starts[:, None] + window + np.arange(fit.horizon)]
    errors = fit.forecast(blocks, starts, window) - truth.reshape(-1, *truth.shape[2:])
    return float(np.nansum(errors * errors))


def _cutoffs(blocks: WindowSource, starts: np.ndarray, window: int) -> np.ndarray:
    """The numbers of the first steps that are forecast; zeros where steps have none."""
    return np.zeros_like(starts) if blocks.clock is None else blocks.clock[starts + window]


def limit_windows(starts: np.ndarray, n_blocks: int) -> np.ndarray:
    """Not more windows than are read."""
    return starts[:: max(1, -(-len(starts) * n_blocks // MOST_ROWS))]
