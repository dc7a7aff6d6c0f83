"""One panel for each target, and how all of them look."""

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

# Blue and orange stay apart for every kind of colour vision; the truth is the history's own hue, going on.
HISTORY: Style = {"color": "#1d3557", "linewidth": 1.3, "label": "history"}
ACTUAL: Style = {"color": "#7d94b5", "linewidth": 1.3, "label": "actual"}
FORECAST: Style = {"color": "#e76f1c", "linewidth": 2.0, "label": "forecast", "zorder": 3}
QUANTILE: Style = {"color": FORECAST["color"], "linewidth": 1.2, "linestyle": (0, (1, 1)), "zorder": 3}
BAND: Style = {"color": FORECAST["color"], "linewidth": 0}
BAND_ALPHA, ALPHA_STEP = 0.15, 0.1  # of the widest band, and from one to the next
BEGIN: Style = {"color": "#6c757d", "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 1}
FRAME = "#adb5bd"
# above the first panel, where no line can pass behind it
LEGEND: Style = {
    "loc": "lower left",
    "bbox_to_anchor": (0.0, 1.0),
    "ncols": 6,
    "frameon": False,
    "borderaxespad": 0.2,
}

# The formatter's own day labels leave the month to the last tick: a history from 27 November would read "27".
DATES: dict[str, list[str]] = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
}
PANEL_SIZE = (9.0, 2.4)  # inches


def check_matplotlib() -> None:
    """Raise, with the way out, unless it is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: run `pip install 'seqcast[plot]'`.") from error


def panels_for(targets: Sequence[Hashable], ax: Axes | Sequence[Axes] | None, owner: str) -> list[Axes]:
    """Those that were given, or those of a new figure, which share their horizontal axis."""
    if ax is None:
        return _new_panels(len(targets))
    panels = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(panels) != len(targets):
        raise ValueError(
            f"The 'ax' parameter of {owner} must hold one Axes for each target. Got {len(panels)} for "
            f"{len(targets)} columns."
        )
    return panels


def _new_panels(n: int) -> list[Axes]:
    from matplotlib.figure import Figure

    width, height = PANEL_SIZE
    figure = Figure(figsize=(width, height * n + 0.8), layout="constrained")
    panels = list(figure.subplots(n, sharex=True, squeeze=False)[:, 0])
    figure.align_ylabels(panels)
    return panels


def figure_of(panels: Sequence[Axes]) -> Figure:
    """The whole figure, of panels in a part of one too."""
    return cast("Figure", panels[0].get_figure(root=True))  # None only for axes that were removed


def line(panel: Axes, values: pd.Series, style: Style) -> Line2D:
    """Values over their index."""
    return panel.plot(_abscissa(values.index), _floats(values), **style)[0]


def bands(
    panel: Axes, data: pd.DataFrame, intervals: Mapping[str, tuple[Any, Any]], named: bool = True
) -> dict[str, PolyCollection]:
    """Intervals over the index, the widest behind the others; by level."""
    drawn: dict[str, PolyCollection] = {}
    for number, level in enumerate(sorted(intervals, key=float, reverse=True)):
        lower, upper = (_floats(data[end]) for end in intervals[level])
        style = BAND | {"label": f"{level} %" if named else None, "alpha": BAND_ALPHA + number * ALPHA_STEP}
        drawn[level] = panel.fill_between(_abscissa(data.index), lower, upper, **style)
    return drawn


def begin(panel: Axes, index: pd.Index) -> Line2D:
    """Mark where a forecast begins."""
    return panel.axvline(_abscissa(index)[0], **BEGIN)


def tidy(panels: Sequence[Axes], names: Sequence[Hashable], index: pd.Index) -> None:
    """Names, axes and legend."""
    for panel, name in zip(panels, names, strict=True):
        panel.set_ylabel(str(name))
        _tidy_frame(panel)
        _tidy_dates(panel, _abscissa(index))
    panels[0].legend(**LEGEND)
    panels[-1].set_xlabel("" if index.name is None else str(index.name))


def _floats(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _abscissa(index: pd.Index) -> pd.Index:
    # matplotlib knows stamps and numbers, not periods
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def _tidy_frame(panel: Axes) -> None:
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
