"""What the forecasters share that learn from windows: how long they are, and which to judge by."""

import copy
import warnings
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..data.calendar import WEEK, YEAR, Calendar
from ..data.calendar_features import calendar_features, choose_cycles
from ..data.log_transform_test import needs_log_transform
from ..data.panel import Clock, Panel
from ..data.preparation import Preparation, TargetOptions, add_note
from ..data.roles import ColumnLayout, ColumnSpec
from ..data.schema import InputRows
from ..data.series_state import SeriesState
from ..data.training_windows import validation_start
from ..data.transforms import KINDS
from ..forecasting.blas import one_blas_thread
from ..forecasting.linear import LinearMap, fit_linear
from ..forecasting.out_of_fold import out_of_fold
from ..forecasting.predictive import PredictiveForecast
from ..forecasting.recent_volatility import RecentVolatility
from ..forecasting.sensitivity import Chain, by_column_and_lag
from ..forecasting.window_scaling import WindowScaling
from ..forecasting.window_source import WindowSource, to_wide
from ..stacklevel import find_stacklevel
from .base_forecaster import BaseForecaster, Data, UpdatedSeries

# The default window: so many seasons, but not more steps than that, ...
WINDOW_SEASONS, WINDOW_STEPS = 14, 336
# ... at least three seasons, and at most a third of the data.
FEWEST_SEASONS, SHARE_OF_DATA = 3, 3
# What a local model has in common with the forecaster that it is part of, and its row of what that has.
SHARED = (
    "_schema",
    "season_length_",
    "horizon_",
    "window_",
    "target_names_",
    "covariate_names_",
    "calendar_features_",
    "n_features_in_",
    "feature_names_in_",
)
PER_SERIES = ("naive_mae_", "naive_rmse_")


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
    blocks: WindowSource
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
        "multivariate": ["boolean"],
        "normalization": [StrOptions({"last", "instance", "none", "auto"})],
        "target_transform": [StrOptions({"auto", *KINDS})],
        "scaling": [StrOptions({"standard", "robust", "none"})],
        "differences": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
        "lags": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
        "half_life": [None, Interval(Real, 0, None, closed="neither")],
        "scope": [StrOptions({"global", "local"})],
        "calendar_features": [None, StrOptions({"auto"}), list, tuple],
        "short_series": [StrOptions({"pad", "drop", "error"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    }

    def fit(  # noqa: D102 - below
        self, X: Data, y: Data | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        return self._fit(X, y, sample_weight)

    fit.__doc__ = (BaseForecaster.fit.__doc__ or "").replace(
        """
        Returns
""",
        """        sample_weight : array-like, shape (n,), optional
            What each row of `X` counts as a target, 0 or more; as an input, it counts as ever. For the linear
            map, which learns all steps of a horizon at once, a window counts the mean of its targets.

        Returns
""",
        1,
    )

    def _declared(self) -> ColumnSpec:
        return ColumnSpec(self.target, self.id_col, self.time_col, self.future_cols, self.static_cols)

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
        rule = f"each at least the horizon, {self.horizon_}, since nearer ones are not known of all steps"
        self._check_steps_back("lags", self.horizon_, rule)
        return kept

    def _least_rows(self) -> int:
        """That have room for a window."""
        lengths = count(self.window_ + self.horizon_)
        return next(n for n in lengths if self._room(n, self.horizon_) >= self.window_)

    def _check_steps_back(self, parameter: str, least: int, rule: str) -> None:
        given = getattr(self, parameter)
        steps = steps_of(given)
        fits = all(isinstance(n, Integral) and not isinstance(n, bool) and n >= least for n in steps)
        if not fits or len(set(steps)) < len(steps):
            raise ValueError(
                f"The {parameter!r} parameter of {type(self).__name__} must hold ints, {rule}, and none "
                f"twice. Got {given!r} instead."
            )

    def _way_to_errors(self) -> str:
        return "Pass more rows, or a larger validation_fraction."

    def _fewest_steps(self, window: int) -> int:
        return 1 if self.short_series == "pad" else window

    def _training_end(self, n: int, horizon: int) -> int:
        return validation_start(n, horizon, self.validation_fraction) if self._holds_back() else n

    def _long_enough(self, ids: list[Hashable], lengths: list[int], method: str) -> list[int]:
        if self.short_series == "pad":
            return super()._long_enough(ids, lengths, method)
        rooms = [self._room(n, self.horizon_) for n in lengths]
        short = [k for k, room in enumerate(rooms) if room < self.window_]
        if short and self.short_series == "error":
            raise ValueError(
                f"{type(self).__name__}.{method} needs at least {self._least_rows()} rows of each series for "
                f"window={self.window_} and horizon={self.horizon_} with short_series='error'. Got "
                f"{lengths[short[0]]} of {ids[short[0]]!r}. Pass more rows, or short_series='pad' or 'drop'."
            )
        if short:
            warnings.warn(
                f"{len(short)} of {len(ids)} series are too short for window={self.window_} and "
                f"horizon={self.horizon_}, and are left out, such as {ids[short[0]]!r}.",
                stacklevel=find_stacklevel(),
            )
        left_out = set(short)
        return [k for k in range(len(ids)) if k not in left_out]

    # -- together, or each series for itself

    def _learn(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        self.calendar_features_ = [] if self.calendar_features is None else self._chosen_cycles()
        if self.scope == "local" and self._schema.has_ids:
            self._learn_apart(grids, weights)
        else:
            self.__dict__.pop("models_", None)  # of an earlier fit
            self._learn_together(grids, weights)

    @abstractmethod
    def _learn_together(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        """One model of all series."""

    def _learn_apart(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        """A model of each."""
        if getattr(self, "warm_start", False):
            raise ValueError(
                f"The 'scope' parameter of {type(self).__name__} can be 'local' only with warm_start=False: "
                f"local models start anew. Use partial_fit to go on."
            )
        own = [None] * len(grids) if weights is None else [[of_one] for of_one in weights]
        learned = Parallel(n_jobs=getattr(self, "n_jobs", None))(
            delayed(_learned)(self._for_one(id_), *of_one)
            for id_, *of_one in zip(self._pasts, grids, own, strict=True)
        )
        for name in set(vars(learned[0])) - set(self.get_params()) - {*SHARED, "_pasts", *PER_SERIES}:
            self.__dict__.pop(name, None)  # of an earlier fit of one model
        self.models_ = dict(zip(self._pasts, learned, strict=True))
        if all(hasattr(model, "chosen_") for model in learned):
            self.chosen_ = {id_: model.chosen_ for id_, model in self.models_.items()}

    def _for_one(self, id_: Hashable) -> Self:
        """Like this one, but for one series only."""
        model = clone(self).set_params(scope="global")
        if hasattr(model, "n_jobs"):
            model.n_jobs = 1
        number = list(self._pasts).index(id_)
        model.__dict__ |= {name: getattr(self, name) for name in SHARED if hasattr(self, name)}
        model.__dict__ |= {name: getattr(self, name)[[number]] for name in PER_SERIES}
        model._pasts = {id_: self._pasts[id_]}
        return model

    def _added(self, given: InputRows, method: str) -> dict[Any, UpdatedSeries]:
        if hasattr(self, "models_"):
            raise ValueError(
                f"The column {self.id_col!r} of X in {type(self).__name__}.{method} must hold series that "
                f"were fitted, since with scope='local' each has a model of its own. Got {len(given.ids)} "
                f"others, such as {given.ids[0]!r}. Fit with them, or use scope='global'."
            )
        return super()._added(given, method)

    def _take_over(self, pasts: dict[Any, SeriesState]) -> None:
        super()._take_over(pasts)
        for id_, past in pasts.items() if hasattr(self, "models_") else ():
            model = copy.copy(self.models_[id_])  # a copy of this one may share it
            model._pasts = {id_: past}
            self.models_ = self.models_ | {id_: model}

    def _model_of(self, number: int) -> BaseForecaster:
        return list(self.models_.values())[number] if hasattr(self, "models_") else self

    def _forecast_at(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        if not hasattr(self, "models_"):
            return super()._forecast_at(panel, cutoffs, probabilities)
        forecasts = np.empty((1 + len(probabilities), len(cutoffs), self.horizon_, self._n_targets))
        for number, places, own in panel.group_by_series(cutoffs):
            series = Panel.stack([panel.series(number)], clocks=panel.clocks[[number]])
            model = self._model_of(panel.series_numbers[number])
            forecasts[:, places] = model._forecast_at(series, own, probabilities)
        return forecasts

    def _drawn(self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int) -> np.ndarray:
        if not hasattr(self, "models_"):
            return super()._drawn(panel, begins, steps, n_paths, seed)
        paths = np.empty((len(begins), n_paths, steps, self._n_targets))
        fitted, alone = (
            panel.series_numbers[panel.find_series(begins)],
            panel.with_series_numbers(np.zeros_like(panel.series_numbers)),
        )
        for number in np.unique(fitted):
            own = fitted == number
            paths[own] = self._model_of(number)._drawn(alone, begins[own], steps, n_paths, seed)
        return paths

    def _n_errors(self) -> float:
        if not hasattr(self, "models_"):
            return super()._n_errors()
        return min(model._n_errors() for model in self.models_.values())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_") or hasattr(self, self._essence)

    # -- what is learned from

    def _examples(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> Examples:
        self._check_observed([grid[: self._border(len(grid))] for grid in grids])
        ids = list(self._pasts)
        grids = self._with_calendars(grids, ids)
        self.target_transform_ = self._chosen_transform(grids)
        self._preparation = Preparation.fit(
            self._to_scale_by(grids),
            self._columns(grids[0].shape[1]),
            self._treatment(),
            self.horizon_,
            self._reach(),
            self.target_names_,
            type(self).__name__,
            ids,
        )
        self._warn_constant(ids)
        levels, borders = self._padded(grids, ids)
        self._local_scale = RecentVolatility.of(levels, borders, self._n_targets, self.horizon_, self._span())
        starts = self._window_starts(levels, borders, self._lost_steps())
        blocks = replace(self._blocks(levels), weights=self._row_weights(levels, weights))
        self._check_weights(blocks, *starts)
        return Examples(levels, blocks, *starts)

    def _learn_scales(self, ids: list[Any], grids: list[np.ndarray]) -> None:
        grids = self._with_calendars(grids, ids)
        names, owner = self.target_names_, type(self).__name__
        known = [self._as_auto_reads(grid) for grid in self._to_scale_by(grids)]
        self._preparation = self._preparation.with_series(known, names, owner, ids)
        self._warn_constant(ids)
        levels, borders = self._padded(grids, ids)
        self._local_scale = self._local_scale.with_series(levels, borders)

    def _with_calendars(self, grids: list[np.ndarray], ids: list[Any]) -> list[np.ndarray]:
        """All steps of these series, with columns made of their stamps."""
        pairs = zip(grids, ids, strict=True)
        return [self._with_calendar(grid, self._pasts[id_].calendar, 0) for grid, id_ in pairs]

    def _as_auto_reads(self, grid: np.ndarray) -> np.ndarray:
        """Without values that have no logarithm, if it was "auto" that took logarithms in fit."""
        if self.target_transform != "auto" or self.target_transform_ != "log":
            return grid
        without = np.arange(grid.shape[1]) < self._n_targets
        return np.where(without & (grid <= 0), np.nan, grid)

    def _to_scale_by(self, grids: list[np.ndarray]) -> list[np.ndarray]:
        """The steps that are not held back."""
        return [_observed(grid, self._border(len(grid)), self._n_targets) for grid in grids]

    def _padded(self, grids: list[np.ndarray], ids: list[Any]) -> tuple[Panel, np.ndarray]:
        """Levels of these series, each with room for windows; and from which rows on they are held back."""
        lengths = np.array([len(grid) for grid in grids])
        held_back = lengths - [self._border(n) for n in lengths.tolist()]
        # Two windows: from one, no map is learned.
        least = self._lost_steps() + self.window_ + self.horizon_ + held_back + 1
        panel = Panel.stack(grids, least, [self._pasts[id_].calendar.clock for id_ in ids])
        levels = self._preparation.scale(panel.with_series_numbers(self._numbers(ids)))
        return levels, levels.ends - held_back

    def _row_weights(self, levels: Panel, weights: list[np.ndarray] | None) -> np.ndarray | None:
        """What each row counts as a target.

        The user's weights, halved with every half-life before the end.
        """
        if weights is None and self.half_life is None:
            return None
        counts = np.ones(len(levels.values))
        for number, out in enumerate(levels.with_values(counts)):
            if weights is not None:
                out[-len(weights[number]) :] = np.nan_to_num(weights[number])
            if self.half_life is not None:
                out *= 0.5 ** (np.arange(len(out))[::-1] / self.half_life)
        return counts / (counts.mean() or 1.0)  # so that penalties mean what they do without weights

    def _check_weights(self, blocks: WindowSource, *starts: np.ndarray) -> None:
        for own, which in zip(starts, ("learned from", "judged by"), strict=True):
            if blocks.weights is None or not len(own):
                continue
            begins = np.concatenate([[0.0], np.cumsum(blocks.weights)])
            targets = begins[own + self.window_ + self.horizon_] - begins[own + self.window_]
            if not targets.sum() > 0:
                raise ValueError(
                    f"The 'sample_weight' parameter of {type(self).__name__}.fit, and half_life, must leave "
                    f"rows that are {which} a weight above 0. Got none. Pass other weights, or a longer "
                    f"half_life."
                )

    def _columns(self, n: int) -> ColumnLayout:
        """Of rows with `n` columns: those that the schema does not know are made of stamps, known ahead."""
        columns = self._schema.roles.layout
        return replace(columns, future=columns.future + n - columns.static_slice.stop)

    def _chosen_cycles(self) -> list[str]:
        """Columns made of stamps, the same for all series; one row of dates does not tell its step."""
        pasts = [past for past in self._pasts.values() if past.calendar.shortest_step is not None]
        step = max((past.calendar.shortest_step for past in pasts), default=None)
        ends = [past.calendar.labels(0, 1).append(past.future(1)) for past in pasts]
        return choose_cycles(self.calendar_features, ends, step, type(self).__name__)

    def _with_calendar(self, values: np.ndarray, calendar: Calendar, first: int) -> np.ndarray:
        if not self.calendar_features_:
            return values
        features, _ = calendar_features(calendar.labels(first, len(values)), self.calendar_features_)
        stop = self._schema.roles.layout.future_slice.stop
        return np.hstack([values[:, :stop], features, values[:, stop:]])

    def _treatment(self) -> TargetOptions:
        return TargetOptions(
            self.target_transform_, self.scaling, steps_of(self.differences), steps_of(self.lags)
        )

    def _chosen_transform(self, grids: list[np.ndarray]) -> str:
        """Logarithms of several series that are all above 0 and change more where they are higher.

        What these have in common is how much they grow.
        """
        if self.target_transform != "auto":
            return self.target_transform
        if len(grids) < 2 or getattr(self, "loss", None) == "negative_binomial":
            return "none"
        columns = [column for values in grids for column in values[:, : self._n_targets].T]
        positive = all(np.nanmin(column) > 0 for column in columns)
        return "log" if positive and needs_log_transform(columns) else "none"

    def _lost_steps(self) -> int:
        """Steps before a window that its inputs are made of too."""
        return sum(steps_of(self.differences)) + max(0, max(steps_of(self.lags), default=0) - self.horizon_)

    def _memory(self) -> int:
        # One more than is read, for the last value of a target that was silent ever since.
        return max(self.window_, self.season_length_) + self._lost_steps() + 1

    def _border(self, n: int) -> int:
        """Steps of a series of `n` to learn from: all, if it is too short to keep some for validation."""
        end = self._training_end(n, self.horizon_)
        return n if end <= self.horizon_ else end

    def _reach(self) -> int:
        """Steps of the window that every part reads."""
        return self.window_

    def _blocks(self, levels: Panel) -> WindowSource:
        return self._in_blocks(self._preparation.make_inputs(levels), levels.clock)

    def _in_blocks(self, inputs: np.ndarray, clock: Clock) -> WindowSource:
        return WindowSource.of(inputs, self._preparation.input_layout, self.multivariate, clock)

    def _window_starts(self, levels: Panel, borders: np.ndarray, lost: int) -> tuple[np.ndarray, np.ndarray]:
        """Of windows to learn from, and to judge by, with `lost` steps before them."""
        shape = self._n_targets, self.window_, self.horizon_
        train = levels.training_starts(*shape, borders, lost)
        validation = levels.validation_starts(*shape, borders, lost)
        if not len(train) or (self._holds_back() and not len(validation)):
            raise ValueError(
                f"{type(self).__name__}.fit needs windows of {self.window_} steps with observed targets in "
                f"them and in the {self.horizon_} steps after them, both before and after step {borders[0]}. "
                f"Got too few: most targets are missing there. Pass more rows, or a shorter window or "
                f"horizon."
            )
        return train, validation if self._holds_back() else np.empty(0, np.int64)

    def _warn_constant(self, ids: list[Any]) -> None:
        flat = self._preparation.target_scaler.constant[self._numbers(ids)]
        if self._schema.has_ids:
            message = f"{flat.any(axis=1).sum()} of {len(flat)} series are"
        else:
            names = [name for name, is_flat in zip(self.target_names_, flat[0], strict=True) if is_flat]
            message = f"Targets {names} are"
        if flat.any():
            message += " constant in training and are forecast as such."
            warnings.warn(message, stacklevel=find_stacklevel())

    def _fit_linear(self, examples: Examples) -> LinearMap | None:
        """The best linear map on the windows to judge by; None where no window is complete."""
        blocks, starts = examples.blocks.changing(), (examples.train, examples.validation)
        calendar = next(iter(self._pasts.values())).calendar
        seasons = {self.season_length_, calendar.steps_per(WEEK)} if calendar.keeps_phase else set()
        periods = {int(steps) for steps in seasons if steps > 1 and steps == int(steps)}
        lengths = self.window_, self.horizon_
        year = calendar.steps_per(YEAR) or None
        with one_blas_thread():
            return fit_linear(blocks, *starts, *lengths, self._ways(), sorted(periods), year)

    def _ways(self) -> list[WindowScaling]:
        """How the linear map may read windows."""
        kinds = ["last", "instance", "none"] if self.normalization == "auto" else [self.normalization]
        if self.normalization == "last" and len(self._pasts) > 1:
            kinds = ["last", "instance"]  # series may be quiet or loud
        if self.normalization == "last" and self.lags is not None:
            kinds.append("none")  # relative to the last value, "as a year ago" could not be told
        if not self._schema.roles.past:
            return [WindowScaling(kind) for kind in kinds]
        ways = [WindowScaling(kind, how) for kind in kinds for how in ("relative", "level", "none")]
        return [way for way in ways if way != WindowScaling("none", "relative")]  # which is at their level

    def _out_of_fold(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Origins in training rows.

        And what linear maps forecast there that had not learned from them, in levels.
        """
        blocks, lengths = examples.blocks.changing(), (self.window_, self.horizon_)
        with one_blas_thread():
            starts, found = out_of_fold(self._linear, blocks, examples.train, *lengths)
        cutoffs, wide = starts + self.window_, to_wide(found, len(blocks))
        return cutoffs, self._integrated(wide, examples.levels, cutoffs)

    # -- forecast

    def _levels(self, panel: Panel) -> Panel:
        return self._preparation.scale(panel)

    def _integrated(self, forecasts: np.ndarray, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        """Forecasts of inputs as those of levels, made from rows that `update` keeps, too."""
        return self._preparation.integrate(forecasts, levels, cutoffs, self._memory() - 1)

    def _undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        return self._preparation.unscale(forecasts, fitted)

    def _full_outlook(self, levels: Panel, cutoffs: np.ndarray) -> PredictiveForecast:
        """The same, but the last value where nothing was observed since a window ago: no part has seen it."""
        outlook, silent = self._outlook(levels, cutoffs), self._silent(levels, cutoffs)
        if not silent.any():
            return outlook
        last = levels.with_values(levels.values[:, : self._n_targets]).seasonal_naive(
            cutoffs, 1, self.horizon_
        )
        return outlook.around(np.where(silent[:, None], np.nan_to_num(last), outlook.centre))

    def _silent(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        """Which targets were not observed in the window before each cutoff, (n_cutoffs, n_targets)."""
        rows = cutoffs[:, None] + np.arange(-self.window_, 0)
        return np.isnan(levels.values[np.maximum(rows, 0), : self._n_targets]).all(axis=1)

    def _target_scales(self) -> np.ndarray:
        if not hasattr(self, "models_"):
            return self._preparation.target_scales
        return np.concatenate([model._target_scales() for model in self.models_.values()])

    # -- what a forecast depends on

    def sensitivity(
        self,
        X: Data | None = None,
        y: Data | None = None,
        *,
        X_future: Data | None = None,
        ids: Sequence[Hashable] | None = None,
    ) -> pd.DataFrame:
        """How much each step of the forecast changes with each value that it is made from.

        These are exact derivatives, by the chain rule through all that is done to the values, in the units of
        the columns: 0.5 says that one unit more there makes the forecast half a unit higher, as long as the
        change is small. At a kink, such as that of an "rnn_relu" cell, it is the derivative of one side.

        Parameters
        ----------
        X : Series, DataFrame or array-like, optional
            Rows that follow the training rows, as for `update`: the forecast is that made after them, and
            the forecaster stays as it is. None: the forecast is that of `forecast`.
        y : Series, DataFrame or array-like, optional
            The targets, where they are no columns of `X`.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        ids : list, optional
            Which of several series; all if None.

        Returns
        -------
        DataFrame, shape (n_targets * horizon_, n_values)
            A row for each target and step, with the index levels ``target`` and ``lead``, from 1 to
            `horizon_`; of series in a long frame with their ids as the outermost level. The columns have the
            levels ``column`` and ``lag``, in the order of time. Lag 1 is the last row before the forecast,
            lag 2 the one before it. Of columns that are known ahead, lag 0 is the first step that is
            forecast, -1 the second, and so on. A static column is read from the last row, so it has lag 1
            only. NaN where nothing was observed, 0 where a value has no influence. Features made of stamps
            have no columns; categories have those of zeros and ones that they are read as.

        Raises
        ------
        NotFittedError, ValueError
            As `update` and `forecast`; ValueError also if `ids` holds others than those of fit.

        Examples
        --------
        >>> from seqcast import LinearForecaster
        >>> model = LinearForecaster(horizon=2, window=4).fit([float(n % 5) for n in range(60)])
        >>> slopes = model.sensitivity().loc["y"]
        >>> slopes["y"].sum(axis=1).round(3).tolist()  # a level that is one higher stays one higher
        [1.0, 1.0]
        """
        check_is_fitted(self)
        known = self if X is None else copy.copy(self).update(X, y)
        panel, begins, _ = known._ahead(X_future, self.horizon_)
        chosen = list(known._pasts) if ids is None else known._checked_ids(ids)
        slopes = [known._slopes(panel, begins[[number]]) for number in known._numbers(chosen)]
        columns, values = by_column_and_lag(np.stack(slopes), self._schema.roles)
        labels = [chosen, self.target_names_, list(range(1, self.horizon_ + 1))]
        names = [self._schema.column_spec.id_col, "target", "lead"]
        first = 0 if self._schema.has_ids else 1
        index = pd.MultiIndex.from_product(labels[first:], names=names[first:])
        return pd.DataFrame(values, index, pd.MultiIndex.from_tuples(columns, names=["column", "lag"]))

    def _checked_ids(self, ids: Sequence[Hashable]) -> list[Any]:
        others = [id_ for id_ in ids if id_ not in self._pasts]
        if others or not len(ids):
            raise ValueError(
                f"The 'ids' parameter of {type(self).__name__}.sensitivity must hold series that are known. "
                f"Got {repr(others[0]) if others else 'none'} instead. Leave it out for all series."
            )
        return list(ids)

    def _slopes(self, panel: Panel, cutoff: np.ndarray) -> np.ndarray:
        """Of the forecast at one cutoff (1,) by what stands around it.

        Shape (horizon_, n_targets, n_rows, n_columns).
        """
        near, cutoff = panel.cut_around(cutoff, self._memory() - 1, self.horizon_)  # what is read
        model: Any = self._model_of(near.series_numbers[0])
        if model is not self:
            near = near.with_series_numbers(np.zeros(1, np.int64))
        in_blocks = partial(model._in_blocks, clock=near.clock)
        chain = Chain(model._preparation, near, int(cutoff[0]), in_blocks)
        forecasts = model._level_forecasts(chain.levels, cutoff)[0]
        slopes = chain.in_units(model._level_slopes(chain, forecasts), forecasts)
        slopes[:, model._silent(chain.levels, cutoff)[0]] *= 0.0  # forecast by an older value
        return slopes

    @abstractmethod
    def _level_slopes(self, chain: Chain, forecasts: np.ndarray) -> np.ndarray:
        """Of the forecasts (horizon_, n_targets) by what they are made from, both in levels."""


def steps_of(given: Any) -> tuple[int, ...]:
    """One number of steps, several or none, as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _learned(model: WindowForecaster, grid: np.ndarray, weights: list[np.ndarray] | None) -> WindowForecaster:
    """In a process of its own, perhaps."""
    with add_note(f"This was the local model of series {next(iter(model._pasts))!r}."):
        model._learn_together([grid], weights)
    return model


def _observed(values: np.ndarray, end: int, n_targets: int) -> np.ndarray:
    """The steps before `end`; all steps where a target of a short series was observed only later."""
    return values if np.isnan(values[:end, :n_targets]).all(axis=0).any() else values[:end]
