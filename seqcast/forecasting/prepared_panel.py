"""Panels as parts read them: scaled values, and the inputs that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..data.panel import Panel
from ..data.preparation import Preparation
from .window_source import WindowSource


@dataclass(frozen=True)
class PreparedPanel:
    """Scaled values of a panel, and the inputs that windows are cut from.

    The inputs are made at the first access.

    Attributes
    ----------
    scaled : Panel
        Transformed and scaled columns: parts forecast in these units, and are compared in them.
    preparation : Preparation
    multivariate : bool
        Whether a window holds all targets, or each target has windows of its own.
    reach : int
        Steps before a cutoff that are read.
    """

    scaled: Panel
    preparation: Preparation
    multivariate: bool
    reach: int

    @property
    def n_targets(self) -> int:
        return self.preparation.layout.targets

    @cached_property
    def source(self) -> WindowSource:
        """The inputs that windows are cut from."""
        inputs = self.preparation.make_inputs(self.scaled)
        return WindowSource.from_inputs(
            inputs, self.preparation.input_layout, self.multivariate, self.scaled.clock
        )

    @property
    def targets(self) -> Panel:
        """The scaled targets."""
        return self.scaled.with_values(self.scaled.values[:, : self.n_targets])

    def cut_targets(self, cutoffs: np.ndarray) -> np.ndarray:
        """Return the scaled targets after each cutoff, shape (n_cutoffs, horizon, n_targets)."""
        steps = cutoffs[:, None] + np.arange(self.preparation.horizon)
        return self.scaled.values[steps, : self.n_targets]

    def find_series(self, cutoffs: np.ndarray) -> np.ndarray:
        """Return the number, among the fitted series, of the series that each cutoff lies in."""
        return self.scaled.series_numbers[self.scaled.find_series(cutoffs)]

    def integrate(self, forecasts: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        """Turn forecasts of inputs, which may be differences, into forecasts of scaled targets."""
        return self.preparation.integrate(forecasts, self.scaled, cutoffs, self.reach)


@dataclass(frozen=True)
class PanelPreparer:
    """The conversion of panels to scaled values, and of forecasts to the units of the targets.

    Attributes
    ----------
    preparation : Preparation
    multivariate : bool
    reach : int
        See `PreparedPanel`.
    """

    preparation: Preparation
    multivariate: bool
    reach: int

    def prepare(self, panel: Panel) -> PreparedPanel:
        """Scale a panel."""
        return self.prepare_scaled(self.preparation.scale(panel))

    def prepare_scaled(self, scaled: Panel) -> PreparedPanel:
        """Return a prepared panel of values that are already scaled."""
        return PreparedPanel(scaled, self.preparation, self.multivariate, self.reach)

    def unscale(self, forecasts: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Return forecasts (n, ..., n_targets) of these fitted series (n,) in the units of the targets."""
        return self.preparation.unscale(forecasts, series)
