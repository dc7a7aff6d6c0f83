"""What the forecasters share that learn from windows: how long they are, and which to judge by."""

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import count
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..callers import callers_level
from ..data.calendar import Calendar
from ..data.calendar_features import calendar_features
from ..data.panel import Panel
from ..data.preparation import Preparation, Treatment
from ..data.roles import Columns, Declared
from ..data.transforms import KINDS
from ..data.windows import border
from ..forecasting.blocks import Blocks
from ..forecasting.linear import LinearMap, fit_linear
from ..forecasting.local_scale import LocalScale
from .base_forecaster import BaseForecaster

# The default window: so many seasons, but not more steps than that, ...
WINDOW_SEASONS, WINDOW_STEPS = 14, 336
# ... at least three seasons, and at most a third of the data.
FEWEST_SEASONS, SHARE_OF_DATA = 3, 3


@dataclass(frozen=True)
class Examples:
    """What a forecaster learns from.

    Attributes
    ----------
    levels : Panel
        Transformed and scaled columns: what forecasts are compared with.
    blocks : Blocks
        The same as the parts of a forecaster read them.
    train, validation : ndarray of int
        First rows of the windows to learn from, and of those to judge by.
    """

    levels: Panel
    blocks: Blocks
    train: np.ndarray
    validation: np.ndarray

    def has_gaps(self, window: int) -> bool:
        """Whether something is missing in a window to learn from, or in the one that forecasts start from."""
        read = np.zeros(self.blocks.n_rows + 1, np.int64)
        for starts in self.train, self.validation:
            np.add.at(read, starts, 1)
            np.subtract.at(read, starts + window, 1)
        learned = np.cumsum(read[:-1]) > 0
        last = np.zeros_like(learned)
        for end in self.levels.ends:
            last[max(0, end - window) : end] = True
        values, n = self.blocks.values, self.blocks.n_relative
        return bool(np.isnan(values[:, learned]).any() or np.isnan(values[:, last, :n]).any())


class WindowForecaster(BaseForecaster):
    """Base of the forecasters that learn from windows, and choose by the last ones."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseForecaster._parameter_constraints,
        "future_cols": "no_validation",
        "static_cols": "no_validation",
        "window": [None, Interval(Integral, 1, None, closed="left")],
        "joint": ["boolean"],
        "normalization": [StrOptions({"last", "instance", "none", "auto"})],
        "transform": [None, StrOptions(set(KINDS) - {"none"})],
        "scaling": [StrOptions({"standard", "robust", "none"})],
        "differences": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
        "lags": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
        "calendar_features": [None, StrOptions({"auto"}), list, tuple],
        "short_series": [StrOptions({"pad", "drop", "error"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    }

    def _declared(self) -> Declared:
        return Declared(self.target, self.id_col, self.time_col, self.future_cols, self.static_cols)

    # -- how long

    def _lengths(self, n: int) -> tuple[int, int]:
        horizon = self.horizon or max(1, min(self._natural_horizon(), n // 8))
        natural = self._natural_horizon()
        wanted = max(FEWEST_SEASONS * natural, min(WINDOW_SEASONS * natural, WINDOW_STEPS))
        return horizon, self.window or max(1, min(wanted, self._room(n, horizon) // SHARE_OF_DATA))

    def _room(self, n: int, horizon: int) -> int:
        return self._training_end(n, horizon) - horizon - sum(steps_of(self.differences))

    def _choose_lengths(self, ids: list[Any], lengths: list[int]) -> list[int]:
        self._check_steps_back("differences", 1, "each at least 1")
        kept = super()._choose_lengths(ids, lengths)
        self._check_steps_back("lags", self.horizon_, f"each at least the horizon, {self.horizon_}, since nearer ones are not known of all steps")
        return kept

    def _least_rows(self) -> int:
        """That have room for a window."""
        return next(n for n in count(self.window_ + self.horizon_) if self._room(n, self.horizon_) >= self.window_)

    def _check_steps_back(self, parameter: str, least: int, rule: str) -> None:
        given = getattr(self, parameter)
        steps = steps_of(given)
        if any(not isinstance(n, Integral) or isinstance(n, bool) or n < least for n in steps) or len(set(steps)) < len(steps):
            raise ValueError(
                f"The {parameter!r} parameter of {type(self).__name__} must hold ints, {rule}, and none twice. Got {given!r} instead."
            )

    def _fewest_steps(self, window: int) -> int:
        return 1 if self.short_series == "pad" else window

    def _training_end(self, n: int, horizon: int) -> int:
        return border(n, horizon, self.validation_fraction) if self._holds_back() else n

    def _long_enough(self, ids: list[Hashable], lengths: list[int]) -> list[int]:
        if self.short_series == "pad":
            return super()._long_enough(ids, lengths)
        rooms = [self._room(n, self.horizon_) for n in lengths]
        short = [k for k, room in enumerate(rooms) if room < self.window_]
        if short and self.short_series == "error":
            raise ValueError(
                f"{type(self).__name__}.fit needs at least {self._least_rows()} rows of each series for "
                f"window={self.window_} and horizon={self.horizon_} with short_series='error'. Got "
                f"{lengths[short[0]]} of {ids[short[0]]!r}. Pass more rows, or short_series='pad' or 'drop'."
            )
        if short:
            warnings.warn(
                f"{len(short)} of {len(ids)} series are too short for window={self.window_} and "
                f"horizon={self.horizon_}, and are left out, such as {ids[short[0]]!r}.",
                stacklevel=callers_level(),
            )
        return [k for k in range(len(ids)) if k not in set(short)]

    # -- what is learned from

    def _examples(self, grids: list[np.ndarray]) -> Examples:
        ends = np.array([self._border(len(grid)) for grid in grids])
        held_back, lost = np.array([len(grid) for grid in grids]) - ends, self._lost_steps()
        self._check_observed([grid[:end] for grid, end in zip(grids, ends, strict=True)])
        calendars = [past.calendar for past in self._pasts.values()]
        grids = [self._with_calendar(grid, of, 0) for grid, of in zip(grids, calendars, strict=True)]
        self._preparation = Preparation.of(
            [_observed(grid, end, self._n_targets) for grid, end in zip(grids, ends, strict=True)],
            self._columns(grids[0].shape[1]),
            self._treatment(),
            self.horizon_,
            self._reach(),
            [self._names_of(id_) for id_ in self._pasts],
            type(self).__name__,
        )
        self._warn_constant()
        least, clocks = lost + self.window_ + self.horizon_ + held_back, [of.clock for of in calendars]
        levels = self._preparation.levels(Panel.of(grids, least, clocks))
        self._local_scale = LocalScale.of(levels, levels.ends - held_back, self._n_targets, self._span())
        starts = self._window_starts(levels, levels.ends - held_back, lost)
        return Examples(levels, self._blocks(levels), *starts)

    def _columns(self, n: int) -> Columns:
        """Of rows with `n` columns: those that the schema does not know are made of stamps, known ahead."""
        columns = self._schema.roles.columns
        return replace(columns, future=columns.future + n - columns.static_ones.stop)

    def _with_calendar(self, values: np.ndarray, calendar: Calendar, first: int) -> np.ndarray:
        if self.calendar_features is None:
            return values
        labels, owner = calendar.labels(first, len(values)), type(self).__name__
        features, _ = calendar_features(labels, calendar.shortest_step, self.calendar_features, owner)
        stop = self._schema.roles.columns.known_ahead.stop
        return np.hstack([values[:, :stop], features, values[:, stop:]])

    def _treatment(self) -> Treatment:
        return Treatment(
            self.transform or "none", self.scaling, steps_of(self.differences), steps_of(self.lags)
        )

    def _lost_steps(self) -> int:
        """Steps before a window that its inputs are made of too."""
        treatment = self._treatment()
        return sum(treatment.differences) + max(0, max(treatment.lags, default=0) - self.horizon_)

    def _memory(self) -> int:
        return max(self.window_, self.season_length_) + self._lost_steps()

    def _border(self, n: int) -> int:
        """Steps of a series of `n` to learn from: all, if it is too short to keep some for validation."""
        end = self._training_end(n, self.horizon_)
        return n if end <= self.horizon_ else end

    def _names_of(self, id_: Hashable) -> list[Hashable]:
        """What to call the targets of a series."""
        if not self._schema.has_ids:
            return self.target_names_
        return [f"{name} of series {id_}" for name in self.target_names_]

    def _reach(self) -> int:
        """Steps of the window that every part reads."""
        return self.window_

    def _blocks(self, levels: Panel) -> Blocks:
        values = self._preparation.inputs(levels)
        return Blocks.of(values, self._preparation.columns, self.joint, levels.clock)

    def _window_starts(self, levels: Panel, borders: np.ndarray, lost: int) -> tuple[np.ndarray, np.ndarray]:
        """Of windows to learn from, and to judge by, with `lost` steps before them."""
        shape = self._n_targets, self.window_, self.horizon_
        train = levels.training_starts(*shape, borders, lost)
        validation = levels.validation_starts(*shape, borders, lost)
        if not len(train) or (self._holds_back() and not len(validation)):
            raise ValueError(
                f"{type(self).__name__}.fit needs windows of {self.window_} steps with observed targets in "
                f"them and in the {self.horizon_} steps after them, both before and after step {borders[0]}. Got "
                f"too few: most targets are missing there. Pass more rows, or a shorter window or horizon."
            )
        return train, validation if self._holds_back() else np.empty(0, np.int64)

    def _warn_constant(self) -> None:
        flat = self._preparation.targets.constant
        if self._schema.has_ids:
            message = f"{flat.any(axis=1).sum()} of {len(flat)} series are"
        else:
            message = f"Targets {[name for name, is_flat in zip(self.target_names_, flat[0], strict=True) if is_flat]} are"
        if flat.any():
            warnings.warn(f"{message} constant in training and are forecast as such.", stacklevel=callers_level())

    def _fit_linear(self, examples: Examples) -> LinearMap | None:
        """The best linear map on the windows to judge by; None where no window is complete."""
        ways: tuple[bool, ...] = (self.normalization != "none",)
        if self.normalization == "auto" and len(examples.validation):
            ways = (True, False)
        blocks, starts = examples.blocks.changing(), (examples.train, examples.validation)
        return fit_linear(blocks, *starts, self.window_, self.horizon_, ways)

    def _truth(self, examples: Examples, starts: np.ndarray) -> np.ndarray:
        """What came after windows, in levels, (n_starts, horizon_, n_targets)."""
        rows = starts[:, None] + self.window_ + np.arange(self.horizon_)
        return examples.levels.values[rows, : self._n_targets]

    # -- forecast

    def _levels(self, panel: Panel) -> Panel:
        return self._preparation.levels(panel)

    def _undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        return self._preparation.undo(forecasts, fitted)

    def _target_scales(self) -> np.ndarray:
        return self._preparation.target_scales


def steps_of(given: Any) -> tuple[int, ...]:
    """One number of steps, several or none, as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _observed(values: np.ndarray, end: int, n_targets: int) -> np.ndarray:
    """The steps before `end`; all steps where a target of a short series was observed only later."""
    return values if np.isnan(values[:end, :n_targets]).all(axis=0).any() else values[:end]
