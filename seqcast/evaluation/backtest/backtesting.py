"""Forecasts from many cutoffs in the past, and of a forecaster that was fitted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ...data.calendar import infer_calendar
from ...data.tables import read_table
from ...data.time_steps import insert_missing_steps
from ...estimators.base_forecaster import BaseForecaster, Data
from ...forecasting.blas import one_blas_thread
from ...forecasting.lengths import natural_horizon
from ...forecasting.requested_quantiles import RequestedQuantiles
from .comparison import ForecastComparison, Series
from .cutoffs import count, cutoffs
from .folds import Task, fit_and_roll, roll
from .progress import shown
from .rows import Rows


def backtest(
    forecaster: Any,
    df: Data,
    y: Data | None = None,
    *,
    horizon: int | None = None,
    n_windows: int | None = None,
    step_size: int | None = None,
    refit: bool | int = True,
    gap: int = 0,
    level: float | Sequence[float] | None = None,
    quantiles: float | Sequence[float] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Forecast from several cutoffs in the past, as if nothing after each of them were known.

    For each cutoff, a fresh copy of the forecaster is fitted on all rows up to there and forecasts the steps
    after it. The last cutoff lies `horizon` (and `gap`) rows before the end, the others `step_size` rows
    before each other. Of several series, one below the other, all are cut at the same stamps, and a stamp
    counts once, however many series have a row there.

    Parameters
    ----------
    forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
        It is copied, not changed. Also another scikit-learn estimator with ``fit(df)``,
        ``forecast(horizon)`` and ``season_length_``, where only point forecasts of a wide frame are asked
        for, and `refit` is True.
    df : DataFrame or Series of shape (n,) or (n, n_columns)
        What the forecaster's ``fit`` takes. Later rows tell the columns that `future_cols` names; a missing
        row or value counts as missing. Series that the forecaster has not seen in ``fit`` are left out, such
        as those that begin after a cutoff; for one that was fitted before, they are an error.
    y : DataFrame or Series of shape (n,) or (n, n_targets), default=None
        The targets, where they are no columns of `df`.
    horizon : int, default=None
        Steps to forecast. None: the forecaster's own horizon or, where that is None too, one season of the
        index, 12 steps where it tells none.
    n_windows : int, default=None
        Number of cutoffs. None: 5; as many as there is room for with a fitted forecaster and
        ``refit=False``.
    step_size : int, default=None
        Rows (of several series: stamps) from one cutoff to the next. None: `horizon`, so that no row is
        forecast twice.
    refit : bool or int, default=True
        True: fit at each cutoff. An int k: at every k-th one; what is learned there serves the cutoffs up to
        the next, which know all rows up to themselves. False: a forecaster that has been fitted stays as it
        is, and all cutoffs lie after its training rows (these may be in `df` too, and are left out by their
        stamps; rows without stamps must be later ones). One that has not is fitted at the first cutoff.
    gap : int, default=0
        So many steps after each cutoff are forecast, but not compared: those are the steps from ``gap + 1``
        to ``gap + horizon``. As in ``TimeSeriesSplit(gap=...)``, the compared rows stay where they are, and
        the cutoffs move back. Steps beyond the forecaster's own horizon are forecast from its forecasts.
    level : float or list of float, default=None
        Prediction intervals, in percent, as in ``forecast``.
    quantiles : float or list of float, default=None
        Quantiles between 0 and 1, as in ``forecast``.
    n_jobs : int, default=None
        Fits that are worked on at once, as joblib counts them. ``joblib.parallel_config`` chooses where.
        With more than one, each forecaster runs with ``n_jobs=1``. The result does not depend on it.
    verbose : int, default=0
        1 shows how many fits are done: a bar of tqdm, if installed.

    Returns
    -------
    DataFrame
        A row for each cutoff, series, target and observed step, in this order, with the columns

        ==================  =================================================================
        name of `id_col`    the series; only if there is such a column
        ``cutoff``          stamp of the cutoff: the last one whose rows were known
        ``time``            stamp of the row that is forecast
        ``lead``            steps from the last known row of the series to ``time``,
                            from ``gap + 1`` to ``gap + horizon``
        ``target``          name of the target
        ``y``               what was observed; rows with NaN are left out
        ``y_hat``           what was forecast
        ``seasonal_naive``  the last value observed at the same place of the season
        ``persistence``     the last value observed
        ``y_hat-lo-80``     lower end of an interval of `level` 80, ``y_hat-hi-80`` its upper
        ``y_hat-q0.1``      quantile
        ==================  =================================================================

        The naive forecasts of a fitted forecaster are NaN where nothing was observed for so long that it has
        kept nothing of it.

    Raises
    ------
    TypeError
        If `df` holds other things than the forecaster takes.
    ValueError
        If a parameter is out of its range, there are too few rows, or the forecaster refuses them; a note
        tells the cutoff.

    See Also
    --------
    summarize : from these rows to errors and skill.
    evaluate : the same rows for a forecaster that was fitted once, in blocks of its horizon.

    Examples
    --------
    >>> from seqcast import SeqForecaster, backtest, datasets
    >>> from seqcast.evaluation.backtest import summarize
    >>> rows = backtest(SeqForecaster(24), datasets.load_weather()[["temp"]])  # doctest: +SKIP
    >>> summarize(rows)  # doctest: +SKIP
    """
    bounds, every = RequestedQuantiles.of(level, quantiles, "backtest"), _every(refit)
    _check_others(forecaster, asked_for_much=every != 1 or y is not None or bool(bounds))
    keep = every is None and _is_fitted(forecaster)
    parameters = forecaster.get_params(deep=False)
    rows = Rows.of(df, y, parameters.get("id_col"), parameters.get("time_col"))
    if keep:
        rows = rows.after(forecaster)
    natural = forecaster.horizon_ if keep else _natural_horizon(parameters, rows.stamps)
    task = Task(count("gap", gap, least=0), natural if horizon is None else count("horizon", horizon), bounds)
    step_size = task.horizon if step_size is None else count("step_size", step_size)
    ends = cutoffs(rows, task.horizon, task.gap, n_windows, step_size)
    if keep:
        return rows.labelled(roll(forecaster, rows, ends, task))
    folds = np.split(ends, range(every or len(ends), len(ends), every or len(ends)))
    settings = _settings(parameters, task.n_steps, in_parallel=min(effective_n_jobs(n_jobs), len(folds)) > 1)
    with one_blas_thread():  # around all threads, where folds are threads: each puts back what it found
        done = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(fit_and_roll)(clone(forecaster).set_params(**settings), rows, fold, task)
            for fold in folds
        )
        parts = list(shown(done, len(folds), verbose))
    return rows.labelled(ForecastComparison.joined(parts))


def _every(refit: Any) -> int | None:
    """At how many cutoffs to fit once; None: at the first only."""
    if refit is False:
        return None
    if refit is True:
        return 1
    if not isinstance(refit, Integral) or refit < 1:
        raise ValueError(
            f"The 'refit' parameter of backtest must be True, False or an int of at least 1. Got {refit!r} "
            f"instead."
        )
    return int(refit)


def _check_others(forecaster: Any, asked_for_much: bool) -> None:
    """What is asked of an estimator that is not of this library."""
    if asked_for_much and not isinstance(forecaster, BaseForecaster):
        raise TypeError(
            f"The 'forecaster' parameter of backtest must be a forecaster of seqcast for y, level, quantiles "
            f"and other values of refit than True. Got {type(forecaster).__name__} instead."
        )


def _is_fitted(forecaster: Any) -> bool:
    try:
        check_is_fitted(forecaster)
    except NotFittedError:
        return False
    return True


def _natural_horizon(parameters: Mapping[str, Any], stamps: pd.Index) -> int:
    """The horizon of a forecaster or, if that is left open, the natural one of the stamps."""
    if parameters.get("horizon") is not None:
        return parameters["horizon"]
    season = parameters.get("season_length") or infer_calendar(stamps).season_length
    return natural_horizon(season)


def _settings(parameters: Mapping[str, Any], horizon: int, in_parallel: bool) -> dict[str, int]:
    """Parameters of the forecaster that a backtest sets."""
    settings = {}
    if parameters.get("horizon", horizon) is None:
        settings["horizon"] = horizon
    if in_parallel and "n_jobs" in parameters:
        settings["n_jobs"] = 1
    return settings


def evaluate(
    forecaster: Any, train: pd.DataFrame | pd.Series, test: pd.DataFrame | pd.Series
) -> pd.DataFrame:
    """Compare ``forecaster.predict(test)`` with the truth and with naive forecasts.

    The forecaster stays as it was fitted; every ``horizon_`` steps, a forecast is made from all rows before.

    Parameters
    ----------
    forecaster : SeqForecaster
        Fitted on `train`: rows of one series, with columns of targets.
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

    See Also
    --------
    backtest : with ``refit=False``, the same from any cutoffs, and of several series.
    """
    _check_wide(forecaster)
    known, later = _frame(train, "train"), _frame(test, "test")
    predictions = forecaster.predict(later)
    targets, horizon = forecaster.target_names_, forecaster.horizon_
    rows = pd.concat([known[targets], later[targets]])
    calendar = infer_calendar(known.index)
    series = Series.cut(rows.index, rows.to_numpy(), np.arange(len(rows)), len(known), calendar)
    steps = np.arange(series.steps[-1] + 1)
    y_hat = insert_missing_steps(predictions[targets].to_numpy(), series.steps)
    cutoffs = steps[::horizon]
    padded = np.pad(y_hat, ((0, len(cutoffs) * horizon - len(steps)), (0, 0)))
    block = series.beside(cutoffs, padded.reshape(len(cutoffs), horizon, -1, 1), 0, forecaster.season_length_)
    last_known = len(known) - 1 + np.searchsorted(series.steps, cutoffs)
    compared = ForecastComparison.of(targets, ["y_hat"], [block], last_known)
    return compared.frame(rows.index, rows.index)


def _check_wide(forecaster: Any) -> None:
    for name in ("id_col", "time_col"):
        if getattr(forecaster, name, None) is not None:
            raise ValueError(
                f"The 'forecaster' parameter of evaluate must have {name}=None. Got "
                f"{getattr(forecaster, name)!r} instead. Use backtest(forecaster, test, refit=False)."
            )


def _frame(data: Any, parameter: str) -> pd.DataFrame:
    table = read_table(data, owner="evaluate", parameter=parameter, unsorted="sort", require_observed=False)
    return pd.DataFrame(table.values, table.index, list(table.columns))
