"""The surface that all forecasters share: from rows of the past to rows of the future."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from itertools import count
from numbers import Integral
from typing import Any, ClassVar, Self, TypeAlias
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..callers import callers_level
from ..data.calendar import Calendar, calendars_of
from ..data.changes import seasonal_changes
from ..data.frames import Table
from ..data.panel import Panel
from ..data.past import Past, step_numbers
from ..data.schema import Declared, Given, Schema, read_fit
from ..data.windows import on_grid, seasonal_continuation
from ..forecasting.bounds import Bounds
from ..forecasting.conformal import Errors, fewest_for
from ..forecasting.local_scale import LocalScale, span_of
from ..forecasting.outlook import Outlook
from .keeping import last_fit_kept_on_error
from .tooltips import ToolTips

Data: TypeAlias = pd.DataFrame | pd.Series | ArrayLike

DEFAULT_HORIZON = 12  # where the index tells no season
N_PATHS, PATH_SEED = 500, 0  # drawn for quantiles beyond the horizon; always the same draws
ROLLING_NUMBERS = 4_000_000  # of the windows that are forecast from at once


class BaseForecaster(ToolTips, RegressorMixin, BaseEstimator):
    """Base of the forecasters: they differ in how they learn, and in how they forecast from one origin."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        "target": "no_validation",  # any label, or several: what X has no such column for is told by name
        "id_col": "no_validation",
        "time_col": "no_validation",
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
    }

    _errors: Errors | None  # on rows that were not learned from, in units of ...
    _local_scale: LocalScale
    _essence: ClassVar[str]  # the attribute that a forecaster can forecast with as soon as it is there

    # -- what a forecaster is

    @abstractmethod
    def _learn(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        """Learn from each series' targets and covariates at each step.

        (n_steps, n_columns), NaN where there are none; weights of the steps (n_steps,), if there are any.
        """

    @abstractmethod
    def _levels(self, panel: Panel) -> Panel:
        """The columns in units in which forecasts are made and errors compared."""

    @abstractmethod
    def _level_forecasts(self, levels: Panel, origins: np.ndarray) -> np.ndarray:
        """Forecasts from the rows of `levels` before each origin, shape (n_origins, horizon_, n_targets).

        Each origin has `_memory()` rows of its series before it. Of columns that are known before their time,
        the rows after it are read too.
        """

    def _outlook(self, levels: Panel, origins: np.ndarray) -> Outlook:
        """The same, and how far off it may be."""
        forecasts, scale = self._level_forecasts(levels, origins), self._local_scale.at(levels, origins)
        return Outlook(forecasts, scale, self._errors)

    def _truth(self, levels: Panel, origins: np.ndarray) -> np.ndarray:
        """What came from each origin on, (n_origins, horizon_, n_targets)."""
        return levels.values[origins[:, None] + np.arange(self.horizon_), : self._n_targets]

    def _misses(self, levels: Panel, origins: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Errors of forecasts, in units of what the series moved at these origins."""
        return (self._truth(levels, origins) - forecasts) / self._local_scale.at(levels, origins)

    @abstractmethod
    def _undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Levels (n, ..., n_targets) in the targets' own units; fitted (n,): of which series they are."""

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

    def _way_to_errors(self) -> str:
        return "Pass more rows."

    def _holds_back(self) -> bool:
        """Whether the last rows are kept for validation."""
        return False

    def _memory(self) -> int:
        """Steps before an origin that a forecast may read."""
        return max(self.window_, self.season_length_)

    def _tail(self, values: np.ndarray) -> np.ndarray:
        """What is kept of the steps of a series."""
        return values[-self._memory() :].copy()

    def _span(self) -> int:
        """Steps that tell how much a series moves at present."""
        return min(self._memory(), span_of(self.horizon_, self.season_length_))

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
        schema, given = read_fit(X, y, self._declared(), type(self).__name__)
        with last_fit_kept_on_error(self, self._essence):
            self._fit_rows(schema, given, sample_weight)
        return self

    def _declared(self) -> Declared:
        return Declared(self.target, self.id_col, self.time_col)

    def _fit_rows(self, schema: Schema, given: Given, sample_weight: ArrayLike | None) -> None:
        self._remember(schema)
        calendars = calendars_of([table.index for table in given.tables])
        seasons = [calendar.season_length for calendar in calendars]
        self.season_length_ = self.season_length or max(set(seasons), key=seasons.count)
        steps = [
            step_numbers(calendar, table.index, f"{type(self).__name__}.fit")
            for calendar, table in zip(calendars, given.tables, strict=True)
        ]
        grids = [self._training_grid(*one) for one in zip(given.tables, steps, strict=True)]
        kept = self._choose_lengths(given.ids, [len(grid) for grid in grids])
        self._pasts = {
            given.ids[k]: Past(calendars[k], given.tables[k].index[-1], len(grids[k]), self._tail(grids[k]))
            for k in kept
        }
        weights = given.on_steps(sample_weight, steps)
        grids = [grids[k] for k in kept]
        self._measure_changes([grid[:, : self._n_targets] for grid in grids])
        self._learn(grids, None if weights is None else [weights[k] for k in kept])

    def _remember(self, schema: Schema) -> None:
        self._schema = schema
        self.target_names_, self.covariate_names_ = schema.roles.targets, schema.roles.covariates
        self.n_features_in_ = len(schema.columns)
        if schema.kind == "frame" and all(isinstance(column, str) for column in schema.columns):
            self.feature_names_in_ = np.asarray(schema.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def _n_targets(self) -> int:
        return len(self.target_names_)

    def _training_grid(self, table: Table, steps: np.ndarray) -> np.ndarray:
        """The columns at each step of the calendar."""
        grid, static = on_grid(table.values, steps), self._schema.roles.columns.static_ones
        if self._schema.roles.static:
            grid = grid.copy()
            grid[:, static] = table.values[-1, static]  # in gaps too
        return grid

    def _measure_changes(self, targets: list[np.ndarray]) -> None:
        changes = np.stack([seasonal_changes(values, self.season_length_) for values in targets])
        if not self._schema.has_ids:
            changes = changes[0]
        self.naive_mae_, self.naive_rmse_ = changes[..., 0, :], changes[..., 1, :]

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
        return self._long_enough(ids, lengths)

    def _long_enough(self, ids: list[Any], lengths: list[int]) -> list[int]:
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
        bounds = Bounds.of(level, quantiles, f"{type(self).__name__}.forecast")
        self._check_errors(bounds.probabilities)
        panel, begins, labels = self._ahead(X_future, steps)
        values = [self._forecast_at(panel, begins, bounds.probabilities)]
        if steps > self.horizon_:
            values.append(self._later_blocks(panel, begins, steps, bounds.probabilities))
        columns = bounds.side_by_side(np.concatenate(values, axis=2)[:, :, :steps])
        names = bounds.names(self.target_names_)
        return self._schema.as_future(list(self._pasts), labels, list(columns), names)

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
        return self._schema.as_paths(list(self._pasts), labels, paths, self.target_names_)

    def _forecast_at(
        self, panel: Panel, origins: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Forecasts at each origin.

        And their quantiles, (1 + n_probabilities, n_origins, horizon_, n_targets).
        """
        outlook, fitted = self._outlook(self._levels(panel), origins), panel.fitted[panel.numbers(origins)]
        around = outlook.quantiles(probabilities) if probabilities else ()
        return np.stack([self._undo(levels, fitted) for levels in (outlook.centre, *around)])

    def _later_blocks(
        self, panel: Panel, begins: np.ndarray, steps: int, probabilities: tuple[float, ...]
    ) -> np.ndarray:
        """The same at the steps after the first horizon: quantiles are those of sample paths."""
        later = slice(self.horizon_, None)
        if probabilities:
            paths = self._paths(panel, begins, steps, N_PATHS, PATH_SEED)
            around = np.quantile(paths[:, :, later], probabilities, axis=1)
        self._feed_forward(panel, begins, np.full(len(begins), steps))
        rows = begins[:, None] + np.arange(self._whole(steps))[later]
        centre = panel.values[rows, : self._n_targets][None]
        return np.concatenate([centre[:, :, : steps - self.horizon_], around]) if probabilities else centre

    def _paths(self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int) -> np.ndarray:
        """Futures of each series, shape (n_series, n_paths, steps, n_targets)."""
        paths = np.empty((len(begins), n_paths, self._whole(steps), self._n_targets))
        for number, (id_, begin) in enumerate(zip(self._pasts, begins, strict=True)):
            rng = np.random.default_rng([seed, crc32(repr(id_).encode())])  # whatever series stand beside it
            copies, origins = panel.around(np.repeat(begin, n_paths), self._memory(), self._whole(steps))
            model = self._model_of(panel.fitted[number])
            fitted = copies.fitted if model is self else np.zeros_like(copies.fitted)
            for done in range(0, steps, self.horizon_):
                near, its_origins = copies.around(origins + done, self._memory(), self.horizon_)
                outlook = model._outlook(model._levels(near.of_fitted(fitted)), its_origins)
                drawn = model._undo(outlook.draws(rng), fitted)
                rows = (origins + done)[:, None] + np.arange(self.horizon_)
                copies.values[rows, : self._n_targets] = drawn
                paths[number, :, done : done + self.horizon_] = drawn
        return paths[:, :, :steps]

    def _n_errors(self) -> float:
        """How many errors were seen."""
        return 0 if self._errors is None else self._errors.fewest()

    def _model_of(self, number: int) -> "BaseForecaster":
        """Which forecaster knows a series."""
        return self

    def _check_errors(self, probabilities: tuple[float, ...]) -> None:
        """That there are errors to tell quantiles by, and enough of them."""
        if not probabilities:
            return
        if not self._n_errors():
            raise ValueError(
                f"{type(self).__name__} tells quantiles by its errors on rows that it did not learn from. "
                f"There were none in fit. {self._way_to_errors()}"
            )
        wanted, n = fewest_for(probabilities), self._n_errors()
        if n < wanted:
            warnings.warn(
                f"Errors of only {n:.0f} windows were seen in fit, and quantiles this far out need "
                f"{wanted:.0f}: the largest errors are taken. {self._way_to_errors()}",
                stacklevel=callers_level(),
            )

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
        return self._schema.in_form(forecasts, given)

    def score(self, X: Data, y: Data | None = None) -> float:
        """Skill of `predict` against the seasonal naive forecast: 1 is perfect, 0 no better than naive.

        ``1 - error / naive_error``, each the root mean squared error of a target in units of its training
        deviation, over the rows of all series, averaged over targets; both forecasts are made at the same
        times from the same rows.

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
        truth = self._schema.truth(given, y, "score")
        if not np.isfinite(truth).any():
            raise ValueError(
                f"The '{'X' if y is None else 'y'}' parameter of {type(self).__name__}.score must have an "
                f"observed target. Got missing values only."
            )
        forecasts = self._row_forecasts(given)
        series = np.empty(len(given.index), np.int64)
        for number, places in zip(self._numbers(given.ids), given.places, strict=True):
            series[places] = number
        return truth, *forecasts, series

    def update(self, X: Data, y: Data | None = None) -> Self:
        """Take later rows as known: what was learned stays, forecasts start after them.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows and those of earlier updates; the columns of fit. Of several
            series, those that have new rows.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            The targets, where they are no columns of `X`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; nothing is taken over then.
        """
        check_is_fitted(self)
        given = self._schema.read(X, "update")
        moved = self._moved_on(given, self._schema.known_truth(given, y, "update"))
        self._pasts = self._pasts | {id_: past for id_, (past, _) in moved.items()}
        return self

    def _moved_on(self, given: Given, targets: np.ndarray) -> dict[Any, tuple[Past, np.ndarray]]:
        """The series as they are after these rows; and what was kept of each with the steps since."""
        self._schema.check_known(given.ids, self._pasts, "update")
        moved = {}
        for (id_, table), places in zip(given, given.places, strict=True):
            past, steps, known = self._pasts[id_], self._steps_after(id_, table, given), self._known(table)
            known[:, : self._n_targets] = targets[places]
            grid = on_grid(known, steps)
            whole = self._continued(past.tail, grid, 0)
            index = past.future(len(table.index)) if self._schema.is_untimed(given) else table.index
            moved[id_] = past.moved_on(len(grid), index, self._tail(whole)), whole
        return moved

    def _row_forecasts(self, given: Given) -> tuple[np.ndarray, np.ndarray]:
        """Forecasts and seasonal naive forecasts of the rows, as they came, (n, n_targets)."""
        self._schema.check_known(given.ids, self._pasts, "predict")
        steps = [self._steps_after(id_, table, given) for id_, table in given]
        both = self._block_forecasts(given, steps)
        forecasts, naive = ([rows[s] for rows, s in zip(part, steps, strict=True)] for part in both)
        return given.in_rows(forecasts), given.in_rows(naive)

    def _after_rows(self, given: Given, steps: list[np.ndarray]) -> tuple[Panel, np.ndarray, np.ndarray]:
        """As `_after`, of rows at so many steps after training; and how many steps these are."""
        grids = [on_grid(self._known(table), s) for table, s in zip(given.tables, steps, strict=True)]
        return *self._after(given.ids, grids, self._calendars(given)), np.array([len(grid) for grid in grids])

    def _calendars(self, given: Given) -> list[Calendar]:
        """Of each series, after its rows."""
        calendars = [self._pasts[id_].calendar for id_ in given.ids]
        if self._schema.is_untimed(given):
            return calendars
        return [c.extended(t.index) for c, t in zip(calendars, given.tables, strict=True)]

    def _known(self, table: Table) -> np.ndarray:
        """The columns as they were in training: targets that are no columns of X, and static columns, NaN."""
        roles, n = self._schema.roles, len(table.index)
        targets = [np.full((n, self._n_targets), np.nan)] if self._schema.apart else []
        return np.hstack([*targets, table.values, np.full((n, len(roles.static)), np.nan)])

    def _steps_after(self, id_: Any, table: Table, given: Given) -> np.ndarray:
        """Step numbers of rows, counted from the first step after training."""
        if self._schema.is_untimed(given):
            return np.arange(len(table.index))
        return self._pasts[id_].steps_after(table.index, type(self).__name__)

    def _block_forecasts(
        self, given: Given, steps: list[np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Forecasts and seasonal naive forecasts up to the last step of each series.

        Made every `horizon_` steps.
        """
        panel, begins, lengths = self._after_rows(given, steps)
        k, spans = self._n_targets, [*zip(begins, begins + lengths, strict=True)]
        origins = np.concatenate([np.arange(begin, end, self.horizon_) for begin, end in spans])
        naive = panel.holding(panel.values[:, :k]).seasonal_naive(origins, self.season_length_, self.horizon_)
        if self._schema.apart:
            self._feed_forward(panel, begins, lengths)
            forecasts = [panel.values[begin:end, :k] for begin, end in spans]
        else:
            forecasts = self._by_series(self._forecast_at(panel, origins)[0], lengths)
        return forecasts, self._by_series(naive, lengths)

    def _rolling(
        self,
        given: Given,
        truth: np.ndarray,
        origins: list[np.ndarray],
        n_steps: int,
        probabilities: tuple[float, ...] = (),
    ) -> list[np.ndarray]:
        """Of each series.

        Forecasts of `n_steps` steps after so many steps of its rows, each from all rows before, and their
        quantiles: (1 + n_probabilities, n_origins, n_steps, n_targets).

        truth : the targets of each row as it came.
        """
        self._check_errors(probabilities)
        panel, begins = self._until(given, truth, [own.max() + self._whole(n_steps) for own in origins])
        rows = np.concatenate([begin + own for begin, own in zip(begins, origins, strict=True)])
        size = max(1, ROLLING_NUMBERS // ((self._memory() + self._whole(n_steps)) * panel.values.shape[1]))
        if n_steps > self.horizon_ and probabilities:
            size = 1  # as many paths as `forecast` draws, and the same
        parts = [
            self._rolled(panel, rows[first : first + size], n_steps, probabilities)
            for first in range(0, len(rows), size)
        ]
        ends = np.cumsum([len(own) for own in origins])
        return np.split(np.concatenate(parts, axis=1), ends[:-1], axis=1)

    def _until(self, given: Given, truth: np.ndarray, lengths: list[int]) -> tuple[Panel, np.ndarray]:
        """As `_after`, of rows whose targets were observed; each series goes on to so many steps at least."""
        grids = []
        for (id_, table), places, n in zip(given, given.places, lengths, strict=True):
            tail, known = self._pasts[id_].tail, self._known(table)
            known[:, : self._n_targets] = truth[places]
            grid = on_grid(known, self._steps_after(id_, table, given))
            grids.append(self._continued(tail, grid, n)[len(tail) :])
        return self._after(given.ids, grids, self._calendars(given))

    def _rolled(
        self, panel: Panel, rows: np.ndarray, n_steps: int, probabilities: tuple[float, ...]
    ) -> np.ndarray:
        """Forecasts of `n_steps` steps from each of these rows on.

        Of all rows before, and their quantiles.
        """
        if n_steps <= self.horizon_:
            return self._forecast_at(panel, rows, probabilities)[:, :, :n_steps]
        near, origins = panel.around(rows, self._memory(), self._whole(n_steps))
        unknown = near.values[:, : self._schema.roles.columns.of_the_past.stop]
        later = origins[:, None] + np.arange(self._whole(n_steps))
        unknown[later] = near.holding(unknown).seasonal_naive(origins, self.season_length_, later.shape[1])
        ids, one = list(self._pasts), copy(self)
        one._pasts = {ids[number]: self._pasts[ids[number]] for number in near.fitted}
        first = self._forecast_at(near, origins, probabilities)
        both = [first, one._later_blocks(near, origins, n_steps, probabilities)]
        return np.concatenate(both, axis=2)[:, :, :n_steps]

    def _by_series(self, blocks: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Blocks (n, horizon_, k), one after the other, as each series' steps."""
        n_blocks = -(-lengths // self.horizon_)
        parts = np.split(blocks, np.cumsum(n_blocks)[:-1])
        return [part.reshape(-1, blocks.shape[2])[:n] for part, n in zip(parts, lengths, strict=True)]

    def _after(
        self, ids: list[Any], grids: list[np.ndarray], calendars: list[Calendar]
    ) -> tuple[Panel, np.ndarray]:
        """The last training steps of each series, then the steps of its grid, rounded up to whole horizons.

        And where the grids begin.
        """
        wholes = [self._whole(len(grid)) for grid in grids]
        known, clocks = [], []
        for id_, grid, calendar, n in zip(ids, grids, calendars, wholes, strict=True):
            past = self._pasts[id_]
            first = past.n_steps - len(past.tail)
            values = self._continued(past.tail, grid, n)
            known.append(self._with_calendar(values, calendar, first))
            clocks.append(calendar.clock + first)
        panel = Panel.of(known, [self._memory() + n for n in wholes], clocks)
        return panel.of_fitted(self._numbers(ids)), panel.ends - np.array(wholes)

    def _with_calendar(self, values: np.ndarray, calendar: Calendar, first: int) -> np.ndarray:
        """With columns made of the stamps, of the steps from number `first` on."""
        return values

    def _continued(self, tail: np.ndarray, grid: np.ndarray, n: int) -> np.ndarray:
        """The last training steps.

        Then those of the grid, which goes on to `n` steps as in its last season.
        """
        known = np.concatenate([tail, grid])
        if len(grid) < n:
            rest = seasonal_continuation(known[-self._memory() :], self.season_length_, n - len(grid))
            known = np.concatenate([known, rest])
        static = self._schema.roles.columns.static_ones
        known[len(tail) :, static] = tail[-1, static]
        return known

    def _numbers(self, ids: list[Any]) -> np.ndarray:
        """Of series, among those that were fitted."""
        numbers = {id_: number for number, id_ in enumerate(self._pasts)}
        return np.array([numbers[id_] for id_ in ids])

    def _feed_forward(self, panel: Panel, begins: np.ndarray, steps: np.ndarray) -> None:
        """Write forecasts of so many steps into `panel`, each block read as observed by the next."""
        for done in range(0, int(steps.max()), self.horizon_):
            going_on = steps > done
            origins = begins[going_on] + done
            near, its_origins = panel.around(origins, self._memory(), self.horizon_)
            blocks = self._forecast_at(near, its_origins)[0]
            for origin, block in zip(origins, blocks, strict=True):
                panel.values[origin : origin + self.horizon_, : self._n_targets] = block

    def _ahead(self, X_future: Data | None, steps: int) -> tuple[Panel, np.ndarray, list[pd.Index]]:
        """As `_after`, of the steps to be forecast; and their labels."""
        ids, tables = list(self._pasts), self._known_ahead(X_future)
        grids, calendars = [], []
        for id_, past in self._pasts.items():
            grid, calendar = self._ahead_of(past, tables.get(id_), steps)
            self._check_ahead(id_, grid[:steps], calendar)
            grids.append(grid)
            calendars.append(calendar)
        pairs = zip(calendars, self._pasts.values(), strict=True)
        labels = [calendar.labels(past.n_steps, steps) for calendar, past in pairs]
        return *self._after(ids, grids, calendars), labels

    def _known_ahead(self, X_future: Data | None) -> dict[Any, tuple[Table, bool]]:
        """The rows of each series with the columns that are known ahead.

        And whether their index tells nothing.
        """
        names, owner = self._schema.roles.future, f"{type(self).__name__}.forecast"
        if (X_future is None) == bool(names):
            rule = f"hold the columns {names} of future_cols" if names else "be None without future_cols"
            raise ValueError(
                f"The 'X_future' parameter of {owner} must {rule}. Got "
                f"{'None' if X_future is None else type(X_future).__name__} instead."
            )
        if X_future is None:
            return {}
        given = self._schema.read_future(X_future, "forecast")
        self._schema.check_known(given.ids, self._pasts, "forecast")
        untimed = self._schema.is_untimed(given)
        return {id_: (table, untimed) for id_, table in given}

    def _ahead_of(
        self, past: Past, rows: tuple[Table, bool] | None, steps: int
    ) -> tuple[np.ndarray, Calendar]:
        """What is known of so many steps after the last row.

        And of as many more as complete a horizon and are given: covariates go on as in their last season, but
        those that are known; and the calendar.
        """
        n, which = self._whole(steps), self._schema.roles.columns.known_ahead
        ahead, calendar = np.full((n, which.stop - which.start), np.nan), past.calendar
        if rows is not None:
            table, untimed = rows
            calendar = calendar if untimed else calendar.extended(table.index)
            places = np.arange(len(table.index)) if untimed else past.position(table.index)
            near = (places >= 0) & (places < n)
            ahead[places[near]] = table.values[near]
        gaps = np.flatnonzero(np.isnan(ahead).any(axis=1))
        known = max(steps, gaps[0] if gaps.size else n) if ahead.size else steps
        grid = seasonal_continuation(past.tail, self.season_length_, known)
        grid[:, which] = ahead[:known]
        return grid, calendar

    def _check_ahead(self, id_: Any, grid: np.ndarray, calendar: Calendar) -> None:
        which = self._schema.roles.columns.known_ahead
        missing = np.isnan(grid[:, which])
        if missing.any():
            step, column = np.argwhere(missing)[0]
            stamp = calendar.labels(self._pasts[id_].n_steps + int(step), 1)[0]
            whose = f" of series {id_!r}" if self._schema.has_ids else ""
            raise ValueError(
                f"The 'X_future' parameter of {type(self).__name__}.forecast must have a value of every "
                f"column at every step that is forecast. Got none of "
                f"{self._schema.roles.future[column]!r}{whose} at {stamp}. Pass a row for each of the "
                f"{len(grid)} steps after the training rows."
            )

    def _whole(self, steps: int) -> int:
        """So many steps, rounded up to whole horizons."""
        return -(-steps // self.horizon_) * self.horizon_

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
