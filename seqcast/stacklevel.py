"""Stack level of warnings, such that they name a line of the user's code."""

import sys


def find_stacklevel() -> int:
    """Return the ``stacklevel`` of the first line outside this package, for a warning of the caller."""
    frame = sys._getframe(1)
    stacklevel = 1
    package = f"{__name__.partition('.')[0]}."
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame = frame.f_back
        stacklevel += 1
    return stacklevel
