"""From a CSV file to rows that know their line."""

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
    """Read all rows; the index is the row number, from which `line_of` tells the line."""
    with _open_csv(path) as file:
        df = _parse_csv(file, path, time)
    if df.empty:
        raise CommandError(f"{path} has column names, but no rows")
    return df


def line_of(row: Any, path: str) -> int:
    """Return the number of the line that a row begins in; lines count from 1, and a cell may hold several."""
    with _open_csv(path) as file:
        separator, _ = _header(file)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        deque(islice(reader, row + 1), maxlen=0)  # the names and the rows before
        return reader.line_num + 1


@contextmanager
def _open_csv(path: str) -> Iterator[TextIO]:
    """Open a file, and say in one line why it cannot be read."""
    import pandas as pd

    try:
        # utf-8-sig: spreadsheets put a mark before the text
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError:
        raise CommandError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CommandError(f"{path} is a directory, not a CSV file") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not a CSV file: it holds no text in UTF-8") from None
    except pd.errors.ParserWarning:
        raise CommandError(
            f"{path} is not a CSV file: its rows have more cells than its first line"
        ) from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise CommandError(f"{path} is not a CSV file: {_reason(error, path)}") from error


def _reason(error: Exception, path: str) -> str:
    reason = str(error).removeprefix("Error tokenizing data. C error: ")
    # pandas counts a row as one line, whatever its cells hold
    return re.sub(r"(?<=in line )\d+", lambda number: str(line_of(int(number[0]) - 2, path)), reason)


def _parse_csv(file: TextIO, path: str, time: str | None) -> pd.DataFrame:
    import pandas as pd

    separator = _separator(file, path)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the names would be dropped
        df = pd.read_csv(
            file,
            sep=separator,
            dtype={} if time is None else {time: str},
            index_col=False,  # or pandas takes surplus cells for the names of rows
            skipinitialspace=True,
            skip_blank_lines=False,  # they are lines too
            low_memory=False,  # a column has one dtype
        )
    return df.dropna(how="all")


def _separator(file: TextIO, path: str) -> str:
    """Return what stands between the cells, seen from the names, which it checks."""
    first = file.readline()
    if not first.strip() or "\0" in first:
        raise CommandError(f"{path} is empty, or its first line holds no column names")
    separator, names = _header(file)
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise CommandError(f"{path} has more than one column {twice[0]!r}; rename or remove one")
    return separator


def _header(file: TextIO) -> tuple[str, list[str]]:
    """Return the separator that leaves the fewest quotes in the names and gives the most, and the names."""
    headers = {separator: _names(file, separator) for separator in SEPARATORS}
    # A quote in the middle of a name was cut from its pair: in `date;"Load, MW"` no comma separates.
    return max(headers.items(), key=lambda header: (-"".join(header[1]).count('"'), len(header[1])))


def _names(file: TextIO, separator: str) -> list[str]:
    file.seek(0)
    return next(csv.reader(file, delimiter=separator, skipinitialspace=True))
