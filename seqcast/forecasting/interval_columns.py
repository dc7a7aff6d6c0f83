"""Columns of a forecast that hold interval bounds and quantiles, found by their names."""

import re
from collections.abc import Hashable, Iterable

BOUND = re.compile(r"-(?:lo-|hi-|q)[0-9][0-9.e+-]*$")


def find_centers(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns that are no bound or quantile of another column."""
    columns = list(columns)
    texts = {str(column) for column in columns}
    return [column for column in columns if BOUND.sub("", text := str(column)) not in texts - {text}]


def find_intervals(columns: Iterable[Hashable], name: Hashable) -> dict[str, tuple[Hashable, Hashable]]:
    """Return the columns of lower and upper bounds of a column, by the level as written in their names."""
    by_text = {str(column): column for column in columns}
    lower = f"{name}-lo-"
    levels = [text.removeprefix(lower) for text in by_text if text.startswith(lower)]
    return {
        level: (by_text[lower + level], by_text[f"{name}-hi-{level}"])
        for level in levels
        if f"{name}-hi-{level}" in by_text
    }


def find_quantiles(columns: Iterable[Hashable], name: Hashable) -> dict[str, Hashable]:
    """Return the columns of single quantiles of a column, by the probability as written in their names."""
    start = f"{name}-q"
    return {str(column).removeprefix(start): column for column in columns if str(column).startswith(start)}
