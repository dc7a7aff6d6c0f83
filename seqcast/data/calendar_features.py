"""Features that stamps tell by themselves: their place in the day, the week and the year, in local time.

A place in a cycle is a point on a circle, given as sine and cosine, so that the end of a cycle is close to
its beginning. Cycles begin at midnight, on Monday, on the first day of a month, or on the first of January.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)

# The share of each cycle that has passed, by the names of pandas' ``.dt``. Units shorter than the name are
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
WEEKEND = "weekend"
SATURDAY = 5

# Only shorter steps can show a feature. Months and quarters count with their longest lengths.
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


# "auto" takes a cycle if some series covers this many periods, because a single period does not show a
# repetition. Ten months of hours were forecast worse with the day of the year: skill 0.33 instead of 0.36.
MIN_PERIODS = 2
PERIODS = {"hour": DAY, "day_of_week": 7 * DAY, "day_of_year": 365 * DAY, "month": 365 * DAY}


def choose_cycles(
    selection: str | Sequence[str] | None, ends: Sequence[pd.Index], step: Any, owner: str
) -> list[str]:
    """Return the names of the features to compute, in the order of `NAMES`.

    Parameters
    ----------
    selection : None, "auto" or sequence of names
        "auto": time of day for steps shorter than a day; day of the week for steps of up to a day; day of the
        year for steps of up to a week, month for longer ones. Each is taken if the stamps of a series cover
        two periods. Names are those in `NAMES`: "weekend" is 1 on Saturdays and Sundays and 0 otherwise, the
        others are cycles.
    ends : sequence of pandas.Index
        The first label of each series, and the one after the last.
    step : timedelta64, other NumPy scalar or None
        The longest ``shortest_step`` of the calendars.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If `selection` is none of these, or names a feature that labels with this step, or labels that are no
        dates, do not show.
    """
    if selection is None:
        return []
    are_dates = len(ends) > 0 and isinstance(ends[0], pd.DatetimeIndex | pd.PeriodIndex)
    length = pd.Timedelta(step) if are_dates else None
    if isinstance(selection, str) and selection == "auto":
        spans = [_span(index) for index in ends] if are_dates else []
        return [name for name in _candidates(length) if max(spans) >= MIN_PERIODS * PERIODS[name]]
    check_names(selection, owner)
    for name in selection:
        _check_step(name, length, owner)
    return [name for name in NAMES if name in selection]


def calendar_features(labels: pd.Index, cycles: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return columns of numbers made of labels.

    Parameters
    ----------
    labels : pandas.Index of n labels
    cycles : sequence of str
        Names of features, in `NAMES`.

    Returns
    -------
    values : ndarray, shape (n, n_features), float64
    names : tuple of n_features str
        ``"hour_sin"``, ``"hour_cos"``, ..., ``"weekend"``, in the order of `cycles`.
    """
    at = _to_timestamps(labels)
    columns = {name: column for cycle in cycles for name, column in _make_columns(cycle, at)}
    values = np.column_stack([*columns.values()]) if columns else np.empty((len(labels), 0))
    return values, tuple(columns)


def _to_timestamps(labels: pd.Index) -> Any:
    """Return periods as the timestamps at which they begin, and timestamps as they are."""
    return labels.to_timestamp(how="start") if isinstance(labels, pd.PeriodIndex) else labels


def _span(labels: pd.Index) -> pd.Timedelta:
    """Return the local time from the first label to the last."""
    first, last = _to_timestamps(labels)[[0, -1]].tz_localize(None)
    return last - first


def _make_columns(cycle: str, at: Any) -> list[tuple[str, np.ndarray]]:
    if cycle == WEEKEND:
        return [(WEEKEND, np.asarray(at.day_of_week >= SATURDAY, dtype=np.float64))]
    angle = 2 * np.pi * np.asarray(PASSED[cycle](at), dtype=np.float64)
    return [(f"{cycle}_sin", np.sin(angle)), (f"{cycle}_cos", np.cos(angle))]


def _candidates(step: pd.Timedelta | None) -> list[str]:
    """Return the cycles among which "auto" chooses, none if the labels are no dates."""
    if step is None:
        return []
    year = "day_of_year" if step < STEPS_BELOW["day_of_year"] else "month"
    return [name for name in ("hour", "day_of_week", year) if step < STEPS_BELOW[name]]


def check_names(selection: Any, owner: str) -> None:
    """Check that a selection is None, "auto" or a list of names, each once."""
    if selection is None or (isinstance(selection, str) and selection == "auto"):
        return
    is_list = isinstance(selection, list | tuple) and all(isinstance(name, str) for name in selection)
    if not is_list or not set(selection) <= set(NAMES) or len(set(selection)) < len(selection):
        raise ValueError(
            f"The 'calendar_features' parameter of {owner} must be None, 'auto' or a list of names, each "
            f"once: {', '.join(map(repr, NAMES))}. Got {selection!r} instead."
        )


def _check_step(name: str, step: pd.Timedelta | None, owner: str) -> None:
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
