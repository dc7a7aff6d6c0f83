"""Quantiles of residuals, and random draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_tasks import (
    size_by_hand,
)

from seqcast.forecasting.conformal import MAX_SAMPLES, ConformalResiduals, count_needed_residuals

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


@settings(max_examples=60)
@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.3, 0.9]),
    probabilities=st.lists(
        st.sampled_from([0.01, 0.025, 0.1, 0.25, 0.4, 0.5, 0.6, 0.9, 0.99]), min_size=1, unique=True
    ),
)
def test_quantiles_are_order_statistics_of_absolute_residuals(n, seed, share, probabilities):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((n, 2, 3)) < share, np.nan, rng.normal(size=(n, 2, 3)).astype(np.float32))
    found = ConformalResiduals.from_groups([values]).quantiles(probabilities)
    for row, probability in zip(found, probabilities, strict=True):
        for step, target in np.ndindex(2, 3):
            size = size_by_hand(values[:, step, target], abs(2 * probability - 1))
            assert row[step, target] == pytest.approx(np.sign(probability - 0.5) * size, rel=1e-6)


def test_ranks_of_nineteen_residuals():
    """The last but one is the bound of the interval of level 90, which covers 18 of 20 cases."""
    values = np.arange(1.0, 20.0)[np.random.default_rng(0).permutation(19)] * np.tile([1, -1], 10)[:19]
    errors = ConformalResiduals.from_groups([values[:, None, None]])
    assert errors.quantiles([0.05, 0.95, 0.5, 0.75, 0.025]).ravel().tolist() == [-18, 18, 0, 10, -19]
    assert errors.count_effective() == pytest.approx(19)
    assert count_needed_residuals([0.05, 0.75]) == pytest.approx(
        9
    )  # whose largest is below the next in 9 of 10 cases
    assert count_needed_residuals([0.5]) == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 2**16),
    level=st.floats(0.05, 0.95),
)
def test_groups_of_windows_have_the_same_total_weight(sizes, seed, level):
    rng = np.random.default_rng(seed)
    groups = [rng.normal(size=(n, 1, 1)).astype(np.float32) for n in sizes]
    errors = ConformalResiduals.from_groups(groups)
    weights = np.concatenate([np.full(n, 0.5 / n) for n in sizes])
    order = np.argsort(np.abs(np.concatenate(groups).ravel()))
    shares, n = np.cumsum(weights[order]), 1 / np.sum(weights**2)
    wanted = min(math.ceil((n + 1) * level - 1e-9) / n, 1.0)
    place = next(k for k, share in enumerate(shares) if share >= wanted - 1e-9)
    expected = np.abs(np.concatenate(groups).ravel())[order][place]
    assert errors.quantiles([0.5 + level / 2])[0, 0, 0] == pytest.approx(expected, rel=1e-6)
    assert errors.count_effective() == pytest.approx(n)


def test_equally_spaced_windows_are_kept_of_many():
    values = np.arange(50_000.0)[:, None, None]
    errors = ConformalResiduals.from_groups([values])
    assert len(errors.values) == MAX_SAMPLES
    assert errors.values[[0, -1], 0, 0].tolist() == [0, 49_999]
    assert np.ptp(np.diff(errors.values[:, 0, 0])) <= 1
    assert len(ConformalResiduals.from_groups([values[:100], values[:70]]).values) == 170


def test_draws_are_residuals_of_whole_windows():
    values = np.arange(30.0).reshape(5, 3, 2)
    values[2, 1] = np.nan
    errors = ConformalResiduals.from_groups([values])
    drawn = errors.draw(500, np.random.default_rng(0))
    rows = {tuple(np.nan_to_num(window).ravel()) for window in values}
    assert {tuple(window.ravel()) for window in drawn} == rows
    skewed = ConformalResiduals.from_groups([values[:1], values[1:]])
    first = np.mean(skewed.draw(2000, np.random.default_rng(0))[:, 0, 1] == 1)
    assert first == pytest.approx(0.5, abs=4 * 0.5 / 2000**0.5)
