"""Suggestions of existing names in the place of unknown ones."""

from collections.abc import Hashable, Iterable
from difflib import get_close_matches


def suggest(unknown: Hashable, known: Iterable[Hashable]) -> str:
    """Return " Did you mean ...?", or an empty text if no known name resembles the unknown one."""
    names = {str(name): name for name in known}
    found = get_close_matches(str(unknown), names, n=1)
    return f" Did you mean {names[found[0]]!r}?" if found else ""
