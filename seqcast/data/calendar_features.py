"""What a stamp tells by itself: its place in the day, the week and the year, on the wall clock.

A place in a cycle is a point on a circle, sine and cosine, so that the end of a cycle lies beside its
beginning. It begins with the cycle: midnight, Monday, the first day of a month, the first of January.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)

# By the names of pandas' ``.dt``: which share of the cycle has passed. Shorter units than a name says are
# counted where they move within one cycle of it: half past six is 6.5 / 24 of a day.
PASSED: dict[str, Callable[[pd.DatetimeIndex], Any]] = {
    "minute": lambda at: (60 * at.minute + at.second) / 3600,
    "hour": lambda at: (3600 * at.hour + 60 * at.minute + at.second) / 86_400,
    "day_of_week": lambda at: at.day_of_week / 7,
    "day": lambda at: (at.day - 1) / at.days_in_month,
    "day_of_year": lambda at: (at.day_of_year - 1) / (365 + at.is_leap_year),
    "month": lambda at: (at.month - 1) / 12,
    "quarter": lambda at: (at.quarter - 1) / 4,
}
WEEKEND, SATURDAY = "weekend", 5

# Only shorter steps show these; the margins let months and quarters have their longest lengths.
STEPS_BELOW = {
    "minute": HOUR,
    "hour": DAY,
    "day_of_week": 2 * DAY,
    WEEKEND: 2 * DAY,
    "day": 8 * DAY,
    "day_of_year": 8 * DAY,
    "month": 185 * DAY,
    "quarter": 93 * DAY,
}
NAMES = tuple(STEPS_BELOW)


def calendar_features(
    labels: pd.Index, step: Any, selection: str | Sequence[str] | None, owner: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns of numbers that the labels of rows tell.

    Parameters
    ----------
    labels : pandas.Index of n labels
    step : timedelta64, other NumPy scalar or None
        The calendar's ``shortest_step``.
    selection : None, "auto" or sequence of names
        "auto": time of day for steps shorter than a day; day of the week for steps of up to a day; day of
        the year for steps of up to a week, month for longer ones. Names are those in `NAMES`: "weekend" is
        1 on Saturdays and Sundays and 0 otherwise, the others are cycles.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    values : ndarray of shape (n, k), float64
    names : tuple of k str
        ``"hour_sin"``, ``"hour_cos"``, ..., ``"weekend"``, in the order of `NAMES`.

    Raises
    ------
    ValueError
        If `selection` is none of these, or names what steps of this length, or labels that are no dates,
        do not show.
    """
    dated = isinstance(labels, pd.DatetimeIndex | pd.PeriodIndex)
    chosen = _chosen(selection, pd.Timedelta(step) if dated and step is not None else None, owner)
    at = labels.to_timestamp(how="start") if isinstance(labels, pd.PeriodIndex) else labels
    columns = {name: column for cycle in chosen for name, column in _columns(cycle, at)}
    values = np.column_stack([*columns.values()]) if columns else np.empty((len(labels), 0))
    return values, tuple(columns)


def _columns(cycle: str, at: Any) -> list[tuple[str, np.ndarray]]:
    if cycle == WEEKEND:
        return [(WEEKEND, np.asarray(at.day_of_week >= SATURDAY, dtype=np.float64))]
    angle = 2 * np.pi * np.asarray(PASSED[cycle](at), dtype=np.float64)
    return [(f"{cycle}_sin", np.sin(angle)), (f"{cycle}_cos", np.cos(angle))]


def _chosen(selection: Any, step: pd.Timedelta | None, owner: str) -> list[str]:
    """Which to take, in the order of `NAMES`; `step` is None where there are no dates."""
    if selection is None:
        return []
    if isinstance(selection, str) and selection == "auto":
        return _automatic(step)
    _check_names(selection, owner)
    for name in selection:
        _check_shown(name, step, owner)
    return [name for name in NAMES if name in selection]


def _automatic(step: pd.Timedelta | None) -> list[str]:
    if step is None:
        return []
    year = "day_of_year" if step < STEPS_BELOW["day_of_year"] else "month"
    return [name for name in ("hour", "day_of_week", year) if step < STEPS_BELOW[name]]


def _check_names(selection: Any, owner: str) -> None:
    listed = isinstance(selection, list | tuple) and all(isinstance(name, str) for name in selection)
    if not listed or not set(selection) <= set(NAMES) or len(set(selection)) < len(selection):
        raise ValueError(
            f"The 'calendar_features' parameter of {owner} must be None, 'auto' or a list of names, each "
            f"once: {', '.join(map(repr, NAMES))}. Got {selection!r} instead."
        )


def _check_shown(name: str, step: pd.Timedelta | None, owner: str) -> None:
    if step is None:
        raise ValueError(
            f"The 'calendar_features' parameter of {owner} must be None or 'auto' where the rows have no "
            f"dates, or only one. Got {name!r} in it instead. Index the rows by timestamps, or name the "
            f"column that holds them with time_col."
        )
    if step >= STEPS_BELOW[name]:
        raise ValueError(
            f"The 'calendar_features' parameter of {owner} must name what the steps of the index show: "
            f"{name!r} needs steps shorter than {STEPS_BELOW[name]}. Got {name!r} with steps of {step} "
            f"instead. Leave it out, or use 'auto'."
        )
