"""Forecasters to compare with: the naive ones, and a linear map."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ..data.panel import Panel
from ..data.scaling import Scaler
from ..data.seasonal_naive import seasonal_ffill
from ..data.training_windows import subsample
from ..forecasting.conformal import MOST, ConformalResiduals
from ..forecasting.recent_volatility import RecentVolatility, span_of
from ..forecasting.sensitivity import Chain, linear_slopes
from ..forecasting.window_source import to_wide
from .base_forecaster import BaseForecaster
from .window_forecaster import Examples, WindowForecaster


class NaiveForecaster(BaseForecaster):
    """Repeat the last season: what every other forecast has to beat.

    Parameters
    ----------
    horizon : int, default=None
        Steps that are forecast at once. None: one season of the index, 12 where it tells none, fewer for
        short data.
    target : str or list of str, default=None
        Columns to forecast; the others must hold numbers, too, but are not used. None: every column.
    season_length : int, default=None
        Steps of one season; 1 repeats the last observed value. None: what the index tells (hourly 24, daily
        7, monthly 12, ...), 1 where it tells none.
    id_col : label, default=None
        Column of a long frame that tells its series apart: each is forecast by itself. None: `X` is a wide
        frame, or one series.
    time_col : label, default=None
        Column of the stamps. None: the index tells the time.

    Attributes
    ----------
    horizon_, season_length_ : int
        What was chosen where the parameter is None.
    window_ : int
        Steps that a forecast repeats: one season.
    target_names_, covariate_names_ : list
        Columns that are forecast, and columns that are not.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, within the training rows.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.

    See Also
    --------
    LinearForecaster : The best linear function of the past.
    SeqForecaster : With a recurrent network.

    Examples
    --------
    >>> from seqcast import NaiveForecaster
    >>> model = NaiveForecaster(horizon=4, season_length=3).fit([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> model.forecast()["y"].tolist()
    [3.0, 4.0, 5.0, 3.0]
    """

    _essence: ClassVar[str] = "_scaler"

    def __init__(
        self,
        horizon: int | None = None,
        *,
        target: Hashable | Sequence[Hashable] | None = None,
        season_length: int | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
    ) -> None:
        self.horizon = horizon
        self.target = target
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col

    def _lengths(self, n: int) -> tuple[int, int]:
        return self.horizon or max(1, min(self._natural_horizon(), n // 8)), self.season_length_

    def _fewest_steps(self, window: int) -> int:
        return 1

    def _learn(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        self._check_observed(grids)
        self._scaler = self._scalers(grids)
        levels = self._padded(grids, list(self._pasts))
        self._local_scale = RecentVolatility.of(
            levels, levels.ends, self._n_targets, self.horizon_, self._span()
        )
        # Nothing is learned: all rows tell errors.
        shape = self._n_targets, self.season_length_, self.horizon_
        cutoffs = subsample(levels.training_starts(*shape, levels.ends), MOST) + self.season_length_
        misses = self._misses(levels, cutoffs, self._level_forecasts(levels, cutoffs))
        self._errors = ConformalResiduals.of_series(levels, [(cutoffs, misses)]) if len(cutoffs) else None

    def _learn_scales(self, ids: list[Any], grids: list[np.ndarray]) -> None:
        self._scaler = self._scaler.append(self._scalers(grids))
        levels = self._padded(grids, ids)
        self._local_scale = self._local_scale.with_series(levels, levels.ends)

    def _scalers(self, grids: list[np.ndarray]) -> Scaler:
        return Scaler.stack([Scaler.fit(grid[:, : self._n_targets]) for grid in grids])

    def _padded(self, grids: list[np.ndarray], ids: list[Any]) -> Panel:
        """Levels of these series, each with room for a forecast."""
        panel = Panel.stack(grids, self.season_length_ + self.horizon_)
        return self._levels(panel.with_series_numbers(self._numbers(ids)))

    def _memory(self) -> int:
        return max(self.season_length_, span_of(self.horizon_, self.season_length_))

    def _tail(self, values: np.ndarray) -> np.ndarray:
        """Before what is kept, missing values are those of seasons before: these would be repeated."""
        first = max(0, len(values) - self._memory())
        before = seasonal_ffill(values[:first], self.season_length_)[-self.season_length_ :]
        return np.concatenate([before, values[first:]])

    def _target_scales(self) -> np.ndarray:
        return self._scaler.scale

    def _levels(self, panel: Panel) -> Panel:
        scaled = [
            self._scaler.select_series(number).transform(values[:, : self._n_targets], values.dtype)
            for values, number in zip(panel, panel.series_numbers, strict=True)
        ]
        return panel.with_values(np.concatenate(scaled))

    def _level_forecasts(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        return np.nan_to_num(levels.seasonal_naive(cutoffs, self.season_length_, self.horizon_))

    def _undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        return self._scaler.select_series(fitted).inverse_transform(forecasts)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scaler")


class LinearForecaster(WindowForecaster):
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

    _essence: ClassVar[str] = "_linear"

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

    def _holds_back(self) -> bool:
        return True

    def _learn_together(self, grids: list[np.ndarray], weights: list[np.ndarray] | None) -> None:
        examples = self._examples(grids, weights)
        linear = self._fit_linear(examples)
        if linear is None:
            raise ValueError(
                f"LinearForecaster.fit needs windows with all {self.horizon_} steps after them observed. Got "
                f"none among those to learn from. Pass more rows, or a shorter horizon."
            )
        self._linear, self.ridge_, self.n_steps_ = linear, linear.ridge, linear.n_steps
        levels, judged = examples.levels, self._judged(examples)
        groups = [(cutoffs, self._misses(levels, cutoffs, forecasts)) for cutoffs, forecasts in judged]
        self._errors = ConformalResiduals.of_series(levels, groups)

    def _judged(self, examples: Examples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Origins, and forecasts there by maps that had not learned from them."""
        cutoffs = subsample(examples.validation, MOST) + self.window_
        yield cutoffs, self._level_forecasts(examples.levels, cutoffs)
        cutoffs, forecasts = self._out_of_fold(examples)
        if len(cutoffs):
            yield cutoffs, forecasts

    def _level_forecasts(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        blocks = self._blocks(levels)
        forecasts = self._linear.forecast(blocks.changing(), cutoffs - self.window_, self.window_)
        return self._integrated(to_wide(forecasts, len(blocks)), levels, cutoffs)

    def _level_slopes(self, chain: Chain, forecasts: np.ndarray) -> np.ndarray:
        start, blocks = chain.cutoff - self.window_, chain.blocks.changing()
        return chain.of_part(linear_slopes(self._linear, blocks, start, self.window_))
