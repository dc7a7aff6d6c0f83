"""Helpers of the tests of plots."""

import numpy as np
import pandas as pd
import pytest

# Number of steps of the forecast in tests/plotting/conftest.py.
HORIZON = 4


def make_frame(index: pd.Index) -> pd.DataFrame:
    """Return three columns over an index."""
    rows = np.arange(len(index), dtype=float)
    return pd.DataFrame({"load": rows, "temp": 100 - rows**2, "wind": -rows}, index=index)


def get_lines(ax) -> dict[str, object]:
    """Return the lines of an axes by their labels."""
    return {line.get_label(): line for line in ax.lines}


def assert_draws(line, values: pd.Series) -> None:
    """Check that a line has the values and the index of a series."""
    dates = pytest.importorskip("matplotlib.dates")
    np.testing.assert_array_equal(line.get_ydata(), values.to_numpy())
    np.testing.assert_array_equal(dates.date2num(line.get_xdata()), dates.date2num(values.index))


def get_edges(band) -> np.ndarray:
    """Return the distinct values of the bounds of a band."""
    (path,) = band.get_paths()
    return np.unique(path.vertices[:, 1])
