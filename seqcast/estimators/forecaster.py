"""The forecaster: from a frame of the past to a frame of the future."""

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import count
from numbers import Integral
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..data.calendar import Calendar
from ..data.frames import Table, in_order, is_counted, read_table, select_columns
from ..data.scaling import Scaler
from ..data.targets import History, read_history
from ..data.windows import border, on_grid, seasonal_naive, spread, training_starts, validation_starts
from ..kernels.parallel import thread_count
from ..kernels.workspace import Window
from ..learning.network import Rows, Windows
from .base import AUTO_BATCH, POINT_LOSS, NetworkEstimator

Data: TypeAlias = pd.DataFrame | pd.Series | ArrayLike

DEFAULT_HORIZON = 12  # where the index tells no season
DEFAULT_SEASONS = 3  # window, in seasons (or horizons, where there is no season)
MAX_GAP_FACTOR = 50  # steps of the calendar for each row: beyond it, the rows hardly follow the calendar
# Updates of an epoch that batch_size="auto" aims at: with one, early stopping would end short series after a
# dozen updates (skill on three short series, 1 against 16 updates: 0.00, 0.31, 0.32 to 0.15, 0.36, 0.33).
AUTO_UPDATES, AUTO_LEAST = 16, 8


class SeqForecaster(RegressorMixin, NetworkEstimator):
    """Forecast one or several series with a recurrent network.

    One row of the data is one step of time. A window of past steps goes through the network; a linear head on
    its last state gives all steps of the horizon at once. Every column is scaled by its training rows, and
    each window is read relative to its last value.

    Parameters
    ----------
    horizon : int, default=None
        Steps that are forecast at once. None: one season of the index, 12 where it tells none, fewer for
        short data.
    window : int, default=None
        Past steps that a forecast is made from. None: three seasons (or horizons), fewer for short data.
    cell : str, default="gru"
        "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered cell.
    hidden_size : int, default=32
        Units of each layer and direction.
    n_layers : int, default=1
        Recurrent layers on top of each other.
    target : str or list of str, default=None
        Columns to forecast; the others are covariates of which the past is known. None: every column.
    season_length : int, default=None
        Steps of one season, for the default horizon and window, and for the seasonal naive forecast that
        `score` compares with. None: what the index tells (hourly 24, daily 7, monthly 12, ...), 1 where it
        tells none.
    normalization : {"last", "none"}, default="last"
        "last" subtracts each column's last observed value from its window and adds the target's back to the
        forecast, so that the level may wander off where no training row has been.
    bidirectional : bool, default=False
        Whether a second set of weights reads each window from its end.
    dropout : float, default=0.0
        Share of each layer's outputs (of the last layer: of its last state) that is zeroed in training.
    loss : {"squared", "absolute", "huber"}, default="squared"
        Huber's loss is quadratic up to an error of one standard deviation of the target.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
    learning_rate_init : float, default=3e-3
    momentum : float, default=0.9
        Of "sgd".
    batch_size : int or "auto", default="auto"
        Windows of one update; "auto" is a sixteenth of the windows, but 8 to 128 of them.
    max_samples : int or None, default=None
        Training windows drawn anew for each epoch, for data of which one epoch would take too long; None for
        all. Of the validation windows, as many at most, at equal distances.
    max_iter : int, default=100
        Epochs at most.
    early_stopping : bool, default=True
        Whether to keep the weights of the epoch that was best on the last `validation_fraction` of the rows.
        Those rows are then not trained on.
    validation_fraction : float, default=0.1
        At least one horizon.
    n_iter_no_change : int, default=10
        Epochs without an improvement of the watched loss by `tol` after which training stops.
    tol : float, default=1e-4
        In units of the loss of scaled targets.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2`` times the sum of squared weights (not biases) is added to the mean loss.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together.
    bptt_steps : int or None, default=None
        Truncated backpropagation for long windows: the state is carried through the whole window, the
        gradient through its last steps only.
    warm_start : bool, default=False
        Whether fit goes on from the weights of the last one.
    dtype : {"float32", "float64"}, default="float32"
        Of the network; forecasts come back in float64.
    device : {"cpu"}, default="cpu"
    n_jobs : int or None, default=None
        Threads; None for all that numba may use, -1 for all cores. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the order of windows, and dropout.
    verbose : int, default=0
        1 shows a progress bar with the losses.

    Attributes
    ----------
    horizon_, window_, season_length_ : int
        What was chosen where the parameter is None.
    target_names_, covariate_names_ : list
        Columns that are forecast, and columns that are only read.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,)
        Errors of the seasonal naive forecast, one season ahead, within the training rows: what MASE and RMSSE
        divide by. 0 where a target has no two observed values a season apart.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.
    n_iter_, best_iter_ : int
        Epochs run; epoch, counted from 1, whose weights were kept.
    loss_curve_, validation_loss_curve_ : list of float
        Mean loss of each epoch in the target's own unit (its square for the squared and Huber's loss); of
        several targets the average, each in units of its deviation. The second is None without
        `early_stopping`.
    weights_ : dict of ndarray
        The fitted weights by PyTorch's names.

    Notes
    -----
    A column at time t informs only forecasts made after t. Missing values and gaps of a regular index are
    read as missing steps: the network sees that nothing was observed, and missing targets do not count in the
    loss. Beyond the horizon, forecasts are fed back as if they had been observed, and covariates go on as in
    their last season.

    Scaling is done inside: behind a scaler in a pipeline, forecasts would come back in the scaler's units.
    Arrays have no index to tell their rows' time, so rows of an array are always taken to follow the training
    rows; use a Series or a frame in cross-validation. Where the target is no column of `X`, the same holds
    for rows that are numbered 0, 1, 2, ... in fit and again in `predict`. Where the index is irregular or one
    of trading days, rows are counted, and rows left out after the training rows are not noticed.

    Examples
    --------
    >>> import seqcast
    >>> weather = seqcast.datasets.load_weather()[["temp"]]
    >>> model = seqcast.SeqForecaster(max_iter=2, random_state=0).fit(weather)  # doctest: +SKIP
    >>> model.forecast(48).shape  # doctest: +SKIP
    (48, 1)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkEstimator._parameter_constraints,
        **POINT_LOSS,
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        "window": [None, Interval(Integral, 1, None, closed="left")],
        "target": "no_validation",  # any label, or several: what X has no such column for is told by name
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
        "normalization": [StrOptions({"last", "none"})],
    }

    def __init__(
        self,
        horizon: int | None = None,
        window: int | None = None,
        cell: str = "gru",
        hidden_size: int = 32,
        n_layers: int = 1,
        *,
        target: Hashable | Sequence[Hashable] | None = None,
        season_length: int | None = None,
        normalization: str = "last",
        bidirectional: bool = False,
        dropout: float = 0.0,
        loss: str = "squared",
        optimizer: str = "adam",
        learning_rate_init: float = 3e-3,
        momentum: float = 0.9,
        batch_size: int | str = "auto",
        max_samples: int | None = None,
        max_iter: int = 100,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        alpha: float = 0.0,
        clip_norm: float | None = 1.0,
        bptt_steps: int | None = None,
        warm_start: bool = False,
        dtype: str = "float32",
        device: str = "cpu",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.horizon = horizon
        self.window = window
        self.cell = cell
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.target = target
        self.season_length = season_length
        self.normalization = normalization
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_samples = max_samples
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.alpha = alpha
        self.clip_norm = clip_norm
        self.bptt_steps = bptt_steps
        self.warm_start = warm_start
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

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
        SeqForecaster
            Itself.

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
        history = read_history(X, y, self.target, "SeqForecaster")
        with self._last_fit_kept_on_error():
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
        # Callbacks get no rows: those of training can not be predicted.
        self._fit_network(*self._training_data(grid), {})

    def _measure_changes(self, targets: np.ndarray) -> None:
        season = self.season_length_
        with np.errstate(over="ignore"):  # the difference of two large values may be infinite
            changes = np.abs(targets[season:] - targets[:-season])
        seen = np.isfinite(changes)
        known, n = np.where(seen, changes, 0.0), np.maximum(seen.sum(axis=0), 1)
        largest = known.max(axis=0, initial=np.finfo(float).tiny)  # whose square may be infinite
        shares = known / largest
        self.naive_mae_ = shares.sum(axis=0) / n * largest
        self.naive_rmse_ = np.sqrt((shares**2).sum(axis=0) / n) * largest

    def _batch_rows(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return min(max(n_rows // AUTO_UPDATES, AUTO_LEAST), AUTO_BATCH)
        return super()._batch_rows(n_rows)

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
                f"The index of X in SeqForecaster.fit must not have more than {MAX_GAP_FACTOR} missing steps "
                f"for each row. "
                f"Got {len(positions)} rows over {positions[-1] + 1} steps. Resample the rows to a coarser "
                f"step, or drop the index with reset_index(drop=True) to count rows."
            )
        return on_grid(table.values, positions)

    def _choose_lengths(self, n: int) -> None:
        """Horizon, window and season where they were not given, within what `n` steps allow."""
        self.season_length_ = self.season_length or self._calendar.season_length
        self.horizon_, self.window_, room = self._lengths(n)
        if room < self.window_:
            least = next(m for m in count(n) if self._lengths(m)[1] <= self._lengths(m)[2])
            horizon, window, _ = self._lengths(least)
            raise ValueError(
                f"SeqForecaster.fit needs at least {least} rows for window={window} and horizon={horizon}"
                + (f" (with validation_fraction={self.validation_fraction})" if self.early_stopping else "")
                + f". Got n_samples={n} instead. Pass more rows, or a shorter window or horizon."
            )

    def _lengths(self, n: int) -> tuple[int, int, int]:
        """Horizon and window for `n` steps, and the longest window that they have room for."""
        natural = self.season_length_ if self.season_length_ > 1 else DEFAULT_HORIZON
        horizon = self.horizon or max(1, min(natural, n // 8))
        room = self._training_end(n, horizon) - horizon
        window = self.window or max(1, min(DEFAULT_SEASONS * max(natural, horizon), room // 2))
        return horizon, window, room

    def _training_end(self, n: int, horizon: int) -> int:
        return border(n, horizon, self.validation_fraction) if self.early_stopping else n

    def _training_data(self, grid: np.ndarray) -> tuple[Windows, int, Rows, Rows | None, np.ndarray]:
        """Scale, cut windows: the arguments of `_fit_network`."""
        n_targets, end = len(self.target_names_), self._training_end(len(grid), self.horizon_)
        self._check_observed(grid[:end])
        self._scaler = Scaler.of(grid[:end])
        self._warn_constant()
        normalize, masked = self.normalization == "last", bool(np.isnan(grid).any())
        self._reading = Window(self.window_, grid.shape[1], n_targets, normalize, masked)
        train = training_starts(grid[:, :n_targets], self.window_, self.horizon_, end)
        validation = validation_starts(grid[:, :n_targets], self.window_, self.horizon_, end)
        if not len(train) or (self.early_stopping and not len(validation)):
            raise ValueError(
                f"SeqForecaster.fit needs windows of {self.window_} steps with observed targets in them and "
                f"in the {self.horizon_} steps after them, both before and after step {end}. Got too few: "
                f"most targets are missing there. Pass more rows, or a shorter window or horizon."
            )
        return (
            self._windows(grid, np.dtype(self.dtype)),
            self.horizon_ * n_targets,
            self._rows(train),
            self._rows(spread(validation, self.max_samples)) if self.early_stopping else None,
            self._scaler.scale[:n_targets],
        )

    def _check_observed(self, values: np.ndarray) -> None:
        blank = np.isnan(values).all(axis=0)
        if blank.any():
            name = [*self.target_names_, *self.covariate_names_][int(np.argmax(blank))]
            raise ValueError(
                f"The column {name!r} of X in SeqForecaster.fit must have an observed value among its first "
                f"{len(values)} steps, which are trained on. Got none. Drop the column, or pass more rows."
            )

    def _warn_constant(self) -> None:
        constant = [
            name for name, flat in zip(self.target_names_, self._scaler.constant, strict=False) if flat
        ]
        if constant:
            warnings.warn(
                f"Targets {constant} are constant in training and are forecast as such.", stacklevel=5
            )

    def _windows(self, grid: np.ndarray, dtype: np.dtype) -> Windows:
        values = self._scaler.transform(grid, dtype)
        return Windows(values, np.ascontiguousarray(values[:, : self._reading.n_targets]), self._reading)

    def _rows(self, starts: np.ndarray) -> Rows:
        window, n_targets = self.window_, len(self.target_names_)
        return Rows(starts, window, lambda starts, lengths: (starts + lengths) * n_targets)

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
        table = self._read(X, "SeqForecaster.predict")
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
        table = self._read(X, "SeqForecaster.score")
        truth = self._truth(table, y)
        if not np.isfinite(truth).any():
            raise ValueError(
                f"The '{'X' if y is None else 'y'}' parameter of SeqForecaster.score must have an observed "
                f"target. Got missing values only."
            )
        return truth, *self._row_forecasts(table)

    def _truth(self, table: Table, y: Data | None) -> np.ndarray:
        """The targets of each row: y, or those columns of X."""
        n_targets, owner = len(self.target_names_), "SeqForecaster.score"
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
                f"The 'horizon' parameter of SeqForecaster.forecast must be an int of at least 1. Got "
                f"{horizon!r} instead."
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
                    f"X has {table.values.shape[1]} features, but SeqForecaster is expecting "
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
                f"The rows of the 'X' parameter of SeqForecaster must come after the training rows, which "
                f"end at {self._last_label}: a forecast of rows that were trained on says nothing. Got "
                f"{table.index[0]} instead. "
                f"Split with sklearn.model_selection.TimeSeriesSplit, not at random."
            )
        if positions[-1] >= MAX_GAP_FACTOR * (self._n_steps + len(positions)) + 1000:
            raise ValueError(
                f"The 'X' parameter of SeqForecaster must not end more than {MAX_GAP_FACTOR} times as many "
                f"steps after the training rows as there are rows. Got {table.index[-1]}, "
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
            past = known[origin - self.window_ : origin]
            block = self._forecast_at(past, np.array([self.window_]))[0]
            room = known[origin : origin + self.horizon_, :n_targets]
            room[:] = block[: len(room)]
        return known[origins[0] :, :n_targets]

    def _forecast_at(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Forecasts from the steps of `values` before each origin, shape (n_origins, horizon_, n_targets)."""
        windows = self._windows(values, self._network.dtype)
        rows = self._rows(origins - self.window_)[:]
        scaled = self._network.predict(windows, rows, thread_count(self.n_jobs))
        n_targets = len(self.target_names_)
        scaler = self._scaler.columns(n_targets)
        return scaler.inverse(scaled.reshape(len(origins), self.horizon_, n_targets))

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
