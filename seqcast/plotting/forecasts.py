"""A forecast after the end of its history."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from ..forecasting.interval_columns import centres_of, intervals_of, quantiles_of
from .panels import (
    ACTUAL,
    FORECAST,
    HISTORY,
    QUANTILE,
    bands,
    begin,
    check_matplotlib,
    figure_of,
    line,
    panels_for,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HISTORY_LENGTHS = 5  # the history drawn by default, in lengths of the forecast
OWNER = "ForecastDisplay"


class ForecastDisplay:
    """A forecast beside what came before it and, where known, what came after.

    Made by `from_estimator` or `from_predictions`, which draw it; it keeps what was drawn.

    Parameters
    ----------
    history : DataFrame, shape (n_times, >= n_targets)
        The past of one series, over time.
    forecast : DataFrame, shape (horizon, n_targets)
        And the bounds of targets, such as ``temp-lo-80``.
    actual : DataFrame, default=None
        What really happened.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes, shape (n_targets,)
    lines_ : list of dict of str to Line2D
        For each target "history", "forecast", "actual" and quantiles such as "q0.1", those that were drawn.
    bands_ : list of dict of str to PolyCollection
        For each target its intervals, by level, such as "80".

    See Also
    --------
    plot_forecast : The short way.

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
        """Forecast, and draw it.

        Parameters
        ----------
        forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
            Fitted.
        history, actual
            As in `from_predictions`.
        horizon, X_future, level, quantiles
            As in its ``forecast``.
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
        """Draw a forecast that has been made.

        Parameters
        ----------
        history, forecast, actual, id_col, time_col, series, last, ax
            As in `plot_forecast`.

        Returns
        -------
        ForecastDisplay
        """
        check_matplotlib()
        series = _chosen(_frame(forecast), id_col, series)
        past, own = (_of_series(_frame(data), id_col, time_col, series) for data in (history, forecast))
        later = None if actual is None else _of_series(_frame(actual), id_col, time_col, series)
        return cls(past, own, later).plot(ax, last=last)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, *, last: int | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or sequence of n_targets Axes, default=None
            Where to draw. A new figure, whose panels share the time axis, if None.
        last : int, default=None
            The number of rows of history to draw; five times the length of the forecast if None.

        Returns
        -------
        ForecastDisplay
            This one, with what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the forecast is empty, the history has no row before it, a target is missing in the history or
            in what happened, `last` is below 1, or the number of axes is not the number of targets.
        """
        check_matplotlib()
        forecast, targets = self.forecast, centres_of(self.forecast.columns)
        _check_forecast(forecast)
        parts = {"history": (_past(self.history, forecast, targets, last), HISTORY)}
        if self.actual is not None:
            parts["actual"] = _within_span(self.actual, forecast, targets), ACTUAL
        parts["forecast"] = forecast, FORECAST
        panels = panels_for(targets, ax, OWNER)
        self.lines_ = [
            {name: line(panel, data[target], style) for name, (data, style) in parts.items()}
            for panel, target in zip(panels, targets, strict=True)
        ]
        self.bands_ = [
            bands(panel, forecast, intervals_of(forecast.columns, target))
            for panel, target in zip(panels, targets, strict=True)
        ]
        self._draw_quantiles(panels, targets)
        for panel in panels:
            begin(panel, forecast.index)
        tidy(panels, targets, forecast.index)
        self.axes_, self.figure_ = np.array(panels, dtype=object), figure_of(panels)
        return self

    def _draw_quantiles(self, panels: Sequence[Axes], targets: Sequence[Hashable]) -> None:
        for panel, target, lines in zip(panels, targets, self.lines_, strict=True):
            for probability, name in quantiles_of(self.forecast.columns, target).items():
                label = f"q{probability}"
                lines[label] = line(panel, self.forecast[name], QUANTILE | {"label": label})


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
    """Draw a forecast after the end of its history, one panel for each target.

    The figure is made without pyplot: it needs no display, nothing is shown, no global setting is changed.
    Save it with ``figure.savefig("forecast.png")``.

    Parameters
    ----------
    history : DataFrame or Series of shape (n_times, >= n_targets)
        The past, with any index that can be drawn (stamps with or without a zone, periods, numbers). Only
        rows before the first one of `forecast` are drawn, so the whole series may be passed.
    forecast : DataFrame or Series of shape (horizon, n_targets)
        What ``forecast(horizon)`` gave. Its targets must be columns of `history`. Intervals, the columns
        ``temp-lo-80`` and ``temp-hi-80`` for example, are drawn as bands, and quantiles as thin lines.
    actual : DataFrame or Series, default=None
        What really happened. Only rows within the time span of `forecast` are drawn.
    id_col, time_col : label, default=None
        Of long frames: the columns that tell series apart, and their stamps.
    series : label, default=None
        Which of the series to draw, by its id. None: the first of `forecast`.
    last : int, default=None
        The number of rows of history to draw; five times the length of the forecast if None.
    ax : Axes or sequence of n_targets Axes, default=None
        Where to draw. A new figure, whose panels share the time axis, if None.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure, or the one that `ax` belongs to.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `forecast` is empty, `history` has no row before it, a target is missing in `history` or `actual`,
        there is no such series, `last` is below 1, or the number of axes is not the number of targets.

    See Also
    --------
    seqcast.plotting.ForecastDisplay : What was drawn, to be changed.

    Examples
    --------
    >>> figure = plot_forecast(df, model.forecast(48, level=[80, 95]))  # doctest: +SKIP
    >>> figure.savefig("forecast.png", dpi=150)  # doctest: +SKIP
    """
    return ForecastDisplay.from_predictions(
        history, forecast, actual, id_col=id_col, time_col=time_col, series=series, last=last, ax=ax
    ).figure_


def _frame(data: pd.DataFrame | pd.Series) -> pd.DataFrame:
    return data.to_frame() if isinstance(data, pd.Series) else data


def _chosen(forecast: pd.DataFrame, id_col: Hashable | None, series: Hashable | None) -> Hashable | None:
    """The id of the series to draw."""
    ids = [] if id_col is None else list(forecast[id_col].unique())
    if series is None or series in ids:
        return series if series is not None or not ids else ids[0]
    raise ValueError(
        f"The 'series' parameter of {OWNER} must be one of the ids that id_col={id_col!r} has in 'forecast': "
        f"{ids}. Got {series!r} instead."
    )


def _of_series(
    data: pd.DataFrame, id_col: Hashable | None, time_col: Hashable | None, series: Hashable | None
) -> pd.DataFrame:
    """One series of a long frame as a wide one."""
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


def _past(
    history: pd.DataFrame, forecast: pd.DataFrame, targets: list[Hashable], last: int | None
) -> pd.DataFrame:
    """The last rows of the history that lie before the forecast."""
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


def _within_span(actual: pd.DataFrame, forecast: pd.DataFrame, targets: list[Hashable]) -> pd.DataFrame:
    _check_targets("actual", actual, targets)
    first, last = forecast.index[[0, -1]]
    return actual.loc[(actual.index >= first) & (actual.index <= last)]
