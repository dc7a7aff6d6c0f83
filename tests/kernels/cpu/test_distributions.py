"""Losses of distributions and their gradients, compared with SciPy and plain NumPy."""

from dataclasses import replace
from itertools import product

import naive
import numba as nb
import numpy as np
import pytest
from kernel_calls import add_distribution_losses
from layers import slopes
from scipy import special, stats

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.cpu.distributions import digamma, rising, to_parameters
from seqcast.kernels.distributions import DISTRIBUTIONS, output_probabilities, parameter_count
from seqcast.kernels.samples import sample_table
from seqcast.learning.losses import validation_losses
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState
from seqcast.learning.training import in_units

STEPS, HORIZON, TARGETS = 4, 2, 2
PROBABILITIES = (0.05, 0.25, 0.5, 0.6, 0.9, 0.99)
NAMES = DISTRIBUTIONS[1:]
still = TrainingOptions(optimizer="sgd", learning_rate_init=0.0, clip_norm=None, batch_size=10**6)
names = pytest.mark.parametrize("name", NAMES)
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def probabilities_of(name):
    return PROBABILITIES if name == "quantile" else ()


def make_network(name, dtype="float64", hidden=3, horizon=HORIZON, targets=TARGETS):
    n = horizon * targets * parameter_count(name, probabilities_of(name))
    architecture = compose(
        find_cell("gru"), 2, hidden, n_outputs=n, distribution=name, probabilities=probabilities_of(name)
    )
    network = Network(architecture, dtype)
    network.initialize(np.random.RandomState(0))
    network.flat *= 2
    return network


def make_task(name, n_rows=23, dtype="float64", weighted=False, missing=False, **reading):
    rng, counts = np.random.default_rng(1), name == "negative_binomial"
    n = n_rows + STEPS + HORIZON - 1
    values = rng.poisson(8, (n, 2)).astype(float) if counts else 1 + 3 * rng.normal(size=(n, 2))
    targets = rng.poisson(8, (n, TARGETS)).astype(float) if counts else 1 + 2 * rng.normal(size=(n, TARGETS))
    if missing:
        values[rng.random(values.shape) < 0.2] = np.nan
        targets[rng.random(targets.shape) < 0.2] = np.nan
    weights = rng.choice([0.0, 1.0, 2.5], n) if weighted else None
    starts = np.arange(n_rows)
    rows = sample_table(starts, np.full(n_rows, STEPS), (starts + STEPS) * TARGETS)
    window = Window(STEPS, 2, TARGETS, **reading)
    return SampleSource(values.astype(dtype), targets.astype(dtype), window, weights), rows


def readings(name):
    """Return the window options that can be combined with a distribution."""
    if name == "negative_binomial":
        return {}, {"scale": "mean"}
    return {}, {"normalize": True}, {"normalize": True, "scale": "deviation"}


cases = pytest.mark.parametrize(
    ("name", "reading"), [(name, reading) for name in NAMES for reading in readings(name)]
)


# -- once more, in NumPy


def softplus(x):
    return np.logaddexp(0, x)


def parameters_naive(name, out):
    """Return the parameters of outputs, shape (n_parameters, ...)."""
    if name == "gaussian":
        return np.stack([out[0], 1e-3 + softplus(out[1])])
    if name == "student_t":
        return np.stack([out[0], 1e-3 + softplus(out[1]), 2 + softplus(out[2])])
    if name == "negative_binomial":
        return 1e-6 + softplus(out)
    n_up = sum(probability > 0.5 for probability in PROBABILITIES)
    up, down = softplus(out[1 : 1 + n_up]), softplus(out[1 + n_up :])
    return np.concatenate([out[:1], out[0] + np.cumsum(up, axis=0), out[0] - np.cumsum(down, axis=0)])


def in_values_unit(name, parameters, offset, scale):
    p = parameters.copy()
    if name == "quantile":
        return p * scale + offset
    p[0] = p[0] * scale + offset
    p[1] = p[1] / np.sqrt(scale) if name == "negative_binomial" else p[1] * scale
    return p


def loss_naive(name, p, y):
    """Return the loss of each value y."""
    if name == "gaussian":
        return -stats.norm.logpdf(y, p[0], p[1])
    if name == "student_t":
        return -stats.t.logpdf(y, p[2], p[0], p[1])
    if name == "negative_binomial":
        r = 1 / p[1]
        return -stats.nbinom.logpmf(np.nan_to_num(y), r, r / (r + p[0])) + 0 * y
    probabilities = np.array([0.5, 0.6, 0.9, 0.99, 0.25, 0.05]).reshape(-1, *[1] * y.ndim)
    d = y - p
    return 2 * np.maximum(probabilities * d, (probabilities - 1) * d).mean(axis=0)


def units_naive(windows, rows):
    """Return offset and scale of each sample and target, shape (n_samples, 1, TARGETS)."""
    offsets, scales = np.zeros((len(rows), 1, TARGETS)), np.ones((len(rows), 1, TARGETS))
    for k, start in enumerate(rows[:, 0]):
        for c, column in enumerate(windows.values[start : start + STEPS].T):
            seen, window = column[~np.isnan(column)], windows.window
            if window.normalize:
                offsets[k, 0, c] = seen[-1]
            if window.scale != "none":
                scales[k, 0, c] = max(seen.std(), 0.1) if window.scale == "deviation" else 1 + seen.mean()
    return offsets, scales


def forecast_naive(name, network, windows, rows, flat):
    """Return parameters in the unit of the values, shape (n_parameters, n_samples, HORIZON, TARGETS)."""
    weights, (offsets, scales) = network.architecture.views(flat), units_naive(windows, rows)
    x = np.stack([windows.values[start : start + STEPS] for start in rows[:, 0]])
    x = np.nan_to_num((x - offsets) / scales)
    _, state = naive.recurrent("gru", weights, x)
    out = naive.head(state[0], weights["head_weight"], weights["head_bias"])
    out = np.moveaxis(out.reshape(len(rows), -1, HORIZON, TARGETS), 1, 0)
    return in_values_unit(name, parameters_naive(name, out), offsets, scales)


def losses_naive(name, network, windows, rows, flat):
    """Return the weighted mean loss of each target, and that of all targets."""
    steps = rows[:, 2, None] // TARGETS + np.arange(HORIZON)
    y, weights = windows.targets[steps], windows.weights
    w = np.ones(y.shape) if weights is None else np.repeat(weights[steps][..., None], TARGETS, axis=2)
    losses = loss_naive(name, forecast_naive(name, network, windows, rows, flat), y)
    w = np.where(np.isnan(y), 0, w)
    weighted = np.where(np.isnan(y), 0, losses * w)
    return weighted.sum(axis=(0, 1)) / w.sum(axis=(0, 1)), weighted.sum() / w.sum()


def gradient(network, windows, rows, options):
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    return trainer.run_epoch(rows), trainer.gradient.copy()


def losses_of(name, parameters, y, probabilities=()):
    """Return the loss of each value `y` (n,) for parameters (n_parameters, n), in a loop."""
    kind, none = DISTRIBUTIONS.index(name), np.empty(0)
    found = []
    for p, value in zip(np.asarray(parameters, float).T, np.asarray(y, float), strict=True):
        sums = np.zeros((2, 1))
        places = np.zeros(1, np.int64)
        table = p.reshape(1, -1, 1).copy()
        add_distribution_losses(
            kind, output_probabilities(probabilities), table, np.array([value]), none, places, sums
        )
        assert sums[1, 0] == 1
        found.append(sums[0, 0])
    return np.array(found)


# -- special functions


@nb.njit
def call_digamma(x):
    return digamma(x)


@nb.njit
def call_rising(r, y):
    return rising(r, y)


@pytest.mark.nojit
def test_digamma_is_scipys():
    for x in np.concatenate([np.geomspace(1e-6, 1e8, 200), [1, 2, 14.999999, 15, 1.4616321449683622]]):
        assert call_digamma(x) == pytest.approx(special.psi(x), rel=1e-10, abs=1e-13)


@pytest.mark.nojit
@pytest.mark.parametrize("y", [0, 0.5, 1, 7, 1000])
def test_rising_powers_are_products(y):
    """Gamma(r + y) / Gamma(r) = r (r + 1) ... (r + y - 1); of one half as scipy has it. The slope is exact to
    the last digits of the terms (y + 1) / r, and scipy's to those of log(r)."""
    for r in np.concatenate([np.geomspace(1e-6, 1e8, 60), [14.999999, 15]]):
        value, slope = call_rising(r, float(y))
        if y == 0.5:
            assert np.exp(value) == pytest.approx(special.poch(r, y) / np.sqrt(r), rel=1e-11)
            expected, rounding = special.psi(r + y) - special.psi(r) - y / r, 2e-14
        else:
            factors = np.arange(y) / r
            assert value == pytest.approx(np.log1p(factors).sum(), rel=1e-10, abs=1e-14 * max(y, 1))
            expected, rounding = -(factors / (r + np.arange(y))).sum(), 2e-14 * (y + 1) / r
        assert slope == pytest.approx(expected, rel=1e-9, abs=rounding)


# -- values


@pytest.mark.nojit
def test_losses_are_minus_scipys_log_densities():
    rng = np.random.default_rng(0)
    y, location, scale = rng.normal(size=40) * 10, rng.normal(size=40) * 3, rng.lognormal(0, 2, 40)
    freedom, alpha = 2 + rng.lognormal(0, 3, 40), rng.lognormal(-1, 2, 40)
    counts, mean = rng.poisson(9, 40), rng.lognormal(2, 1, 40)
    for name, parameters, values in [
        ("gaussian", (location, scale), y),
        ("student_t", (location, scale, freedom), y),
        ("negative_binomial", (mean, alpha), counts),
    ]:
        np.testing.assert_allclose(
            losses_of(name, parameters, values), loss_naive(name, parameters, values), rtol=1e-10
        )


def test_distributions_go_to_their_limits():
    """Student's t becomes the normal and the negative binomial the Poisson distribution."""
    z = np.array([0.0, 0.3, -4.0])
    one, zero = np.ones(3), np.zeros(3)
    np.testing.assert_allclose(
        losses_of("student_t", (zero, one, one * 1e12), z), -stats.norm.logpdf(z), rtol=1e-10
    )
    k = np.array([0.0, 3.0, 40.0])
    np.testing.assert_allclose(
        losses_of("negative_binomial", (7 * one, one * 1e-12), k), -stats.poisson.logpmf(k, 7), rtol=1e-9
    )


def test_quantile_loss_of_the_median_is_the_absolute_error():
    np.testing.assert_allclose(losses_of("quantile", [[1.0, 2.0]], [3.5, 2.0], (0.5,)), [2.5, 0], rtol=1e-15)
    probabilities, quantiles = (0.1, 0.5, 0.9), [[2.0], [5.0], [1.0]]  # the median, the upper, the lower one
    # 2 (0.5 * 1 + 0.1 * 2 + 0.1 * 2) / 3
    assert losses_of("quantile", quantiles, [3.0], probabilities) == pytest.approx([0.6], rel=1e-14)


def test_quantile_loss_over_many_quantiles_is_the_crps():
    """The CRPS is twice the pinball loss, averaged over all probabilities (Gneiting and Ranjan, 2011)."""
    probabilities = tuple(np.arange(1, 100) / 100)
    quantiles = stats.norm.ppf(output_probabilities(probabilities))[:, None]
    y = 0.7
    crps = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert losses_of("quantile", quantiles, [y], probabilities)[0] == pytest.approx(crps, rel=0.02)


# -- the whole network


@pytest.mark.nojit
@cases
def test_predictions_are_the_parameters_in_the_values_unit(name, reading):
    windows, rows = make_task(name, **reading)
    network = make_network(name)
    expected = forecast_naive(name, network, windows, rows, network.flat)
    found = network.predict(windows, rows, 1).reshape(len(rows), -1, HORIZON, TARGETS)
    np.testing.assert_allclose(np.moveaxis(found, 1, 0), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.nojit
@pytest.mark.parametrize("weighted", [False, True])
@cases
def test_losses_in_training_and_validation_and_gradients(name, reading, weighted):
    """Some targets are missing, and some steps have the weight 0."""
    windows, rows = make_task(name, weighted=weighted, missing=weighted, **reading)
    network, options = make_network(name), replace(still, loss=name)
    flat = network.flat.copy()
    expected, _ = losses_naive(name, network, windows, rows, flat)
    found, slope = gradient(network, windows, rows, options)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(validation_losses(network, windows, rows, options), expected, rtol=1e-10)

    def total():
        return losses_naive(name, network, windows, rows, flat)[1]

    for directions, derivative in slopes(total, {"flat": flat}, n_directions=3):
        scale = abs(slope).sum()
        assert scale > 0
        assert slope @ directions["flat"] == pytest.approx(derivative, rel=1e-6, abs=1e-8 * scale)


@pytest.mark.parametrize("bias", np.linspace(-8, 8, 9))
@names
def test_gradients_of_single_outputs(name, bias):
    """Outputs are far from zero on both sides."""
    windows, rows = make_task(name, 1)
    network, options = make_network(name), replace(still, loss=name)
    network.flat[:] = 0
    head = network.weights["head_bias"]
    head[:] = bias + np.random.default_rng(0).normal(size=head.size)
    at = head.copy()
    _, slope = gradient(network, windows, rows, options)
    found = network.architecture.views(slope)["head_bias"]
    for k in range(head.size):
        moved = []
        for step in (1e-5, -1e-5):
            network.weights["head_bias"][:] = at
            network.weights["head_bias"][k] += step
            moved.append(validation_losses(network, windows, rows, options).mean())
        assert found[k] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("extreme", [pytest.param(1e4, marks=pytest.mark.nojit), 30.0])
@both
@names
def test_extreme_outputs_are_finite(name, dtype, extreme):
    """The outputs of the first three parameters have all combinations of signs."""
    windows, rows = make_task(name, 3, dtype)
    network, options = make_network(name, dtype), replace(still, loss=name)
    for signs in product([-1, 1], repeat=min(3, parameter_count(name, probabilities_of(name)))):
        network.flat[:] = 0
        outputs = extreme * np.repeat(signs, HORIZON * TARGETS)
        network.weights["head_bias"][:] = np.resize(outputs, network.architecture.readout.n_outputs)
        found, slope = gradient(network, windows, rows, options)
        assert np.isfinite(found).all()
        assert np.isfinite(slope).all()
        assert np.isfinite(network.predict(windows, rows, 1)).all()
        np.testing.assert_allclose(validation_losses(network, windows, rows, options), found, rtol=1e-3)


@both
def test_quantiles_never_cross(dtype):
    windows, rows = make_task("quantile", 300, dtype, normalize=True, scale="deviation")
    network = make_network("quantile", dtype)
    network.flat *= 20
    found = network.predict(windows, rows, 1).reshape(len(rows), len(PROBABILITIES), -1)
    assert output_probabilities(PROBABILITIES).tolist() == [0.5, 0.6, 0.9, 0.99, 0.25, 0.05]
    ascending = found[:, np.argsort(output_probabilities(PROBABILITIES))]
    assert (np.diff(ascending, axis=1) >= 0).all()
    assert (np.diff(ascending, axis=1) > 0).any(axis=(0, 2)).all()


@names
def test_outputs_that_are_not_finite_are_a_loss_of_nan(name):
    windows, rows = make_task(name)
    network, options = make_network(name), replace(still, loss=name)
    network.weights["head_bias"][-1] = np.nan
    assert np.isnan(validation_losses(network, windows, rows, options)[1])
    assert np.isnan(gradient(network, windows, rows, options)[0][1])


@cases
def test_forecasts_do_not_depend_on_batch_and_threads(name, reading):
    windows, rows = make_task(name, 300, "float32", **reading)
    network = make_network(name, "float32", hidden=9)
    whole = network.predict(windows, rows, 2)
    assert whole.dtype == np.float32
    for chosen in (np.arange(1), np.arange(300)[::-1], np.arange(7, 24), np.repeat(5, 3)):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])


# -- training


@names
def test_training_finds_the_distribution_of_noise(name):
    """The data are 2,000 independent draws in float32."""
    rng, n = np.random.default_rng(0), 2000
    draws = {
        "quantile": rng.gamma(2, 1, n),
        "gaussian": 2 + 0.5 * rng.normal(size=n),
        "student_t": -1 + 0.5 * rng.standard_t(4, n),
        "negative_binomial": rng.negative_binomial(2, 0.4, n),
    }[name]
    targets = draws.astype("float32")[:, None]
    windows = SampleSource(np.zeros((n, 2), "float32"), targets, Window(1, 2))
    rows = sample_table(np.arange(n), np.ones(n, int), np.arange(n))
    network = make_network(name, "float32", horizon=1, targets=1)
    options = TrainingOptions(loss=name, learning_rate_init=0.03, batch_size=100)
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    first = trainer.losses(rows)
    for _ in range(25):
        trainer.run_epoch(rows)
    assert trainer.losses(rows) < first
    found = network.predict(windows, rows[:1], 1)[0]
    if name == "quantile":
        expected = np.quantile(draws, output_probabilities(PROBABILITIES))
    elif name == "gaussian":
        expected = [draws.mean(), draws.std()]
    elif name == "student_t":
        freedom, location, scale = stats.t.fit(draws)
        expected, found = [location, scale, np.log(freedom)], [*found[:2], np.log(found[2])]
    else:
        mean = draws.mean()
        expected = [mean, (draws.var() - mean) / mean**2]
    np.testing.assert_allclose(found, expected, rtol=0.15, atol=0.05)


@names
def test_a_loss_goes_with_the_distribution_of_the_network(name):
    windows, rows = make_task(name)
    for network, loss in [
        (make_network(name), "squared"),
        (make_network("gaussian" if name != "gaussian" else "student_t"), name),
        (Network(compose(find_cell("gru"), 2, 3, n_outputs=4), "float64"), name),
    ]:
        with pytest.raises(ValueError, match=f"must belong to it. Got {loss!r} instead"):
            gradient(network, windows, rows, replace(still, loss=loss))


def test_counts_are_not_normalized():
    windows, rows = make_task("negative_binomial", normalize=True)
    with pytest.raises(ValueError, match="Counts must not be normalized"):
        gradient(make_network("negative_binomial"), windows, rows, replace(still, loss="negative_binomial"))


def test_losses_are_reported_in_the_unit_of_the_target():
    losses, units = np.array([1.0, 2.0]), np.array([10.0, 1.0])
    assert in_units(losses, units, "quantile") == 6
    assert in_units(losses, units, "gaussian") == pytest.approx(1.5 + np.log(10) / 2, rel=1e-15)


@nb.njit
def call_to_parameters(kind, probabilities, p):
    to_parameters(kind, probabilities, p)


@pytest.mark.nojit
@names
def test_outputs_to_parameters(name):
    rng = np.random.default_rng(0)
    for _ in range(20):
        out = 5 * rng.normal(size=parameter_count(name, probabilities_of(name)))
        expected = parameters_naive(name, out)
        call_to_parameters(DISTRIBUTIONS.index(name), output_probabilities(probabilities_of(name)), out)
        np.testing.assert_allclose(out, expected, rtol=1e-14)
