"""The training loop: early stopping, the weights that are kept, and divergence."""

import contextlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from training_tasks import (
    Recorder,
    fit,
    gradient,
    losses,
    make_network,
    make_task,
    overshooting_task,
    plain,
    quietly,
    still,
)

from seqcast.exceptions import TrainingDivergedError
from seqcast.learning.losses import validation_losses
from seqcast.learning.trainer import CpuTrainer, OptimizerState


def test_the_weights_of_the_best_epoch_are_restored():
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network)
    options = replace(plain, n_iter_no_change=7, max_iter=200)
    history = fit(network, windows, rows, options, validation=later, report=recorder)
    best = int(np.argmin(history.validation_loss))
    assert 1 < best < 50
    assert history.best_epoch == best + 1
    assert len(history.validation_loss) == len(history.loss) == best + 1 + 7
    assert not history.interrupted
    np.testing.assert_array_equal(network.flat, recorder.flats[best])
    assert validation_losses(network, windows, later, options).mean() == history.validation_loss[best]
    assert [epoch.loss for epoch in recorder.epochs] == history.loss
    assert [epoch.validation_loss for epoch in recorder.epochs] == history.validation_loss
    assert [epoch.number for epoch in recorder.epochs] == list(range(1, len(history.loss) + 1))


def test_gains_below_tol_end_a_fit_but_are_kept():
    network, (windows, rows, later) = make_network(), overshooting_task()
    options = replace(plain, n_iter_no_change=3, tol=1e9, max_iter=50)
    history = fit(network, windows, rows, options, validation=later)
    assert len(history.loss) == 4  # the first epoch is better than none by any tol
    assert history.best_epoch == 4
    assert validation_losses(network, windows, later, options).mean() == min(history.validation_loss)


def test_without_validation_the_last_weights_are_kept():
    network, (windows, rows) = make_network(), make_task()
    recorder = Recorder(network)
    history = fit(
        network, windows, rows, replace(plain, tol=0.05, n_iter_no_change=5, max_iter=500), report=recorder
    )
    assert 10 < len(history.loss) < 500
    assert history.validation_loss == []
    assert history.best_epoch == len(history.loss)
    assert recorder.epochs[-1].validation_loss is None
    np.testing.assert_array_equal(network.flat, recorder.flats[-1])


def test_a_fit_that_reaches_max_iter_warns():
    network, (windows, rows) = make_network(), make_task()
    with pytest.warns(ConvergenceWarning, match="Stopped at max_iter=3, before"):
        history = fit(network, windows, rows, replace(plain, max_iter=3))
    assert len(history.loss) == 3


@losses
def test_losses_are_reported_in_units_of_the_targets(loss):
    network, (windows, rows) = make_network(), make_task()
    options = replace(still, loss=loss, max_iter=1)
    one = quietly(lambda: fit(network, windows, rows, options, validation=rows))
    per_target = gradient(network, windows, rows, options)[0]
    assert one.loss[0] == pytest.approx(per_target.mean(), rel=1e-12)
    assert one.validation_loss[0] == pytest.approx(one.loss[0], rel=1e-12)
    units = np.array([3.0, 10.0])
    scaled = quietly(lambda: fit(network, windows, rows, options, units=units))
    power = 1 if loss == "absolute" else 2
    assert scaled.loss[0] == pytest.approx((per_target * units**power).mean(), rel=1e-12)


@pytest.mark.parametrize("validated", [False, True])
def test_ctrl_c_keeps_the_best_weights(validated):
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network, interrupt_at=40)
    history = fit(network, windows, rows, validation=later if validated else None, report=recorder)
    watched = history.validation_loss if validated else history.loss
    assert history.interrupted
    assert len(history.loss) == 40
    assert history.best_epoch == np.argmin(watched) + 1
    np.testing.assert_array_equal(network.flat, recorder.flats[history.best_epoch - 1])


def test_ctrl_c_within_the_first_epoch_keeps_the_initial_weights():
    class Interrupting(np.random.RandomState):
        def permutation(self, *arguments):
            raise KeyboardInterrupt

    network, (windows, rows) = make_network(), make_task()
    before = network.flat.copy()
    history = fit(network, windows, rows, rng=Interrupting(0))
    assert (history.interrupted, history.best_epoch, history.loss) == (True, 0, [])
    np.testing.assert_array_equal(network.flat, before)


# -- the moving average of the weights

DECAY = 0.8


@pytest.fixture
def path(monkeypatch):
    """Return the weights after each update of the fits below."""
    flats, real = [], CpuTrainer.train_batch

    def train_batch(self, batch):
        sums = real(self, batch)
        flats.append(self.network.flat.copy())
        return sums

    monkeypatch.setattr(CpuTrainer, "train_batch", train_batch)
    return flats


def averaged(flats, decay=DECAY):
    """Return (1 - d) (w_n + d w_n-1 + d^2 w_n-2 + ...) / (1 - d^n)."""
    shares = (1 - decay) * decay ** np.arange(len(flats))[::-1]
    return shares @ np.array(flats, float) / (1 - decay ** len(flats))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_leaves_the_average_of_its_weights(path, dtype):
    windows, rows = make_task(10, dtype)
    network, options = make_network(dtype), replace(plain, batch_size=4, max_iter=5, ema=DECAY)
    quietly(lambda: fit(network, windows, rows, options))
    assert len(path) == 15  # three batches an epoch
    tolerance = {"float32": 1e-6, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(network.flat, averaged(path), rtol=tolerance, atol=tolerance)
    assert abs(network.flat - path[-1]).max() > 1e-3
    with_average = [flat.copy() for flat in path]
    path.clear()
    quietly(lambda: fit(make_network(dtype), windows, rows, replace(options, ema=None)))
    np.testing.assert_array_equal(path, with_average)  # updates know nothing of it


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_the_average_of_one_update_is_the_weights(path, decay):
    network, (windows, rows) = make_network(), make_task()
    quietly(lambda: fit(network, windows, rows, replace(plain, max_iter=1, ema=decay)))
    np.testing.assert_allclose(network.flat, path[0], rtol=1e-15)


def test_a_decay_of_0_is_no_average(path):
    network, (windows, rows) = make_network(), make_task()
    quietly(lambda: fit(network, windows, rows, replace(plain, max_iter=6, ema=0.0)))
    np.testing.assert_array_equal(network.flat, path[-1])


def test_the_average_is_what_early_stopping_judges_and_keeps(path):
    network, (windows, rows, later) = make_network(), overshooting_task()
    options = replace(plain, n_iter_no_change=7, max_iter=200, ema=DECAY)
    history = fit(network, windows, rows, options, validation=later)
    judged, expected = make_network(), []
    for n in range(1, len(path) + 1):
        judged.flat[:] = averaged(path[:n])
        expected.append(validation_losses(judged, windows, later, options).mean())
    np.testing.assert_allclose(history.validation_loss, expected, rtol=1e-9)
    best = int(np.argmin(expected))
    assert 1 < best < len(path) - 1
    assert history.best_epoch == best + 1
    np.testing.assert_allclose(network.flat, averaged(path[: best + 1]), rtol=1e-12, atol=1e-13)
    without = fit(make_network(), windows, rows, replace(options, ema=None), validation=later)
    assert without.best_epoch < history.best_epoch  # the average comes later, and is not the same
    assert without.loss[: best + 1] == history.loss[: len(without.loss)][: best + 1]


@pytest.mark.parametrize("validated", [False, True])
def test_callbacks_are_given_the_average(path, validated):
    windows, rows, later = overshooting_task()
    kept = []

    def report(epoch):
        kept.append(epoch.kept()[0])

    options = replace(plain, max_iter=6, ema=DECAY)
    network = make_network()
    quietly(lambda: fit(network, windows, rows, options, later if validated else None, report=report))
    for n, flat in enumerate(kept, 1):
        np.testing.assert_allclose(flat, averaged(path[:n]), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(network.flat, kept[-1])


@pytest.mark.parametrize("validated", [False, True])
def test_ctrl_c_keeps_the_best_average(path, validated):
    network, (windows, rows, later) = make_network(), overshooting_task()
    options, recorder = replace(plain, ema=DECAY), Recorder(network, interrupt_at=40)
    history = fit(network, windows, rows, options, validation=later if validated else None, report=recorder)
    watched = history.validation_loss if validated else history.loss
    assert history.interrupted
    assert history.best_epoch == np.argmin(watched) + 1
    expected = averaged(path[: history.best_epoch])
    np.testing.assert_allclose(network.flat, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("validated", [False, True])
def test_divergence_keeps_the_average_of_a_good_epoch(path, validated):
    """Averages of later epochs contain the weights that diverged."""
    network, (windows, rows) = make_network(), make_task()

    def report(epoch):
        if epoch.number == 3:
            windows.targets[:] = 1e200

    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch 4; the weights of epoch"):
        history = fit(
            network, windows, rows, replace(plain, ema=DECAY), rows if validated else None, report=report
        )
    expected = averaged(path[: history.best_epoch])
    np.testing.assert_allclose(network.flat, expected, rtol=1e-12, atol=1e-13)


# -- divergence


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_leaves_weights_that_can_forecast(optimizer):
    """The loss of the first epoch is finite, because it is computed before the only update."""
    network, (windows, rows) = make_network(), make_task()
    options = replace(plain, optimizer=optimizer, learning_rate_init=1e200)
    with warnings.catch_warnings(), contextlib.suppress(TrainingDivergedError):
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit(network, windows, rows, options)
    assert np.isfinite(network.flat).all()
    assert np.isfinite(validation_losses(network, windows, rows, options)).all()


def test_divergence_after_a_good_epoch_keeps_that_epoch():
    """The targets of the third epoch are too large."""
    network, (windows, rows) = make_network(), make_task()
    recorder = Recorder(network)

    def report(epoch):
        recorder(epoch)
        if epoch.number == 2:
            windows.targets[:] = 1e200

    with pytest.warns(
        ConvergenceWarning, match="Training diverged in epoch 3; the weights of epoch 2 are kept"
    ):
        history = fit(network, windows, rows, report=report)
    assert history.best_epoch == 2
    np.testing.assert_array_equal(network.flat, recorder.flats[1])


def test_divergence_with_validation_restores_the_best_epoch():
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network)

    def report(epoch):
        recorder(epoch)
        if epoch.number == 20:
            windows.values[:] = np.nan_to_num(np.inf)
            windows.targets[18:] = -1e300

    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch 21; the weights of epoch"):
        history = fit(network, windows, rows, validation=later, report=report)
    assert history.best_epoch == np.argmin(history.validation_loss[:20]) + 1
    np.testing.assert_array_equal(network.flat, recorder.flats[history.best_epoch - 1])


@losses
def test_a_forecast_of_nan_is_a_loss_of_nan(loss):
    """A forecast of NaN is not treated like a missing target."""
    network, (windows, rows) = make_network(), make_task()
    windows.targets[5, 0] = np.nan
    network.weights["head_weight"][0] = np.nan  # output 0 is a step of target 0
    found = validation_losses(network, windows, rows, replace(plain, loss=loss))
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


@pytest.mark.parametrize("validated", [False, True])
def test_no_finite_epoch_is_an_error(validated):
    network, (windows, rows) = make_network(), make_task()
    windows.targets[:] = 1e200
    message = "Training diverged in epoch 1, before any epoch had a finite loss. Lower learning_rate_init or "
    with pytest.raises(TrainingDivergedError, match=message):
        fit(network, windows, rows, validation=rows if validated else None)
    assert isinstance(TrainingDivergedError(), ValueError)


# -- the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_seed_gives_the_same_bits_for_any_number_of_threads(dtype):
    windows, rows = make_task(300, dtype)
    options = replace(plain, max_iter=2, dropout=0.3, batch_size=140)
    found = {}
    for name, n_threads, seed in (("one", 1, 3), ("two", 2, 3), ("again", 2, 3), ("other seed", 1, 4)):
        network = make_network(dtype, hidden=9, n_layers=2)
        history = quietly(
            lambda n=network, t=n_threads, s=seed: fit(
                n, windows, rows, replace(options, n_threads=t), rows[:50], seed=s
            )
        )
        found[name] = np.concatenate([network.flat, history.loss, history.validation_loss])
    for name in ("two", "again"):
        np.testing.assert_array_equal(found[name], found["one"])
    assert not np.array_equal(found["other seed"], found["one"])


def test_training_goes_on_where_it_stopped():
    """With optimizer state and random numbers kept, 2 + 3 epochs have the same bits as 5."""
    whole, parts, (windows, rows) = make_network(), make_network(), make_task(10)
    options, rng, state = replace(plain, batch_size=4), np.random.RandomState(0), OptimizerState(parts)
    quietly(lambda: fit(whole, windows, rows, replace(options, max_iter=5)))
    for n in (2, 3):
        quietly(lambda n=n: fit(parts, windows, rows, replace(options, max_iter=n), rng=rng, state=state))
    assert state.n_updates == 15
    np.testing.assert_array_equal(parts.flat, whole.flat)
