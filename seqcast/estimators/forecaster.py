"""The forecaster that combines a recurrent network and a linear map."""

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
from ..forecasting.fit_combination import CombinationOptions, fit_combination, fit_further, recurrent_part
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
from .network_parameters import NETWORK_CONSTRAINTS, check_cell_and_device, network_options, watch
from .window_parameters import (
    WINDOW_CONSTRAINTS,
    check_window_parameters,
    column_spec,
    input_options,
    length_rules,
)

# Number of updates in an epoch with batch_size="auto". With fewer, early stopping ends the training on short
# series too early. Validation losses of four series: 649, .442, 2.54, 3.15 with 16 updates; 581, .439, 2.54,
# 3.13 with 48.
AUTO_UPDATES = 48
MIN_BATCH = 8
MAX_BATCH = 256
QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)


class SeqForecaster(CallbackSupport, BaseForecaster):
    """Forecast one or several series with a recurrent network and a linear map.

    One row of the data is one time step. Two parts forecast all steps of the horizon at once from a window of
    past steps: a recurrent network, which reads a segment of the window at each of its steps, and a ridge
    regression in closed form. The forecast is their weighted mean, or a naive forecast if they are not
    clearly better on rows that they were not fitted to. Prediction intervals come from residuals of rows that
    were not trained on.

    After the five positional ones, the parameters are in groups: data (`target` to `short_series`), window
    (`lags` to `segment`), parts of the forecast (`linear` to `half_life`), network (`n_models` to `dropout`),
    training (`loss` to `warm_start`), uncertainty (`quantiles`, `intervals`) and compute (`dtype` to
    `verbose`).

    Parameters
    ----------
    horizon : int, default=None
        Number of steps that are forecast at once. If None, one season of the index, or 12 if the index has
        none; less if the data are short.
    window : int, default=None
        Number of past steps that a forecast is made from. If None, fourteen seasons up to 336 steps, at least
        three seasons, and at most a third of the data.
    cell : str, default="gru"
        Recurrent cell: "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered
        cell.
    hidden_size : int, default=64
        Number of units of each layer and direction.
    n_layers : int, default=1
        Number of stacked recurrent layers.
    target : str or list of str, default=None
        Columns to forecast. The other columns are covariates whose past is known. If None, every column is a
        target. The network reads past covariates only if they improve the linear map on the validation data.
    season_length : int, default=None
        Number of steps of one season. It sets the default horizon and window, and the seasonal naive forecast
        that `score` compares with. If None, it follows from the index (hourly 24, daily 7, monthly 12, ...),
        and is 1 if the index has no season.
    id_col : label, default=None
        Column of a long frame that identifies its series. One global model learns from all of them, each
        scaled by its own values. If None, `X` is one series or a wide frame.
    time_col : label, default=None
        Column of the time stamps. If None, they are the index.
    future_cols : label or list of labels, default=None
        Covariates that are known in advance, such as prices, holidays or a weather forecast. `forecast` needs
        their values at every step of the horizon as ``X_future``. Text and categories are one-hot encoded.
    static_cols : label or list of labels, default=None
        Columns with one value for each series, such as its region. Only the network reads them. The linear
        map does not, since each series is scaled by its own values.
    calendar_features : None, "auto" or list of str, default=None
        Features of the time stamps, as sine and cosine, which are known in advance: "minute", "hour",
        "day_of_week", "weekend", "day", "day_of_year", "month", "quarter". With "auto", those that vary at
        the frequency of the data and of which the data cover two periods. The linear map also tries the place
        in day, week and year by itself.
    target_transform : {"auto", "none", "log", "log1p", "box-cox", "yeo-johnson"}, default="auto"
        Transform of the targets before they are scaled. The parameter of a power transform is fitted to each
        series. Forecasts are then medians, which are below the mean if the target is skewed. With "auto",
        logarithms are taken of several series that are all positive and vary more where they are higher. One
        series is not transformed.
    scaling : {"standard", "robust", "none"}, default="standard"
        Scaling of the targets of each series: by mean and standard deviation, by median and quartiles, or
        none.
    short_series : {"pad", "drop", "error"}, default="pad"
        What to do with series that are too short for one window and horizon: fill them with missing steps at
        their beginning, drop them, or raise an error.
    lags : int or list of int, default=None
        Further inputs for each forecast step: the target this many steps earlier, such as a year ago, where
        the window does not reach. Each lag must be at least the horizon.
    differences : int or list of int, default=None
        Lags of differences of the target, taken one after another: 1 for the change since the step before,
        the season length for the change since the season before. Forecasts are summed up again.
    normalization : {"last", "instance", "none", "auto"}, default="last"
        Normalization of each window. "last" subtracts the last observed value of each target and past
        covariate, and adds the target's to the forecast again, so that a forecast may be outside the range
        of the training data. "instance" also divides by the standard deviation of the window; for several
        series, the linear map divides if that has the lower validation error. With "auto", the linear map
        takes the best of the three, and the network "last". With `lags`, the linear map also tries "none".
    multivariate : bool, default=False
        Whether each target is forecast from the past of all targets. If False, it is forecast from its own
        past and all covariates, with weights that all targets share, which is usually more accurate [2]_.
    segment : int, default=None
        Number of steps of the window that the network reads at each of its own steps; 1 reads step by step.
        Segments make long windows quick to read and easy to remember [1]_. If None, a fourteenth of the
        window if that is at least two steps. The network reads the last whole segments of the window.
    linear : bool, default=True
        Whether the linear map is part of the forecast. Its ridge penalty, the number of steps it reads, its
        treatment of covariates and its use of the calendar are those with the lowest validation error.
    naive_fallback : bool, default=True
        Whether to return a naive forecast unless the parts are clearly better on validation and out-of-fold
        data. It has no effect if ``early_stopping=False``.
    scope : {"global", "local"}, default="global"
        Whether one model learns from all series of a long frame, or each series has its own model. The fitted
        forecasters of local models are in ``models_``.
    half_life : float, default=None
        Number of steps after which the weight of a training row as a target is halved. If None, all rows have
        the same weight.
    n_models : int, default=1
        Number of networks with different initial weights whose forecasts are averaged.
    bidirectional : bool, default=False
        Whether a second set of weights reads each window from its end.
    dropout : float, default=0.3
        Fraction of each layer's outputs that is set to zero in training; for the last layer, of its last
        state.
    loss : str, default="absolute"
        Training loss of the network. For point forecasts: "squared", "absolute" or "huber", which is
        quadratic up to an error of one standard deviation of the target. For a distribution at each step,
        whose spread the intervals then follow: "quantile", "gaussian", "student_t", or "negative_binomial"
        for counts (with ``normalization="none"`` and ``scaling="none"``; the network then divides each window
        by 1 plus its mean absolute value).
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
        Algorithm that updates the weights.
    learning_rate_init : float, default=1e-3
        Initial step size of the optimizer.
    momentum : float, default=0.9
        Momentum of ``optimizer="sgd"``; the other optimizers do not use it.
    batch_size : int or "auto", default="auto"
        Number of windows of one update. With "auto", a forty-eighth of the windows, between 8 and 256.
    max_samples : int or None, default=None
        Number of training windows that are drawn for each epoch, for data of which one epoch would take too
        long. If None, every epoch uses all of them. At most as many validation windows are used, evenly
        spaced.
    max_iter : int, default=100
        Maximum number of epochs.
    early_stopping : bool, default=True
        Whether to hold back the last `validation_fraction` of the rows from training, and to keep the weights
        of the epoch with the lowest loss on them.
    validation_fraction : float, default=0.1
        Fraction of the rows that is held back for validation, at least one horizon.
    n_iter_no_change : int, default=10
        Number of epochs without an improvement of the monitored loss by `tol` after which training stops.
    tol : float, default=1e-4
        Smallest decrease of the monitored loss that counts as an improvement, in units of the loss of scaled
        targets.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2`` times the sum of squared weights, without biases, is added to the mean loss.
    ema : float or None, default=0.99
        Decay of the exponential moving average of the weights over the updates. The network forecasts with
        the average. If None, it forecasts with the weights of the last update.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together. If None, gradients are not clipped.
    bptt_steps : int or None, default=None
        Number of last steps of the network that the gradient is propagated through (truncated
        backpropagation). The state is carried through the whole window. If None, the gradient is, too.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last fit.
    quantiles : sequence of float, default=(0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
        Quantiles that the network learns with ``loss="quantile"``, 0.5 among them. They never cross.
    intervals : {"auto", "conformal", "distribution"}, default="auto"
        Source of quantiles and prediction intervals. "conformal" uses the residuals of the validation data,
        scaled by the recent variation of the series or by the spread of the loss's distribution.
        "distribution" uses the distribution that the network forecasts. "auto" is "conformal", except for
        counts.
    dtype : {"float32", "float64"}, default="float32"
        Data type of the network. Forecasts are float64 in either case.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Device on which the network is trained and predicts: the CPU or an NVIDIA GPU, which needs
        ``pip install "seqcast[cuda]"``. "auto" takes the first GPU if there is one and the work is large. An
        estimator that was fitted on a GPU and is loaded on a machine without one runs on the CPU.
    n_jobs : int or None, default=None
        Number of threads. None means as many as numba may use, -1 all cores. With ``scope="local"``, number
        of joblib workers that fit local models, each with one thread; None means 1. Results do not depend on
        it.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the windows and dropout.
    verbose : int, default=0
        If 1, a progress bar with the losses is shown.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    horizon_, window_, season_length_ : int
        Values of the parameters of these names, or the values chosen if the parameter is None.
    target_names_ : list
        Columns that are forecast.
    covariate_names_ : list
        Columns that are only read.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, in the training data. MASE and RMSSE divide
        by them. 0 if a target has no two observed values a season apart.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `X` was a frame with string column names.
    chosen_ : dict
        Weights of the parts in the forecast: those of "recurrent" and "linear", or 1 for "naive" or
        "seasonal_naive" if no part was better. For local models, such a dict for each series.
    target_transform_ : str
        The transform of the targets, chosen if the parameter is "auto". It does not exist for local models.
    calendar_features_ : list of str
        Names of the calendar features.
    device_ : str
        Device of the network: "cpu", or "cuda:" and the number of the GPU. This attribute and the following
        five are those of the last of several networks, and do not exist for local models, which have their
        own in ``models_``.
    n_iter_ : int
        Number of epochs that were run.
    best_iter_ : int
        Epoch, counted from 1, whose weights were kept.
    loss_curve_ : list of float
        Mean training loss of each epoch. For one series and one target without transform and differences, it
        is in the target's own unit (its square for the squared and Huber loss, nats for a density); otherwise
        in units of the scaled targets.
    validation_loss_curve_ : list of float or None
        Mean validation loss of each epoch, in the same unit. None if `early_stopping` is False.
    weights_ : dict of ndarray
        Copies of the fitted weights, with the names of PyTorch.
    models_ : dict
        Fitted forecaster of each series by its id, after a fit with ``scope="local"``.

    See Also
    --------
    LinearForecaster : The linear map alone.
    NaiveForecaster : The seasonal naive forecast.

    Notes
    -----
    The value of a column at time t affects only forecasts that are made after t, unless the column is in
    `future_cols`. Missing values and gaps of a regular index are missing steps: the network reads a flag, the
    linear map reads the last observed value, and missing targets have no weight. A network that was trained
    on data without missing values has no flags, and reads later ones as the last observed value (as the mean
    of the training data if ``normalization="none"``). Beyond the horizon, forecasts are fed back as if they
    had been observed, and past covariates repeat their last season.

    The forecaster scales its inputs itself. After a scaler in a pipeline, forecasts have the units of the
    scaler's output. Rows of an array have no time, so they are assumed to follow the training rows; use a
    Series or a frame in cross-validation. If the target is not a column of `X`, the same holds for rows that
    are numbered 0, 1, 2, ... both in `fit` and in `predict`. If the index is irregular or has trading days
    only, steps are counted by rows, and rows missing after the training rows are not noticed.

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
        target_transform: str = "auto",
        scaling: str = "standard",
        short_series: str = "pad",
        lags: int | Sequence[int] | None = None,
        differences: int | Sequence[int] | None = None,
        normalization: str = "last",
        multivariate: bool = False,
        segment: int | None = None,
        linear: bool = True,
        naive_fallback: bool = True,
        scope: str = "global",
        half_life: float | None = None,
        n_models: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.3,
        loss: str = "absolute",
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
        quantiles: Sequence[float] = QUANTILES,
        intervals: str = "auto",
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
        self.target_transform = target_transform
        self.scaling = scaling
        self.short_series = short_series
        self.lags = lags
        self.differences = differences
        self.normalization = normalization
        self.multivariate = multivariate
        self.segment = segment
        self.linear = linear
        self.naive_fallback = naive_fallback
        self.scope = scope
        self.half_life = half_life
        self.n_models = n_models
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
        self.ema = ema
        self.clip_norm = clip_norm
        self.bptt_steps = bptt_steps
        self.warm_start = warm_start
        self.quantiles = quantiles
        self.intervals = intervals
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # -- parameters

    def _validate_params(self) -> None:
        super()._validate_params()
        check_window_parameters(self)
        check_cell_and_device(self)
        self._check_distribution_options()

    def _check_distribution_options(self) -> None:
        """Check the quantiles, and the options that depend on the loss."""
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
                f"The 'intervals' parameter of SeqForecaster can be 'distribution' only with a loss that "
                f"learns one ({', '.join(map(repr, DISTRIBUTIONS))}) and without differences. Got "
                f"{self.loss!r} and {self.differences!r}. Use 'conformal'."
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
        """Return the distribution that the network forecasts at each step, None for point forecasts."""
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
            # Callbacks get no data, since training rows cannot be predicted.
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
        """Add later rows, as `update` does, and train the network on them.

        The network is trained for one epoch on the samples whose horizon includes new rows. Only the network
        changes.
        The weights of the parts, the linear map, the scaling and the residuals of the intervals stay.
        `half_life` has no effect, since the rows are new. A series that was not in fit is added as by
        `update`, and trained on. Without an earlier fit, this is `fit`.

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
            If the loss is not finite. The forecaster is then unchanged.
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
        """Return the recurrent part of a global model, None for local models."""
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
        """Copies of the fitted weights, with PyTorch's names, ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        recurrent = self._recurrent()
        if recurrent is None:
            raise AttributeError("SeqForecaster has weights_ of local models in models_[id].weights_ only.")
        return {name: weight.copy() for name, weight in recurrent.members[-1].network.weights.items()}


def auto_batch_size(n_samples: int) -> int:
    """Return the number of windows of one update for ``batch_size="auto"``."""
    return min(max(n_samples // AUTO_UPDATES, MIN_BATCH), MAX_BATCH)
