"""Errors and warnings, one line each on stderr."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CommandError(Exception):
    """What the user can put right; its text is the line that is printed."""


def fail(code: int, text: str) -> int:
    """Print why the command ends, and return its exit code."""
    print(f"seqcast: {_one_line(text)}", file=sys.stderr)
    return code


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print each warning as one line, and no line twice."""
    shown: set[str] = set()  # the folds of a backtest all say the same

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = f"seqcast: warning: {_one_line(message)}"
        if line not in shown:
            print(line, file=sys.stderr)
        shown.add(line)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = show
        yield


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
