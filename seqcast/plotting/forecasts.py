"""Plots of a forecast after its history."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from ..forecasting.interval_columns import find_centers, find_intervals, find_quantiles
from .axes import (
    ACTUAL,
    FORECAST,
    HISTORY,
    QUANTILE,
    check_matplotlib,
    draw_bands,
    draw_line,
    finish_axes,
    get_figure,
    make_axes,
    mark_begin,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Length of the history that is drawn by default, in lengths of the forecast.
HISTORY_LENGTHS = 5
OWNER = "ForecastDisplay"


class ForecastDisplay:
    """Plot of a forecast, its history and, if given, the actual values.

    Use `from_estimator` or `from_predictions` to make and draw it.

    Parameters
    ----------
    history : DataFrame, shape (n_steps, >= n_targets)
        Observed values of one series, indexed by time.
    forecast : DataFrame, shape (horizon, n_targets)
        Forecast of the series. It may have bounds of intervals, such as ``temp-lo-80``, and quantiles too.
    actual : DataFrame, default=None
        Observed values of the steps of the forecast.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes, shape (n_targets,)
    lines_ : list of dict of str to Line2D
        The lines of each target: "history", "forecast", "actual" and quantiles such as "q0.1".
    bands_ : list of dict of str to PolyCollection
        The intervals of each target, by level, such as "80".

    See Also
    --------
    plot_forecast : Function that returns the figure.

    Examples
    --------
    >>> from seqcast.plotting import ForecastDisplay
    >>> display = ForecastDisplay.from_estimator(model, df, level=[80, 95])  # doctest: +SKIP
    >>> display.figure_.savefig("forecast.png", dpi=150)  # doctest: +SKIP
    """

    figure_: Figure
    axes_: np.ndarray
    lines_: list[dict[str, Line2D]]
    bands_: list[dict[str, PolyCollection]]

    def __init__(
        self, history: pd.DataFrame, forecast: pd.DataFrame, actual: pd.DataFrame | None = None
    ) -> None:
        self.history = history
        self.forecast = forecast
        self.actual = actual

    @classmethod
    def from_estimator(
        cls,
        forecaster: Any,
        history: pd.DataFrame | pd.Series,
        actual: pd.DataFrame | pd.Series | None = None,
        *,
        horizon: int | None = None,
        X_future: Any = None,
        level: float | Sequence[float] | None = None,
        quantiles: float | Sequence[float] | None = None,
        series: Hashable | None = None,
        last: int | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Forecast, and draw the forecast.

        Parameters
        ----------
        forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
            A fitted forecaster.
        history, actual
            As in `from_predictions`.
        horizon, X_future, level, quantiles
            As in its method ``forecast``.
        series, last, ax
            As in `from_predictions`.

        Returns
        -------
        ForecastDisplay
        """
        check_matplotlib()
        forecast = forecaster.forecast(horizon, X_future, level=level, quantiles=quantiles)
        keys = {"id_col": forecaster.id_col, "time_col": forecaster.time_col}
        return cls.from_predictions(history, forecast, actual, **keys, series=series, last=last, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        history: pd.DataFrame | pd.Series,
        forecast: pd.DataFrame | pd.Series,
        actual: pd.DataFrame | pd.Series | None = None,
        *,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        series: Hashable | None = None,
        last: int | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Draw a forecast.

        Parameters
        ----------
        history, forecast, actual, id_col, time_col, series, last, ax
            As in `plot_forecast`.

        Returns
        -------
        ForecastDisplay
        """
        check_matplotlib()
        series = _choose_series(_to_frame(forecast), id_col, series)
        past, own = (
            _select_series(_to_frame(data), id_col, time_col, series) for data in (history, forecast)
        )
        later = None if actual is None else _select_series(_to_frame(actual), id_col, time_col, series)
        return cls(past, own, later).plot(ax, last=last)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, *, last: int | None = None) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : Axes or sequence of n_targets Axes, default=None
            Axes to draw on. None makes a new figure, whose axes share the time axis.
        last : int, default=None
            Number of rows of history to draw. None means five times the length of the forecast.

        Returns
        -------
        ForecastDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the forecast is empty, the history has no row before it, the history or the actual values lack
            a target, `last` is below 1, or the number of axes is not the number of targets.
        """
        check_matplotlib()
        forecast = self.forecast
        targets = find_centers(forecast.columns)
        _check_forecast(forecast)
        parts = {"history": (_select_history(self.history, forecast, targets, last), HISTORY)}
        if self.actual is not None:
            parts["actual"] = _select_actual(self.actual, forecast, targets), ACTUAL
        parts["forecast"] = forecast, FORECAST
        axes = make_axes(targets, ax, OWNER)
        self.lines_ = [
            {name: draw_line(ax, data[target], style) for name, (data, style) in parts.items()}
            for ax, target in zip(axes, targets, strict=True)
        ]
        self.bands_ = [
            draw_bands(ax, forecast, find_intervals(forecast.columns, target))
            for ax, target in zip(axes, targets, strict=True)
        ]
        self._draw_quantiles(axes, targets)
        for one in axes:
            mark_begin(one, forecast.index)
        finish_axes(axes, targets, forecast.index)
        self.axes_ = np.array(axes, dtype=object)
        self.figure_ = get_figure(axes)
        return self

    def _draw_quantiles(self, axes: Sequence[Axes], targets: Sequence[Hashable]) -> None:
        for ax, target, lines in zip(axes, targets, self.lines_, strict=True):
            for probability, name in find_quantiles(self.forecast.columns, target).items():
                label = f"q{probability}"
                lines[label] = draw_line(ax, self.forecast[name], QUANTILE | {"label": label})


def plot_forecast(
    history: pd.DataFrame | pd.Series,
    forecast: pd.DataFrame | pd.Series,
    actual: pd.DataFrame | pd.Series | None = None,
    *,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    series: Hashable | None = None,
    last: int | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw a forecast after its history, on one axes for each target.

    The figure is made without pyplot. It needs no display, is not shown, and changes no global setting. Save
    it with ``figure.savefig("forecast.png")``.

    Parameters
    ----------
    history : DataFrame or Series of shape (n_steps, >= n_targets)
        Observed values. The index may hold time stamps with or without a zone, periods or numbers. Only rows
        before the first row of `forecast` are drawn, so that the whole series may be passed.
    forecast : DataFrame or Series of shape (horizon, n_targets)
        The result of ``forecast(horizon)``. Its targets must be columns of `history`. Intervals, for example
        the columns ``temp-lo-80`` and ``temp-hi-80``, are drawn as bands, and quantiles as thin lines.
    actual : DataFrame or Series, default=None
        Observed values to compare with. Only rows within the time span of `forecast` are drawn.
    id_col, time_col : label, default=None
        Columns of series ids and of time stamps in a long frame.
    series : label, default=None
        Id of the series to draw. None means the first of `forecast`.
    last : int, default=None
        Number of rows of history to draw. None means five times the length of the forecast.
    ax : Axes or sequence of n_targets Axes, default=None
        Axes to draw on. None makes a new figure, whose axes share the time axis.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure, or the one that `ax` belongs to.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `forecast` is empty, `history` has no row before it, `history` or `actual` lack a target, there is
        no such series, `last` is below 1, or the number of axes is not the number of targets.

    See Also
    --------
    seqcast.plotting.ForecastDisplay : Access to the lines and bands of the plot.

    Examples
    --------
    >>> figure = plot_forecast(df, model.forecast(48, level=[80, 95]))  # doctest: +SKIP
    >>> figure.savefig("forecast.png", dpi=150)  # doctest: +SKIP
    """
    return ForecastDisplay.from_predictions(
        history, forecast, actual, id_col=id_col, time_col=time_col, series=series, last=last, ax=ax
    ).figure_


def _to_frame(data: pd.DataFrame | pd.Series) -> pd.DataFrame:
    return data.to_frame() if isinstance(data, pd.Series) else data


def _choose_series(
    forecast: pd.DataFrame, id_col: Hashable | None, series: Hashable | None
) -> Hashable | None:
    """Return the id of the series to draw."""
    ids = [] if id_col is None else list(forecast[id_col].unique())
    if series is None or series in ids:
        return series if series is not None or not ids else ids[0]
    raise ValueError(
        f"The 'series' parameter of {OWNER} must be one of the ids in the column id_col={id_col!r} of "
        f"'forecast': {ids}. Got {series!r} instead."
    )


def _select_series(
    data: pd.DataFrame, id_col: Hashable | None, time_col: Hashable | None, series: Hashable | None
) -> pd.DataFrame:
    """Return one series of a long frame as a wide frame."""
    if id_col is not None:
        data = data[data[id_col] == series].drop(columns=[id_col])
    return data if time_col is None else data.set_index(time_col).sort_index()


def _check_forecast(forecast: pd.DataFrame) -> None:
    if forecast.empty:
        raise ValueError(
            f"The 'forecast' parameter of {OWNER} must have at least one row and one column. "
            f"Got shape {forecast.shape} instead."
        )


def _check_targets(name: str, data: pd.DataFrame, targets: list[Hashable]) -> None:
    missing = [target for target in targets if target not in data.columns]
    if missing:
        raise ValueError(
            f"The '{name}' parameter of {OWNER} must have every target of 'forecast'. "
            f"Got {data.columns.tolist()}, without {missing}. Pass forecast[columns] to draw fewer targets."
        )


def _select_history(
    history: pd.DataFrame, forecast: pd.DataFrame, targets: list[Hashable], last: int | None
) -> pd.DataFrame:
    """Return the last rows of the history before the forecast."""
    _check_targets("history", history, targets)
    if last is not None and last < 1:
        raise ValueError(f"The 'last' parameter of {OWNER} must be at least 1 or None. Got {last!r} instead.")
    begin = forecast.index[0]
    before = history.loc[history.index < begin]
    if before.empty:
        raise ValueError(
            f"The 'history' parameter of {OWNER} must have rows before the forecast begins. "
            f"Got {len(history)} rows, none of them before {begin}."
        )
    return before.tail(HISTORY_LENGTHS * len(forecast) if last is None else last)


def _select_actual(actual: pd.DataFrame, forecast: pd.DataFrame, targets: list[Hashable]) -> pd.DataFrame:
    """Return the rows within the time span of the forecast."""
    _check_targets("actual", actual, targets)
    first, last = forecast.index[[0, -1]]
    return actual.loc[(actual.index >= first) & (actual.index <= last)]
