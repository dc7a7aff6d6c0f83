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


# "auto" takes a cycle of which some series holds so many periods: of one, nothing is seen to come again. Ten
# months of hours were forecast worse with the day of the year, skill 0.33 instead of 0.36.
FEWEST_PERIODS = 2
PERIODS = {"hour": DAY, "day_of_week": 7 * DAY, "day_of_year": 365 * DAY, "month": 365 * DAY}


def choose_cycles(
    selection: str | Sequence[str] | None, ends: Sequence[pd.Index], step: Any, owner: str
) -> list[str]:
    """Which features there are, in the order of `NAMES`.

    Parameters
    ----------
    selection : None, "auto" or sequence of names
        "auto": time of day for steps shorter than a day; day of the week for steps of up to a day; day of
        the year for steps of up to a week, month for longer ones; each if the stamps of a series go round
        twice. Names are those in `NAMES`: "weekend" is 1 on Saturdays and Sundays and 0 otherwise, the others
        are cycles.
    ends : sequence of pandas.Index
        Of each series the first label, and the one after the last.
    step : timedelta64, other NumPy scalar or None
        The longest ``shortest_step`` of their calendars.
    owner : str
        Name of the estimator, for messages.

    Raises
    ------
    ValueError
        If `selection` is none of these, or names what steps of this length, or labels that are no dates,
        do not show.
    """
    if selection is None:
        return []
    dated = len(ends) > 0 and isinstance(ends[0], pd.DatetimeIndex | pd.PeriodIndex)
    length = pd.Timedelta(step) if dated else None
    if isinstance(selection, str) and selection == "auto":
        spans = [_span(index) for index in ends] if dated else []
        return [name for name in _automatic(length) if max(spans) >= FEWEST_PERIODS * PERIODS[name]]
    _check_names(selection, owner)
    for name in selection:
        _check_shown(name, length, owner)
    return [name for name in NAMES if name in selection]


def calendar_features(labels: pd.Index, cycles: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns of numbers that the labels of rows tell.

    Parameters
    ----------
    labels : pandas.Index of n labels
    cycles : sequence of str
        Of `NAMES`.

    Returns
    -------
    values : ndarray of shape (n, k), float64
    names : tuple of k str
        ``"hour_sin"``, ``"hour_cos"``, ..., ``"weekend"``, in the order of `cycles`.
    """
    at = _stamps(labels)
    columns = {name: column for cycle in cycles for name, column in _columns(cycle, at)}
    values = np.column_stack([*columns.values()]) if columns else np.empty((len(labels), 0))
    return values, tuple(columns)


def _stamps(labels: pd.Index) -> Any:
    """Periods by their beginning."""
    return labels.to_timestamp(how="start") if isinstance(labels, pd.PeriodIndex) else labels


def _span(labels: pd.Index) -> pd.Timedelta:
    """From the first to the last, on the wall clock."""
    first, last = _stamps(labels)[[0, -1]].tz_localize(None)
    return last - first


def _columns(cycle: str, at: Any) -> list[tuple[str, np.ndarray]]:
    if cycle == WEEKEND:
        return [(WEEKEND, np.asarray(at.day_of_week >= SATURDAY, dtype=np.float64))]
    angle = 2 * np.pi * np.asarray(PASSED[cycle](at), dtype=np.float64)
    return [(f"{cycle}_sin", np.sin(angle)), (f"{cycle}_cos", np.cos(angle))]


def _automatic(step: pd.Timedelta | None) -> list[str]:
    if step is None:  # there are no dates
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
