"""Fits and layers on a GPU against those on the CPU, from the same seed."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from seqcast import LinearForecaster, Recurrent, SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.cuda.queue import Queue

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
SMALL = {"hidden_size": 2, "max_iter": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


def make_sequences(n=8, n_steps=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_steps, 2))
    return X, X[:, :, 0].sum(axis=1) + 0.1 * rng.normal(size=n)


def make_ragged_sequences(n=8):
    X, y = make_sequences(n, 4)
    for row, length in zip(X, np.random.default_rng(1).integers(1, 5, n), strict=True):
        row[length:] = np.nan
    return X, y


def fit(kind, X, y, device, **options):
    return kind(**SMALL | options, device=device).fit(X, y)


def assert_same_fit(one, other, tolerance):
    assert other.device_ == "cuda:0"
    for name, weight in one.weights_.items():
        np.testing.assert_allclose(other.weights_[name], weight, rtol=0, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=tolerance)


REGRESSORS = {
    "lstm": {"cell": "lstm"},
    "lstm, float32": {"cell": "lstm", "dtype": "float32"},
    "gru, two layers, dropout": {"n_layers": 2, "dropout": 0.3},
    "both directions": {"bidirectional": True, "n_layers": 2, "optimizer": "rmsprop"},
    "reset before": {"cell": "gru_reset_before", "optimizer": "sgd", "learning_rate_init": 0.1},
    "relu": {"cell": "rnn_relu", "loss": "huber", "alpha": 0.1},
    "truncated": {"bptt_steps": 2, "loss": "absolute"},
    "mean, float32": {"pooling": "mean", "bidirectional": True, "dtype": "float32"},
    "max": {"pooling": "max", "dropout": 0.2},
    "one batch": {"batch_size": 8},
    "not clipped": {"clip_norm": None},
}


@pytest.mark.parametrize("options", REGRESSORS.values(), ids=REGRESSORS)
def test_epoch_matches_cpu(options):
    X, y = make_sequences()
    options = {"batch_size": 3, "dtype": "float64"} | options
    cpu, cuda = (fit(SeqRegressor, X, y, device, **options) for device in ("cpu", "cuda"))
    tolerance = TOLERANCE[options["dtype"]]
    assert_same_fit(cpu, cuda, tolerance)
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=10 * tolerance)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_ragged_weighted_sequences_match_cpu(pooling):
    X, y = make_ragged_sequences()
    weight = np.arange(8.0) % 3
    models = [
        SeqRegressor(**SMALL, dtype="float64", pooling=pooling, device=device).fit(X, y, sample_weight=weight)
        for device in ("cpu", "cuda")
    ]
    assert_same_fit(*models, 1e-9)
    np.testing.assert_allclose(models[1].predict(X), models[0].predict(X), atol=1e-9)


def test_more_targets_than_channels_match_cpu():
    X, y = make_sequences()
    Y = np.outer(y, np.arange(1, 8))
    options = {"batch_size": 5, "dtype": "float64"}
    cpu, cuda = (fit(SeqRegressor, X, Y, device, **options) for device in ("cpu", "cuda"))
    assert_same_fit(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=1e-9)


def test_epochs_with_early_stopping_match_cpu():
    X, y = make_sequences(15)
    options = {
        "max_iter": 3,
        "batch_size": 4,
        "early_stopping": True,
        "dtype": "float64",
        "learning_rate_init": 0.02,
    }
    cpu, cuda = (fit(SeqRegressor, X, y, device, **options) for device in ("cpu", "cuda"))
    assert_same_fit(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.validation_loss_curve_, cpu.validation_loss_curve_, rtol=1e-9)
    assert cuda.best_iter_ == cpu.best_iter_


def test_classifier_matches_cpu():
    X, y = make_sequences()
    labels = np.where(y > 0.3, "high", np.where(y < -0.3, "low", "middle"))
    cpu, cuda = (fit(SeqClassifier, X, labels, device, dtype="float64") for device in ("cpu", "cuda"))
    assert_same_fit(cpu, cuda, 1e-9)
    np.testing.assert_allclose(cuda.predict_proba(X), cpu.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("output", ["mean", "states"])
def test_encoder_matches_cpu(output):
    X, _ = make_sequences()
    options = SMALL | {"output": output, "dtype": "float64"}
    found, expected = (SeqEncoder(**options, device=device).fit(X).transform(X) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(found, expected, atol=1e-9)


# -- forecasts


def make_frame(n=22):
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
def test_forecasts_match_cpu(options):
    y = make_frame()
    fixed = SMALL | {"linear": False, "naive_fallback": False, "dtype": "float64", "max_samples": 6}
    options = fixed | {"hidden_size": 2, "batch_size": 4} | options
    cpu, cuda = (SeqForecaster(2, 4, **options, device=device).fit(y) for device in ("cpu", "cuda"))
    assert_same_fit(cpu, cuda, 1e-8)
    for how in ({}, {"level": 50}):
        found, expected = (model.forecast(2, **how).to_numpy() for model in (cuda, cpu))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


# -- state of a fitted estimator


def test_two_fits_are_identical():
    X, y = make_sequences()
    options = {"dropout": 0.2, "max_iter": 2, "batch_size": 4}
    one, two = (fit(SeqRegressor, X, y, "cuda", **options) for _ in range(2))
    assert all((one.weights_[name] == two.weights_[name]).all() for name in one.weights_)
    assert one.loss_curve_ == two.loss_curve_


def test_copies_and_pickles_predict_the_same(monkeypatch):
    X, y = make_sequences()
    model = fit(SeqRegressor, X, y, "cuda", dtype="float64")
    expected = model.predict(X)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied.device_ == "cuda:0"
        np.testing.assert_array_equal(copied.predict(X), expected)

    def find_no_gpu(name, owner=""):
        if name == "auto":
            return None
        raise RuntimeError("no GPU")

    written = pickle.dumps(model)
    monkeypatch.setattr("seqcast.learning.devices.find_device", find_no_gpu)
    opened = pickle.loads(written)
    np.testing.assert_allclose(opened.predict(X), expected, atol=1e-9)


def test_partial_fit_continues_the_last_one():
    X, y = make_sequences()
    models = [SeqRegressor(**SMALL, dtype="float64", device=device) for device in ("cpu", "cuda")]
    for model in models:
        model.partial_fit(X, y).partial_fit(X, y)
    assert_same_fit(*models, 1e-9)


def test_warm_start_may_change_the_device():
    X, y = make_sequences()
    options = {"warm_start": True, "dtype": "float64"}
    stays, moves = (fit(SeqRegressor, X, y, "cpu", **options) for _ in range(2))
    stays.fit(X, y)
    moves.set_params(device="cuda").fit(X, y)
    assert_same_fit(stays, moves, 1e-9)
    assert moves.set_params(device="cpu").fit(X, y).device_ == "cpu"


def test_auto_uses_the_cpu_for_little_work(monkeypatch):
    X, y = make_sequences()
    assert fit(SeqRegressor, X, y, "auto").device_ == "cpu"
    monkeypatch.setattr("seqcast.learning.fitting.AUTO_PRODUCTS", 1)
    assert fit(SeqRegressor, X, y, "auto").device_ == "cuda:0"
    assert [fit(SeqRegressor, X, y, device).device_ for device in ("cpu", "cuda:0")] == ["cpu", "cuda:0"]


def test_unknown_device_raises():
    X, y = make_sequences()
    with pytest.raises(ValueError, match=r"The 'device' parameter of SeqRegressor must .* Got 'gpu' instead"):
        fit(SeqRegressor, X, y, "gpu")
    with pytest.raises(ValueError, match=r"The 'device' parameter of Recurrent must be"):
        Recurrent("lstm", 1, 2, device="gpu")


def test_diverging_fit_raises_as_on_the_cpu():
    X, y = make_sequences()
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
            fit(SeqRegressor, X, y, device, **options)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_every_use_of_the_queue_holds_its_lock(monkeypatch):
    """If another thread is recording, launches without the lock would become part of its graph."""
    used = set()

    def check(name, method):
        def checked(queue, *arguments, **options):
            used.add(name)
            assert queue.lock._is_owned(), name
            return method(queue, *arguments, **options)

        return checked

    X, y = make_sequences()
    layer = Recurrent("gru", 2, 3, device="cuda")
    for name in ("zeros", "upload", "download", "copy", "clear", "launch"):
        monkeypatch.setattr(Queue, name, check(name, getattr(Queue, name)))
    model = fit(SeqRegressor, X, y, "cuda", early_stopping=True, max_iter=2, batch_size=4)
    copy.deepcopy(model).partial_fit(X, y).predict(X)
    fit(SeqEncoder, X, None, "cuda").transform(X)
    fit(SeqForecaster, make_frame(), None, "cuda", horizon=2, window=4).forecast()
    for training in (False, True):
        output, _ = layer.forward(X, training=training)
    layer.backward(np.ones_like(output))
    assert used == {"zeros", "upload", "download", "copy", "clear", "launch"}


def test_gpu_arrays_are_accepted(queue):
    X, y = make_sequences()
    on_gpu = [queue.upload(array) for array in (X, y)]
    for device in ("cpu", "cuda"):
        expected, found = (fit(SeqRegressor, *data, device) for data in ((X, y), on_gpu))
        np.testing.assert_array_equal(found.predict(on_gpu[0]), expected.predict(X))
    series = make_frame()["b"].to_numpy()
    expected, found = (LinearForecaster(2, 4).fit(data) for data in (series, queue.upload(series)))
    np.testing.assert_array_equal(found.forecast(), expected.forecast())
    weight = np.arange(8.0) % 3
    expected, found = (SeqRegressor(**SMALL).fit(X, y, w).weights_ for w in (weight, queue.upload(weight)))
    assert all((found[name] == expected[name]).all() for name in expected)
    layer = Recurrent("gru", 2, 3, random_state=0)
    lengths = np.arange(8) % 4
    expected, _ = layer.forward(X, lengths=lengths)
    found, _ = layer.forward(on_gpu[0], lengths=queue.upload(lengths))
    np.testing.assert_array_equal(found, expected)
    layer.weights["weight_hh_l0"] = queue.upload(np.ones((9, 3), np.float32))
    assert (layer.weights["weight_hh_l0"] == 1).all()


# -- layers

LAYERS = {
    "lstm": {"cell": "lstm", "n_layers": 2, "dropout": 0.4},
    "gru": {"cell": "gru", "bidirectional": True, "n_layers": 2},
    "gru, reset before": {"cell": "gru_reset_before"},
    "rnn": {"cell": "rnn_relu", "n_layers": 2},
}


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_layer_passes_match_cpu(options):
    rng = np.random.default_rng(0)
    layers = [
        Recurrent(**options, input_size=2, hidden_size=3, dtype="float64", random_state=0, device=device)
        for device in ("cpu", "cuda")
    ]
    x = rng.normal(size=(4, 5, 2))
    lengths = [5, 1, 3, 0]
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


def test_backward_may_be_repeated():
    """A backward pass overwrites what the forward pass kept, so the forward pass is repeated."""
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    layer = Recurrent("lstm", 2, 3, n_layers=2, dropout=0.5, random_state=0, device="cuda")
    output, _ = layer.forward(x, training=True)
    (first, _), (second, _) = (layer.backward(np.ones_like(output)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_backward_after_forward_without_training():
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    cpu, cuda = (Recurrent("gru", 2, 3, dtype="float64", random_state=0, device=d) for d in ("cpu", "cuda"))
    gradients = []
    for layer in (cpu, cuda):
        output, _ = layer.forward(x)
        # The backward pass uses the weights of the forward pass.
        layer.weights["weight_hh_l0"] = np.zeros((9, 3))
        gradients.append(layer.backward(np.ones_like(output))[0])
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-10)
