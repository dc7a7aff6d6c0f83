"""Which columns of a forecast are bounds of others: what `bounds` has named is read again."""

import re
from collections.abc import Hashable, Iterable

BOUND = re.compile(r"-(?:lo-|hi-|q)[0-9][0-9.e+-]*$")


def centres_of(columns: Iterable[Hashable]) -> list[Hashable]:
    """The columns that are not bounds of others."""
    columns = list(columns)
    texts = {str(column) for column in columns}
    return [column for column in columns if BOUND.sub("", text := str(column)) not in texts - {text}]


def intervals_of(columns: Iterable[Hashable], name: Hashable) -> dict[str, tuple[Hashable, Hashable]]:
    """By level, as it is written: the lower and the upper ends of a column's intervals."""
    by_text = {str(column): column for column in columns}
    lower = f"{name}-lo-"
    levels = [text.removeprefix(lower) for text in by_text if text.startswith(lower)]
    return {
        level: (by_text[lower + level], by_text[f"{name}-hi-{level}"])
        for level in levels
        if f"{name}-hi-{level}" in by_text
    }


def quantiles_of(columns: Iterable[Hashable], name: Hashable) -> dict[str, Hashable]:
    """By probability, as it is written: the columns of a column's single quantiles."""
    start = f"{name}-q"
    return {str(column).removeprefix(start): column for column in columns if str(column).startswith(start)}
