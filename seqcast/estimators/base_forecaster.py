"""The surface that all forecasters share: from rows of the past to rows of the future."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from itertools import count
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..data.calendar import Calendar, infer_calendars
from ..data.naive_errors import seasonal_naive_errors
from ..data.preparation import add_note
from ..data.schema import ColumnSpec, InputRows, Schema, read_fit_arguments
from ..data.series_state import SeriesState
from ..data.tables import Table
from ..data.time_steps import insert_missing_steps, step_numbers
from ..forecasting.requested_quantiles import RequestedQuantiles
from .rollback import NOTHING, rollback_on_error
from .rolling import CutoffForecaster
from .tooltips import ToolTips

logger = logging.getLogger("seqcast")

Data: TypeAlias = pd.DataFrame | pd.Series | ArrayLike

DEFAULT_HORIZON = 12  # where the index tells no season


class UpdatedSeries(NamedTuple):
    """A series after later rows.

    Attributes
    ----------
    past : Past
    whole : ndarray, shape (n, n_columns)
        What was kept of it before, and the steps since.
    n_new : int
        How many these are.
    """

    past: SeriesState
    whole: np.ndarray
    n_new: int


class BaseForecaster(ToolTips, RegressorMixin, CutoffForecaster):
    """Base of the forecasters: they differ in how they learn, and in how they forecast from one cutoff."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        "target": "no_validation",  # any label, or several: what X has no such column for is told by name
        "id_col": "no_validation",
        "time_col": "no_validation",
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
    }

    _essence: ClassVar[str]  # the attribute that a forecaster can forecast with as soon as it is there

    # -- what a forecaster is

    @abstractmethod
    def _learn(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        """Learn from each series' targets and covariates at each step.

        (n_steps, n_columns), NaN where there are none; weights of the steps (n_steps,), if there are any.
        """

    @abstractmethod
    def _learn_scales(self, ids: list[Any], grids: list[np.ndarray]) -> None:
        """Learn of the last series of `_pasts`, which were not fitted, what is known of each."""

    @abstractmethod
    def _target_scales(self) -> np.ndarray:
        """Training deviations of each series' targets, (n_series, n_targets)."""

    @abstractmethod
    def _lengths(self, n: int) -> tuple[int, int]:
        """Horizon and window for `n` steps."""

    def _room(self, n: int, horizon: int) -> int:
        """Steps of `n` that a training window has room in."""
        return n

    def _fewest_steps(self, window: int) -> int:
        """Of a training window."""
        return window

    def _holds_back(self) -> bool:
        """Whether the last rows are kept for validation."""
        return False

    # -- fit

    def fit(self, X: Data, y: Data | None = None) -> Self:
        """Learn to forecast the targets.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            One row a step of time, in any strictly increasing index (unsorted rows are sorted). NaN where
            nothing was observed. With `id_col`, a row for each series and step.
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
        return self._fit(X, y)

    def _fit(self, X: Data, y: Data | None, sample_weight: ArrayLike | None = None) -> Self:
        self._validate_params()
        schema, given = read_fit_arguments(X, y, self._declared(), type(self).__name__)
        with rollback_on_error(self, self._essence):
            self._fit_rows(schema, given, sample_weight)
        return self

    def _declared(self) -> ColumnSpec:
        return ColumnSpec(self.target, self.id_col, self.time_col)

    def _fit_rows(self, schema: Schema, given: InputRows, sample_weight: ArrayLike | None) -> None:
        self._remember(schema)
        calendars = infer_calendars([table.index for table in given.tables])
        seasons = [calendar.season_length for calendar in calendars]
        self.season_length_ = self.season_length or max(set(seasons), key=seasons.count)
        steps = self._steps_of(given, calendars, "fit")
        grids = [self._training_grid(*one) for one in zip(given.tables, steps, strict=True)]
        kept = self._choose_lengths(given.ids, [len(grid) for grid in grids])
        self._pasts = self._pasts_of(given, calendars, grids, kept)
        weights = given.align_weights(sample_weight, steps)
        grids = [grids[k] for k in kept]
        changes = self._changes(grids)
        if not schema.has_ids:
            changes = changes[:, 0]
        self.naive_mae_, self.naive_rmse_ = changes
        self._learn(grids, None if weights is None else [weights[k] for k in kept])

    def _remember(self, schema: Schema) -> None:
        self._schema = schema
        self.target_names_, self.covariate_names_ = schema.roles.targets, schema.roles.covariates
        self.n_features_in_ = len(schema.columns)
        if schema.kind == "frame" and all(isinstance(column, str) for column in schema.columns):
            self.feature_names_in_ = np.asarray(schema.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _steps_of(self, given: InputRows, calendars: list[Calendar], method: str) -> list[np.ndarray]:
        """The step number of each row of each series."""
        pairs, owner = zip(calendars, given.tables, strict=True), f"{type(self).__name__}.{method}"
        return [step_numbers(calendar, table.index, owner) for calendar, table in pairs]

    def _pasts_of(
        self, given: InputRows, calendars: list[Calendar], grids: list[np.ndarray], kept: list[int]
    ) -> dict[Any, SeriesState]:
        """Of the series with these numbers."""
        lasts = [table.index[-1] for table in given.tables]
        return {
            given.ids[k]: SeriesState(calendars[k], lasts[k], len(grids[k]), self._tail(grids[k]))
            for k in kept
        }

    def _training_grid(self, table: Table, steps: np.ndarray) -> np.ndarray:
        """The columns at each step of the calendar."""
        grid, static = insert_missing_steps(table.values, steps), self._schema.roles.layout.static_slice
        if self._schema.roles.static:
            grid = grid.copy()
            grid[:, static] = table.values[-1, static]  # in gaps too
        return grid

    def _changes(self, grids: list[np.ndarray]) -> np.ndarray:
        """Mean and root mean squared change of each series' targets, (2, n_series, n_targets)."""
        targets = [grid[:, : self._n_targets] for grid in grids]
        return np.stack([seasonal_naive_errors(values, self.season_length_) for values in targets], axis=1)

    def _check_observed(self, known: list[np.ndarray]) -> None:
        """That every column has a value to learn from in some series, and every target in each."""
        names = self._schema.roles.all
        blank = np.array([np.isnan(values).all(axis=0) for values in known])
        if blank.all(axis=0).any():
            name = names[int(np.argmax(blank.all(axis=0)))]
            raise ValueError(
                f"The column {name!r} of X in {type(self).__name__}.fit must have an observed value among "
                f"its first {max(map(len, known))} steps, which are trained on. Got none. Drop the column, "
                f"or pass more rows."
            )

    def _choose_lengths(self, ids: list[Any], lengths: list[int]) -> list[int]:
        """Horizon and window where they were not given; the numbers of the series that are kept."""
        self.horizon_, self.window_ = self._lengths(int(np.median(lengths)))
        if max(self._room(n, self.horizon_) for n in lengths) < self._fewest_steps(self.window_):
            raise ValueError(self._too_short(max(lengths)))
        return self._long_enough(ids, lengths, "fit")

    def _long_enough(self, ids: list[Any], lengths: list[int], method: str) -> list[int]:
        """Numbers of the series that are kept."""
        return list(range(len(ids)))

    def _too_short(self, n: int) -> str:
        least = next(m for m in count(n) if self._has_room(m))
        horizon, window = self._lengths(least)
        fraction = getattr(self, "validation_fraction", None)
        held_back = f" (with validation_fraction={fraction})" if self._holds_back() else ""
        return (
            f"{type(self).__name__}.fit needs at least {least} rows for window={window} and "
            f"horizon={horizon}{held_back}. Got n_samples={n} instead. Pass more rows, or a shorter "
            f"window or horizon."
        )

    def _has_room(self, n: int) -> bool:
        horizon, window = self._lengths(n)
        return self._room(n, horizon) >= self._fewest_steps(window)

    def _natural_horizon(self) -> int:
        return self.season_length_ if self.season_length_ > 1 else DEFAULT_HORIZON

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        tags.regressor_tags.poor_score = True  # of rows that are independent, where the past says nothing
        return tags

    # -- forecast

    def forecast(
        self,
        horizon: int | np.integer | None = None,
        X_future: Data | None = None,
        *,
        level: float | Sequence[float] | None = None,
        quantiles: float | Sequence[float] | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the training rows, or after those of `update`.

        Parameters
        ----------
        horizon : int, optional
            Steps; as many as were trained if None. Beyond that, forecasts are fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            The columns that `future_cols` names, at every step that is forecast.
        level : float or list of float, optional
            Prediction intervals that cover the truth in so many percent of cases, such as ``[80, 95]``: the
            columns ``name-lo-80``, ``name-hi-80``, ... They come from the errors on the last rows of
            training; beyond the horizon, from sample paths.
        quantiles : float or list of float, optional
            Quantiles between 0 and 1: the columns ``name-q0.1``, ...

        Returns
        -------
        DataFrame, shape (horizon, n_targets)
            In the targets' own units, with the index that follows the training rows'. Of several series, a
            row for each and step, with the columns `id_col` and `time_col`. Never NaN.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If `horizon` is not a positive integer, a future value is missing, or quantiles are asked of a
            forecaster that held no rows back.
        """
        check_is_fitted(self)
        steps = self._check_steps(horizon)
        bounds = RequestedQuantiles.of(level, quantiles, f"{type(self).__name__}.forecast")
        self._check_errors(bounds.probabilities)
        panel, begins, labels = self._ahead(X_future, steps)
        values = [self._forecast_at(panel, begins, bounds.probabilities)]
        if steps > self.horizon_:
            values.append(self._later_blocks(panel, begins, steps, bounds.probabilities))
        columns = bounds.side_by_side(np.concatenate(values, axis=2)[:, :, :steps])
        names = bounds.names(self.target_names_)
        return self._schema.to_future_frame(list(self._pasts), labels, list(columns), names)

    def sample_paths(
        self,
        n_paths: int = 100,
        horizon: int | np.integer | None = None,
        X_future: Data | None = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> pd.DataFrame:
        """Draw futures that may be: forecasts with errors as those on the last rows of training.

        Errors of all steps of a horizon, and of all targets, are drawn together, from one window: sums and
        maxima over steps have the distribution that the dependence between steps gives them.

        Parameters
        ----------
        n_paths : int, default=100
        horizon : int, optional
            Steps; as many as were trained if None. Beyond that, each path is fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        random_state : int, RandomState instance or None
            Of the draws.

        Returns
        -------
        DataFrame, shape (n_paths * horizon, n_targets)
            With the index levels ``path`` and time; of a long frame with the columns `id_col`, `time_col` and
            ``path``.

        Raises
        ------
        NotFittedError, ValueError
            As `forecast`.
        """
        check_is_fitted(self)
        steps, n_paths = self._check_steps(horizon), self._check_count("n_paths", n_paths)
        self._check_errors((0.5,))
        panel, begins, labels = self._ahead(X_future, steps)
        seed = check_random_state(random_state).randint(2**32, dtype=np.uint32)
        paths = self._paths(panel, begins, steps, n_paths, int(seed))
        return self._schema.to_paths_frame(list(self._pasts), labels, paths, self.target_names_)

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
        given = self._schema.read(X, "predict")
        forecasts, _ = self._row_forecasts(given)
        return self._schema.format_like_fit(forecasts, given)

    def score(self, X: Data, y: Data | None = None) -> float:
        """Skill of `predict` against the seasonal naive forecast: 1 is perfect, 0 no better than naive.

        ``1 - error / naive_error``, each the root mean squared error of a target in units of its training
        deviation, over the rows of all series, averaged over targets; both forecasts are made at the same
        times from the same rows.

        The naive forecast repeats the last season, of `season_length_` steps. Where there is hardly a season,
        as in prices of shares, repeating the last value is harder to beat: ``season_length=1`` makes that the
        yardstick.

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
        truth, forecasts, naive, series = self._beside_truth(X, y)
        scales = self._target_scales()[series]
        error, naive_error = scaled_rmse(forecasts, truth, scales), scaled_rmse(naive, truth, scales)
        if naive_error == 0:
            return 0.0 if error == 0 else -np.inf
        return float(1 - error / naive_error)

    def _beside_truth(self, X: Data, y: Data | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The truth of each row, its forecast and its seasonal naive forecast, each (n, n_targets).

        And the number of its series.
        """
        given = self._schema.read(X, "score")
        truth = self._schema.read_targets(given, y, "score")
        if not np.isfinite(truth).any():
            raise ValueError(
                f"The '{'X' if y is None else 'y'}' parameter of {type(self).__name__}.score must have an "
                f"observed target. Got missing values only."
            )
        forecasts = self._row_forecasts(given)
        series = np.empty(len(given.index), np.int64)
        for number, places in zip(self._numbers(given.ids), given.row_numbers, strict=True):
            series[places] = number
        return truth, *forecasts, series

    def update(self, X: Data, y: Data | None = None) -> Self:
        """Take later rows as known: what was learned stays, forecasts start after them.

        Rows of a series that was not in fit add it to those that are forecast, after the others. Its scale,
        and its power if there is one, are learned of these rows as they would have been in fit, and then
        stay: give all rows that there are at once. All else is what was learned of the other series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows and those of earlier updates; the columns of fit. Of several
            series, those that have new rows. Of series that were not in fit, any rows, with the static
            columns.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            The targets, where they are no columns of `X`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; nothing is taken over then. ValueError also for a series that was not in fit where
            each has a model of its own (``scope="local"``), or as fit would raise it for these rows.
        TypeError
            If its id is of another type than those of fit.
        """
        check_is_fitted(self)
        with rollback_on_error(self, NOTHING):
            self._go_on(X, y, "update")
        return self

    def _go_on(self, X: Data, y: Data | None, method: str) -> dict[Any, UpdatedSeries]:
        """Take rows as known; those of other series than those of fit, as all that came of them."""
        given = self._schema.read(X, method)
        targets = self._schema.read_known_targets(given, y, method)
        pairs = zip(given.ids, given.row_numbers, strict=True)
        first = [places for id_, places in pairs if id_ not in self._pasts]
        moved = self._moved_on(given, targets)
        self._take_over({id_: series.past for id_, series in moved.items()})
        if first:
            rows = np.sort(np.concatenate(first))
            moved |= self._added(self._schema.read_new_series(given, rows, targets, method), method)
        return moved

    def _take_over(self, pasts: dict[Any, SeriesState]) -> None:
        """Start forecasts of these series after their last rows."""
        self._pasts = self._pasts | pasts

    def _moved_on(self, given: InputRows, targets: np.ndarray) -> dict[Any, UpdatedSeries]:
        """The series that are known, as they are after these rows."""
        moved = {}
        for (id_, table), places in zip(given, given.row_numbers, strict=True):
            if id_ not in self._pasts:
                continue
            past, steps, known = self._pasts[id_], self._steps_after(id_, table, given), self._known(table)
            known[:, : self._n_targets] = targets[places]
            grid = insert_missing_steps(known, steps)
            whole = self._continued(past.tail, grid, 0)
            index = past.future(len(table.index)) if self._schema.lacks_time_index(given) else table.index
            moved[id_] = UpdatedSeries(past.advance(len(grid), index, self._tail(whole)), whole, len(grid))
        return moved

    def _check_alike(self, stamps: pd.Index, ours: pd.Index, method: str) -> None:
        """That stamps of a series that is added can stand beside those of the others."""
        kinds = [(type(index), str(getattr(index, "tz", None))) for index in (stamps, ours)]
        if kinds[0] != kinds[1]:
            raise TypeError(
                f"The stamps of X in {type(self).__name__}.{method} must be of the same kind as in fit, "
                f"{ours.dtype}. Got {stamps.dtype} instead. Convert them with pd.to_datetime, tz_convert or "
                f"tz_localize."
            )

    def _added(self, given: InputRows, method: str) -> dict[Any, UpdatedSeries]:
        """Series that were not fitted.

        They are treated as in fit, but nothing that others share is learned of them.
        """
        calendars = infer_calendars(
            [table.index for table in given.tables], [past.calendar for past in self._pasts.values()]
        )
        steps = self._steps_of(given, calendars, method)
        grids = [self._training_grid(*one) for one in zip(given.tables, steps, strict=True)]
        kept = self._long_enough(given.ids, [len(grid) for grid in grids], method)
        if not kept:
            return {}
        pasts, grids = self._pasts_of(given, calendars, grids, kept), [grids[k] for k in kept]
        ours = next(iter(self._pasts.values())).future(1)
        for id_, past in pasts.items():
            with add_note(f"This is series {id_!r}."):
                # One row may not tell how it goes on, and then no forecast could be made.
                self._check_alike(past.future(1), ours, method)
        logger.info("%s.%s: added the series %s", type(self).__name__, method, ", ".join(map(repr, pasts)))
        self._schema = self._schema.with_ids(self._pasts, list(pasts))
        self._pasts = self._pasts | pasts
        mae, rmse = self._changes(grids)
        self.naive_mae_ = np.concatenate([self.naive_mae_, mae])
        self.naive_rmse_ = np.concatenate([self.naive_rmse_, rmse])
        self._errors = None if self._errors is None else self._errors.with_series(len(kept))
        self._learn_scales(list(pasts), grids)
        parts = zip(pasts.items(), grids, strict=True)
        return {id_: UpdatedSeries(past, grid, len(grid)) for (id_, past), grid in parts}

    def _check_steps(self, horizon: int | np.integer | None) -> int:
        return self.horizon_ if horizon is None else self._check_count("horizon", horizon)

    def _check_count(self, name: str, given: Any) -> int:
        if not isinstance(given, Integral) or isinstance(given, bool) or given < 1:
            method = "forecast" if name == "horizon" else "sample_paths"
            raise ValueError(
                f"The {name!r} parameter of {type(self).__name__}.{method} must be an int of at least 1. "
                f"Got {given!r} instead."
            )
        return int(given)


def scaled_rmse(forecasts: np.ndarray, truth: np.ndarray, scales: np.ndarray) -> float:
    """Of each target over the rows, in units of its deviation, averaged over targets."""
    errors = (forecasts - truth) / scales
    observed = np.isfinite(errors).any(axis=0)
    return float(np.sqrt(np.nanmean(errors[:, observed] ** 2, axis=0)).mean())
