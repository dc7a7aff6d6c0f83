"""Errors, skill and interval scores of a backtest."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import pandas as pd

from ...data.roles import to_label_list
from ...forecasting.interval_columns import find_intervals
from ..metrics import coverage, mae, rmse, skill

# Forecast columns that are compared with y, and the suffix of the names of their errors.
SUFFIXES = {"y_hat": "", "seasonal_naive": "_seasonal_naive", "persistence": "_persistence"}


def summarize(results: pd.DataFrame, by: Hashable | Sequence[Hashable] = "target") -> pd.DataFrame:
    """Compute errors and skill of the forecasts of a backtest, and coverage and width of its intervals.

    Parameters
    ----------
    results : DataFrame
        The result of `backtest`.
    by : str or list of str, default="target"
        "target" gives one row for each target. "lead", "cutoff", the name of `id_col` or of another column,
        or a list of these, gives one row for each target and value, in a MultiIndex.
        ``.unstack("target")`` puts the targets side by side. Errors of several targets are never combined,
        because their units differ. Errors of several series are, unless `by` names the column of ids.

    Returns
    -------
    DataFrame
        ``mae`` and ``rmse`` are the errors of the forecast, ``mae_seasonal_naive``, ``rmse_seasonal_naive``,
        ``mae_persistence`` and ``rmse_persistence`` those of the naive forecasts, all in the unit of the
        target. ``skill`` is 1 - ``rmse`` / ``rmse_seasonal_naive``, which is positive if the forecast is
        better than the seasonal naive one. For each interval, for example of level 80, ``coverage_80`` is the
        fraction of values inside and ``width_80`` the mean width.

    Raises
    ------
    ValueError
        If `results` lacks a column, or `by` names a column of observed values or forecasts.

    Examples
    --------
    >>> results = pd.DataFrame({"lead": [1, 2], "target": "load", "y": [3.0, 5.0], "y_hat": [3.0, 4.0]})
    >>> results = results.assign(seasonal_naive=[1.0, 3.0], persistence=[3.0, 3.0])
    >>> summarize(results)[["mae", "mae_seasonal_naive"]].to_dict("index")
    {'load': {'mae': 0.5, 'mae_seasonal_naive': 2.0}}
    """
    keys = ["target", *(key for key in to_label_list(by) if key != "target")]
    _check_results(results, keys)
    index, groups = _group(results, keys)
    intervals = find_intervals(results.columns, "y_hat")
    return pd.DataFrame(
        [_compute_errors(group) | _score_intervals(group, intervals) for group in groups], index
    )


def _group(
    results: pd.DataFrame, keys: list[Hashable]
) -> tuple[pd.Index, Iterator[dict[Hashable, np.ndarray]]]:
    """Return the labels of the groups, and the columns of values of each group.

    Targets are in the order of `results`, the other keys are sorted.
    """
    numbers, targets = pd.factorize(results["target"])
    grouped = results.assign(target=numbers).groupby(keys, observed=True)
    index = grouped.size().index
    if isinstance(index, pd.MultiIndex):
        index = index.set_levels(list(targets), level=0)
    else:
        index = pd.Index(targets, name="target")
    group = grouped.ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group))
    columns = {name: results[name].to_numpy()[order] for name in results.columns if _is_value(name)}
    spans = zip([0, *ends], ends, strict=False)
    return index, ({name: values[slice(*span)] for name, values in columns.items()} for span in spans)


def _compute_errors(group: dict[Hashable, np.ndarray]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for name, suffix in SUFFIXES.items():
        errors[f"mae{suffix}"] = mae(group["y"], group[name])
        errors[f"rmse{suffix}"] = rmse(group["y"], group[name])
    return errors | {"skill": skill(errors["rmse"], errors["rmse_seasonal_naive"])}


def _score_intervals(
    group: dict[Hashable, np.ndarray], intervals: dict[str, tuple[Hashable, Hashable]]
) -> dict[str, float]:
    scores: dict[str, float] = {}
    for level, bounds in intervals.items():
        lower, upper = (group[name] for name in bounds)
        scores[f"coverage_{level}"] = coverage(group["y"], lower, upper)
        scores[f"width_{level}"] = float(np.mean(upper - lower))
    return scores


def _is_value(name: Hashable) -> bool:
    """Return whether a column holds observed values or forecasts."""
    return name == "y" or name in SUFFIXES or str(name).startswith("y_hat-")


def _check_results(results: pd.DataFrame, keys: list[Hashable]) -> None:
    missing = [name for name in ("target", "lead", "y", *SUFFIXES) if name not in results.columns]
    if missing or results.empty:
        got = f"{list(results.columns)}, without {missing}" if missing else "no rows"
        raise ValueError(
            f"The 'results' parameter of summarize must be the result of backtest. Got {got} instead."
        )
    others = [name for name in results.columns if not _is_value(name)]
    if not set(keys) <= set(others):
        raise ValueError(
            f"The 'by' parameter of summarize must name one or several of {others}. Got {keys[1:]} instead."
        )
