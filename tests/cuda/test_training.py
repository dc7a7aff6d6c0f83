"""Fits on the GPU against fits on the CPU, from the same seed: whole estimators, and layers."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from seqcast import LinearForecaster, Recurrent, SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.cuda import batches
from seqcast.kernels.cuda.queue import Queue
from seqcast.learning.cuda import CudaNetwork
from seqcast.learning.network import Network

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
SMALL = {"hidden_size": 3, "max_iter": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


def sequences(n=14, n_steps=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_steps, 2))
    return X, X[:, :, 0].sum(axis=1) + 0.1 * rng.normal(size=n)


def ragged(n=14):
    X, y = sequences(n, 5)
    for row, length in zip(X, np.random.default_rng(1).integers(1, 6, n), strict=True):
        row[length:] = np.nan
    return X, y


def fitted(kind, X, y, device, **options):
    return kind(**SMALL | options, device=device).fit(X, y)


def assert_alike(one, other, tolerance):
    assert isinstance(other._network, CudaNetwork)
    for name, weight in one.weights_.items():
        np.testing.assert_allclose(other.weights_[name], weight, rtol=0, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=tolerance)


REGRESSORS = {
    "lstm": {"cell": "lstm"},
    "gru, two layers, dropout": {"n_layers": 2, "dropout": 0.3},
    "both directions": {"bidirectional": True, "n_layers": 2, "optimizer": "rmsprop"},
    "reset before": {"cell": "gru_reset_before", "optimizer": "sgd", "learning_rate_init": 0.1},
    "relu": {"cell": "rnn_relu", "loss": "huber", "alpha": 0.1},
    "truncated": {"bptt_steps": 2, "loss": "absolute"},
    "mean": {"pooling": "mean", "bidirectional": True},
    "largest": {"pooling": "max", "dropout": 0.2},
    "one batch": {"batch_size": 14},
    "not clipped": {"clip_norm": None, "batch_size": 3},
}


@pytest.mark.parametrize("options", REGRESSORS.values(), ids=REGRESSORS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_an_epoch_is_that_of_the_cpu(options, dtype):
    X, y = sequences()
    options = {"batch_size": 5, "dtype": dtype} | options
    cpu, cuda = (fitted(SeqRegressor, X, y, device, **options) for device in ("cpu", "cuda"))
    assert_alike(cpu, cuda, TOLERANCE[dtype])
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_rows_of_different_lengths_and_weights(pooling):
    X, y = ragged()
    weight = np.arange(14.0) % 3
    models = [
        SeqRegressor(**SMALL, dtype="float64", pooling=pooling, device=device).fit(X, y, sample_weight=weight)
        for device in ("cpu", "cuda")
    ]
    assert_alike(*models, 1e-9)
    np.testing.assert_allclose(models[1].predict(X), models[0].predict(X), atol=1e-9)


@pytest.mark.parametrize("n_targets", [3, 7])
def test_more_targets_than_channels(n_targets):
    X, y = sequences()
    Y, options = np.outer(y, np.arange(1, n_targets + 1)), {"batch_size": 5, "dtype": "float64"}
    cpu, cuda = (fitted(SeqRegressor, X, Y, device, **options) for device in ("cpu", "cuda"))
    assert_alike(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=1e-9)


def test_several_epochs_with_validation():
    X, y = sequences(24)
    options = {
        "max_iter": 4,
        "batch_size": 6,
        "early_stopping": True,
        "dtype": "float64",
        "learning_rate_init": 0.02,
    }
    cpu, cuda = (fitted(SeqRegressor, X, y, device, **options) for device in ("cpu", "cuda"))
    assert_alike(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.validation_loss_curve_, cpu.validation_loss_curve_, rtol=1e-9)
    assert cuda.best_iter_ == cpu.best_iter_


def test_classes():
    X, y = sequences()
    labels = np.where(y > 0.3, "high", np.where(y < -0.3, "low", "middle"))
    cpu, cuda = (fitted(SeqClassifier, X, labels, device, dtype="float64") for device in ("cpu", "cuda"))
    assert_alike(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.predict_proba(X), cpu.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("output", ["mean", "states"])
def test_features_of_an_encoder(output):
    X, _ = sequences()
    options = SMALL | {"output": output, "dtype": "float64"}
    found, expected = (SeqEncoder(**options, device=device).fit(X).transform(X) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(found, expected, atol=1e-9)


# -- forecasts


def wander(n=26):
    rng = np.random.default_rng(0)
    y = np.sin(np.arange(n) / 3) + 0.1 * rng.normal(size=n)
    y[[5, 10]] = np.nan
    return pd.DataFrame({"a": y, "b": 50 + 10 * rng.normal(size=n).cumsum()})


FORECASTERS = {
    "default": {},
    "instance": {"normalization": "instance", "segment": 2},
    "multivariate": {"multivariate": True, "ema": None},
    "gaussian": {"loss": "gaussian"},
    "quantile": {"loss": "quantile", "quantiles": [0.1, 0.5, 0.9]},
    "student_t": {"loss": "student_t", "normalization": "none"},
    "weighted": {"half_life": 20},
}


@pytest.mark.parametrize("options", FORECASTERS.values(), ids=FORECASTERS)
def test_forecasts_are_those_of_the_cpu(options):
    y, fixed = (
        wander(),
        SMALL | {"linear": False, "naive_fallback": False, "dtype": "float64", "max_samples": 6},
    )
    options = fixed | {"hidden_size": 2, "batch_size": 4} | options
    cpu, cuda = (SeqForecaster(2, 4, **options, device=device).fit(y) for device in ("cpu", "cuda"))
    assert_alike(cpu, cuda, 1e-8)
    for how in ({}, {"level": 50}):
        found, expected = (model.forecast(2, **how).to_numpy() for model in (cuda, cpu))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


# -- what a fit leaves behind


def test_two_fits_give_the_same_bits():
    X, y = sequences()
    one, two = (fitted(SeqRegressor, X, y, "cuda", dropout=0.2, max_iter=2, batch_size=4) for _ in range(2))
    assert all((one.weights_[name] == two.weights_[name]).all() for name in one.weights_)
    assert one.loss_curve_ == two.loss_curve_


def test_copies_forecast_the_same_and_files_open_without_a_gpu(monkeypatch):
    X, y = sequences()
    model = fitted(SeqRegressor, X, y, "cuda", dtype="float64")
    expected = model.predict(X)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(copied._network, CudaNetwork)
        np.testing.assert_array_equal(copied.predict(X), expected)

    def no_gpu(name, owner=""):
        if name == "auto":
            return None
        raise RuntimeError("no GPU")

    written = pickle.dumps(model)
    monkeypatch.setattr("seqcast.learning.devices.find_device", no_gpu)
    opened = pickle.loads(written)
    assert type(opened._network) is Network
    np.testing.assert_allclose(opened.predict(X), expected, atol=1e-9)


def test_a_pass_goes_on_where_the_last_one_ended():
    X, y = sequences()
    models = [SeqRegressor(**SMALL, dtype="float64", device=device) for device in ("cpu", "cuda")]
    for model in models:
        model.partial_fit(X, y).partial_fit(X, y)
    assert_alike(*models, 1e-9)


def test_a_warm_start_may_move_to_another_device():
    X, y = sequences()
    options = {"warm_start": True, "dtype": "float64"}
    stays, moves = (fitted(SeqRegressor, X, y, "cpu", **options) for _ in range(2))
    stays.fit(X, y)
    moves.set_params(device="cuda").fit(X, y)
    assert_alike(stays, moves, 1e-9)
    assert type(moves.set_params(device="cpu").fit(X, y)._network) is Network


def test_auto_takes_the_cpu_for_little_work(monkeypatch):
    X, y = sequences()
    assert type(fitted(SeqRegressor, X, y, "auto")._network) is Network
    monkeypatch.setattr("seqcast.estimators.base.AUTO_PRODUCTS", 1)
    assert isinstance(fitted(SeqRegressor, X, y, "auto")._network, CudaNetwork)
    assert [fitted(SeqRegressor, X, y, device).device_ for device in ("cpu", "cuda:0")] == ["cpu", "cuda:0"]


def test_an_unknown_device_is_refused():
    X, y = sequences()
    with pytest.raises(ValueError, match=r"The 'device' parameter of SeqRegressor must .* Got 'gpu' instead"):
        fitted(SeqRegressor, X, y, "gpu")
    with pytest.raises(ValueError, match=r"The 'device' parameter of Recurrent must be"):
        Recurrent("lstm", 1, 2, device="gpu")


def test_a_diverging_fit_ends_as_on_the_cpu():
    X, y = sequences()
    options = {
        "learning_rate_init": 1e30,
        "clip_norm": None,
        "optimizer": "sgd",
        "max_iter": 3,
        "batch_size": 5,
    }
    messages = []
    for device in ("cpu", "cuda"):
        with pytest.raises(TrainingDivergedError) as error:
            fitted(SeqRegressor, X, y, device, **options)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_a_batch_that_does_not_fit_is_told_of(monkeypatch):
    X, y = sequences()
    monkeypatch.setattr(Queue, "free_memory", 1000)
    with pytest.raises(MemoryError, match=r"A batch of 14 windows takes .* Lower batch_size"):
        fitted(SeqRegressor, X, y, "cuda")


def test_a_batch_that_kernels_can_not_count_is_told_of(monkeypatch):
    monkeypatch.setattr(batches, "MOST_NUMBERS", 100)
    with pytest.raises(MemoryError, match=r"takes an array of .* numbers on the GPU"):
        Recurrent("lstm", 1, 4, device="cuda").forward(np.zeros((5, 6, 1)))
    monkeypatch.setattr(batches, "MOST_NUMBERS", 2 * 8 * 5 * 6)  # outputs, which are more than any walk has
    with pytest.raises(MemoryError, match=r"takes an array of 480 numbers on the GPU"):
        Recurrent("rnn", 1, 8, bidirectional=True, device="cuda").forward(np.zeros((5, 6, 1)))


def test_whoever_touches_the_queue_holds_its_lock(monkeypatch):
    """Another thread may be recording: what came from this one would be part of its graph."""
    touched = set()

    def check(name, method):
        def checked(queue, *arguments, **options):
            touched.add(name)
            assert queue.lock._is_owned(), name
            return method(queue, *arguments, **options)

        return checked

    X, y = sequences()
    layer = Recurrent("gru", 2, 3, device="cuda")
    for name in ("zeros", "upload", "download", "copy", "clear", "launch"):
        monkeypatch.setattr(Queue, name, check(name, getattr(Queue, name)))
    model = fitted(SeqRegressor, X, y, "cuda", early_stopping=True, max_iter=2, batch_size=4)
    copy.deepcopy(model).partial_fit(X, y).predict(X)
    fitted(SeqEncoder, X, None, "cuda").transform(X)
    fitted(SeqForecaster, wander(), None, "cuda", horizon=2, window=4).forecast()
    for training in (False, True):
        output, _ = layer.forward(X, training=training)
    layer.backward(np.ones_like(output))
    assert touched == {"zeros", "upload", "download", "copy", "clear", "launch"}


def test_arrays_of_a_gpu_are_taken(queue):
    X, y = sequences()
    there = [queue.upload(array) for array in (X, y)]
    for device in ("cpu", "cuda"):
        expected, found = (fitted(SeqRegressor, *data, device) for data in ((X, y), there))
        np.testing.assert_array_equal(found.predict(there[0]), expected.predict(X))
    series = wander()["b"].to_numpy()
    expected, found = (LinearForecaster(2, 4).fit(data) for data in (series, queue.upload(series)))
    np.testing.assert_array_equal(found.forecast(), expected.forecast())
    weight = np.arange(14.0) % 3
    expected, found = (SeqRegressor(**SMALL).fit(X, y, w).weights_ for w in (weight, queue.upload(weight)))
    assert all((found[name] == expected[name]).all() for name in expected)
    layer, lengths = Recurrent("gru", 2, 3, random_state=0), np.arange(14) % 4
    expected, _ = layer.forward(X, lengths=lengths)
    found, _ = layer.forward(there[0], lengths=queue.upload(lengths))
    np.testing.assert_array_equal(found, expected)
    layer.weights["weight_hh_l0"] = queue.upload(np.ones((9, 3), np.float32))
    assert (layer.weights["weight_hh_l0"] == 1).all()


# -- layers by themselves

LAYERS = {
    "lstm": {"cell": "lstm", "n_layers": 2, "dropout": 0.4},
    "gru": {"cell": "gru", "bidirectional": True, "n_layers": 2},
    "gru, reset before": {"cell": "gru", "reset_after": False},
    "rnn": {"cell": "rnn", "activation": "relu", "n_layers": 2},
}


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_layers_there_and_back(options):
    rng = np.random.default_rng(0)
    layers = [
        Recurrent(**options, input_size=2, hidden_size=3, dtype="float64", random_state=0, device=device)
        for device in ("cpu", "cuda")
    ]
    x, lengths = rng.normal(size=(4, 5, 2)), [5, 1, 3, 0]
    n_walks = options.get("n_layers", 1) * (2 if options.get("bidirectional") else 1)
    state = rng.normal(size=(n_walks, 4, 3))
    states = (state, state + 1) if options["cell"] == "lstm" else state
    d_output = rng.normal(size=(4, 5, 6 if options.get("bidirectional") else 3))
    found = []
    for layer in layers:
        output, final = layer.forward(x, states, lengths, training=True)
        grad_x, grads = layer.backward(d_output, states)
        found.append([output, *np.atleast_1d(final), grad_x, *grads.values()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-10)


def test_the_way_back_can_be_taken_twice():
    """It uses up what the pass kept, so the second time the pass is made again."""
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    layer = Recurrent("lstm", 2, 3, n_layers=2, dropout=0.5, random_state=0, device="cuda")
    output, _ = layer.forward(x, training=True)
    (first, _), (second, _) = (layer.backward(np.ones_like(output)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_way_back_after_a_pass_that_kept_nothing():
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    cpu, cuda = (Recurrent("gru", 2, 3, dtype="float64", random_state=0, device=d) for d in ("cpu", "cuda"))
    gradients = []
    for layer in (cpu, cuda):
        output, _ = layer.forward(x)
        layer.weights["weight_hh_l0"] = np.zeros((9, 3))  # after the pass: the way back is that of the pass
        gradients.append(layer.backward(np.ones_like(output))[0])
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-10)
