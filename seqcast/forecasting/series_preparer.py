"""The preparation of series, in ``fit`` or added later, as a panel that windows are cut from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.panel import Panel
from ..data.preparation import Preparation
from ..data.scaling import ScalingMethod
from ..stacklevel import find_stacklevel
from .calendar_columns import CalendarColumns
from .lengths import LengthRules, Lengths
from .prepared_panel import PanelPreparer, PreparedPanel
from .training_data import TrainingData


@dataclass(frozen=True)
class InputOptions:
    """The parameters of an estimator that concern its inputs, under the same names."""

    target_transform: str = "auto"
    scaling: ScalingMethod = "standard"
    differences: tuple[int, ...] = ()
    lags: tuple[int, ...] = ()
    calendar_features: Sequence[str] | str | None = None
    multivariate: bool = False
    half_life: float | None = None
    counts: bool = False

    def count_lost_steps(self, horizon: int) -> int:
        """Return the number of steps before a window from which differences and lags are computed."""
        return sum(self.differences) + max(0, max(self.lags, default=0) - horizon)


@dataclass(frozen=True)
class SeriesPreparer:
    """The preparation of series as a panel that is long enough for windows, in ``fit`` and later.

    Attributes
    ----------
    options : InputOptions
    rules : LengthRules
    lengths : Lengths
    calendar_columns : CalendarColumns
    """

    options: InputOptions
    rules: LengthRules
    lengths: Lengths
    calendar_columns: CalendarColumns

    def cut_scaling_grids(self, data: TrainingData) -> list[np.ndarray]:
        """Return the steps of each series to which scales are fitted: those that are not held back."""
        return [_cut_scaling_steps(grid, self._find_border(len(grid)), data.n_targets) for grid in data.grids]

    def _find_border(self, n_steps: int) -> int:
        return self.rules.count_training_steps(n_steps, self.lengths.horizon)

    def add_calendar(self, data: TrainingData) -> TrainingData:
        """Return the series with the columns that are made of their time stamps."""
        pairs = zip(data.grids, data.calendars, strict=True)
        return replace(data, grids=[self.calendar_columns.insert(grid, own, 0) for grid, own in pairs])

    def check_counts(self, data: TrainingData) -> None:
        """Check that targets are counts, for a loss of counts."""
        if not self.options.counts:
            return
        for k, name in enumerate(data.schema.roles.targets):
            lowest = min(np.nanmin(grid[:, k], initial=np.inf) for grid in data.grids)
            if lowest < 0:
                raise ValueError(
                    f"The target {name!r} must be a count, 0 or more, for loss='negative_binomial' of "
                    f"{data.schema.owner}. Got {lowest:g}. Use another loss, such as 'student_t'."
                )

    def warn_constant(self, preparation: Preparation, data: TrainingData, numbers: np.ndarray) -> None:
        """Warn of targets that are constant in training, in the series with these numbers."""
        flat = preparation.target_scaler.constant[numbers]
        if not (flat.any() and self.rules.learns):
            return
        targets = data.schema.roles.targets
        if data.schema.has_ids:
            subject = f"{flat.any(axis=1).sum()} of {len(flat)} series are"
        else:
            subject = f"Targets {[name for name, own in zip(targets, flat[0], strict=True) if own]} are"
        message = f"{subject} constant in training and are forecast as such."
        warnings.warn(message, stacklevel=find_stacklevel())

    def prepare(
        self, data: TrainingData, preparer: PanelPreparer, numbers: np.ndarray
    ) -> tuple[PreparedPanel, np.ndarray]:
        """Return the prepared panel of series, and the first row of each series that is held back.

        numbers : the numbers of the series among the fitted ones, shape (n_series,)
        """
        lengths = np.array(data.n_steps)
        held_back = lengths - [self._find_border(n) for n in data.n_steps]
        n_lost = self.options.count_lost_steps(self.lengths.horizon)
        # Room for two windows if parameters are learned, since a map cannot be fitted to one window.
        least = n_lost + self.lengths.window + self.lengths.horizon + held_back + int(self.rules.learns)
        panel = Panel.stack(data.grids, least, [calendar.clock for calendar in data.calendars])
        prepared = preparer.prepare(panel.with_series_numbers(numbers))
        return prepared, prepared.scaled.ends - held_back


def _cut_scaling_steps(grid: np.ndarray, end: int, n_targets: int) -> np.ndarray:
    """Return the steps before `end`, or all steps if a target was not observed before `end`."""
    return grid if np.isnan(grid[:end, :n_targets]).all(axis=0).any() else grid[:end]
