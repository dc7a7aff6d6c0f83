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
from .window_parameters import WINDOW_CONSTRAINTS, column_spec, input_options, length_rules


class LinearForecaster(BaseForecaster):
    """Forecast by a linear function of the past, fitted in closed form.

    Every step of the horizon is a ridge regression on the window. The ridge, how many steps of the window are
    read, what is done with covariates, and whether the place in day, week and year counts, are what forecasts
    the last rows best. One solve, no training: on long-term forecasting
    benchmarks as good as most deep networks [1]_.

    Parameters
    ----------
    horizon : int, default=None
        Steps that are forecast at once. None: one season of the index, 12 where it tells none, fewer for
        short data.
    window : int, default=None
        Past steps that a forecast is made from. None: fourteen seasons up to 336 steps, but at least three
        seasons, and a third of the data at most.
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
        Columns with one value for each series, such as its region. Of series that are scaled one by
        one, a linear map has no use for them: they are taken so that it can stand in for `SeqForecaster`.
    calendar_features : None, "auto" or list of str, default=None
        Columns of what the stamps tell, as sine and cosine, known ahead: "minute", "hour", "day_of_week",
        "weekend", "day", "day_of_year", "month", "quarter"; "auto" for those that the frequency shows and
        that rows of two periods tell. The place in day, week and year is looked at without them.
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
    multivariate : bool, default=False
        Whether several targets are forecast from all of their pasts; otherwise each from its own (and all
        covariates), by the same weights.
    normalization : {"last", "instance", "none", "auto"}, default="last"
        "last" subtracts from a window each target's last observed value and adds it back to the forecast, so
        that the level may wander off where no training row has been; of several series, windows are also
        divided by their deviation where that forecasts the last rows better. "instance" always divides.
        "auto" does what is best on the last rows.
    validation_fraction : float, default=0.1
        Share of the rows, the last ones, that is chosen by; at least one horizon. Those rows are not fitted.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    horizon_, window_, season_length_ : int
        What was chosen where the parameter is None.
    ridge_ : float
        The penalty that was chosen, in units of the mean square of an input.
    n_steps_ : int
        Steps of the window that are read, the last ones.
    target_transform_ : str
        What was chosen for "auto".
    calendar_features_ : list of str
        Names of the features of the calendar that there are.
    target_names_, covariate_names_ : list
        Columns that are forecast, and columns that are only read.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, within the training rows.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.

    See Also
    --------
    SeqForecaster : With a recurrent network beside it.

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
        static_cols: Hashable | Sequence[Hashable] | None = None,
        calendar_features: str | Sequence[str] | None = None,
        lags: int | Sequence[int] | None = None,
        differences: int | Sequence[int] | None = None,
        target_transform: str = "auto",
        scaling: str = "standard",
        short_series: str = "pad",
        scope: str = "global",
        half_life: float | None = None,
        multivariate: bool = False,
        normalization: str = "last",
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
        self.lags = lags
        self.differences = differences
        self.target_transform = target_transform
        self.scaling = scaling
        self.short_series = short_series
        self.scope = scope
        self.half_life = half_life
        self.multivariate = multivariate
        self.normalization = normalization
        self.validation_fraction = validation_fraction

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
