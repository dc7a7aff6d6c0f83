"""Errors and warnings, printed to stderr in one line each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CommandError(Exception):
    """An error that the user can correct. Its text is printed in one line."""


def fail(code: int, text: str) -> int:
    """Print the reason why the command ends, and return its exit code."""
    print(f"seqcast: {_join_lines(text)}", file=sys.stderr)
    return code


@contextmanager
def print_warnings_in_one_line() -> Iterator[None]:
    """Print each warning as one line, and the same line only once."""
    # The folds of a backtest raise the same warnings.
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = f"seqcast: warning: {_join_lines(message)}"
        if line not in printed:
            print(line, file=sys.stderr)
        printed.add(line)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = show
        yield


def _join_lines(text: object) -> str:
    return " ".join(str(text).split())
