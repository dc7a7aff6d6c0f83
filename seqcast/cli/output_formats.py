"""Tables as CSV text, figures as bytes."""

from __future__ import annotations

import os
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .messages import CommandError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Spreadsheets may read text that begins with one of these as a formula.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
MATPLOTLIB_HINT = "plots need matplotlib: run `pip install 'seqcast[plot]'`"
PLOT_DPI = 150


def to_csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV text, in which no cell is a formula for a spreadsheet."""
    safe = frame.rename(columns=_escape_formula).rename_axis(index=_escape_formula(frame.index.name))
    for name in safe.columns[[dtype.kind == "O" for dtype in safe.dtypes]]:
        safe[name] = safe[name].map(_escape_formula)
    return safe.to_csv(index=frame.index.name is not None, lineterminator="\n")


def _escape_formula(cell: Any) -> Any:
    # A spreadsheet reads a cell that begins with an apostrophe as text. Numbers such as -1.5 are not escaped.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_PREFIXES) else cell


def draw_forecast(data: pd.DataFrame, forecast: pd.DataFrame, actual: pd.DataFrame | None = None) -> Figure:
    """Draw a forecast after the rows before it."""
    from ..plotting import plot_forecast

    return plot_forecast(data, forecast, actual)


def check_plot_name(path: str) -> None:
    """Check that matplotlib is installed and knows the format that the name ends in."""
    if not has_matplotlib():
        raise CommandError(f"argument --plot: {MATPLOTLIB_HINT}")

    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if _suffix(path) not in known:
        raise CommandError(f"argument --plot: {path} must end in one of .{', .'.join(sorted(known))}")


def has_matplotlib() -> bool:
    """Return whether matplotlib is installed, without importing it."""
    return find_spec("matplotlib") is not None


def to_image(figure: Figure, path: str) -> bytes:
    """Return a figure as the bytes of a file, in the format that the path ends in."""
    buffer = BytesIO()
    figure.savefig(buffer, format=_suffix(path), dpi=PLOT_DPI)
    return buffer.getvalue()


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].removeprefix(".").lower()
