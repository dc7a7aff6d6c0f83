"""Pictures of a forecast beside what came before it and, where known, what came after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_forecast"]

Style: TypeAlias = dict[str, Any]

# Blue and orange stay apart for every kind of colour vision; the truth is the history's own hue, going on.
HISTORY: Style = {"color": "#1d3557", "linewidth": 1.3, "label": "history"}
ACTUAL: Style = {"color": "#7d94b5", "linewidth": 1.3, "label": "actual"}
FORECAST: Style = {"color": "#e76f1c", "linewidth": 2.0, "label": "forecast", "zorder": 3}
BEGIN: Style = {"color": "#6c757d", "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 1}
FRAME = "#adb5bd"
# above the first panel, where no line can pass behind it
LEGEND: Style = {
    "loc": "lower left",
    "bbox_to_anchor": (0.0, 1.0),
    "ncols": 3,
    "frameon": False,
    "borderaxespad": 0.2,
}

# The formatter's own day labels leave the month to the last tick: a history from 27 November would read "27".
DATES: dict[str, list[str]] = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
}

HISTORY_LENGTHS = 5  # the history drawn by default, in lengths of the forecast
PANEL_SIZE = (9.0, 2.4)  # inches


def plot_forecast(
    history: pd.DataFrame | pd.Series,
    forecast: pd.DataFrame | pd.Series,
    actual: pd.DataFrame | pd.Series | None = None,
    *,
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
        What ``forecast(horizon)`` gave. Its columns must be columns of `history`.
    actual : DataFrame or Series, optional
        What really happened. Only rows within the time span of `forecast` are drawn.
    last : int, optional
        The number of rows of history to draw; five times the length of the forecast if None.
    ax : Axes or sequence of n_targets Axes, optional
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
        If `forecast` is empty, `history` has no row before it, a column of `forecast` is missing in
        `history` or `actual`, `last` is below 1, or the number of axes is not the number of targets.

    Examples
    --------
    >>> figure = plot_forecast(df, model.forecast(48))  # doctest: +SKIP
    >>> figure.savefig("forecast.png", dpi=150)  # doctest: +SKIP
    """
    _check_matplotlib()
    history, forecast = _frame(history), _frame(forecast)
    _check_forecast(forecast)
    lines = [(_past(history, forecast, last), HISTORY), (forecast, FORECAST)]
    if actual is not None:
        lines.insert(1, (_within_span(_frame(actual), forecast), ACTUAL))

    panels = _new_panels(forecast) if ax is None else _given_panels(ax, forecast)
    for panel, target in zip(panels, forecast.columns, strict=True):
        for data, style in lines:
            panel.plot(_abscissa(data.index), data[target].to_numpy(dtype=float, na_value=np.nan), **style)
        panel.axvline(_abscissa(forecast.index)[0], **BEGIN)
        panel.set_ylabel(str(target))
        _tidy(panel)
        _tidy_dates(panel, _abscissa(forecast.index))
    panels[0].legend(**LEGEND)
    panels[-1].set_xlabel("" if forecast.index.name is None else str(forecast.index.name))
    return cast("Figure", panels[0].get_figure(root=True))  # None only for axes that were removed


def _check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("plot_forecast needs matplotlib: run `pip install 'seqcast[plot]'`.") from error


def _frame(data: pd.DataFrame | pd.Series) -> pd.DataFrame:
    return data.to_frame() if isinstance(data, pd.Series) else data


def _check_forecast(forecast: pd.DataFrame) -> None:
    if forecast.empty:
        raise ValueError(
            "The 'forecast' parameter of plot_forecast must have at least one row and one column. "
            f"Got shape {forecast.shape} instead."
        )


def _check_targets(name: str, data: pd.DataFrame, forecast: pd.DataFrame) -> None:
    missing = forecast.columns.difference(data.columns, sort=False).tolist()
    if missing:
        raise ValueError(
            f"The '{name}' parameter of plot_forecast must have every column of 'forecast'. "
            f"Got {data.columns.tolist()}, without {missing}. Pass forecast[columns] to draw fewer targets."
        )


def _past(history: pd.DataFrame, forecast: pd.DataFrame, last: int | None) -> pd.DataFrame:
    """Return the last rows of the history that lie before the forecast."""
    _check_targets("history", history, forecast)
    if last is not None and last < 1:
        raise ValueError(
            f"The 'last' parameter of plot_forecast must be at least 1 or None. Got {last!r} instead."
        )
    begin = forecast.index[0]
    before = history.loc[history.index < begin]
    if before.empty:
        raise ValueError(
            "The 'history' parameter of plot_forecast must have rows before the forecast begins. "
            f"Got {len(history)} rows, none of them before {begin}."
        )
    return before.tail(HISTORY_LENGTHS * len(forecast) if last is None else last)


def _within_span(actual: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    _check_targets("actual", actual, forecast)
    begin, end = forecast.index[[0, -1]]
    return actual.loc[(actual.index >= begin) & (actual.index <= end)]


def _new_panels(forecast: pd.DataFrame) -> list[Axes]:
    from matplotlib.figure import Figure

    n_targets = forecast.shape[1]
    width, height = PANEL_SIZE
    figure = Figure(figsize=(width, height * n_targets + 0.8), layout="constrained")
    panels = list(figure.subplots(n_targets, sharex=True, squeeze=False)[:, 0])
    figure.align_ylabels(panels)
    return panels


def _given_panels(ax: Axes | Sequence[Axes], forecast: pd.DataFrame) -> list[Axes]:
    panels = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(panels) != forecast.shape[1]:
        raise ValueError(
            "The 'ax' parameter of plot_forecast must hold one Axes for each column of 'forecast'. "
            f"Got {len(panels)} for {forecast.shape[1]} columns."
        )
    return panels


def _abscissa(index: pd.Index) -> pd.Index:
    # matplotlib knows stamps and numbers, not periods
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _tidy(panel: Axes) -> None:
    panel.margins(x=0.01, y=0.08)
    panel.grid(axis="y", color=FRAME, alpha=0.4, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(FRAME)
    panel.tick_params(color=FRAME)


def _tidy_dates(panel: Axes, index: pd.Index) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if isinstance(index, pd.DatetimeIndex):
        locator = AutoDateLocator(tz=index.tz, minticks=4, maxticks=10)
        panel.xaxis.set_major_locator(locator)
        panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=index.tz, **DATES))
