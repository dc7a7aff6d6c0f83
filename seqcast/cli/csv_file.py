"""Rows of a CSV file, and their line numbers."""

from __future__ import annotations

import csv
import re
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from .messages import CommandError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ",;\t"


def read_csv(path: str, time: str | None) -> pd.DataFrame:
    """Read all rows, with the row number as index, which `find_line` turns into a line number."""
    with _open_csv(path) as file:
        data = _parse_csv(file, path, time)
    if data.empty:
        raise CommandError(f"{path} has column names but no rows")
    return data


def find_line(row: Any, path: str) -> int:
    """Return the number, from 1, of the line that a row begins in. A quoted cell may span several lines."""
    with _open_csv(path) as file:
        separator, _ = _read_header(file)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        # Skip the header and the rows before.
        deque(islice(reader, row + 1), maxlen=0)
        return reader.line_num + 1


@contextmanager
def _open_csv(path: str) -> Iterator[TextIO]:
    """Open a file, and turn errors of opening and parsing into errors of one line."""
    import pandas as pd

    try:
        # Spreadsheets write a byte order mark, which utf-8-sig drops.
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError:
        raise CommandError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CommandError(f"{path} is a directory, not a CSV file") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not a CSV file: its text is not UTF-8") from None
    except pd.errors.ParserWarning:
        raise CommandError(
            f"{path} is not a CSV file: its rows have more cells than its first line"
        ) from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise CommandError(f"{path} is not a CSV file: {_describe_reason(error, path)}") from error


def _describe_reason(error: Exception, path: str) -> str:
    """Return the message of a parser, with line numbers of the file."""
    reason = str(error).removeprefix("Error tokenizing data. C error: ")
    # pandas counts a row as one line, even if its cells span several.
    return re.sub(r"(?<=in line )\d+", lambda number: str(find_line(int(number[0]) - 2, path)), reason)


def _parse_csv(file: TextIO, path: str, time: str | None) -> pd.DataFrame:
    import pandas as pd

    separator = _find_separator(file, path)
    file.seek(0)
    with warnings.catch_warnings():
        # Without it, pandas drops cells beyond the last column name.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        data = pd.read_csv(
            file,
            sep=separator,
            dtype={} if time is None else {time: str},
            # Otherwise pandas takes surplus cells as row labels.
            index_col=False,
            skipinitialspace=True,
            # Blank lines count as lines in error messages.
            skip_blank_lines=False,
            # Each column gets one dtype.
            low_memory=False,
        )
    return data.dropna(how="all")


def _find_separator(file: TextIO, path: str) -> str:
    """Return the separator of the cells, after checking that the column names are unique."""
    first = file.readline()
    if not first.strip() or "\0" in first:
        raise CommandError(f"{path} is empty, or its first line holds no column names")
    separator, names = _read_header(file)
    duplicates = [name for name in names if name and names.count(name) > 1]
    if duplicates:
        raise CommandError(f"{path} has more than one column {duplicates[0]!r}; rename or remove one")
    return separator


def _read_header(file: TextIO) -> tuple[str, list[str]]:
    """Return the separator and the column names.

    The separator is the one that leaves the fewest quotes within names and, among these, gives most names.
    """
    headers = {separator: _split_header(file, separator) for separator in SEPARATORS}
    # A quote within a name was split from its pair, as by the comma in `date;"Load, MW"`.
    return max(headers.items(), key=lambda header: (-"".join(header[1]).count('"'), len(header[1])))


def _split_header(file: TextIO, separator: str) -> list[str]:
    file.seek(0)
    return next(csv.reader(file, delimiter=separator, skipinitialspace=True))
