"""The examples that parts learn from: a prepared panel, and cutoffs for training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.calendar import Calendar
from ..data.calendar_features import choose_cycles
from ..data.log_transform_test import needs_log_transform
from ..data.panel import Panel
from ..data.preparation import Preparation, TargetOptions
from .calendar_columns import CalendarColumns
from .lengths import LengthRules, Lengths
from .memory import Memory
from .prepared_panel import PanelPreparer, PreparedPanel
from .recent_volatility import RecentVolatility, choose_span
from .series_preparer import InputOptions, SeriesPreparer
from .training_data import TrainingData
from .window_source import WindowSource


@dataclass(frozen=True)
class Examples:
    """A prepared panel, and the cutoffs that the parts of a forecaster learn from.

    Attributes
    ----------
    preparer : PanelPreparer
    series_preparer : SeriesPreparer
    prepared : PreparedPanel
    lengths : Lengths
    train, validation : ndarray of int
        Cutoffs, as row numbers of `prepared`: the first row of the horizon. The window ends before it.
    weights : ndarray, shape (n_rows,), or None
        The weight of each row as a target.
    volatility : RecentVolatility
    calendar : Calendar
        The calendar of the first series.
    """

    preparer: PanelPreparer
    series_preparer: SeriesPreparer
    prepared: PreparedPanel
    lengths: Lengths
    train: np.ndarray
    validation: np.ndarray
    weights: np.ndarray | None
    volatility: RecentVolatility
    calendar: Calendar

    @property
    def n_series(self) -> int:
        return len(self.prepared.scaled)

    @property
    def source(self) -> WindowSource:
        """The inputs that windows are cut from, with the weights of their rows."""
        return replace(self.prepared.source, weights=self.weights)

    def compute_residuals(self, cutoffs: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Return residuals of forecasts of scaled targets, in units of the recent volatility of their series.

        cutoffs : shape (n,); forecasts and the result : shape (n, horizon, n_targets)
        """
        unit = self.volatility.measure(self.prepared.scaled, cutoffs)
        return (self.prepared.cut_targets(cutoffs) - forecasts) / unit


@dataclass(frozen=True)
class FitPlan:
    """The data and all choices that are made before anything is learned.

    Attributes
    ----------
    data : TrainingData
    rules : LengthRules
    lengths : Lengths
    options : InputOptions
    memory : Memory
    calendar_columns : CalendarColumns
    """

    data: TrainingData
    rules: LengthRules
    lengths: Lengths
    options: InputOptions
    memory: Memory
    calendar_columns: CalendarColumns

    @classmethod
    def make(cls, data: TrainingData, rules: LengthRules, lengths: Lengths, options: InputOptions) -> FitPlan:
        """Choose the steps that are kept of each series, and the columns that are made of time stamps."""
        n_lost = options.count_lost_steps(lengths.horizon)
        memory = Memory.for_windows(lengths, n_lost) if rules.learns else Memory.for_seasons(lengths)
        names = _choose_calendar_features(data, options, rules)
        calendar_columns = CalendarColumns(tuple(names), data.schema.roles.layout)
        return cls(data, rules, lengths, options, memory, calendar_columns)

    def select_series(self, number: int) -> FitPlan:
        """Return the plan for one of the series."""
        return replace(self, data=self.data.select([number]))


def make_examples(plan: FitPlan, reach: int) -> Examples:
    """Fit the preparation of series, prepare them, and find the cutoffs to learn from.

    reach : the number of last steps of a window that all parts read.
    """
    data, rules, lengths, options = plan.data, plan.rules, plan.lengths, plan.options
    check_observed(data, [rules.count_training_steps(n, lengths.horizon) for n in data.n_steps])
    all_series = np.arange(len(data.ids))
    series_preparer = SeriesPreparer(options, rules, lengths, plan.calendar_columns)
    series_preparer.check_counts(data)
    data = series_preparer.add_calendar(data)
    preparation = Preparation.fit(
        series_preparer.cut_scaling_grids(data),
        plan.calendar_columns.widen(data.schema.roles.layout),
        TargetOptions(_choose_transform(data, options), options.scaling, options.differences, options.lags),
        lengths.horizon,
        reach,
        data.schema.roles.targets,
        rules.owner,
        data.ids,
    )
    series_preparer.warn_constant(preparation, data, all_series)
    preparer = PanelPreparer(preparation, options.multivariate, plan.memory.n_read)
    prepared, borders = series_preparer.prepare(data, preparer, all_series)
    span = min(plan.memory.n_steps, choose_span(lengths.horizon, lengths.season_length))
    volatility = RecentVolatility.fit(prepared.scaled, borders, data.n_targets, lengths.horizon, span)
    n_lost = options.count_lost_steps(lengths.horizon)
    train, validation = _find_cutoffs(prepared, borders, lengths, n_lost, rules)
    weights = _compute_step_weights(prepared.scaled, data.weights, options.half_life)
    _check_weights(weights, train, validation, lengths.horizon, rules.owner)
    return Examples(
        preparer,
        series_preparer,
        prepared,
        lengths,
        train,
        validation,
        weights,
        volatility,
        data.calendars[0],
    )


def check_observed(data: TrainingData, ends: Sequence[int]) -> None:
    """Check that each column has an observed value in some series, among the steps that are trained on.

    ends : the number of steps of each series that are trained on
    """
    blank = np.array([np.isnan(grid[:end]).all(axis=0) for grid, end in zip(data.grids, ends, strict=True)])
    if blank.all(axis=0).any():
        name = data.schema.roles.all[int(np.argmax(blank.all(axis=0)))]
        raise ValueError(
            f"The column {name!r} of X in {data.schema.owner}.fit must have an observed value among "
            f"its first {max(ends)} steps, which are trained on. Got none. Drop the column, or pass more "
            f"rows."
        )


def _choose_calendar_features(data: TrainingData, options: InputOptions, rules: LengthRules) -> list[str]:
    """Return the names of the columns that are made of time stamps, the same for all series.

    Series with one row are ignored, since their step is unknown.
    """
    if options.calendar_features is None:
        return []
    known = [k for k, calendar in enumerate(data.calendars) if calendar.shortest_step is not None]
    step = max((data.calendars[k].shortest_step for k in known), default=None)
    ends = [data.calendars[k].labels(0, 1).append(data.make_future_labels(k, 1)) for k in known]
    return choose_cycles(options.calendar_features, ends, step, rules.owner)


def _choose_transform(data: TrainingData, options: InputOptions) -> str:
    """Return the transform of the targets, which "auto" chooses from the data.

    It is "log" for several positive series whose changes are larger where the values are larger.
    """
    if options.target_transform != "auto":
        return options.target_transform
    if len(data.grids) < 2 or options.counts:
        return "none"
    columns = [column for grid in data.grids for column in grid[:, : data.n_targets].T]
    positive = all(np.nanmin(column) > 0 for column in columns)
    return "log" if positive and needs_log_transform(columns) else "none"


def _find_cutoffs(
    prepared: PreparedPanel, borders: np.ndarray, lengths: Lengths, n_lost: int, rules: LengthRules
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cutoffs for training and those for validation, which may be none.

    borders : the first validation row of each series
    """
    shape = prepared.n_targets, lengths.window, lengths.horizon
    train = prepared.scaled.training_starts(*shape, borders, n_lost) + lengths.window
    validation = prepared.scaled.validation_starts(*shape, borders, n_lost) + lengths.window
    enough = len(train) and (len(validation) or not rules.holds_back)
    if rules.learns and not enough:
        raise ValueError(
            f"{rules.owner}.fit needs windows of {lengths.window} steps with observed targets in them and in "
            f"the {lengths.horizon} steps after them, both before and after step {borders[0]}. Got too few: "
            f"most targets are missing there. Pass more rows, or a shorter window or horizon."
        )
    return train, validation if rules.holds_back else np.empty(0, np.int64)


def _compute_step_weights(
    scaled: Panel, weights: list[np.ndarray] | None, half_life: float | None
) -> np.ndarray | None:
    """Return the weight of each row as a target: the user's weights times 0.5 ** (age / half_life).

    They are divided by their mean, so that penalties have the same effect as without weights.
    """
    if weights is None and half_life is None:
        return None
    step_weights = np.ones(len(scaled.values))
    for number, out in enumerate(scaled.with_values(step_weights)):
        if weights is not None:
            out[-len(weights[number]) :] = np.nan_to_num(weights[number])
        if half_life is not None:
            out *= 0.5 ** (np.arange(len(out))[::-1] / half_life)
    return step_weights / (step_weights.mean() or 1.0)


def _check_weights(
    weights: np.ndarray | None, train: np.ndarray, validation: np.ndarray, horizon: int, owner: str
) -> None:
    """Check that some training targets and some validation targets have a weight above 0."""
    if weights is None:
        return
    cumulative = np.concatenate([[0.0], np.cumsum(weights)])
    for cutoffs, use in ((train, "trained on"), (validation, "held back for validation")):
        if len(cutoffs) and not (cumulative[cutoffs + horizon] - cumulative[cutoffs]).sum() > 0:
            raise ValueError(
                f"The 'sample_weight' parameter of {owner}.fit, and half_life, must leave rows that are "
                f"{use} a weight above 0. Got none. Pass other weights, or a longer half_life."
            )
