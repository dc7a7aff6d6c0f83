"""The forecaster: a recurrent network and a linear map, together."""

import copy
import logging
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..data.panel import Clock, Panel
from ..data.training_windows import subsample
from ..forecasting.combination import ValidationForecasts, blend, choose, root_mean_square
from ..forecasting.conformal import ConformalResiduals
from ..forecasting.distributions import DISTRIBUTIONS, LEAST_MEAN, Distribution, find_distribution
from ..forecasting.predictive import DistributionForecast, PredictiveForecast, has_spread, spread_of
from ..forecasting.sensitivity import Chain, linear_slopes
from ..forecasting.window_source import WindowSource, to_wide
from ..kernels.distributions import MAX_LEVELS
from ..kernels.head import POINT_LOSSES
from ..kernels.layout import Architecture
from ..kernels.parallel import thread_count
from ..kernels.workspace import Window
from ..learning.network import Network, Rows, Windows
from ..learning.slopes import window_slopes
from ..learning.training import OptimizerState
from .base import NetworkEstimator
from .base_forecaster import Data, UpdatedSeries
from .rollback import NOTHING, rollback_on_error
from .window_forecaster import Examples, WindowForecaster

logger = logging.getLogger("seqcast")

SEGMENTS = 14  # steps of the network that the default segment makes of a window
# Updates of an epoch that batch_size="auto" aims at. With few of them, early stopping ends short series after
# few updates (validation losses of four series, 16: 649, .442, 2.54, 3.15; 48: 581, .439, 2.54, 3.13).
AUTO_UPDATES, AUTO_LEAST, AUTO_MOST = 48, 8, 256
QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
VALIDATION_NUMBERS = 4_000_000  # of the forecasts that the parts are weighed by


class SeqForecaster(WindowForecaster, NetworkEstimator):
    """Forecast one or several series with a recurrent network and a linear map.

    One row of the data is one step of time. Two parts forecast all steps of the horizon at once from a window
    of past steps: a recurrent network, which takes a segment of the window at a step, and a ridge regression
    in closed form. The forecast is their weighted mean; where the last rows show that the naive forecast was
    as good, it is the naive one. Prediction intervals come from errors on rows that were not learned from.

    Parameters
    ----------
    horizon : int, default=None
        Steps that are forecast at once. None: one season of the index, 12 where it tells none, fewer for
        short data.
    window : int, default=None
        Past steps that a forecast is made from. None: fourteen seasons up to 336 steps, but at least three
        seasons, and a third of the data at most.
    cell : str, default="gru"
        "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered cell.
    hidden_size : int, default=64
        Units of each layer and direction.
    n_layers : int, default=1
        Recurrent layers on top of each other.
    target : str or list of str, default=None
        Columns to forecast; the others are covariates of which the past is known. None: every column.
    season_length : int, default=None
        Steps of one season, for the default horizon and window, and for the seasonal naive forecast that
        `score` compares with. None: what the index tells (hourly 24, daily 7, monthly 12, ...), 1 where it
        tells none.
    id_col : label, default=None
        Column of a long frame that tells its series apart: one global model learns from all of them, each
        scaled by its own rows. None: `X` is a wide frame, or one series.
    time_col : label, default=None
        Column of the stamps. None: the index tells the time.
    future_cols : label or list of labels, default=None
        Covariates that are known before their time, such as prices, holidays or a weather forecast: at every
        step that is forecast, too, where `forecast` asks for them as ``X_future``. Text and categories become
        columns of zeros and ones.
    static_cols : label or list of labels, default=None
        Columns with one value for each series, such as its region. The network reads them; a linear map, of
        series that are scaled one by one, has no use for them.
    calendar_features : None, "auto" or list of str, default=None
        Columns of what the stamps tell, as sine and cosine, known ahead: "minute", "hour", "day_of_week",
        "weekend", "day", "day_of_year", "month", "quarter"; "auto" for those that the frequency shows and
        that rows of two periods tell. The linear map looks at the place in day, week and year by itself.
    lags : int or list of int, default=None
        Steps back, at least the horizon: the target so long before each step that is forecast, such as that
        of a year ago, which no window reaches.
    differences : int or list of int, default=None
        Changes are learned instead of values: since the step before (1), since a season before, or of both in
        turn. Forecasts are summed up again.
    target_transform : {"auto", "none", "log", "log1p", "box-cox", "yeo-johnson"}, default="auto"
        Of the targets, before they are scaled; powers are fitted to each series. Forecasts are then medians,
        and lie below the mean of what is skewed. "auto" takes logarithms of several series that are all above
        0 and change more where they are higher, and nothing of one.
    scaling : {"standard", "robust", "none"}, default="standard"
        Of the targets of each series: by mean and deviation, by median and quartiles, or not at all.
    short_series : {"pad", "drop", "error"}, default="pad"
        What to do with series too short for one window and horizon: begin them with missing steps, leave them
        out, or refuse them.
    scope : {"global", "local"}, default="global"
        Whether one model learns from all series of a long frame, or each series gets a model of its own: the
        dict ``models_`` then has the fitted forecaster of each.
    half_life : float, default=None
        Steps after which a row of training counts half as much as a target. None: all count the same.
    segment : int, default=None
        Steps of the window that the network reads at one of its own: 1 for step by step. Segments make long
        windows quick to read and easy to remember [1]_. None: a fourteenth of the window where that is two
        steps or more. The network reads as many whole segments as the window has, the last ones.
    multivariate : bool, default=False
        Whether several targets are forecast from all of their pasts; otherwise each from its own (and all
        covariates), by the same weights, which is more accurate as a rule [2]_.
    n_models : int, default=1
        Networks, from different initial weights, whose forecasts are averaged.
    linear : bool, default=True
        Whether the linear map takes part. Its ridge, the steps it reads, what it does with covariates and
        whether it looks at the calendar are chosen on the last rows.
    naive_fallback : bool, default=True
        Whether to forecast naively where rows that were not learned from show nothing better.
    normalization : {"last", "instance", "none", "auto"}, default="last"
        "last" subtracts from a window each target's and past covariate's last observed value, and adds the
        target's back to the forecast, so that the level may wander off where no training row has been.
        "instance" divides by the window's deviation, too; of several series, the linear map does so where
        that forecasts the last rows better. With "auto" it takes the best of the three, the network "last".
    bidirectional : bool, default=False
        Whether a second set of weights reads each window from its end.
    dropout : float, default=0.3
        Share of each layer's outputs (of the last layer: of its last state) that is zeroed in training.
    loss : str, default="absolute"
        Of the network: "squared", "absolute" or "huber", which is quadratic up to an error of one standard
        deviation of the target; or the loss of a distribution at each step, whose spread the intervals then
        follow: "quantile", "gaussian", "student_t", or "negative_binomial" for counts (with
        ``normalization="none"`` and ``scaling="none"``).
    quantiles : list of float, default=(0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
        That the loss "quantile" learns, 0.5 among them. They never cross.
    intervals : {"auto", "conformal", "distribution"}, default="auto"
        Where quantiles come from: "conformal" takes the sizes of errors on rows that were not learned from,
        in units of what the series moves at present (or of the spread of the loss's distribution);
        "distribution" that distribution as it is. "auto" is conformal but for counts.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
    learning_rate_init : float, default=1e-3
    momentum : float, default=0.9
        Of "sgd".
    batch_size : int or "auto", default="auto"
        Windows of one update; "auto" is a forty-eighth of the windows, but 8 to 256 of them.
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
    ema : float or None, default=0.99
        Decay of the moving average of the weights over the updates, with which the network forecasts; None
        for the weights themselves.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together.
    bptt_steps : int or None, default=None
        Truncated backpropagation for long windows: the state is carried through the whole window, the
        gradient through the network's last steps only.
    warm_start : bool, default=False
        Whether fit goes on from the weights of the last one.
    dtype : {"float32", "float64"}, default="float32"
        Of the network; forecasts come back in float64.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Where the network is trained and forecasts: on the CPU, or on a GPU of NVIDIA, which needs
        ``pip install "seqcast[cuda]"``; "auto" takes the first GPU if there is one and the work is large.
        What was fitted on a GPU and is loaded where there is none runs on the CPU.
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
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, within the training rows: what MASE and RMSSE
        divide by. 0 where a target has no two observed values a season apart.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.
    chosen_ : dict
        What the forecast is made of: the weights of "recurrent" and "linear", or 1 for "naive" or
        "seasonal_naive", if nothing was better than that. Of local models a dict for each series.
    target_transform_ : str
        What was chosen for "auto".
    calendar_features_ : list of str
        Names of the features of the calendar that there are.
    device_ : str
        Where the network is: "cpu", or "cuda:" and the number of a GPU.
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
    A column at time t informs only forecasts made after t, unless `future_cols` names it. Missing values and
    gaps of a regular index are read as missing steps: the network sees that nothing was observed, the linear
    map reads the last observed value, and missing targets do not count. Beyond the horizon, forecasts are fed
    back as if they had been observed, and covariates go on as in their last season.

    Scaling is done inside: behind a scaler in a pipeline, forecasts would come back in the scaler's units.
    Arrays have no index to tell their rows' time, so rows of an array are always taken to follow the training
    rows; use a Series or a frame in cross-validation. Where the target is no column of `X`, the same holds
    for rows that are numbered 0, 1, 2, ... in fit and again in `predict`. Where the index is irregular or one
    of trading days, rows are counted, and rows left out after the training rows are not noticed.

    References
    ----------
    .. [1] S. Lin et al., "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series Forecasting",
       arXiv:2308.11200, 2023.
    .. [2] L. Han, H.-J. Ye and D.-C. Zhan, "The Capacity and Robustness Trade-off: Revisiting the Channel
       Independent Strategy for Multivariate Time Series Forecasting", IEEE TKDE 36 (11), 2024.

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
        **WindowForecaster._parameter_constraints,
        "loss": [StrOptions({*POINT_LOSSES, *DISTRIBUTIONS})],
        "quantiles": [list, tuple, np.ndarray],
        "intervals": [StrOptions({"auto", "conformal", "distribution"})],
        "n_models": [Interval(Integral, 1, None, closed="left")],
        "segment": [None, Interval(Integral, 1, None, closed="left")],
        "linear": ["boolean"],
        "naive_fallback": ["boolean"],
        "ema": [None, Interval(Real, 0, 1, closed="left")],
    }
    _essence: ClassVar[str] = "_network"
    _network: Network  # the last one
    _networks: list[Network]
    _states: list[OptimizerState]
    loss_curve_: list[float]

    def __init__(
        self,
        horizon: int | None = None,
        window: int | None = None,
        cell: str = "gru",
        hidden_size: int = 64,
        n_layers: int = 1,
        *,
        target: Hashable | Sequence[Hashable] | None = None,
        season_length: int | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        future_cols: Hashable | Sequence[Hashable] | None = None,
        static_cols: Hashable | Sequence[Hashable] | None = None,
        calendar_features: str | Sequence[str] | None = None,
        lags: int | Sequence[int] | None = None,
        differences: int | Sequence[int] | None = None,
        target_transform: str = "auto",
        scaling: str = "standard",
        short_series: str = "pad",
        scope: str = "global",
        half_life: float | None = None,
        segment: int | None = None,
        multivariate: bool = False,
        n_models: int = 1,
        linear: bool = True,
        naive_fallback: bool = True,
        normalization: str = "last",
        bidirectional: bool = False,
        dropout: float = 0.3,
        loss: str = "absolute",
        quantiles: Sequence[float] = QUANTILES,
        intervals: str = "auto",
        optimizer: str = "adam",
        learning_rate_init: float = 1e-3,
        momentum: float = 0.9,
        batch_size: int | str = "auto",
        max_samples: int | None = None,
        max_iter: int = 100,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        alpha: float = 0.0,
        ema: float | None = 0.99,
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
        self.id_col = id_col
        self.time_col = time_col
        self.future_cols = future_cols
        self.static_cols = static_cols
        self.calendar_features = calendar_features
        self.lags = lags
        self.differences = differences
        self.target_transform = target_transform
        self.scaling = scaling
        self.short_series = short_series
        self.scope = scope
        self.half_life = half_life
        self.segment = segment
        self.multivariate = multivariate
        self.n_models = n_models
        self.linear = linear
        self.naive_fallback = naive_fallback
        self.normalization = normalization
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.loss = loss
        self.quantiles = quantiles
        self.intervals = intervals
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
        self.ema = ema
        self.clip_norm = clip_norm
        self.bptt_steps = bptt_steps
        self.warm_start = warm_start
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # -- how long, how much

    def _holds_back(self) -> bool:
        return self.early_stopping

    def _reach(self) -> int:
        return self.window_ // self._segment() * self._segment()

    def _way_to_errors(self) -> str:
        return super()._way_to_errors() if self.early_stopping else "Fit with early_stopping=True."

    def _segment(self) -> int:
        return min(self.segment or max(1, self.window_ // SEGMENTS), self.window_)

    def _batch_rows(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return min(max(n_rows // AUTO_UPDATES, AUTO_LEAST), AUTO_MOST)
        return super()._batch_rows(n_rows)

    @property
    def _ema(self) -> float | None:
        return self.ema

    # -- learn

    def _learn_together(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        self._check_loss(grids)
        self._reads_past = True
        examples = self._examples(grids, weights)
        self._linear = self._fit_linear(examples) if self.linear else None
        if self._linear is not None and self._linear.way.covariates == "none":
            self._reads_past = False  # what is of no use to the linear map is of none to the network
            examples = replace(examples, blocks=examples.blocks.without_past())
        self._reading = self._reading_of(examples)
        self._train(examples)

    def _check_loss(self, grids: list[np.ndarray]) -> None:
        """That what is asked for goes with the loss."""
        self._check_quantiles()
        if self.loss == "negative_binomial":
            self._check_counts(grids)
        if self.intervals == "distribution" and (self._distribution is None or self.differences):
            raise ValueError(
                f"The 'intervals' parameter of SeqForecaster can be 'distribution' only with the loss of one "
                f"({', '.join(map(repr, DISTRIBUTIONS))}) and without differences. Got {self.loss!r} and "
                f"{self.differences!r}. Use 'conformal'."
            )

    def _check_quantiles(self) -> None:
        known = [q for q in self.quantiles if isinstance(q, Real) and not isinstance(q, bool) and 0 < q < 1]
        if len(set(known)) < len(self.quantiles) or 0.5 not in known or len(known) > MAX_LEVELS:
            raise ValueError(
                f"The 'quantiles' parameter of SeqForecaster must hold numbers above 0 and below 1, each "
                f"once, 0.5 among them, and at most {MAX_LEVELS}. Got {self.quantiles!r} instead."
            )

    def _learn_scales(self, ids: list[Any], grids: list[np.ndarray]) -> None:
        if self.loss == "negative_binomial":
            self._check_counts(grids)
        super()._learn_scales(ids, grids)

    def _check_counts(self, grids: list[np.ndarray]) -> None:
        options = {name: getattr(self, name) for name in ("normalization", "scaling", "differences")}
        transformed = self.target_transform not in ("auto", "none")
        if options != {"normalization": "none", "scaling": "none", "differences": None} or transformed:
            raise ValueError(
                f"The 'loss' parameter of SeqForecaster can be 'negative_binomial' only with "
                f"normalization='none', scaling='none', differences=None and no target_transform, since it "
                f"is the loss of counts. Got {options}, and target_transform={self.target_transform!r}."
            )
        for name, *columns in zip(self.target_names_, *(grid.T for grid in grids), strict=False):
            lowest = min(np.nanmin(column, initial=np.inf) for column in columns)
            if lowest < 0:
                raise ValueError(
                    f"The target {name!r} must be a count, 0 or more, for loss='negative_binomial' of "
                    f"SeqForecaster. Got {lowest:g}. Use another loss, such as 'student_t'."
                )

    @property
    def _distribution(self) -> Distribution | None:
        """What the network forecasts of each step, if not just a number."""
        if self.loss not in DISTRIBUTIONS:
            return None
        return find_distribution(self.loss, tuple(sorted(self.quantiles)) if self.loss == "quantile" else ())

    def _architecture(self, input_size: int, n_outputs: int) -> Architecture:
        architecture, distribution = super()._architecture(input_size, n_outputs), self._distribution
        if distribution is None:
            return architecture
        return replace(
            architecture,
            n_outputs=n_outputs * distribution.n_parameters,
            distribution=distribution.name,
            levels=distribution.levels,
        )

    def _in_blocks(self, inputs: np.ndarray, clock: Clock) -> WindowSource:
        blocks = super()._in_blocks(inputs, clock)
        return blocks if self._reads_past else blocks.without_past()

    def _reading_of(self, examples: Examples) -> Window:
        """How the network reads a window."""
        segment, blocks = self._segment(), examples.blocks
        scale = "deviation" if self.normalization == "instance" else "none"
        return Window(
            self.window_ // segment,
            blocks.n_columns,
            blocks.n_targets,
            normalize=self.normalization != "none",
            masked=examples.has_gaps(self.window_),
            segment=segment,
            scale="mean" if self.loss == "negative_binomial" else scale,
            n_normalized=blocks.n_relative,
        )

    def _train(self, examples: Examples) -> None:
        blocks, rng = examples.blocks, check_random_state(self.random_state)
        judged = self._rows(blocks, examples.validation) if self.early_stopping else None
        folds = self._folds(examples)  # of no network: an interrupted fit need not wait for it
        known: list[Network] = []
        self._previous = self._members() if self.warm_start and hasattr(self, "_networks") else []
        self._states = []
        for _ in range(self.n_models):
            self._fit_network(
                self._windows(blocks, np.dtype(self.dtype)),
                self.horizon_ * blocks.n_targets,
                self._rows(blocks, examples.train),
                None if judged is None else judged.subsample(self.max_samples or len(judged)),
                self._units(blocks),
                {},  # callbacks get no rows: those of training can not be predicted
                lambda network: self._decide(examples, folds, [*known, network]),
                rng,
            )
            known.append(self._network)
            self._states.append(self._optimizer_state)

    def _starting_point(
        self, input_size: int, n_outputs: int, rng: np.random.RandomState
    ) -> tuple[Network, OptimizerState]:
        """Of the next network: where the one of this number ended, under ``warm_start``."""
        number = len(self._states)
        if not self.warm_start or number >= len(self._previous):
            return self._new_network(input_size, n_outputs, rng)
        self._check_architecture("fit with warm_start=True", input_size, n_outputs)
        return copy.deepcopy(self._previous[number])

    def _members(self) -> list[tuple[Network, OptimizerState]]:
        """All networks, and where their training ended; also the last one of an interrupted fit."""
        return list(zip(self._networks, [*self._states, self._optimizer_state], strict=False))

    def _units(self, blocks: WindowSource) -> np.ndarray:
        """What losses are reported in: the target's own unit, if there is one."""
        scales = self._preparation.target_scaler.scale
        return scales[0] if len(blocks) == len(scales) == 1 and self._preparation.is_linear else np.ones(1)

    def _windows(self, blocks: WindowSource, dtype: np.dtype) -> Windows:
        values = np.ascontiguousarray(blocks.values.reshape(-1, blocks.n_columns), dtype)
        targets = np.ascontiguousarray(values[:, : blocks.n_targets])
        weights = None if blocks.weights is None else np.tile(blocks.weights, len(blocks)).astype(dtype)
        return Windows(values, targets, self._reading, weights)

    def _rows(self, blocks: WindowSource, starts: np.ndarray) -> Rows:
        segment, n_targets = self._reading.segment, blocks.n_targets
        unread = self.window_ - self._reading.n_steps * segment
        return Rows(
            blocks.rows(starts + unread),
            self._reading.n_steps,
            lambda starts, lengths: (starts + lengths * segment) * n_targets,
        )

    def _decide(
        self,
        examples: Examples,
        folds: tuple[np.ndarray, ValidationForecasts] | None,
        networks: list[Network],
    ) -> dict[str, Any]:
        """What rows that were not learned from tell.

        Weights of the parts, and how far off the forecast is.
        """
        levels, n = examples.levels, len(examples.validation)
        if not n:
            chosen, errors = self._without_validation(levels, folds)
            return {"_networks": networks, "chosen_": chosen, "_errors": errors}
        most = max(1, VALIDATION_NUMBERS // (self.horizon_ * self._n_targets))
        cutoffs = subsample(examples.validation, most) + self.window_
        parts, parameters = self._level_parts(levels, cutoffs, networks)
        trial = self._trial(levels, cutoffs, parts, n / self.horizon_)
        chosen = choose(trial, folds[1] if folds else None)
        if "recurrent" not in chosen:
            logger.info("SeqForecaster: nothing was better than the %s forecast of the last rows", *chosen)
        errors = self._errors_of(levels, chosen, (cutoffs, trial), folds, parameters)
        return {"_networks": networks, "chosen_": chosen, "_errors": errors}

    def _folds(self, examples: Examples) -> tuple[np.ndarray, ValidationForecasts] | None:
        """Origins in the rows that were learned from, and forecasts there by linear maps that had not."""
        if self._linear is None:
            return None
        cutoffs, forecasts = self._out_of_fold(examples)
        n_horizons = len(examples.train) / self.horizon_
        if not len(cutoffs):
            return None
        return cutoffs, self._trial(examples.levels, cutoffs, {"linear": forecasts}, n_horizons)

    def _trial(
        self, levels: Panel, cutoffs: np.ndarray, parts: dict[str, np.ndarray], n_horizons: float
    ) -> ValidationForecasts:
        naive = self._naive(levels, cutoffs) if self.naive_fallback else {}
        return ValidationForecasts(parts, naive, self._truth(levels, cutoffs), n_horizons)

    def _without_validation(
        self, levels: Panel, folds: tuple[np.ndarray, ValidationForecasts] | None
    ) -> tuple[dict[str, float], ConformalResiduals | None]:
        """The parts count the same, and errors are those of the linear one."""
        names = ["recurrent"] if self._linear is None else ["recurrent", "linear"]
        chosen = dict.fromkeys(names, 1 / len(names))
        if folds is None or self._distribution is not None:  # whose spread is the unit of errors
            return chosen, None
        cutoffs, trial = folds
        misses = self._misses(levels, cutoffs, trial.parts["linear"])
        return chosen, ConformalResiduals.of_series(levels, [(cutoffs, misses)])

    def _errors_of(
        self,
        levels: Panel,
        chosen: dict[str, float],
        validation: tuple[np.ndarray, ValidationForecasts],
        folds: tuple[np.ndarray, ValidationForecasts] | None,
        parameters: np.ndarray | None,
    ) -> ConformalResiduals:
        """Of the validation windows.

        And, since these are of one season only, of the folds of the linear map, or the naive forecast, as
        large as the forecast's own would be.
        """
        cutoffs, trial = validation
        misses = trial.truth - trial.forecast(chosen)
        if "recurrent" in chosen and parameters is not None:
            unit = self._error_unit(levels, cutoffs, parameters)
            return ConformalResiduals.of_series(levels, [(cutoffs, misses / unit)])
        groups = [(cutoffs, misses / self._error_unit(levels, cutoffs, None))]
        if folds is not None:
            cutoffs, fold_trial = folds
            like = {"linear": 1.0} if "recurrent" in chosen else chosen
            ratio = root_mean_square(misses) / root_mean_square(trial.truth - trial.forecast(like))
            groups.append((cutoffs, ratio * self._misses(levels, cutoffs, fold_trial.forecast(like))))
        return ConformalResiduals.of_series(levels, groups)

    def _naive(self, levels: Panel, cutoffs: np.ndarray) -> dict[str, np.ndarray]:
        seasons = {"naive": 1, "seasonal_naive": self.season_length_}
        targets = levels.with_values(levels.values[:, : self._n_targets])
        return {
            name: np.nan_to_num(targets.seasonal_naive(cutoffs, season, self.horizon_))
            for name, season in seasons.items()
        }

    # -- learn on

    def partial_fit(self, X: Data, y: Data | None = None) -> Self:
        """Take later rows as known, as `update` does, and learn from them.

        One pass over the windows that end in them.

        The network learns; its share in the forecast, the linear map, scaling and the errors that intervals
        come from stay. A series that was not in fit is added as by `update`, and learned from. Before fit, it
        is fit.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            As in `update`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        ValueError, TypeError
            As `update`.
        TrainingDivergedError
            If the loss became infinite. Nothing is taken over then.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y)
        self._validate_params()
        with rollback_on_error(self, NOTHING):
            self._learn_on(self._go_on(X, y, "partial_fit"))
        return self

    def _learn_on(self, moved: dict[Any, UpdatedSeries]) -> None:
        """One pass over windows that end in steps which are new."""
        if hasattr(self, "models_"):
            self.models_ = copy.deepcopy(self.models_)
            for id_, of_one in moved.items():
                model = self.models_[id_].set_params(**(self.get_params() | {"scope": "global", "n_jobs": 1}))
                model._learn_on({id_: of_one})
            return
        if not moved:
            return  # series that are too short, all of them
        panel, n_new = self._lately(moved)
        blocks = self._blocks(self._preparation.scale(panel))
        starts = panel.training_starts(
            self._n_targets, self.window_, self.horizon_, panel.ends, self._lost_steps()
        )
        new = starts + self.window_ + self.horizon_ > (panel.ends - n_new)[panel.find_series(starts + 1)]
        if not new.any():
            return  # too few rows, or nothing observed: the next ones may do
        rows, windows = self._rows(blocks, starts[new]), self._windows(blocks, np.dtype(self.dtype))
        n_outputs, learned, losses = self.horizon_ * blocks.n_targets, [], self.loss_curve_
        for network, state in self._members():
            self._network, self._optimizer_state, self.loss_curve_ = network, state, losses
            self._fit_epoch(windows, n_outputs, rows, self._units(blocks), {})
            learned.append((self._network, self._optimizer_state))
        self._networks, self._states = map(list, zip(*learned, strict=True))

    def _lately(self, moved: dict[Any, UpdatedSeries]) -> tuple[Panel, np.ndarray]:
        """What was kept of each series with the steps since; and how many these are."""
        grids, clocks = [], []
        for past, whole, _ in moved.values():
            first = past.n_steps - len(whole)
            grids.append(self._with_calendar(whole, past.calendar, first))
            clocks.append(past.calendar.clock + first)
        panel = Panel.stack(grids, self._lost_steps() + self.window_ + self.horizon_, clocks)
        n_new = np.array([series.n_new for series in moved.values()])
        return panel.with_series_numbers(self._numbers(list(moved))), n_new

    # -- forecast

    def _level_parts(
        self, levels: Panel, cutoffs: np.ndarray, networks: list[Network]
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Forecasts of each part in the unit of `levels`, (n_cutoffs, horizon_, n_targets).

        And the parameters of the networks' distributions, (n_cutoffs, n_parameters, horizon_, n_targets).
        """
        blocks, starts = self._blocks(levels), cutoffs - self.window_
        first = starts.min()  # what no window reads need not be converted
        blocks, starts = blocks.since(first), starts - first
        outputs = self._outputs(blocks, starts, networks)
        parts = {"recurrent": outputs[:, 0]}
        if self._linear is not None:
            forecasts = self._linear.forecast(blocks.changing(), starts, self.window_)
            parts["linear"] = to_wide(forecasts, len(blocks))
        parts = {name: self._integrated(part, levels, cutoffs) for name, part in parts.items()}
        return parts, None if self._distribution is None else outputs

    def _outputs(self, blocks: WindowSource, starts: np.ndarray, networks: list[Network]) -> np.ndarray:
        """The mean of the networks', (n_starts, n_parameters, horizon_, n_targets)."""
        rows, windows = self._rows(blocks, starts)[:], self._windows(blocks, networks[0].dtype)
        threads, horizon = thread_count(self.n_jobs), self.horizon_
        outputs = [network.predict(windows, rows, threads) for network in networks]
        mean = outputs[0] if len(outputs) == 1 else np.mean(outputs, axis=0, dtype=np.float64)
        by_parameter = mean.reshape(len(rows), -1, horizon, blocks.n_targets).swapaxes(0, 1)
        return np.stack([to_wide(part, len(blocks)) for part in by_parameter], axis=1)

    def _error_unit(self, levels: Panel, cutoffs: np.ndarray, parameters: np.ndarray | None) -> np.ndarray:
        """What errors grow and shrink with.

        The spread that the network forecasts, or how much the series moved in the last steps.
        """
        distribution = self._distribution
        if parameters is None or distribution is None or not has_spread(distribution):
            return self._local_scale.at(levels, cutoffs)
        return spread_of(distribution, parameters)

    def _outlook(self, levels: Panel, cutoffs: np.ndarray) -> PredictiveForecast:
        series = levels.series_numbers[levels.find_series(cutoffs)]
        if "recurrent" not in self.chosen_:
            naive = self._naive(levels, cutoffs)[next(iter(self.chosen_))]
            return PredictiveForecast(
                naive, partial(self._error_unit, levels, cutoffs, None), series, self._errors
            )
        parts, parameters = self._level_parts(levels, cutoffs, self._networks)
        centre, distribution = blend(parts, self.chosen_), self._distribution
        unit = partial(self._error_unit, levels, cutoffs, parameters)
        if distribution is None or parameters is None or not self._tells_by_distribution:
            return PredictiveForecast(centre, unit, series, self._errors)
        moved = distribution.moved(parameters, centre)
        return DistributionForecast(moved[:, 0], unit, series, self._errors, distribution, moved)

    @property
    def _tells_by_distribution(self) -> bool:
        """Whether quantiles are those of the network's distribution, not of the errors that were seen."""
        return self.intervals == "distribution" or (
            self.intervals == "auto" and self.loss == "negative_binomial"  # counts are whole
        )

    def _check_errors(self, probabilities: tuple[float, ...]) -> None:
        if any(model._needs_errors() for model in self._models()):
            super()._check_errors(probabilities)
        elif self.loss == "quantile" and probabilities:
            known = min(self.quantiles), max(self.quantiles)
            if min(probabilities) < known[0] or max(probabilities) > known[1]:
                raise ValueError(
                    f"The 'level' and 'quantiles' parameters of SeqForecaster.forecast must not reach beyond "
                    f"the quantiles that were learned, {known[0]} to {known[1]}. Got {min(probabilities):g} "
                    f"and {max(probabilities):g}. Fit with quantiles as far out, or intervals='conformal'."
                )

    def _models(self) -> list[Self]:
        return list(self.models_.values()) if hasattr(self, "models_") else [self]

    def _needs_errors(self) -> bool:
        """Whether its quantiles come from errors that were seen."""
        return not self._tells_by_distribution or "recurrent" not in self.chosen_

    def _n_errors(self) -> float:
        if not hasattr(self, "models_"):
            return super()._n_errors()
        return min((model._n_errors() for model in self._models() if model._needs_errors()), default=np.inf)

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """Copies of the fitted weights by PyTorch's names, with ``head_weight`` and ``head_bias``."""
        if hasattr(self, "models_"):
            raise AttributeError("SeqForecaster has weights_ of local models in models_[id].weights_ only.")
        return super().weights_

    def _level_forecasts(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        return self._outlook(levels, cutoffs).centre

    # -- what a forecast depends on

    def _level_slopes(self, chain: Chain, forecasts: np.ndarray) -> np.ndarray:
        if "recurrent" not in self.chosen_:
            return chain.of_naive(1 if "naive" in self.chosen_ else self.season_length_)
        start, blocks = chain.cutoff - self.window_, chain.blocks
        parts = {"recurrent": self._network_slopes(blocks, start)}
        if self._linear is not None:
            parts["linear"] = linear_slopes(self._linear, blocks.changing(), start, self.window_)
        slopes = blend({name: chain.of_part(part) for name, part in parts.items()}, self.chosen_)
        if self.loss == "negative_binomial" and self._tells_by_distribution:
            slopes[forecasts <= LEAST_MEAN] = 0.0  # where a distribution of counts is moved no further
        return slopes

    def _network_slopes(self, blocks: WindowSource, start: int) -> np.ndarray:
        """The mean of the networks'."""
        networks, starts = self._networks, self._rows(blocks, np.array([start])).starts
        windows, threads = self._windows(blocks, networks[0].dtype), thread_count(self.n_jobs)
        return np.mean([window_slopes(network, windows, starts, threads) for network in networks], axis=0)
