"""Quantiles of forecast distributions, compared with SciPy and with values computed by hand."""

import numpy as np
import pytest
from scipy import stats

from seqcast.forecasting.distributions import find_distribution
from seqcast.kernels.distributions import DISTRIBUTIONS, parameter_count

PROBABILITIES = (0.05, 0.25, 0.5, 0.6, 0.9, 0.99)
NAMES = DISTRIBUTIONS[1:]
names = pytest.mark.parametrize("name", NAMES)

PARAMETERS = {
    "quantile": [1.0, 1.5, 3.0, 6.0, 0.0, -2.0],  # the median, upwards, downwards
    "gaussian": [2.0, 0.5],
    "student_t": [-1.0, 0.5, 3.5],
    "negative_binomial": [6.0, 0.7],
}


def forecast_of(name, n=3, horizon=2, targets=2):
    """Return parameters of one distribution shifted by a different number in each element, and the shifts."""
    moved = np.arange(n * horizon * targets).reshape(n, horizon, targets).astype(float)
    p = np.array(PARAMETERS[name])[:, None, None, None] + np.zeros_like(moved)
    p[: None if name == "quantile" else 1] += moved
    return np.moveaxis(p, 0, 1), moved


def frozen(name, p):
    """Return the distribution of SciPy with these parameters, shape (n_parameters,)."""
    if name == "gaussian":
        return stats.norm(p[0], p[1])
    if name == "student_t":
        return stats.t(p[2], p[0], p[1])
    return stats.nbinom(1 / p[1], 1 / (1 + p[0] * p[1]))


def draw(distribution, parameters, n):
    """Draw `n` values of each step and target, shape (n_forecasts, n, horizon, n_targets)."""
    shape = len(parameters), n, *parameters.shape[2:]
    probabilities = np.random.default_rng(0).random(shape).reshape(-1, *shape[2:])
    return distribution.invert_cdf(parameters.repeat(n, axis=0), probabilities).reshape(shape)


@pytest.mark.parametrize("name", NAMES[1:])
def test_quantiles_equal_those_of_scipy(name):
    parameters, _ = forecast_of(name)
    probabilities = [0.9, 0.01, 0.5]
    found = find_distribution(name).quantiles(parameters.astype("float32"), probabilities)
    assert found.shape == (3, 3, 2, 2)
    for i, step, k in np.ndindex(3, 2, 2):
        expected = frozen(name, parameters[i, :, step, k].astype("float32").astype(float)).ppf(probabilities)
        np.testing.assert_allclose(found[i, :, step, k], expected, rtol=1e-9)


def test_quantiles_between_known_ones_are_interpolated():
    parameters, moved = forecast_of("quantile")
    distribution = find_distribution("quantile", PROBABILITIES)
    asked = [0.05, 0.5, 0.15, 0.99, 0.945, 0.9 + 1e-16]
    expected = np.array([-2.0, 1.0, -1.0, 6.0, 4.5, 3.0])
    found = distribution.quantiles(parameters, asked)
    np.testing.assert_allclose(found, expected[None, :, None, None] + moved[:, None], rtol=1e-12, atol=1e-12)


def test_a_median_alone_is_a_quantile_forecast():
    distribution = find_distribution("quantile", (0.5,))
    parameters = np.arange(6.0).reshape(3, 1, 2, 1)
    np.testing.assert_array_equal(distribution.quantiles(parameters, [0.5]), parameters)
    np.testing.assert_array_equal(draw(distribution, parameters, 2), parameters.repeat(2, axis=1))


@pytest.mark.parametrize("asked", [0.04, 0.991])
def test_probabilities_beyond_the_outermost_are_refused(asked):
    parameters, _ = forecast_of("quantile")
    with pytest.raises(ValueError, match=f"those of the fit, 0.05 to 0.99. Got {asked} instead"):
        find_distribution("quantile", PROBABILITIES).quantiles(parameters, [0.5, asked])


@pytest.mark.parametrize(
    "probabilities", [(0.1, 0.9), (0.5, 0.1), (0.5, 0.5), (), tuple(np.arange(1, 200) / 200)]
)
def test_probabilities_of_a_fit_are_ascending_around_the_median(probabilities):
    with pytest.raises(ValueError, match=r"must be ascending, 0\.5 among them, and at most 99"):
        find_distribution("quantile", probabilities)


@pytest.mark.parametrize("probabilities", [[0.0], [1], [0.5, np.nan], 0.5])
@names
def test_probabilities_lie_between_0_and_1(name, probabilities):
    parameters, _ = forecast_of(name)
    with pytest.raises(ValueError, match="numbers between 0 and 1"):
        find_distribution(name, PROBABILITIES).quantiles(parameters, probabilities)


@names
def test_draws_have_the_quantiles_of_the_distribution(name):
    parameters, _ = forecast_of(name)
    distribution = find_distribution(name, PROBABILITIES)
    assert distribution.n_parameters == parameters.shape[1] == parameter_count(name, PROBABILITIES)
    found = draw(distribution, parameters, 4000)
    assert found.shape == (3, 4000, 2, 2)
    asked = [0.1, 0.25, 0.5, 0.75, 0.9]
    expected = distribution.quantiles(parameters, asked)
    below = (found[:, None] <= expected[:, :, None]).mean(axis=2)
    reached = np.array(asked)[None, :, None, None]
    if name == "negative_binomial":  # counts: the smallest that is reached
        assert (below > reached - 0.03).all()
        assert ((found[:, None] < expected[:, :, None]).mean(axis=2) < reached + 0.03).all()
    else:
        np.testing.assert_allclose(below, np.broadcast_to(reached, below.shape), atol=0.03)
    again = draw(distribution, parameters, 4000)
    np.testing.assert_array_equal(found, again)


def test_draws_are_clipped_to_the_outermost_quantiles():
    parameters, moved = forecast_of("quantile")
    found = draw(find_distribution("quantile", PROBABILITIES), parameters, 4000)
    np.testing.assert_array_equal(found.min(axis=1), -2 + moved)
    np.testing.assert_array_equal(found.max(axis=1), 6 + moved)
