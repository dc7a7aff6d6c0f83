"""The forecaster: a recurrent network and a linear map, together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..data.roles import ColumnSpec
from ..forecasting.distributions import DISTRIBUTIONS, Distribution, find_distribution
from ..forecasting.examples import FitPlan
from ..forecasting.fit_combination import (
    CombinationOptions,
    fit_combination,
    fit_further,
    recurrent_part,
)
from ..forecasting.fitted import FittedForecaster
from ..forecasting.lengths import LengthRules, Lengths
from ..forecasting.local import LocalModels
from ..forecasting.model import ForecastModel
from ..forecasting.parts.recurrent import RecurrentOptions, RecurrentPart
from ..forecasting.series_preparer import InputOptions
from ..forecasting.updating import update
from ..kernels.distributions import MAX_QUANTILES
from ..kernels.losses import POINT_LOSSES
from ..learning.history import EpochReport
from .base_forecaster import BaseForecaster, Data
from .callbacks import CallbackSupport
from .network_parameters import NETWORK_CONSTRAINTS, check_device, network_options, watch
from .window_parameters import WINDOW_CONSTRAINTS, column_spec, input_options, length_rules

# Updates of an epoch that batch_size="auto" aims at. With few of them, early stopping ends short series after
# few updates (validation losses of four series, 16: 649, .442, 2.54, 3.15; 48: 581, .439, 2.54, 3.13).
AUTO_UPDATES, MIN_BATCH, MAX_BATCH = 48, 8, 256
QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)


class SeqForecaster(CallbackSupport, BaseForecaster):
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
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
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
        **NETWORK_CONSTRAINTS,
        **BaseForecaster._parameter_constraints,
        **WINDOW_CONSTRAINTS,
        "loss": [StrOptions({*POINT_LOSSES, *DISTRIBUTIONS})],
        "quantiles": [list, tuple, np.ndarray],
        "intervals": [StrOptions({"auto", "conformal", "distribution"})],
        "n_models": [Interval(Integral, 1, None, closed="left")],
        "segment": [None, Interval(Integral, 1, None, closed="left")],
        "linear": ["boolean"],
        "naive_fallback": ["boolean"],
        "ema": [None, Interval(Real, 0, 1, closed="left")],
    }

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

    # -- parameters

    def _validate_params(self) -> None:
        super()._validate_params()
        check_device(self)
        self._check_loss()

    def _check_loss(self) -> None:
        """Check the options that depend on the loss."""
        known = [q for q in self.quantiles if isinstance(q, Real) and not isinstance(q, bool) and 0 < q < 1]
        if len(set(known)) < len(self.quantiles) or 0.5 not in known or len(known) > MAX_QUANTILES:
            raise ValueError(
                f"The 'quantiles' parameter of SeqForecaster must hold numbers above 0 and below 1, each "
                f"once, 0.5 among them, and at most {MAX_QUANTILES}. Got {self.quantiles!r} instead."
            )
        if self.loss == "negative_binomial":
            self._check_count_options()
        if self.intervals == "distribution" and (self.loss not in DISTRIBUTIONS or self.differences):
            raise ValueError(
                f"The 'intervals' parameter of SeqForecaster can be 'distribution' only with the loss of one "
                f"({', '.join(map(repr, DISTRIBUTIONS))}) and without differences. Got {self.loss!r} and "
                f"{self.differences!r}. Use 'conformal'."
            )

    def _check_count_options(self) -> None:
        options = {name: getattr(self, name) for name in ("normalization", "scaling", "differences")}
        transformed = self.target_transform not in ("auto", "none")
        if options != {"normalization": "none", "scaling": "none", "differences": None} or transformed:
            raise ValueError(
                f"The 'loss' parameter of SeqForecaster can be 'negative_binomial' only with "
                f"normalization='none', scaling='none', differences=None and no target_transform, since it "
                f"is the loss of counts. Got {options}, and target_transform={self.target_transform!r}."
            )

    def _column_spec(self) -> ColumnSpec:
        return column_spec(self)

    def _length_rules(self, season_length: int) -> LengthRules:
        return length_rules(self, season_length, holds_back=self.early_stopping)

    def _input_options(self, lengths: Lengths) -> InputOptions:
        return input_options(self, lengths, counts=self.loss == "negative_binomial")

    def _combination_options(self) -> CombinationOptions:
        by_distribution = self.intervals == "distribution"
        # Counts are whole: quantiles of residuals are not.
        by_distribution |= self.intervals == "auto" and self.loss == "negative_binomial"
        return CombinationOptions(
            RecurrentOptions(
                network_options(self, auto_batch_size, ema=self.ema),
                self.n_models,
                self.segment,
                self.normalization,
                self._distribution(),
            ),
            self.normalization,
            self.linear,
            self.naive_fallback,
            by_distribution,
        )

    def _distribution(self) -> Distribution | None:
        """Return what the network forecasts of each step, None for a number."""
        if self.loss not in DISTRIBUTIONS:
            return None
        return find_distribution(self.loss, tuple(sorted(self.quantiles)) if self.loss == "quantile" else ())

    @property
    def _residual_hint(self) -> str:  # type: ignore[override]
        if not self.early_stopping:
            return "Fit with early_stopping=True."
        return "Pass more rows, or a larger validation_fraction."

    # -- fit

    def _fit_model(self, plan: FitPlan, keep: Callable[[ForecastModel], None]) -> None:
        def monitor(
            max_iter: int, result: Callable[[EpochReport], ForecastModel]
        ) -> AbstractContextManager[Callable[[EpochReport], bool]]:
            # Callbacks get no data: rows that are trained on can not be predicted.
            return watch(
                self, max_iter, {}, lambda epoch: self._attributes(self._freeze(plan, result(epoch)))
            )

        previous = self._recurrent() if self.warm_start and hasattr(self, "fitted_") else None
        rng = check_random_state(self.random_state)
        fit_combination(plan, self._combination_options(), previous, rng, monitor, keep)

    def _fit_local(self, plan: FitPlan) -> LocalModels:
        if self.warm_start:
            raise ValueError(
                "The 'scope' parameter of SeqForecaster can be 'local' only with warm_start=False: local "
                "models start anew. Use partial_fit to go on."
            )
        return super()._fit_local(plan)

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
        fitted, updated = update(self.fitted_, X, y, "partial_fit")
        options = self._combination_options().recurrent
        self._set_fitted(fit_further(fitted, updated, options, self._monitor_epoch))
        return self

    def _monitor_epoch(
        self, max_iter: int, result: Callable[[EpochReport], Any]
    ) -> AbstractContextManager[Callable[[EpochReport], bool]]:
        return watch(self, max_iter, {}, lambda epoch: {})

    # -- what was fitted

    def _recurrent(self) -> RecurrentPart | None:
        """Return the networks of a global model."""
        if isinstance(self.fitted_.model, LocalModels):
            return None
        return recurrent_part(self.fitted_.models[0])

    def _attributes(self, fitted: FittedForecaster) -> dict[str, Any]:
        attributes = super()._attributes(fitted)
        attributes["calendar_features_"] = list(fitted.calendar_columns.names)
        if isinstance(fitted.model, LocalModels):
            attributes["chosen_"] = {id_: own.weights for id_, own in fitted.model.models.items()}
            return attributes
        (model,) = fitted.models
        last = recurrent_part(model).members[-1]
        return attributes | {
            "chosen_": model.weights,
            "target_transform_": model.preparer.preparation.options.transform,
            "device_": last.device,
            "n_iter_": len(last.history.loss),
            "best_iter_": last.history.best_epoch,
            "loss_curve_": last.history.loss,
            "validation_loss_curve_": last.history.validation_loss or None,
        }

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """Copies of the fitted weights by PyTorch's names, with ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        recurrent = self._recurrent()
        if recurrent is None:
            raise AttributeError("SeqForecaster has weights_ of local models in models_[id].weights_ only.")
        return {name: weight.copy() for name, weight in recurrent.members[-1].network.weights.items()}


def auto_batch_size(n_samples: int) -> int:
    """Return the samples of one update for ``batch_size="auto"``."""
    return min(max(n_samples // AUTO_UPDATES, MIN_BATCH), MAX_BATCH)
