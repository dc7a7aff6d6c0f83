"""The command ``seqcast``: forecasts in the terminal.

Results are printed to stdout; progress, warnings and errors to stderr. After an error, which is one line, the
exit code is 2 and no file is changed. Slow imports are made in the functions that need them, so that
``--help`` is quick.

====================  =====================================================
``parser``            the command line: commands and their options
``demo_command``      the command demo
``forecast_command``  the command forecast
``backtest_command``  the command backtest
``warmup_command``    the command warmup
``fitting``           the forecaster of a command, and its fit
``input_data``        the columns of a CSV file that a command reads
``csv_file``          rows of a CSV file, and their line numbers
``time_column``       conversion of a column of text to an index of times
``output_files``      files that a command writes, all or none
``output_formats``    tables as CSV text, figures as bytes
``report``            the report that a command prints
``text_format``       numbers and times as text
``messages``          errors and warnings in one line
====================  =====================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .messages import CommandError, fail, print_warnings_in_one_line
from .parser import make_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the name of the program. None means those of the process.

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
        with print_warnings_in_one_line():
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return fail(130, "interrupted")
    except BrokenPipeError:
        # A reader such as `head` has closed the pipe. The redirection keeps the flush at exit from failing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The exit code of a shell for a program that SIGPIPE ended.
        return 141
    except OSError as error:
        return fail(2, f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}")
    except (CommandError, ValueError) as error:
        return fail(2, " ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
    return 0
