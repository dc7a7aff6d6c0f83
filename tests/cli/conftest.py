"""Data and files of the tests of the command line."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import make_tiny
from sklearn.exceptions import ConvergenceWarning


@pytest.fixture(scope="session")
def load() -> pd.DataFrame:
    """Return sixty days of two columns."""
    days = np.arange(60.0)
    index = pd.date_range("2024-01-01", periods=60, name="date")
    # pandas 2 does not read more digits exactly.
    waves = (100 + 5 * np.sin(days * 2 * np.pi / 7) + days).round(2)
    return pd.DataFrame({"load": waves, "temp": -days % 11}, index)


@pytest.fixture
def folder(tmp_path, monkeypatch, load) -> Path:
    """Return the working directory, which contains data.csv."""
    monkeypatch.chdir(tmp_path)
    load.to_csv("data.csv")
    return tmp_path


@pytest.fixture(scope="session")
def expected(load) -> pd.DataFrame:
    """Return the forecast of a small network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_tiny(target="load").fit(load).forecast()


@pytest.fixture
def plot_cannot_be_moved(monkeypatch):
    """Let renames of plots fail."""
    replace = os.replace

    def fail(source, target):
        if str(target).endswith(".png"):
            raise PermissionError(13, "Permission denied", target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
