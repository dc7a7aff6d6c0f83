"""Where warnings point: to the user's line, not to one in here."""

import sys


def find_stacklevel() -> int:
    """The stacklevel, for the function that calls this, of the first line outside this package."""
    frame, level, own = sys._getframe(1), 1, f"{__name__.partition('.')[0]}."
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(own):
        frame, level = frame.f_back, level + 1
    return level
