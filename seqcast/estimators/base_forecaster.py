"""The surface that all forecasters share: from a frame of the past to a frame of the future."""

from abc import abstractmethod
from dataclasses import replace
from itertools import count
from numbers import Integral
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..data.calendar import Calendar
from ..data.frames import Table, in_order, is_counted, read_table, select_columns
from ..data.targets import History, read_history
from ..data.windows import on_grid, seasonal_naive
from .keeping import last_fit_kept_on_error
from .tooltips import ToolTips

Data: TypeAlias = pd.DataFrame | pd.Series | ArrayLike

DEFAULT_HORIZON = 12  # where the index tells no season
MAX_GAP_FACTOR = 50  # steps of the calendar for each row: beyond it, the rows hardly follow the calendar


class BaseForecaster(ToolTips, RegressorMixin, BaseEstimator):
    """Base of the forecasters: they differ in how they learn, and in how they forecast from one origin."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        "target": "no_validation",  # any label, or several: what X has no such column for is told by name
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
    }

    _essence: ClassVar[str]  # the attribute that a forecaster can forecast with as soon as it is there

    # -- what a forecaster is

    @abstractmethod
    def _learn(self, grid: np.ndarray) -> None:
        """Learn from targets and covariates at each step, (n_steps, n_columns), NaN where there are none.

        Must leave `_scaler`.
        """

    @abstractmethod
    def _forecast_at(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Forecasts from the steps of `values` before each origin, shape (n_origins, horizon_, n_targets)."""

    @abstractmethod
    def _lengths(self, n: int) -> tuple[int, int, int]:
        """Horizon and window for `n` steps, and the longest window that they have room for."""

    # -- fit

    def fit(self, X: Data, y: Data | None = None) -> Self:
        """Learn to forecast the targets.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            One row a step of time, in any strictly increasing index (unsorted rows are sorted). NaN where
            nothing was observed.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            Left out, the targets are the columns of `X` that `target` names. With a y that bears the name of
            a column of `X`, which it must equal, that column is the target: for tools that need a ``y``. Any
            other y is a target beside `X`, of which nothing is known in the rows that `predict` gets; all
            columns of `X` are covariates.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        ValueError
            If a parameter or a value is out of its range, or the data are too short; the message says how
            many rows are needed. Also if `y` differs from the column that bears its name.
        TypeError
            If a column holds no numbers.
        TrainingDivergedError
            If not one epoch had a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after keeping the best weights so far.
        """
        self._validate_params()
        history = read_history(X, y, self.target, type(self).__name__)
        with last_fit_kept_on_error(self, self._essence):
            self._fit_history(history)
        return self

    def _fit_history(self, history: History) -> None:
        self._remember_columns(history)
        table = history.table
        self._calendar = Calendar.from_index(table.index)
        grid = self._to_grid(table)
        self._choose_lengths(len(grid))
        self._last_label, self._n_steps = table.index[-1], len(grid)
        self._context = grid[-max(self.window_, self.season_length_) :].copy()
        self._measure_changes(grid[:, : len(self.target_names_)])
        self._learn(grid)

    def _measure_changes(self, targets: np.ndarray) -> None:
        """In place, since a series may have millions of steps."""
        season = self.season_length_
        with np.errstate(over="ignore"):  # the difference of two large values may be infinite
            changes = targets[season:] - targets[:-season]
        np.abs(changes, out=changes)
        seen = np.isfinite(changes)
        changes[~seen] = 0.0
        n, largest = np.maximum(seen.sum(axis=0), 1), changes.max(axis=0, initial=np.finfo(float).tiny)
        changes /= largest  # whose square may be infinite
        self.naive_mae_ = changes.sum(axis=0) / n * largest
        self.naive_rmse_ = np.sqrt(np.square(changes, out=changes).sum(axis=0) / n) * largest

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        tags.regressor_tags.poor_score = True  # of rows that are independent, where the past says nothing
        return tags

    def _remember_columns(self, history: History) -> None:
        self.target_names_, self.covariate_names_ = history.targets, history.covariates
        self._apart, self._form, self._target_ndim = history.apart, history.form, history.target_ndim
        self._columns, self._kind = history.columns, history.table.kind
        self._counted = is_counted(history.table.index)
        self.n_features_in_ = len(history.columns)
        if self._kind == "frame" and all(isinstance(column, str) for column in history.columns):
            self.feature_names_in_ = np.asarray(history.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _to_grid(self, table: Table) -> np.ndarray:
        positions = self._calendar.positions(table.index)
        if positions[-1] + 1 > MAX_GAP_FACTOR * len(positions) + 1000:
            raise ValueError(
                f"The index of X in {type(self).__name__}.fit must not have more than {MAX_GAP_FACTOR} "
                f"missing steps for each row. Got {len(positions)} rows over {positions[-1] + 1} steps. "
                f"Resample the rows to a coarser step, or drop the index with reset_index(drop=True) to "
                f"count rows."
            )
        return on_grid(table.values, positions)

    def _choose_lengths(self, n: int) -> None:
        """Horizon, window and season where they were not given, within what `n` steps allow."""
        self.season_length_ = self.season_length or self._calendar.season_length
        self.horizon_, self.window_, room = self._lengths(n)
        if room < self.window_:
            least = next(m for m in count(n) if self._lengths(m)[1] <= self._lengths(m)[2])
            horizon, window, _ = self._lengths(least)
            fraction = getattr(self, "validation_fraction", None)
            held_back = f" (with validation_fraction={fraction})" if self._holds_back() else ""
            raise ValueError(
                f"{type(self).__name__}.fit needs at least {least} rows for window={window} and "
                f"horizon={horizon}{held_back}. Got n_samples={n} instead. Pass more rows, or a shorter "
                f"window or horizon."
            )

    def _holds_back(self) -> bool:
        """Whether the last rows are kept for validation."""
        return False

    def _natural_horizon(self) -> int:
        return self.season_length_ if self.season_length_ > 1 else DEFAULT_HORIZON

    def _check_observed(self, values: np.ndarray) -> None:
        blank = np.isnan(values).all(axis=0)
        if blank.any():
            name = [*self.target_names_, *self.covariate_names_][int(np.argmax(blank))]
            raise ValueError(
                f"The column {name!r} of X in {type(self).__name__}.fit must have an observed value among "
                f"its first {len(values)} steps, which are trained on. Got none. Drop the column, or pass "
                f"more rows."
            )

    # -- forecast

    def forecast(self, horizon: int | np.integer | None = None) -> pd.DataFrame:
        """Forecast the steps after the training rows.

        Parameters
        ----------
        horizon : int, optional
            Steps; as many as were trained if None. Beyond that, forecasts are fed back as if observed.

        Returns
        -------
        DataFrame, shape (horizon, n_targets)
            In the targets' own units, with the index that follows the training rows'. Never NaN.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If `horizon` is not a positive integer.
        """
        check_is_fitted(self)
        steps = self._check_steps(horizon)
        values = self._continue(self._context, steps)
        return pd.DataFrame(values, self._calendar.future(self._last_label, steps), self.target_names_)

    def predict(self, X: Data | int | np.integer | None = None) -> pd.DataFrame | pd.Series | np.ndarray:
        """Forecast each row of `X` from rows before it.

        Forecasts are made every `horizon_` steps from the end of the training rows on: the first block from
        training rows only, later ones from the rows of `X` before them as well. ``predict()`` and
        ``predict(24)`` are `forecast`.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows; the columns of fit.

        Returns
        -------
        Series, DataFrame or ndarray, shape (n,) or (n, n_targets)
            Aligned with the rows of `X`, in the form of the `y` of fit or, if there was none, of `X`. Never
            NaN.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If rows are from before the end of the training rows (as shuffled folds are), or a column is
            missing.
        """
        check_is_fitted(self)
        if X is None or isinstance(X, int | np.integer):
            return self.forecast(X)
        table = self._read(X, f"{type(self).__name__}.predict")
        forecasts, _ = self._row_forecasts(table)
        return self._in_form(forecasts, table)

    def score(self, X: Data, y: Data | None = None) -> float:
        """Skill of `predict` against the seasonal naive forecast: 1 is perfect, 0 no better than naive.

        ``1 - error / naive_error``, each the root mean squared error of a target in units of its training
        deviation, averaged over targets; both forecasts are made at the same times from the same rows.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            The truth; where the targets are columns of `X`, it may be left out.

        Returns
        -------
        float

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; ValueError also if no target is observed in `X`.
        """
        check_is_fitted(self)
        truth, forecasts, naive = self._beside_truth(X, y)
        error, naive_error = self._scaled_rmse(forecasts, truth), self._scaled_rmse(naive, truth)
        if naive_error == 0:
            return 0.0 if error == 0 else -np.inf
        return float(1 - error / naive_error)

    def _beside_truth(self, X: Data, y: Data | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The truth of each row of `X`, its forecast and its seasonal naive forecast, each (n, n_targets)."""
        table = self._read(X, f"{type(self).__name__}.score")
        truth = self._truth(table, y)
        if not np.isfinite(truth).any():
            raise ValueError(
                f"The '{'X' if y is None else 'y'}' parameter of {type(self).__name__}.score must have an "
                f"observed target. Got missing values only."
            )
        return truth, *self._row_forecasts(table)

    def _truth(self, table: Table, y: Data | None) -> np.ndarray:
        """The targets of each row: y, or those columns of X."""
        n_targets, owner = len(self.target_names_), f"{type(self).__name__}.score"
        if y is None and not self._apart:
            return table.values[:, :n_targets]
        if y is None:
            raise ValueError(
                f"The 'y' parameter of {owner} must be given, since fit had its target in y and not in X. "
                f"Got None instead."
            )
        truth = read_table(y, owner=owner, parameter="y", unsorted="keep", require_observed=False)
        if truth.values.shape != (len(table.index), n_targets):
            raise ValueError(
                f"The 'y' parameter of {owner} must have shape ({len(table.index)}, {n_targets}), a row for "
                f"each of X. Got {truth.values.shape} instead."
            )
        timed = "array" not in (truth.kind, table.kind) and not is_counted(table.index)
        if timed and not truth.index.equals(table.index):
            raise ValueError(
                f"The 'y' parameter of {owner} must have the index of X, row by row. Got others, such as "
                f"{truth.index[0]} beside {table.index[0]}. Align it with y.reindex(X.index)."
            )
        if truth.kind == "frame":
            truth = select_columns(truth, self.target_names_, owner=owner)
        return truth.values

    def _row_forecasts(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Forecasts and seasonal naive forecasts of the rows of a table, in their order, (n, n_targets)."""
        ordered, order = in_order(table)
        positions = self._following_positions(ordered)
        places = np.empty_like(order)
        places[order] = positions
        forecasts, naive = self._block_forecasts(self._known_after(ordered, positions))
        return forecasts[places], naive[places]

    def _scaled_rmse(self, forecasts: np.ndarray, truth: np.ndarray) -> float:
        errors = (forecasts - truth) / self._scaler.scale[: truth.shape[1]]
        observed = np.isfinite(errors).any(axis=0)
        return float(np.sqrt(np.nanmean(errors[:, observed] ** 2, axis=0)).mean())

    def _check_steps(self, horizon: int | np.integer | None) -> int:
        if horizon is None:
            return self.horizon_
        if not isinstance(horizon, Integral) or isinstance(horizon, bool) or horizon < 1:
            raise ValueError(
                f"The 'horizon' parameter of {type(self).__name__}.forecast must be an int of at least 1. "
                f"Got {horizon!r} instead."
            )
        return int(horizon)

    def _read(self, X: Data, owner: str) -> Table:
        """The columns of `X` in the order of fit, rows as they came."""
        table = read_table(X, owner=owner, unsorted="keep", require_observed=False)
        if table.kind == "array" or self._kind == "array":
            if table.values.shape[1] != self.n_features_in_:
                single = len(getattr(X, "shape", (0, 0))) == 1
                reshape = " Reshape your data to one row a step." if single else ""
                raise ValueError(
                    f"X has {table.values.shape[1]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input.{reshape}"
                )
            table = replace(table, columns=self._columns)
        elif table.kind == "series" and self.n_features_in_ == 1:
            table = replace(table, columns=self._columns)
        own = [] if self._apart else self.target_names_
        return select_columns(table, [*own, *self.covariate_names_], owner=owner)

    def _following_positions(self, table: Table) -> np.ndarray:
        """Step numbers of rows, counted from the first step after training."""
        without_time = self._apart and self._counted and is_counted(table.index)
        if table.kind == "array" or self._kind == "array" or without_time:
            return np.arange(len(table.index))
        positions = self._calendar.positions(table.index) - self._n_steps
        if positions[0] < 0:
            raise ValueError(
                f"The rows of the 'X' parameter of {type(self).__name__} must come after the training rows, "
                f"which end at {self._last_label}: a forecast of rows that were trained on says nothing. Got "
                f"{table.index[0]} instead. Split with sklearn.model_selection.TimeSeriesSplit, not at "
                f"random."
            )
        if positions[-1] >= MAX_GAP_FACTOR * (self._n_steps + len(positions)) + 1000:
            raise ValueError(
                f"The 'X' parameter of {type(self).__name__} must not end more than {MAX_GAP_FACTOR} times "
                f"as many steps after the training rows as there are rows. Got {table.index[-1]}, "
                f"{positions[-1] + 1} steps after {self._last_label}. Look for a wrong stamp, or fit on "
                f"later rows."
            )
        return positions

    def _known_after(self, table: Table, positions: np.ndarray) -> np.ndarray:
        """What is known of each step after training: targets, NaN if they are no columns of X; covariates."""
        values = table.values
        if self._apart:
            values = np.hstack([np.full((len(values), len(self.target_names_)), np.nan), values])
        return on_grid(values, positions)

    def _block_forecasts(self, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forecasts and seasonal naive forecasts of the steps of `grid`, made every `horizon_` steps."""
        known = np.concatenate([self._context, grid])
        origins = np.arange(len(self._context), len(known), self.horizon_)
        n_targets = len(self.target_names_)
        if self._apart:
            forecasts = self._feed_forward(known, origins)
        else:
            forecasts = self._forecast_at(known, origins).reshape(-1, n_targets)[: len(grid)]
        naive = seasonal_naive(known[:, :n_targets], origins, self.season_length_, self.horizon_)
        return forecasts, naive.reshape(-1, n_targets)[: len(grid)]

    def _feed_forward(self, known: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Forecasts from the first origin to the end of `known`, each block read as observed by the next."""
        known, n_targets = known.copy(), len(self.target_names_)
        for origin in origins:
            past = known[max(0, origin - max(self.window_, self.season_length_)) : origin]
            block = self._forecast_at(past, np.array([len(past)]))[0]
            room = known[origin : origin + self.horizon_, :n_targets]
            room[:] = block[: len(room)]
        return known[origins[0] :, :n_targets]

    def _continue(self, values: np.ndarray, steps: int) -> np.ndarray:
        """Forecast `steps` steps after `values`; covariates go on as in their last season."""
        n = len(values)
        future = seasonal_naive(values, np.array([n]), self.season_length_, steps)[0]
        known = np.concatenate([values, future])
        return self._feed_forward(known, np.arange(n, n + steps, self.horizon_))

    def _in_form(self, forecasts: np.ndarray, table: Table) -> pd.DataFrame | pd.Series | np.ndarray:
        """Forecasts in the form that y had, or X if there was none; of an array always in that of one."""
        form = table.kind if self._form is None or table.kind == "array" else self._form
        given_flat = form != "frame" if self._form is None else self._target_ndim == 1
        if given_flat and forecasts.shape[1] == 1:
            forecasts = forecasts[:, 0]
        if form == "array":
            return forecasts
        if form == "series":
            return pd.Series(forecasts, table.index, name=self.target_names_[0])
        return pd.DataFrame(forecasts, table.index, self.target_names_)
