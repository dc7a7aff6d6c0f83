"""Data of the tests of backtests."""

import numpy as np
import pandas as pd
import pytest
from backtest_tasks import N, Ramp
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def limit_blas_to_one_thread():
    """Limit BLAS to one thread, as backtest does: sums over more threads differ in the last bits."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(autouse=True)
def seen():
    """Return the data that Ramp was fitted on."""
    Ramp.seen.clear()
    return Ramp.seen


@pytest.fixture
def ramp_data() -> pd.DataFrame:
    """Return twenty days of two columns."""
    index = pd.date_range("2024-01-01", periods=20, name="day")
    return pd.DataFrame({"a": np.arange(20.0) ** 2, "b": -np.arange(20.0)}, index)


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    """Return two targets and two covariates, the second of which is known ahead."""
    rng, t = np.random.default_rng(0), np.arange(N)
    frame = pd.DataFrame(
        {
            "a": np.sin(t / 24 * 2 * np.pi),
            "b": 10 + t / 20,
            "past": rng.normal(size=N),
            "known": rng.normal(size=N),
        },
        pd.date_range("2024-01-01", periods=N, freq="h", name="time"),
    )
    frame[["a", "b"]] += 0.1 * rng.normal(size=(N, 2)) + 0.5 * frame[["known"]].to_numpy()
    return frame


@pytest.fixture(scope="module")
def gappy(df) -> pd.DataFrame:
    """Return rows and values with gaps before, at and after the end of training."""
    damaged = df.drop(df.index[[50, 119, 120, 133]])
    damaged.iloc[[30, 140], 0] = np.nan
    damaged.iloc[125:140, 1] = np.nan
    return damaged


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Return three series: one ends early, one begins late, one has gaps."""
    rng = np.random.default_rng(1)
    parts = []
    for name, first, last in [("late", 70, 160), ("short", 0, 130), ("holes", 0, 160)]:
        days = np.arange(first, last)
        if name == "holes":
            days = np.setdiff1d(days, [80, 129, 130, 141, 150])
        known = rng.normal(size=len(days))
        values = np.sin(days / 7 * 2 * np.pi) + known + 0.2 * rng.normal(size=len(days))
        stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, "D")
        parts.append(pd.DataFrame({"shop": name, "day": stamps, "sales": values, "known": known}))
    return pd.concat(parts, ignore_index=True)
