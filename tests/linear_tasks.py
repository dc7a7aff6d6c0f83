"""Small series to fit linear maps to, and what the fit must find, by hand."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from seqcast.data.panel import Clock
from seqcast.data.roles import ColumnLayout
from seqcast.forecasting.linear_map import MIN_GAIN, RIDGES, SEASONAL_RIDGE, fit_linear
from seqcast.forecasting.seasonal_features import SeasonalFeatures
from seqcast.forecasting.window_scaling import WindowScaling
from seqcast.forecasting.window_source import WindowSource

WINDOW, HORIZON = 8, 3
TRAIN, VALIDATION = np.arange(90), np.arange(100, 130)
NOTHING = SeasonalFeatures()
LAST, NONE, INSTANCE = WindowScaling("last"), WindowScaling("none"), WindowScaling("instance")


def make_grid(holes=0.0, n=141, seed=0):
    """Two targets and a covariate: waves, wandering levels and noise; a share of all values missing."""
    rng, t = np.random.default_rng(seed), np.arange(n)[:, None]
    grid = np.sin(t / [3, 4, 5]) + 0.2 * rng.normal(size=(n, 3)).cumsum(axis=0)
    return np.where(rng.random(grid.shape) < holes, np.nan, grid)


def clock_from(first, n=141):
    return Clock(np.array([0, n]), np.array([first]))


@dataclass(frozen=True)
class Task:
    """Series as blocks; the windows to learn from and to judge by are always the same."""

    blocks: WindowSource

    @classmethod
    def of(cls, multivariate=True, holes=0.0, n_targets=2, columns=3):
        grid = make_grid(holes)[:, :columns]
        return cls(
            WindowSource.from_inputs(
                grid, ColumnLayout(n_targets, columns - n_targets), multivariate, clock_from(5)
            )
        )

    def fit(self, train=TRAIN, validation=VALIDATION, ways=(LAST,), **calendar):
        return fit_linear(self.blocks, train, validation, WINDOW, HORIZON, ways, **calendar)

    def cut(self, starts, n_steps, way, phases=NOTHING):
        """Inputs of the calendar and of the window, targets in the window's own unit, their offsets and
        scales: of all windows, block by block. How a window is read is checked in test_ways."""
        parts, ends = [], starts + WINDOW
        for values in self.blocks.values:
            read = way.apply(values[starts[:, None] + np.arange(WINDOW)], self.blocks.columns, n_steps)
            rows = ends[:, None] + np.arange(HORIZON)
            targets = read.scale(values[rows, : self.blocks.n_targets]).reshape(len(starts), -1)
            parts.append((phases.encode(5 + ends), read.inputs, targets, read.offsets, read.scales))
        return [np.concatenate(part).astype(float) for part in zip(*parts, strict=True)]

    def complete(self, starts, n_steps, way, phases=NOTHING):
        calendar, inputs, targets, _, _ = self.cut(starts, n_steps, way, phases)
        whole = ~np.isnan(targets).any(axis=1)
        return calendar[whole], inputs[whole], targets[whole]

    def ridge(self, n_steps, ridge, way, phases=NOTHING, train=TRAIN):
        """Weights of the window, of the calendar, and the intercept: least squares, with a row for each input
        that asks its weight to be 0."""
        calendar, inputs, targets = self.complete(train, n_steps, way, phases)
        p, x, y = (part - part.mean(axis=0) for part in (calendar, inputs, targets))
        own = np.sqrt(SEASONAL_RIDGE * np.maximum((p**2).sum(axis=0), 1))
        left = least_squares(p, x, own)
        unexplained = ((x - p @ left) ** 2).sum() + ((own[:, None] * left) ** 2).sum()
        others = np.full(x.shape[1], np.sqrt(ridge * unexplained / x.shape[1]))
        weights = least_squares(np.hstack([p, x]), y, np.r_[own, others])
        intercept = targets.mean(axis=0) - np.hstack([calendar, inputs]).mean(axis=0) @ weights
        return weights[len(own) :], weights[: len(own)], intercept

    def squared_error(self, n_steps, ridge, way, phases=NOTHING):
        """On the windows to judge by, in their own units."""
        weights, seasonal_weights, intercept = self.ridge(n_steps, ridge, way, phases)
        calendar, inputs, targets = self.complete(VALIDATION, n_steps, way, phases)
        return ((calendar @ seasonal_weights + inputs @ weights + intercept - targets) ** 2).sum()

    def search(self, way, calendars=(NOTHING,)):
        """The best of all candidates: steps, ridge, way, phases."""
        candidates = [(s, r, way, phases) for phases, s, r in product(calendars, (8, 4, 2), RIDGES)]
        errors = {candidate: self.squared_error(*candidate) for candidate in candidates}
        best = min(errors, key=errors.get)
        plain = min((c for c in candidates if c[3] == NOTHING), key=errors.get)
        return best if errors[best] < (1 - MIN_GAIN) * errors[plain] else plain

    def truth(self, starts):
        rows = starts[:, None] + WINDOW + np.arange(HORIZON)
        return np.concatenate([values[rows] for values in self.blocks.targets])


def least_squares(inputs, targets, penalties):
    if not inputs.shape[1]:
        return np.empty((0, targets.shape[1]))
    rows, aims = [inputs, np.diag(penalties)], [targets, np.zeros((inputs.shape[1], targets.shape[1]))]
    return np.linalg.lstsq(np.vstack(rows), np.vstack(aims), rcond=None)[0]


def assert_fit(found, weights, seasonal_weights, intercept, tolerance=1e-9):
    np.testing.assert_allclose(found.weights, weights, rtol=1e-6, atol=tolerance)
    np.testing.assert_allclose(found.seasonal_weights, seasonal_weights, rtol=1e-6, atol=tolerance)
    np.testing.assert_allclose(found.intercept, intercept, rtol=1e-6, atol=tolerance)


def choices_of(found):
    return found.n_steps, found.ridge, found.window_scaling, found.seasonal_features


TASKS = {
    "one target": {"n_targets": 1, "columns": 1},
    "a covariate": {"n_targets": 1, "columns": 2},
    "multivariate targets": {"multivariate": True},
    "separate targets": {"multivariate": False},
    "multivariate, holes": {"multivariate": True, "holes": 0.05},
    "separate, holes": {"multivariate": False, "holes": 0.1},
}
tasks = pytest.mark.parametrize("task", [Task.of(**options) for options in TASKS.values()], ids=TASKS)
WAYS = [LAST, NONE, INSTANCE, WindowScaling("last", "absolute"), WindowScaling("instance", "none")]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.normalization}-{way.covariates}")
