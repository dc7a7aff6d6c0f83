"""From forecasts beside the truth to errors, skill, and how good intervals are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import pandas as pd

from ...data.roles import to_label_list
from ...forecasting.interval_columns import intervals_of
from ..metrics import coverage, mae, rmse, skill

# The columns that are compared with y, and how the names of their errors end.
SUFFIXES = {"y_hat": "", "seasonal_naive": "_seasonal_naive", "persistence": "_persistence"}


def summarize(rows: pd.DataFrame, by: Hashable | Sequence[Hashable] = "target") -> pd.DataFrame:
    """Errors of the forecast and of the naive forecasts, the skill, and how good intervals are.

    Parameters
    ----------
    rows : DataFrame
        From `backtest` or `evaluate`.
    by : str or list of str, default="target"
        "target": one row for each target. "lead", "cutoff", the name of `id_col`, or any other column, or
        several: one row for each target and value, in an index of several levels; ``.unstack("target")``
        sets the targets side by side. Errors of several targets are never added up, since their units
        differ; those of several series are, unless the column of ids is named.

    Returns
    -------
    DataFrame
        With the columns ``mae`` and ``rmse`` of the forecast, the same of the naive forecasts
        (``mae_seasonal_naive``, ``rmse_seasonal_naive``, ``mae_persistence``, ``rmse_persistence``), all in
        the unit of the target, and ``skill``: 1 - ``rmse`` / ``rmse_seasonal_naive``, positive where the
        forecast is better than the seasonal naive one. For each interval, such as of level 80,
        ``coverage_80``, the share of values inside, and ``width_80``, its mean width.

    Raises
    ------
    ValueError
        If `rows` lacks a column, or `by` names one that is compared.

    Examples
    --------
    >>> rows = pd.DataFrame({"lead": [1, 2], "target": "load", "y": [3.0, 5.0], "y_hat": [3.0, 4.0]})
    >>> rows = rows.assign(seasonal_naive=[1.0, 3.0], persistence=[3.0, 3.0])
    >>> summarize(rows)[["mae", "mae_seasonal_naive"]].to_dict("index")
    {'load': {'mae': 0.5, 'mae_seasonal_naive': 2.0}}
    """
    keys = ["target", *(key for key in to_label_list(by) if key != "target")]
    _check_rows(rows, keys)
    index, parts = _groups(rows, keys)
    intervals = intervals_of(rows.columns, "y_hat")
    return pd.DataFrame([_errors(part) | _of_intervals(part, intervals) for part in parts], index)


def _groups(
    rows: pd.DataFrame, keys: list[Hashable]
) -> tuple[pd.Index, Iterator[dict[Hashable, np.ndarray]]]:
    """Labels, targets in the order of the rows and the others sorted; and the compared columns of each."""
    numbers, targets = pd.factorize(rows["target"])
    grouped = rows.assign(target=numbers).groupby(keys, observed=True)
    index = grouped.size().index
    if isinstance(index, pd.MultiIndex):
        index = index.set_levels(list(targets), level=0)
    else:
        index = pd.Index(targets, name="target")
    group = grouped.ngroup().to_numpy()
    order, ends = np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))
    columns = {name: rows[name].to_numpy()[order] for name in rows.columns if _is_compared(name)}
    spans = zip([0, *ends], ends, strict=False)
    return index, ({name: values[slice(*span)] for name, values in columns.items()} for span in spans)


def _errors(part: dict[Hashable, np.ndarray]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for name, suffix in SUFFIXES.items():
        errors |= {f"mae{suffix}": mae(part["y"], part[name]), f"rmse{suffix}": rmse(part["y"], part[name])}
    return errors | {"skill": skill(errors["rmse"], errors["rmse_seasonal_naive"])}


def _of_intervals(
    part: dict[Hashable, np.ndarray], intervals: dict[str, tuple[Hashable, Hashable]]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for level, ends in intervals.items():
        lower, upper = (part[name] for name in ends)
        found[f"coverage_{level}"] = coverage(part["y"], lower, upper)
        found[f"width_{level}"] = float(np.mean(upper - lower))
    return found


def _is_compared(name: Hashable) -> bool:
    return name == "y" or name in SUFFIXES or str(name).startswith("y_hat-")


def _check_rows(rows: pd.DataFrame, keys: list[Hashable]) -> None:
    missing = [name for name in ("target", "lead", "y", *SUFFIXES) if name not in rows.columns]
    if missing or rows.empty:
        got = f"{list(rows.columns)}, without {missing}" if missing else "no rows"
        raise ValueError(
            f"The 'rows' parameter of summarize must be what backtest returned. Got {got} instead."
        )
    others = [name for name in rows.columns if not _is_compared(name)]
    if not set(keys) <= set(others):
        raise ValueError(
            f"The 'by' parameter of summarize must name one or several of {others}. Got {keys[1:]} instead."
        )
