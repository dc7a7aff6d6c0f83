"""Forecasts from many cutoffs beside the truth, and their errors by lead."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from ..forecasting.interval_columns import intervals_of
from .panels import (
    ACTUAL,
    BEGIN,
    FORECAST,
    HISTORY,
    Style,
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
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

OWNER = "BacktestDisplay"
N_ORIGINS = 10
UNNAMED: Style = {"label": "_nolegend_"}

# How the names of errors end, and how they are drawn.
ERRORS: dict[str, Style] = {
    "": FORECAST,
    "_seasonal_naive": ACTUAL | {"label": "seasonal naive"},
    "_persistence": BEGIN | {"label": "persistence", "linewidth": 1.3},
}


class BacktestDisplay:
    """Forecasts of a backtest beside the truth, or their errors by lead.

    Made by `from_estimator` or `from_predictions`, which draw it; it keeps what was drawn.

    Parameters
    ----------
    rows : DataFrame
        From `seqcast.backtest` or `seqcast.evaluate`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes, shape (n_targets,)
    lines_ : list of dict
        For each target, kind "series": "actual", and a line for each cutoff, by its cutoff; kind "lead":
        "forecast", "seasonal naive" and "persistence".

    See Also
    --------
    plot_backtest : The short way.

    Examples
    --------
    >>> from seqcast.plotting import BacktestDisplay
    >>> display = BacktestDisplay.from_predictions(rows, kind="lead")  # doctest: +SKIP
    >>> display.figure_.savefig("errors.png", dpi=150)  # doctest: +SKIP
    """

    figure_: Figure
    axes_: np.ndarray
    lines_: list[dict[Hashable, Line2D]]

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        forecaster: Any,
        df: Any,
        y: Any = None,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_ORIGINS,
        metric: Literal["rmse", "mae"] = "rmse",
        ax: Axes | Sequence[Axes] | None = None,
        **options: Any,
    ) -> Self:
        """Forecast from many cutoffs, and draw.

        Parameters
        ----------
        forecaster, df, y
            As in `seqcast.backtest`.
        kind, last, metric, ax
            As in `plot`.
        **options
            Other parameters of `seqcast.backtest`.

        Returns
        -------
        BacktestDisplay
        """
        from ..evaluation.backtest import backtest

        check_matplotlib()
        rows = backtest(forecaster, df, y, **options)
        return cls.from_predictions(rows, kind=kind, last=last, metric=metric, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        rows: pd.DataFrame,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_ORIGINS,
        metric: Literal["rmse", "mae"] = "rmse",
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Draw the rows of a backtest.

        Parameters
        ----------
        rows : DataFrame
            From `seqcast.backtest` or `seqcast.evaluate`.
        kind, last, metric, ax
            As in `plot`.

        Returns
        -------
        BacktestDisplay
        """
        return cls(rows).plot(ax, kind=kind, last=last, metric=metric)

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_ORIGINS,
        metric: Literal["rmse", "mae"] = "rmse",
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or sequence of n_targets Axes, default=None
            Where to draw. A new figure if None.
        kind : {"series", "lead"}, default="series"
            "series": the truth over time, and the forecasts of each cutoff with their intervals. "lead":
            errors by lead, beside those of the naive forecasts.
        last : int, default=10
            For "series": so many cutoffs, the last ones; None for all.
        metric : {"rmse", "mae"}, default="rmse"
            For "lead".

        Returns
        -------
        BacktestDisplay
            This one, with what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of its range, there is no row, the rows for "series" are of several series,
            or the number of axes is not the number of targets.
        """
        check_matplotlib()
        _check(kind, ("series", "lead"), "kind")
        _check(metric, ("rmse", "mae"), "metric")
        if self.rows.empty:
            raise ValueError(f"The 'rows' parameter of {OWNER} must have at least one row. Got none.")
        targets = list(self.rows["target"].unique())
        panels = panels_for(targets, ax, OWNER)
        if kind == "series":
            self._draw_series(panels, targets, last)
        else:
            self._draw_leads(panels, targets, metric)
        self.axes_, self.figure_ = np.array(panels, dtype=object), figure_of(panels)
        return self

    def _draw_series(self, panels: list[Axes], targets: list[Hashable], last: int | None) -> None:
        rows = _last_cutoffs(self.rows, last)
        self.lines_ = []
        for panel, target in zip(panels, targets, strict=True):
            own = rows[rows["target"] == target].set_index("time")
            truth = own["y"][~own.index.duplicated()].sort_index()
            lines: dict[Hashable, Line2D] = {"actual": line(panel, truth, HISTORY | {"label": "actual"})}
            for cutoff, block in own.groupby("cutoff"):
                first = len(lines) == 1  # the only one that the legend names
                lines[cutoff] = line(panel, block["y_hat"], FORECAST if first else FORECAST | UNNAMED)
                bands(panel, block, intervals_of(block.columns, "y_hat"), named=first)
                begin(panel, block.index)
            self.lines_.append(lines)
        tidy(panels, targets, pd.Index(rows["time"]))

    def _draw_leads(self, panels: list[Axes], targets: list[Hashable], metric: str) -> None:
        from ..evaluation.backtest import summarize

        errors = summarize(self.rows, by="lead")
        self.lines_ = [
            {
                style["label"]: line(panel, errors.xs(target, level="target")[f"{metric}{ending}"], style)
                for ending, style in ERRORS.items()
            }
            for panel, target in zip(panels, targets, strict=True)
        ]
        tidy(panels, [f"{target}: {metric.upper()}" for target in targets], pd.Index([], name="lead"))
        for panel in panels:
            panel.set_ylim(bottom=0)


def plot_backtest(
    rows: pd.DataFrame,
    *,
    kind: Literal["series", "lead"] = "series",
    last: int | None = N_ORIGINS,
    metric: Literal["rmse", "mae"] = "rmse",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw what a backtest forecast, or how its errors grow with the lead; one panel for each target.

    Made without pyplot, as `plot_forecast`.

    Parameters
    ----------
    rows : DataFrame
        From `seqcast.backtest` or `seqcast.evaluate`. Of several series: ``rows[rows["id"] == "a"]`` for
        "series"; errors by lead are those of all.
    kind : {"series", "lead"}, default="series"
        "series": the truth over time, and the forecasts of each cutoff with their intervals. "lead": errors
        by lead, beside those of the naive forecasts.
    last : int, default=10
        For "series": so many cutoffs, the last ones; None for all.
    metric : {"rmse", "mae"}, default="rmse"
        For "lead".
    ax : Axes or sequence of n_targets Axes, default=None
        Where to draw. A new figure if None.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure, or the one that `ax` belongs to.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If a parameter is out of its range, there is no row, the rows for "series" are of several series, or
        the number of axes is not the number of targets.

    See Also
    --------
    seqcast.plotting.BacktestDisplay : What was drawn, to be changed.

    Examples
    --------
    >>> rows = backtest(model, df, level=80)  # doctest: +SKIP
    >>> plot_backtest(rows).savefig("backtest.png")  # doctest: +SKIP
    >>> plot_backtest(rows, kind="lead").savefig("errors.png")  # doctest: +SKIP
    """
    return BacktestDisplay.from_predictions(rows, kind=kind, last=last, metric=metric, ax=ax).figure_


def _last_cutoffs(rows: pd.DataFrame, last: int | None) -> pd.DataFrame:
    if last is not None and last < 1:
        raise ValueError(f"The 'last' parameter of {OWNER} must be at least 1 or None. Got {last!r} instead.")
    if rows.duplicated(["cutoff", "target", "time"]).any():
        raise ValueError(
            f"The 'rows' parameter of {OWNER} must be those of one series. Got several. Pass one of "
            f"them, such as rows[rows['id'] == 'a']."
        )
    cutoffs = rows["cutoff"].drop_duplicates().sort_values()
    return rows if last is None else rows[rows["cutoff"].isin(cutoffs.tail(last))]


def _check(value: Any, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise ValueError(
            f"The {name!r} parameter of {OWNER} must be {' or '.join(map(repr, choices))}. "
            f"Got {value!r} instead."
        )
