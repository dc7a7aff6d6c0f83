"""Forecasts of the past, each made without what came after it, beside the truth and the naive forecasts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone

from ..data.calendar import Calendar
from ..data.frames import read_table
from ..data.windows import on_grid
from ..estimators.base_forecaster import DEFAULT_HORIZON
from .metrics import mae, rmse, seasonal_naive, skill

__all__ = ["backtest", "evaluate", "summarize"]

# The columns that are compared with y, and how the names of their errors end.
SUFFIXES = {"y_hat": "", "seasonal_naive": "_seasonal_naive", "persistence": "_persistence"}


def backtest(
    forecaster: Any,
    df: pd.DataFrame | pd.Series,
    *,
    horizon: int | None = None,
    n_windows: int = 5,
    step_size: int | None = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Forecast from several origins in the past, as if nothing after each of them were known.

    For each origin, a fresh copy of the forecaster is fitted on all rows up to there and forecasts the steps
    after it. The last origin lies `horizon` rows before the end, the others `step_size` rows before each
    other.

    Parameters
    ----------
    forecaster : SeqForecaster
        Or another scikit-learn estimator with ``fit(df)``, ``forecast(horizon)`` and ``season_length_``. It
        is copied, not changed.
    df : DataFrame or Series of shape (n,) or (n, n_columns)
        One row a step of time, in any index that a forecaster takes; unsorted rows are sorted.
    horizon : int, default=None
        Steps to forecast. None: the forecaster's own horizon or, where that is None too, one season of the
        index, 12 steps where it tells none.
    n_windows : int, default=5
        Number of origins.
    step_size : int, default=None
        Rows from one origin to the next. None: `horizon`, so that no row is forecast twice.
    n_jobs : int, default=None
        Origins that are worked on at once, as joblib counts them. ``joblib.parallel_config`` chooses where.
        With more than one, each forecaster runs with ``n_jobs=1``. The result does not depend on it.

    Returns
    -------
    DataFrame
        A row for each origin, target and observed step, in this order, with the columns

        ==================  ================================================================
        ``cutoff``          index label of the last training row
        ``time``            index label of the row that is forecast
        ``lead``            steps from ``cutoff`` to ``time``, from 1 to `horizon`
        ``target``          name of the target
        ``y``               what was observed; rows with NaN are left out
        ``y_hat``           what was forecast
        ``seasonal_naive``  the last value observed at the same place of the season
        ``persistence``     the last value observed
        ==================  ================================================================

    Raises
    ------
    TypeError
        If `df` holds other things than numbers.
    ValueError
        If a parameter is out of its range, there are too few rows, or the forecaster refuses them.

    See Also
    --------
    summarize : from these rows to errors and skill.
    evaluate : the same rows for a forecaster that was fitted once.

    Examples
    --------
    >>> from seqcast import SeqForecaster, backtest, datasets
    >>> from seqcast.evaluation.backtest import summarize
    >>> rows = backtest(SeqForecaster(24), datasets.load_weather()[["temp"]])  # doctest: +SKIP
    >>> summarize(rows)  # doctest: +SKIP
    """
    frame = _frame(df, "df", "backtest")
    steps = _horizon(forecaster, frame.index) if horizon is None else _positive("horizon", horizon)
    step_size = steps if step_size is None else _positive("step_size", step_size)
    ends = _training_ends(len(frame), steps, _positive("n_windows", n_windows), step_size)
    settings = _settings(forecaster, steps, in_parallel=effective_n_jobs(n_jobs) > 1)
    folds = Parallel(n_jobs=n_jobs)(
        delayed(_fold)(clone(forecaster).set_params(**settings), frame.iloc[: end + steps], end, steps)
        for end in ends
    )
    return pd.concat(folds, ignore_index=True)


def evaluate(
    forecaster: Any, train: pd.DataFrame | pd.Series, test: pd.DataFrame | pd.Series
) -> pd.DataFrame:
    """Compare ``forecaster.predict(test)`` with the truth and with naive forecasts.

    The forecaster stays as it was fitted; every ``horizon_`` steps, a forecast is made from all rows before.

    Parameters
    ----------
    forecaster : SeqForecaster
        Fitted on `train`.
    train : DataFrame or Series of shape (n,) or (n, n_columns)
        The rows that the forecaster was fitted on.
    test : DataFrame or Series of shape (m,) or (m, n_columns)
        Rows after those of `train`, with the same columns.

    Returns
    -------
    DataFrame
        As from `backtest`; ``cutoff`` is the label of the last row that each forecast knew.

    Raises
    ------
    TypeError, ValueError
        If `train` or `test` holds other things than numbers, or `test` does not follow `train`.
    """
    known, later = _frame(train, "train", "evaluate"), _frame(test, "test", "evaluate")
    predictions = forecaster.predict(later)
    targets, horizon, season = forecaster.target_names_, forecaster.horizon_, forecaster.season_length_
    timeline = _Timeline.of(known, later, targets)
    origin = timeline.steps[len(known) - 1] + 1
    y_hat = on_grid(predictions[targets].to_numpy(), timeline.steps[len(known) :] - origin)
    blocks = [
        timeline.compare(origin + first, y_hat[first : first + horizon], season)
        for first in range(0, len(y_hat), horizon)
    ]
    return pd.concat(blocks, ignore_index=True)


def summarize(rows: pd.DataFrame, by: str = "target") -> pd.DataFrame:
    """Errors of the forecast and of the naive forecasts, and the skill.

    Parameters
    ----------
    rows : DataFrame
        From `backtest` or `evaluate`.
    by : {"target", "lead"}, default="target"
        "target": one row for each target. "lead": one row for each target and lead, in an index of two
        levels; ``.unstack("target")`` sets the targets side by side. Errors of several targets are never
        added up, since their units differ.

    Returns
    -------
    DataFrame
        With the columns ``mae`` and ``rmse`` of the forecast, the same of the naive forecasts
        (``mae_seasonal_naive``, ``rmse_seasonal_naive``, ``mae_persistence``, ``rmse_persistence``), all in
        the unit of the target, and ``skill``: 1 - ``rmse`` / ``rmse_seasonal_naive``, positive where the
        forecast is better than the seasonal naive one.

    Raises
    ------
    ValueError
        If `by` is neither of the two, or `rows` lacks a column.

    Examples
    --------
    >>> rows = pd.DataFrame({"lead": [1, 2], "target": "load", "y": [3.0, 5.0], "y_hat": [3.0, 4.0]})
    >>> rows = rows.assign(seasonal_naive=[1.0, 3.0], persistence=[3.0, 3.0])
    >>> summarize(rows)[["mae", "mae_seasonal_naive"]].to_dict("index")
    {'load': {'mae': 0.5, 'mae_seasonal_naive': 2.0}}
    """
    _check_rows(rows, by)
    labels, parts = zip(*_groups(rows, by), strict=True)
    index = (
        pd.MultiIndex.from_tuples(labels, names=["target", by]) if by == "lead" else pd.Index(labels, name=by)
    )
    return pd.DataFrame([_errors(part) for part in parts], index)


# ---- one row for each origin, target and observed step ----


@dataclass(frozen=True)
class _Timeline:
    """Targets on the steps of the calendar that the training rows follow.

    Attributes
    ----------
    targets : list of k labels
    labels : pandas.Index of n labels
        Of the rows.
    steps : ndarray of shape (n,)
        Their step numbers, from 0.
    values : ndarray of shape (n_steps, k)
        What was observed at each step, NaN at steps without a row.
    """

    targets: list[Hashable]
    labels: pd.Index
    steps: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, train: pd.DataFrame, later: pd.DataFrame, targets: list[Hashable]) -> _Timeline:
        # Learned from the training rows alone, as a forecaster does: steps mean the same to both.
        calendar = Calendar.from_index(train.index)
        frame = pd.concat([train[targets], later[targets]])
        steps = calendar.positions(frame.index)
        return cls(targets, frame.index, steps, on_grid(frame.to_numpy(), steps))

    def compare(self, origin: int, y_hat: np.ndarray, season_length: int) -> pd.DataFrame:
        """Rows for the forecast `y_hat` (h, k) of the h steps that follow the first `origin` steps."""
        horizon, known = len(y_hat), self.values[:origin]
        block = np.flatnonzero((self.steps >= origin) & (self.steps < origin + horizon))
        lead = self.steps[block] - origin + 1
        values = {
            "y": self.values[self.steps[block]],
            "y_hat": y_hat[lead - 1],
            "seasonal_naive": seasonal_naive(known, horizon, season_length)[lead - 1],
            "persistence": seasonal_naive(known, horizon)[lead - 1],
        }
        n_targets = len(self.targets)
        cutoff = self.labels[self.steps < origin][-1:]
        rows = pd.DataFrame(
            {
                "cutoff": cutoff.repeat(n_targets * len(block)),
                "time": self.labels[np.tile(block, n_targets)],
                "lead": np.tile(lead, n_targets),
                "target": pd.Index(self.targets).repeat(len(block)),
                **{name: array.ravel(order="F") for name, array in values.items()},
            }
        )
        return rows[rows["y"].notna()]


def _fold(forecaster: Any, frame: pd.DataFrame, end: int, horizon: int) -> pd.DataFrame:
    """Fit on the first `end` rows of `frame`, forecast, and compare with the rows after them."""
    train = frame.iloc[:end]
    try:
        forecast = forecaster.fit(train).forecast(horizon)
    except ValueError as error:
        error.add_note(
            f"This was the origin of backtest at {train.index[-1]}, the end of the first {end} rows."
        )
        raise
    timeline = _Timeline.of(train, frame.iloc[end:], list(forecast.columns))
    return timeline.compare(timeline.steps[end - 1] + 1, forecast.to_numpy(), forecaster.season_length_)


# ---- what comes in ----


def _frame(data: Any, parameter: str, owner: str) -> pd.DataFrame:
    table = read_table(data, owner=owner, parameter=parameter, unsorted="sort", require_observed=False)
    return pd.DataFrame(table.values, table.index, list(table.columns))


def _horizon(forecaster: Any, index: pd.Index) -> int:
    """The horizon of a forecaster or, if that is left open, the natural one of the index."""
    own = forecaster.get_params(deep=False).get("horizon")
    if own is not None:
        return own
    season = Calendar.from_index(index).season_length
    return season if season > 1 else DEFAULT_HORIZON


def _settings(forecaster: Any, horizon: int, in_parallel: bool) -> dict[str, int]:
    """Parameters of the forecaster that a backtest sets."""
    parameters = forecaster.get_params(deep=False)
    settings = {}
    if parameters.get("horizon", horizon) is None:
        settings["horizon"] = horizon
    if in_parallel and "n_jobs" in parameters:
        settings["n_jobs"] = 1
    return settings


def _training_ends(n: int, horizon: int, n_windows: int, step_size: int) -> list[int]:
    """How many rows each origin knows."""
    last = n - horizon
    first = last - (n_windows - 1) * step_size
    if first < 1:
        raise ValueError(
            f"backtest needs at least {n - first + 1} rows for horizon={horizon}, n_windows={n_windows} and "
            f"step_size={step_size}. Got {n} instead. Pass more rows, fewer windows or a shorter horizon."
        )
    return list(range(first, last + 1, step_size))


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The {name!r} parameter of backtest must be an int of at least 1. Got {value!r} instead."
        )
    return int(value)


# ---- from rows to errors ----


def _check_rows(rows: pd.DataFrame, by: str) -> None:
    if by not in ("target", "lead"):
        raise ValueError(f"The 'by' parameter of summarize must be 'target' or 'lead'. Got {by!r} instead.")
    missing = [name for name in ("target", "lead", "y", *SUFFIXES) if name not in rows.columns]
    if missing or rows.empty:
        got = f"{list(rows.columns)}, without {missing}" if missing else "no rows"
        raise ValueError(
            f"The 'rows' parameter of summarize must be what backtest returned. Got {got} instead."
        )


def _groups(rows: pd.DataFrame, by: str) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    for target, part in rows.groupby("target", sort=False):
        if by == "target":
            yield target, part
        else:
            yield from (((target, lead), block) for lead, block in part.groupby("lead"))


def _errors(part: pd.DataFrame) -> dict[str, float]:
    y = part["y"].to_numpy()
    errors: dict[str, float] = {}
    for name, suffix in SUFFIXES.items():
        y_hat = part[name].to_numpy()
        errors |= {f"mae{suffix}": mae(y, y_hat), f"rmse{suffix}": rmse(y, y_hat)}
    return errors | {"skill": skill(errors["rmse"], errors["rmse_seasonal_naive"])}
