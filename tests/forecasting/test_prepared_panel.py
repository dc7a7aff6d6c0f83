"""Scaled values of a panel, and their inverse."""

import numpy as np
import pytest
from plan_tasks import examples_of

Y = np.random.default_rng(0).normal(5, 2, size=40)
CUTOFFS = np.array([6, 20, 38])


@pytest.fixture(scope="module")
def examples():
    return examples_of(Y)


def test_targets_are_scaled_by_the_steps_that_are_trained_on(examples):
    scaled = (Y - Y[:32].mean()) / Y[:32].std()
    np.testing.assert_allclose(examples.prepared.targets.values[:, 0], scaled, rtol=1e-12)
    assert examples.prepared.n_targets == 1


def test_forecasts_are_unscaled_to_the_units_of_targets(examples):
    scaled = examples.prepared.cut_targets(CUTOFFS)
    found = examples.preparer.unscale(scaled, examples.prepared.find_series(CUTOFFS))
    np.testing.assert_allclose(found[..., 0], [Y[at : at + 2] for at in CUTOFFS], rtol=1e-12)


def test_differences_are_integrated_from_the_values_before():
    prepared = examples_of(Y, differences=(1,)).prepared
    inputs = prepared.source.targets[0, CUTOFFS[:, None] + np.arange(2)]
    np.testing.assert_allclose(prepared.integrate(inputs, CUTOFFS), prepared.cut_targets(CUTOFFS), rtol=1e-9)


def test_scaled_values_are_not_scaled_again(examples):
    again = examples.preparer.prepare_scaled(examples.prepared.scaled)
    np.testing.assert_array_equal(again.source.values, examples.prepared.source.values)
