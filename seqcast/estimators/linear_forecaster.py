"""The linear forecaster: ridge regression of the horizon on the window."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

from ..data.roles import ColumnSpec
from ..forecasting.examples import FitPlan
from ..forecasting.fit_baselines import fit_linear
from ..forecasting.fitted import FittedForecaster
from ..forecasting.lengths import LengthRules, Lengths
from ..forecasting.model import ForecastModel
from ..forecasting.parts.linear import LinearPart
from ..forecasting.series_preparer import InputOptions
from .base_forecaster import BaseForecaster
from .window_parameters import (
    WINDOW_CONSTRAINTS,
    check_window_parameters,
    column_spec,
    input_options,
    length_rules,
)


class LinearForecaster(BaseForecaster):
    """Forecast with a linear function of the past, fitted in closed form.

    Each step of the horizon is a ridge regression on the window. The ridge penalty, the number of steps of
    the window that are read, the treatment of covariates, and the use of the place in day, week and year are
    those with the lowest error on the last rows. There is one solve and no iterative training. On long-term
    forecasting benchmarks, linear maps are as good as most deep networks [1]_.

    The parameters after `window` are in groups: data (`target` to `short_series`), window (`lags` to
    `multivariate`), model (`scope`, `half_life`) and validation.

    Parameters
    ----------
    horizon : int, default=None
        Number of steps that are forecast at once. If None, one season of the index, or 12 if the index has
        none; less if the data are short.
    window : int, default=None
        Number of past steps that a forecast is made from. If None, fourteen seasons up to 336 steps, at least
        three seasons, and at most a third of the data.
    target : str or list of str, default=None
        Columns to forecast. The other columns are covariates whose past is known. If None, every column is a
        target.
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
    static_cols : None, default=None
        Must be None. The parameter exists for `SeqForecaster`, and is refused here with the reason: each
        series is scaled by its own values, so columns that are constant in a series tell a linear map
        nothing.
    calendar_features : None, "auto" or list of str, default=None
        Features of the time stamps, as sine and cosine, which are known in advance: "minute", "hour",
        "day_of_week", "weekend", "day", "day_of_year", "month", "quarter". With "auto", those that vary at
        the frequency of the data and of which the data cover two periods. The place in day, week and year is
        tried without them.
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
        of the training data; windows of several series are also divided by their standard deviation if that
        has the lower validation error. "instance" always divides. "auto" takes what has the lowest
        validation error. With `lags`, "last" also tries "none".
    multivariate : bool, default=False
        Whether each target is forecast from the past of all targets. If False, it is forecast from its own
        past and all covariates, with weights that all targets share.
    scope : {"global", "local"}, default="global"
        Whether one model learns from all series of a long frame, or each series has its own model. The fitted
        forecasters of local models are in ``models_``.
    half_life : float, default=None
        Number of steps after which the weight of a training row as a target is halved. If None, all rows have
        the same weight.
    validation_fraction : float, default=0.1
        Fraction of the rows, the last ones, by which the options are chosen; at least one horizon. The map is
        not fitted to them.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    horizon_, window_, season_length_ : int
        Values of the parameters of these names, or the values chosen if the parameter is None.
    ridge_ : float
        The ridge penalty, in units of the mean square of an input.
    n_steps_ : int
        Number of last steps of the window that are read.
    target_transform_ : str
        The transform of the targets, chosen if the parameter is "auto". This attribute, `ridge_` and
        `n_steps_` do not exist for local models, which have their own in ``models_``.
    calendar_features_ : list of str
        Names of the calendar features.
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
    models_ : dict
        Fitted forecaster of each series by its id, after a fit with ``scope="local"``.

    See Also
    --------
    SeqForecaster : A recurrent network and a linear map together.
    NaiveForecaster : The seasonal naive forecast.

    References
    ----------
    .. [1] W. Toner and L. Darlow, "An Analysis of Linear Time Series Forecasting Models", ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from seqcast import LinearForecaster
    >>> model = LinearForecaster(horizon=3, window=20).fit(np.sin(np.arange(200) / 5))
    >>> bool(abs(model.forecast()["y"].to_numpy() - np.sin(np.arange(200, 203) / 5)).max() < 0.01)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseForecaster._parameter_constraints,
        **WINDOW_CONSTRAINTS,
    }
    _residual_hint = "Pass more rows, or a larger validation_fraction."

    def __init__(
        self,
        horizon: int | None = None,
        window: int | None = None,
        *,
        target: Hashable | Sequence[Hashable] | None = None,
        season_length: int | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        future_cols: Hashable | Sequence[Hashable] | None = None,
        static_cols: None = None,
        calendar_features: str | Sequence[str] | None = None,
        target_transform: str = "auto",
        scaling: str = "standard",
        short_series: str = "pad",
        lags: int | Sequence[int] | None = None,
        differences: int | Sequence[int] | None = None,
        normalization: str = "last",
        multivariate: bool = False,
        scope: str = "global",
        half_life: float | None = None,
        validation_fraction: float = 0.1,
    ) -> None:
        self.horizon = horizon
        self.window = window
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
        self.scope = scope
        self.half_life = half_life
        self.validation_fraction = validation_fraction

    def _validate_params(self) -> None:
        super()._validate_params()
        check_window_parameters(self)
        if self.static_cols is not None:
            raise ValueError(
                f"The 'static_cols' parameter of LinearForecaster must be None: each series is scaled by its "
                f"own values, so columns that are constant in a series tell a linear map nothing. Got "
                f"{self.static_cols!r} instead. Drop these columns from X, or use SeqForecaster, whose "
                f"network reads them."
            )

    def _column_spec(self) -> ColumnSpec:
        return column_spec(self)

    def _length_rules(self, season_length: int) -> LengthRules:
        return length_rules(self, season_length)

    def _input_options(self, lengths: Lengths) -> InputOptions:
        return input_options(self, lengths)

    def _fit_model(self, plan: FitPlan, keep: Callable[[ForecastModel], None]) -> None:
        keep(fit_linear(plan, self.normalization))

    def _attributes(self, fitted: FittedForecaster) -> dict[str, Any]:
        attributes = super()._attributes(fitted)
        attributes["calendar_features_"] = list(fitted.calendar_columns.names)
        if isinstance(fitted.model, ForecastModel):
            part = fitted.model.parts["linear"]
            assert isinstance(part, LinearPart)
            attributes["ridge_"], attributes["n_steps_"] = part.map.ridge, part.map.n_steps
            attributes["target_transform_"] = fitted.model.preparer.preparation.options.transform
        return attributes
