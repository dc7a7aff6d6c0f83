"""Small forecasters and series of the tests of prediction intervals."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 6, "validation_fraction": 0.4}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 3, "season_length": 2}),
    "linear": (LinearForecaster, SMALL),
    "network": (SeqForecaster, TINY),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)
N = 150


def wander(n=N, seed=0, columns="y"):
    rng, t = np.random.default_rng(seed), np.arange(n)[:, None]
    values = 20 + np.sin(t / 3) + rng.normal(scale=0.3, size=(n, len(columns))).cumsum(axis=0)
    return pd.DataFrame(values, pd.date_range("2024-01-01", periods=n, freq="D", name="time"), list(columns))


def long(**series):
    return pd.concat(
        [frame.reset_index().assign(id=name) for name, frame in series.items()], ignore_index=True
    )


def says(message):
    return f"^{re.escape(message)}$"


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_close(one, other, rtol=1e-9, atol=0):
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=rtol, atol=atol)


def size_by_hand(errors, level):
    """What so many of the n + 1 errors, the next one among them, stay below: of those that were seen."""
    sizes = np.sort(np.abs(errors[~np.isnan(errors)]))
    if not len(sizes):
        return 0.0
    k = math.ceil((len(sizes) + 1) * level - 1e-9)
    return sizes[min(max(k, 1), len(sizes)) - 1]
