"""Forecasts from several past cutoffs."""

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
from ...estimators.base_forecaster import BaseForecaster, Data
from ...forecasting.blas import one_blas_thread
from ...forecasting.lengths import natural_horizon
from ...forecasting.requested_quantiles import RequestedQuantiles
from ..counts import check_count
from .backtest_data import BacktestData
from .comparison import ForecastComparison
from .cutoffs import choose_cutoffs
from .folds import ForecastRequest, forecast_without_refit, run_fold
from .progress import show_progress


def backtest(
    forecaster: Any,
    X: Data,
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
    """Forecast from several past cutoffs, without the use of later rows.

    At each cutoff, a clone of the forecaster is fitted on all rows up to the cutoff and forecasts the steps
    after it. The last cutoff lies `horizon` (and `gap`) rows before the end. Each of the others lies
    `step_size` rows before the next one. In a panel, all series are cut at the same time stamps. A stamp
    counts once, regardless of the number of series that have a row there.

    Parameters
    ----------
    forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
        The forecaster, fitted or not. It is not changed. An estimator of another library with ``fit(X)``,
        ``forecast(horizon)`` and ``season_length_`` is accepted for point forecasts of a wide frame, with
        ``refit=True``.
    X : DataFrame or Series of shape (n,) or (n, n_columns)
        Rows as the forecaster's ``fit`` takes them. Forecasts read the columns of `future_cols` from rows
        after the cutoff too. A row or value may be missing. A series that has no row before a cutoff is left
        out there. If the forecaster is not refitted, a series that it was not fitted on is an error.
    y : DataFrame or Series of shape (n,) or (n, n_targets), default=None
        The targets, if they are not columns of `X`.
    horizon : int, default=None
        Number of steps to forecast. None means the horizon of the forecaster. If that is None too, it means
        one season of the index, or 12 steps if the index has no season.
    n_windows : int, default=None
        Number of cutoffs. None means 5. With ``refit=False`` and a fitted forecaster, None means as many as
        there are rows for.
    step_size : int, default=None
        Number of rows (of time stamps in a panel) from one cutoff to the next. None means `horizon`, so that
        no row is forecast twice.
    refit : bool or int, default=True
        True: fit at each cutoff. An int k: fit at every k-th cutoff and forecast from the cutoffs up to the
        next fit without a fit, from all rows up to each of them. False: do not fit a fitted forecaster. All
        cutoffs then lie after its training rows. `X` may contain the training rows, which are dropped by
        their stamps. Rows without stamps must not contain them. A forecaster that is not fitted is fitted
        once, at the first cutoff.
    gap : int, default=0
        Number of steps after each cutoff that are forecast, but not compared. The compared steps are
        ``gap + 1`` to ``gap + horizon``. As in ``TimeSeriesSplit(gap=...)``, the compared rows are the same
        for every gap, and the cutoffs move back. Steps beyond the forecaster's own horizon are forecast
        recursively.
    level : float or list of float, default=None
        Prediction intervals to compute, in percent, as in ``forecast``.
    quantiles : float or list of float, default=None
        Probabilities of quantiles to compute, between 0 and 1, as in ``forecast``.
    n_jobs : int, default=None
        Number of fits that run in parallel, as in joblib. ``joblib.parallel_config`` sets the backend. If
        there are several, each forecaster runs with ``n_jobs=1``. The result does not depend on `n_jobs`.
    verbose : int, default=0
        1 shows the number of finished fits, as a progress bar if tqdm is installed.

    Returns
    -------
    DataFrame
        One row for each cutoff, series, target and observed step, in this order, with the columns

        ==================  =================================================================
        name of `id_col`    id of the series, if the forecaster has an `id_col`
        ``cutoff``          time stamp of the cutoff, the last one that is known
        ``time``            time stamp of the forecast step
        ``lead``            number of steps from the last known row of the series to ``time``,
                            from ``gap + 1`` to ``gap + horizon``
        ``target``          name of the target
        ``y``               observed value; rows with NaN are left out
        ``y_hat``           forecast
        ``seasonal_naive``  last observed value at the same position of the season
        ``persistence``     last observed value
        ``y_hat-lo-80``     lower bound of an interval of level 80; ``y_hat-hi-80`` is the upper
        ``y_hat-q0.1``      quantile of probability 0.1
        ==================  =================================================================

        With ``refit=False``, a naive forecast is NaN if none of the steps that the fitted forecaster keeps
        was observed.

    Raises
    ------
    TypeError
        If `X` has a type or columns that the forecaster does not accept.
    ValueError
        If a parameter is out of its range, there are too few rows, or ``fit`` raises it. A note names the
        cutoff.

    See Also
    --------
    summarize : Errors and skill of the result.
    plot_backtest : A plot of the result.

    Examples
    --------
    >>> from seqcast import SeqForecaster, backtest, datasets
    >>> from seqcast.evaluation.backtest import summarize
    >>> results = backtest(SeqForecaster(24), datasets.load_weather()[["temp"]])  # doctest: +SKIP
    >>> summarize(results)  # doctest: +SKIP
    """
    requested = RequestedQuantiles.parse(level, quantiles, "backtest")
    cutoffs_per_fit = _count_cutoffs_per_fit(refit)
    _check_forecaster(forecaster, has_options=cutoffs_per_fit != 1 or y is not None or bool(requested))
    keeps_fit = cutoffs_per_fit is None and _is_fitted(forecaster)
    parameters = forecaster.get_params(deep=False)
    data = BacktestData.from_arguments(X, y, parameters.get("id_col"), parameters.get("time_col"))
    if keeps_fit:
        data = data.drop_training_rows(forecaster)
    default_horizon = forecaster.horizon_ if keeps_fit else _get_default_horizon(parameters, data.stamps)
    gap = check_count(gap, "gap", "backtest", minimum=0)
    horizon = default_horizon if horizon is None else check_count(horizon, "horizon", "backtest")
    step_size = horizon if step_size is None else check_count(step_size, "step_size", "backtest")
    request = ForecastRequest(gap, horizon, requested)
    cutoffs = choose_cutoffs(data, horizon, gap, n_windows, step_size)
    if keeps_fit:
        return data.label_comparison(forecast_without_refit(forecaster, data, cutoffs, request))
    n_per_fit = cutoffs_per_fit or len(cutoffs)
    folds = np.split(cutoffs, range(n_per_fit, len(cutoffs), n_per_fit))
    in_parallel = min(effective_n_jobs(n_jobs), len(folds)) > 1
    settings = _choose_settings(parameters, request.n_steps, in_parallel)
    # The limit is set around all folds, since each of several threads would restore what it found.
    with one_blas_thread():
        fits = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(run_fold)(clone(forecaster).set_params(**settings), data, fold, request) for fold in folds
        )
        parts = list(show_progress(fits, len(folds), verbose))
    return data.label_comparison(ForecastComparison.concatenate(parts))


def _count_cutoffs_per_fit(refit: Any) -> int | None:
    """Return the number of cutoffs that one fit serves, None for all of them."""
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


def _check_forecaster(forecaster: Any, has_options: bool) -> None:
    """Check that options that need a forecaster of this library are used with one."""
    if has_options and not isinstance(forecaster, BaseForecaster):
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


def _get_default_horizon(parameters: Mapping[str, Any], stamps: pd.Index) -> int:
    """Return the horizon of a forecaster or, if it is None, one season of the stamps."""
    if parameters.get("horizon") is not None:
        return parameters["horizon"]
    season_length = parameters.get("season_length") or infer_calendar(stamps).season_length
    return natural_horizon(season_length)


def _choose_settings(parameters: Mapping[str, Any], horizon: int, in_parallel: bool) -> dict[str, int]:
    """Return the parameters that a backtest sets on each clone of the forecaster."""
    settings = {}
    if parameters.get("horizon", horizon) is None:
        settings["horizon"] = horizon
    if in_parallel and "n_jobs" in parameters:
        settings["n_jobs"] = 1
    return settings
