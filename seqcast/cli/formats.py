"""A table as CSV, a forecast as a picture."""

from __future__ import annotations

import os
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .messages import CommandError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may take a text for a formula by
MATPLOTLIB_HINT = "pictures need matplotlib: run `pip install 'seqcast[plot]'`"
PICTURE_DPI = 150


def csv_text(frame: pd.DataFrame) -> str:
    """Return the table as CSV, in which no text is a formula to a spreadsheet."""
    safe = frame.rename(columns=_harmless).rename_axis(index=_harmless(frame.index.name))
    for name in safe.columns[[dtype.kind == "O" for dtype in safe.dtypes]]:
        safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=frame.index.name is not None, lineterminator="\n")


def _harmless(cell: Any) -> Any:
    # An apostrophe tells a spreadsheet that text follows. Numbers are none, so -1.5 stays as it is.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_BEGINS) else cell


def picture(df: pd.DataFrame, forecast: pd.DataFrame, actual: pd.DataFrame | None = None) -> Figure:
    """Draw a forecast beside the rows that came before it."""
    from ..plotting import plot_forecast

    return plot_forecast(df, forecast, actual)


def check_picture_name(path: str) -> None:
    """Raise unless matplotlib is there and knows the kind of picture that the name ends in."""
    if not has_matplotlib():
        raise CommandError(f"argument --plot: {MATPLOTLIB_HINT}")

    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if _suffix(path) not in known:
        raise CommandError(f"argument --plot: {path} must end in one of .{', .'.join(sorted(known))}")


def has_matplotlib() -> bool:
    """Tell whether pictures can be drawn, without the time that importing takes."""
    return find_spec("matplotlib") is not None


def image(figure: Figure, path: str) -> bytes:
    """Return a picture as the bytes of a file, of the kind that the path ends in."""
    buffer = BytesIO()
    figure.savefig(buffer, format=_suffix(path), dpi=PICTURE_DPI)
    return buffer.getvalue()


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].removeprefix(".").lower()
