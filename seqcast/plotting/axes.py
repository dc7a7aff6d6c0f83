"""Axes of figures: one for each target, and their style."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Style: TypeAlias = dict[str, Any]

# Blue and orange can be told apart with any colour vision deficiency. The truth has the hue of the history.
HISTORY: Style = {"color": "#1d3557", "linewidth": 1.3, "label": "history"}
ACTUAL: Style = {"color": "#7d94b5", "linewidth": 1.3, "label": "actual"}
FORECAST: Style = {"color": "#e76f1c", "linewidth": 2.0, "label": "forecast", "zorder": 3}
QUANTILE: Style = {"color": FORECAST["color"], "linewidth": 1.2, "linestyle": (0, (1, 1)), "zorder": 3}
BAND: Style = {"color": FORECAST["color"], "linewidth": 0}
# Opacity of the widest interval, and its increase from one interval to the next.
BAND_ALPHA = 0.15
ALPHA_STEP = 0.1
BEGIN: Style = {"color": "#6c757d", "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 1}
FRAME = "#adb5bd"
# The legend stands above the first axes, where no line passes behind it.
LEGEND: Style = {
    "loc": "lower left",
    "bbox_to_anchor": (0.0, 1.0),
    "ncols": 6,
    "frameon": False,
    "borderaxespad": 0.2,
}

# The default day labels have no month, so that 27 November would be labelled "27".
DATES: dict[str, list[str]] = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
}
# Width and height of each axes, in inches.
AXES_SIZE = (9.0, 2.4)


def check_matplotlib() -> None:
    """Raise ImportError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("Plots need matplotlib: run `pip install 'seqcast[plot]'`.") from error


def make_axes(targets: Sequence[Hashable], ax: Axes | Sequence[Axes] | None, owner: str) -> list[Axes]:
    """Return the given axes, or those of a new figure, which share their horizontal axis.

    `owner` is the class that has the parameter `ax`, for the error message.
    """
    if ax is None:
        return _make_figure(len(targets))
    axes = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) != len(targets):
        raise ValueError(
            f"The 'ax' parameter of {owner} must hold one Axes for each target. Got {len(axes)} for "
            f"{len(targets)} targets."
        )
    return axes


def _make_figure(n: int) -> list[Axes]:
    """Return the axes of a new figure, below each other."""
    from matplotlib.figure import Figure

    width, height = AXES_SIZE
    figure = Figure(figsize=(width, height * n + 0.8), layout="constrained")
    axes = list(figure.subplots(n, sharex=True, squeeze=False)[:, 0])
    figure.align_ylabels(axes)
    return axes


def get_figure(axes: Sequence[Axes]) -> Figure:
    """Return the figure of the axes, also if they are in a subfigure."""
    # The figure is None only for axes that were removed.
    return cast("Figure", axes[0].get_figure(root=True))


def draw_line(ax: Axes, values: pd.Series, style: Style) -> Line2D:
    """Draw values over their index."""
    return ax.plot(_to_abscissa(values.index), _to_floats(values), **style)[0]


def draw_bands(
    ax: Axes, data: pd.DataFrame, intervals: Mapping[str, tuple[Any, Any]], named: bool = True
) -> dict[str, PolyCollection]:
    """Draw intervals over the index of `data`, the widest behind the others.

    `intervals` holds the columns of the lower and the upper bound by level. `named` is whether the legend
    names the intervals. The result holds the bands by level.
    """
    drawn: dict[str, PolyCollection] = {}
    for number, level in enumerate(sorted(intervals, key=float, reverse=True)):
        lower, upper = (_to_floats(data[bound]) for bound in intervals[level])
        style = BAND | {"label": f"{level} %" if named else None, "alpha": BAND_ALPHA + number * ALPHA_STEP}
        drawn[level] = ax.fill_between(_to_abscissa(data.index), lower, upper, **style)
    return drawn


def mark_begin(ax: Axes, index: pd.Index) -> Line2D:
    """Draw a vertical line at the first label of a forecast."""
    return ax.axvline(_to_abscissa(index)[0], **BEGIN)


def finish_axes(axes: Sequence[Axes], names: Sequence[Hashable], index: pd.Index) -> None:
    """Set the labels, the frame, the dates of `index` and the legend."""
    for ax, name in zip(axes, names, strict=True):
        ax.set_ylabel(str(name))
        _format_frame(ax)
        _format_dates(ax, _to_abscissa(index))
    axes[0].legend(**LEGEND)
    axes[-1].set_xlabel("" if index.name is None else str(index.name))


def _to_floats(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _to_abscissa(index: pd.Index) -> pd.Index:
    # matplotlib draws time stamps and numbers, but not periods.
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _format_frame(ax: Axes) -> None:
    ax.margins(x=0.01, y=0.08)
    ax.grid(axis="y", color=FRAME, alpha=0.4, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FRAME)
    ax.tick_params(color=FRAME)


def _format_dates(ax: Axes, index: pd.Index) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if isinstance(index, pd.DatetimeIndex):
        locator = AutoDateLocator(tz=index.tz, minticks=4, maxticks=10)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=index.tz, **DATES))
