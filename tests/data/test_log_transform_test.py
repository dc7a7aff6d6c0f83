"""Logarithms are taken where changes grow with the level, and only there."""

import numpy as np
import pandas as pd
import pytest

from seqcast import LinearForecaster
from seqcast.data.log_transform_test import needs_log_transform


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=400)


def series(power, seed=0):
    """Return four plateaus with noise proportional to a power of the level."""
    level = np.repeat([10.0, 30.0, 100.0, 300.0], 100)
    return level + 0.01 * level**power * noise(seed)


@pytest.mark.parametrize(
    ("power", "grows"), [(0.0, False), (0.4, False), (0.6, True), (1.0, True), (1.5, True)]
)
def test_logarithms_are_taken_from_a_power_of_one_half_on(power, grows):
    assert needs_log_transform([series(power), series(power, seed=1)[::-1]]) == grows


def test_the_answer_does_not_depend_on_the_unit():
    for factor in (1e-6, 1.0, 1e6):
        assert needs_log_transform([factor * series(0.6)])
        assert not needs_log_transform([factor * series(0.4)])


def test_missing_values_are_left_out():
    gaps = series(1.0)
    gaps[::4] = np.nan
    assert needs_log_transform([gaps])


def test_a_series_that_does_not_change_in_a_part_tells_nothing():
    assert not needs_log_transform([series(0.4), np.repeat([1.0, 1e3], 200)])


def test_logarithms_are_taken_if_series_are_too_short():
    assert needs_log_transform([np.array([1.0, 2.0, 4.0])])
    assert needs_log_transform([np.full(100, 5.0)])


@pytest.mark.parametrize(("power", "kind"), [(0.4, "none"), (1.0, "log")])
def test_a_panel_is_transformed_accordingly(power, kind):
    wide = pd.DataFrame({"y": np.r_[series(power), series(power, seed=1)], "id": np.repeat(["a", "b"], 400)})
    rows = wide.assign(t=np.tile(np.arange(400), 2))
    model = LinearForecaster(4, 8, id_col="id", time_col="t").fit(rows)
    assert model.target_transform_ == kind
