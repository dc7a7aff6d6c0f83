"""Seasonal features, against a loop over steps."""

import numpy as np
import pytest

from seqcast.forecasting.seasonal_features import (
    HARMONICS,
    MAX_PERIOD,
    SeasonalFeatures,
    list_candidates,
    merge,
)

STEPS = np.array([0, 1, 6, 7, 23, 24, 1000, -3, 10**9])
SOME = [
    SeasonalFeatures(),
    SeasonalFeatures((7,)),
    SeasonalFeatures((), 365.25),
    SeasonalFeatures((24,), 8766.0),
    SeasonalFeatures((7, 3, 24), 52.18),
]
some = pytest.mark.parametrize("phases", SOME)


def inputs_by_hand(phases, step):
    row = [float(step % period == phase) for period in phases.periods for phase in range(period)]
    if phases.year:
        angles = [2 * np.pi * k * step / phases.year for k in (1, 2)]
        row += [np.sin(angle) for angle in angles] + [np.cos(angle) for angle in angles]
    return row


@some
def test_inputs_are_phases_and_waves_of_the_year(phases):
    assert HARMONICS == 2
    expected = np.array([inputs_by_hand(phases, int(step)) for step in STEPS]).reshape(len(STEPS), -1)
    assert expected.shape[1] == len(phases)
    np.testing.assert_allclose(phases.encode(STEPS), expected, atol=1e-7)  # of 2.7 million turns


@some
def test_product_has_the_same_bits_in_any_batch(phases):
    weights = np.random.default_rng(0).normal(size=(len(phases), 5))
    whole = phases.multiply(STEPS, weights)
    np.testing.assert_allclose(whole, phases.encode(STEPS) @ weights, rtol=1e-12, atol=1e-12)
    for chosen in ([0], [3, 3], [8, 2, 5, 1]):
        np.testing.assert_array_equal(phases.multiply(STEPS[chosen], weights), whole[chosen])


def test_inputs_of_a_subset_are_found():
    every = SeasonalFeatures((7, 3, 24), 52.18)
    for phases in (
        SeasonalFeatures(),
        SeasonalFeatures((3,)),
        SeasonalFeatures((24,), 52.18),
        SeasonalFeatures((), 52.18),
        SeasonalFeatures((7,)),
        every,
    ):
        found = every.encode(STEPS)[:, every.find_inputs(phases)]
        np.testing.assert_array_equal(found, phases.encode(STEPS))
    np.testing.assert_array_equal(SeasonalFeatures().find_inputs(SeasonalFeatures()), [])


@pytest.mark.parametrize(
    ("periods", "year", "n_steps", "expected"),
    [
        ((), None, 10**6, [SeasonalFeatures()]),
        ((7,), None, 20, [SeasonalFeatures()]),  # a period must have been seen three times,
        ((7,), None, 21, [SeasonalFeatures(), SeasonalFeatures((7,))]),
        ((), 100.0, 129, [SeasonalFeatures()]),  # a year 1.3 times
        ((), 100.0, 130, [SeasonalFeatures(), SeasonalFeatures((), 100.0)]),
        ((1, 7, 7, MAX_PERIOD + 1), None, 10**6, [SeasonalFeatures(), SeasonalFeatures((7,))]),
        ((3, 7), 20.0, 26, [SeasonalFeatures(p, year) for year in (None, 20.0) for p in ((), (3,), (7,))]),
    ],
)
def test_candidates_have_one_period_with_or_without_year(periods, year, n_steps, expected):
    assert list_candidates(periods, year, n_steps) == expected


def test_merged_features_have_the_inputs_of_all_candidates():
    assert merge(list_candidates((3, 7), 20.0, 100)) == SeasonalFeatures((3, 7), 20.0)
    assert merge(list_candidates((3,), None, 100)) == SeasonalFeatures((3,))
    assert merge([SeasonalFeatures()]) == SeasonalFeatures()
