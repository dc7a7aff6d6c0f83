"""Plots of backtests: forecasts and the truth over time, or errors by lead."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from ..forecasting.interval_columns import find_intervals
from .axes import (
    ACTUAL,
    BEGIN,
    FORECAST,
    HISTORY,
    Style,
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
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

OWNER = "BacktestDisplay"
N_CUTOFFS = 10
UNNAMED: Style = {"label": "_nolegend_"}

# Style of each line of errors, by the suffix of the names of these errors.
ERRORS: dict[str, Style] = {
    "": FORECAST,
    "_seasonal_naive": ACTUAL | {"label": "seasonal naive"},
    "_persistence": BEGIN | {"label": "persistence", "linewidth": 1.3},
}


class BacktestDisplay:
    """Plot of the forecasts of a backtest and the truth, or of the errors by lead.

    Use `from_estimator` or `from_predictions` to make and draw it.

    Parameters
    ----------
    results : DataFrame
        The result of `seqcast.backtest`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of Axes, shape (n_targets,)
    lines_ : list of dict
        The lines of each target. For kind "series", these are "actual" and a line for each cutoff; for kind
        "lead", "forecast", "seasonal naive" and "persistence".

    See Also
    --------
    plot_backtest : Function that returns the figure.

    Examples
    --------
    >>> from seqcast.plotting import BacktestDisplay
    >>> display = BacktestDisplay.from_predictions(results, kind="lead")  # doctest: +SKIP
    >>> display.figure_.savefig("errors.png", dpi=150)  # doctest: +SKIP
    """

    figure_: Figure
    axes_: np.ndarray
    lines_: list[dict[Hashable, Line2D]]

    def __init__(self, results: pd.DataFrame) -> None:
        self.results = results

    @classmethod
    def from_estimator(
        cls,
        forecaster: Any,
        X: Any,
        y: Any = None,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_CUTOFFS,
        metric: Literal["rmse", "mae"] = "rmse",
        ax: Axes | Sequence[Axes] | None = None,
        **options: Any,
    ) -> Self:
        """Run a backtest, and draw its result.

        Parameters
        ----------
        forecaster, X, y
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
        results = backtest(forecaster, X, y, **options)
        return cls.from_predictions(results, kind=kind, last=last, metric=metric, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        results: pd.DataFrame,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_CUTOFFS,
        metric: Literal["rmse", "mae"] = "rmse",
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Draw the result of a backtest.

        Parameters
        ----------
        results : DataFrame
            The result of `seqcast.backtest`.
        kind, last, metric, ax
            As in `plot`.

        Returns
        -------
        BacktestDisplay
        """
        return cls(results).plot(ax, kind=kind, last=last, metric=metric)

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        kind: Literal["series", "lead"] = "series",
        last: int | None = N_CUTOFFS,
        metric: Literal["rmse", "mae"] = "rmse",
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : Axes or sequence of n_targets Axes, default=None
            Axes to draw on. None makes a new figure.
        kind : {"series", "lead"}, default="series"
            "series" draws the truth over time, and the forecasts of each cutoff with their intervals. "lead"
            draws the errors by lead, and those of the naive forecasts.
        last : int, default=10
            Number of cutoffs to draw for "series", the last ones. None draws all.
        metric : {"rmse", "mae"}, default="rmse"
            Error to draw for "lead".

        Returns
        -------
        BacktestDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of its range, there is no row, `results` holds several series and `kind` is
            "series", or the number of axes is not the number of targets.
        """
        check_matplotlib()
        _check_choice(kind, ("series", "lead"), "kind")
        _check_choice(metric, ("rmse", "mae"), "metric")
        if self.results.empty:
            raise ValueError(f"The 'results' parameter of {OWNER} must have at least one row. Got none.")
        targets = list(self.results["target"].unique())
        axes = make_axes(targets, ax, OWNER)
        if kind == "series":
            self._draw_series(axes, targets, last)
        else:
            self._draw_leads(axes, targets, metric)
        self.axes_ = np.array(axes, dtype=object)
        self.figure_ = get_figure(axes)
        return self

    def _draw_series(self, axes: list[Axes], targets: list[Hashable], last: int | None) -> None:
        results = _select_last_cutoffs(self.results, last)
        self.lines_ = []
        for ax, target in zip(axes, targets, strict=True):
            own = results[results["target"] == target].set_index("time")
            truth = own["y"][~own.index.duplicated()].sort_index()
            lines: dict[Hashable, Line2D] = {"actual": draw_line(ax, truth, HISTORY | {"label": "actual"})}
            for cutoff, forecast in own.groupby("cutoff"):
                # The legend names the first forecast only.
                first = len(lines) == 1
                lines[cutoff] = draw_line(ax, forecast["y_hat"], FORECAST if first else FORECAST | UNNAMED)
                draw_bands(ax, forecast, find_intervals(forecast.columns, "y_hat"), named=first)
                mark_begin(ax, forecast.index)
            self.lines_.append(lines)
        finish_axes(axes, targets, pd.Index(results["time"]))

    def _draw_leads(self, axes: list[Axes], targets: list[Hashable], metric: str) -> None:
        from ..evaluation.backtest import summarize

        errors = summarize(self.results, by="lead")
        self.lines_ = [
            {
                style["label"]: draw_line(ax, errors.xs(target, level="target")[f"{metric}{suffix}"], style)
                for suffix, style in ERRORS.items()
            }
            for ax, target in zip(axes, targets, strict=True)
        ]
        finish_axes(axes, [f"{target}: {metric.upper()}" for target in targets], pd.Index([], name="lead"))
        for ax in axes:
            ax.set_ylim(bottom=0)


def plot_backtest(
    results: pd.DataFrame,
    *,
    kind: Literal["series", "lead"] = "series",
    last: int | None = N_CUTOFFS,
    metric: Literal["rmse", "mae"] = "rmse",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw the forecasts of a backtest and the truth, or the errors by lead, on one axes for each target.

    The figure is made without pyplot, as by `plot_forecast`.

    Parameters
    ----------
    results : DataFrame
        The result of `seqcast.backtest`. For kind "series", it must hold one series: select one of a panel
        with ``results[results["id"] == "a"]``. The errors by lead are those of all series.
    kind : {"series", "lead"}, default="series"
        "series" draws the truth over time, and the forecasts of each cutoff with their intervals. "lead"
        draws the errors by lead, and those of the naive forecasts.
    last : int, default=10
        Number of cutoffs to draw for "series", the last ones. None draws all.
    metric : {"rmse", "mae"}, default="rmse"
        Error to draw for "lead".
    ax : Axes or sequence of n_targets Axes, default=None
        Axes to draw on. None makes a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure, or the one that `ax` belongs to.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If a parameter is out of its range, there is no row, `results` holds several series and `kind` is
        "series", or the number of axes is not the number of targets.

    See Also
    --------
    seqcast.plotting.BacktestDisplay : Access to the lines of the plot.

    Examples
    --------
    >>> results = backtest(model, df, level=80)  # doctest: +SKIP
    >>> plot_backtest(results).savefig("backtest.png")  # doctest: +SKIP
    >>> plot_backtest(results, kind="lead").savefig("errors.png")  # doctest: +SKIP
    """
    return BacktestDisplay.from_predictions(results, kind=kind, last=last, metric=metric, ax=ax).figure_


def _select_last_cutoffs(results: pd.DataFrame, last: int | None) -> pd.DataFrame:
    if last is not None and last < 1:
        raise ValueError(f"The 'last' parameter of {OWNER} must be at least 1 or None. Got {last!r} instead.")
    if results.duplicated(["cutoff", "target", "time"]).any():
        raise ValueError(
            f"The 'results' parameter of {OWNER} must hold one series. Got several series. Pass one of them, "
            f"such as results[results['id'] == 'a']."
        )
    cutoffs = results["cutoff"].drop_duplicates().sort_values()
    return results if last is None else results[results["cutoff"].isin(cutoffs.tail(last))]


def _check_choice(value: Any, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise ValueError(
            f"The {name!r} parameter of {OWNER} must be {' or '.join(map(repr, choices))}. "
            f"Got {value!r} instead."
        )
