"""The command ``seqcast``: forecasts in the terminal.

Results go to stdout; progress, warnings and errors to stderr. An error is one line and exit code 2, and
leaves every file as it was. Whatever is slow to import is imported where it is used, so that ``--help`` is
there at once.

============  ==============================================================
``parser``    what can be asked for
``demo``      the command demo
``commands``  the commands forecast and backtest, on the user's own file
``warmup``    the command warmup
``fitting``   the network that a command fits
``reading``   which columns of a file are read, and as what
``csv_file``  from a file to rows that know their line
``times``     from a column of cells to an index of times
``writing``   the files that a command writes, and those that it spares
``formats``   a table as CSV, a forecast as a picture
``report``    what is printed
``words``     times and numbers as the words of a report
``messages``  errors and warnings, one line each
============  ==============================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .messages import CommandError, fail, warnings_in_one_line
from .parser import make_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process if None.

    Returns
    -------
    int
        Exit code: 0 for success, 2 for an error that was reported in one line, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["forecast", "load.csv", "--time", "date", "--out", "forecast.csv"])  # doctest: +SKIP
    0
    """
    try:
        arguments = make_parser().parse_args(argv)
        with warnings_in_one_line():
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return fail(130, "interrupted")
    except BrokenPipeError:  # a reader such as `head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return 141  # as a shell says of a program that SIGPIPE ended
    except OSError as error:
        return fail(2, f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}")
    except (CommandError, ValueError) as error:
        return fail(2, " ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
    return 0
