"""SeqRegressor, compared with the equations in plain NumPy."""

import doctest
import pickle
import re
from contextlib import contextmanager

import naive
import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import SeqRegressor, pad_sequences
from seqcast.estimators import network_parameters, regressor
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.modes import POOLINGS
from seqcast.learning import network, trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 8, "max_iter": 3, "random_state": 0}


def sequences(n=60, n_steps=6, n_channels=2, n_targets=None, seed=0):
    """Return sequences (n, n_steps, n_channels) with offsets, and targets computed from them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_steps, n_channels))
    y = z[:, -1, 0] + z[:, -2, -1] * z[:, 0, 0]
    X = z * (1 + np.arange(n_channels)) + 5
    return X, (
        3 * y - 7
        if n_targets is None
        else np.stack([3 * y - 7] + [z[:, k, 0] for k in range(1, n_targets)], 1)
    )


def moments(values, weights=None):
    """Return weighted mean and deviation of each column, without NaN."""
    observed = np.ma.masked_invalid(values)
    mean = np.ma.average(observed, axis=0, weights=weights)
    return mean, np.sqrt(np.ma.average((observed - mean) ** 2, axis=0, weights=weights))


def predict_by_hand(model, fitted, X, weights=None):
    """Return predictions by the equations; `fitted` holds training rows and targets."""
    rows, targets = fitted[0].reshape(-1, X.shape[2]), fitted[1].reshape(len(fitted[1]), -1)
    center, scale = moments(rows, None if weights is None else np.repeat(weights, fitted[0].shape[1]))
    x, named, lengths = np.array((X - center) / scale), model.weights_, lengths_by_hand(X)
    if named["weight_ih_l0"].shape[1] > X.shape[2]:
        x = np.concatenate([x, ~np.isnan(x)], axis=2)
    ways = {"n_layers": model.n_layers, "bidirectional": model.bidirectional, "lengths": lengths}
    output, _ = naive.recurrent(weights=named, x=np.nan_to_num(x), **naive.CELLS[model.cell], **ways)
    read = naive.pooled(output, lengths, model.pooling, model.bidirectional)
    out = naive.head(read, named["head_weight"], named["head_bias"])
    center, scale = moments(targets, weights)
    return np.array(out * scale + center)


def lengths_by_hand(X):
    """Return the number of steps up to the last one with an observation."""
    return [1 + max(np.flatnonzero(~np.isnan(row).all(axis=1)), default=0) for row in X]


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


@pytest.fixture(scope="module")
def data():
    return sequences()


@pytest.fixture(scope="module")
def model(data):
    return SeqRegressor(**TINY, n_channels=2).fit(*data)


# -- the equations


@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True)])
@pytest.mark.parametrize("cell", naive.CELLS)
def test_predictions_follow_the_equations(cell, n_layers, bidirectional):
    X, y = sequences(n_targets=2)
    options = {**TINY, "hidden_size": 5, "dtype": "float64", "n_layers": n_layers}
    model = SeqRegressor(cell, **options, bidirectional=bidirectional, n_channels=2).fit(X, y)
    new, _ = sequences(20, seed=1)
    np.testing.assert_allclose(model.predict(new), predict_by_hand(model, (X, y), new), rtol=1e-9)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_weights_padding_gaps_and_pooling_follow_the_equations(pooling, bidirectional):
    """The scaling is weighted, sequences end with their last observed step, and other NaN have a flag."""
    X, y = sequences(n_targets=2)
    rng = np.random.default_rng(1)
    rows = pad_sequences(np.where(rng.random(X.shape) < 0.2, np.nan, X), rng.integers(1, 7, 60))
    weights = rng.choice([0.5, 1.0, 4.0], 60)
    options = {**TINY, "dtype": "float64", "pooling": pooling, "bidirectional": bidirectional}
    model = SeqRegressor(**options).fit(rows, y, sample_weight=weights)
    expected = predict_by_hand(model, (rows, y), rows, weights)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-9)
    longer = np.concatenate([X, X], axis=1)
    expected = predict_by_hand(model, (rows, y), longer, weights)
    np.testing.assert_allclose(model.predict(longer), expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_weighted_losses_are_in_target_units_or_deviations(loss, n_targets):
    (X, y), weights = sequences(50, n_targets=n_targets), np.random.default_rng(0).uniform(0.1, 3, 50)
    options = {"loss": loss, "early_stopping": True, "dtype": "float64", "learning_rate_init": 1e-300}
    model = SeqRegressor(**TINY, **options).fit(X, y, sample_weight=weights)
    unit = moments(y[:45].reshape(45, -1), weights[:45])[1]
    d = (a.reshape(50, -1) / unit for a in (y, model.predict(X)))
    truth, said = (np.array(a) for a in d)
    power = 0 if n_targets > 1 else 1 if loss == "absolute" else 2
    for curve, rows in ((model.loss_curve_, slice(45)), (model.validation_loss_curve_, slice(45, 50))):
        found = [
            getattr(naive, loss)(truth[rows, k], said[rows, k], weights[rows]) * unit[k] ** power
            for k in range(n_targets)
        ]
        np.testing.assert_allclose(curve, np.mean(found), rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_loss_curves_are_in_target_units_or_deviations(loss, n_targets):
    """A tiny learning rate keeps the weights of the first epoch."""
    X, y = sequences(50, n_targets=n_targets)
    options = {"loss": loss, "early_stopping": True, "dtype": "float64", "learning_rate_init": 1e-300}
    model = SeqRegressor(**TINY, **options, n_channels=2).fit(X, y)
    fitted, unit = (X[:45], y[:45]), y[:45].std(axis=0)

    def mean_loss(rows):
        d = y[rows] / unit, predict_by_hand(model, fitted, X[rows]) / unit
        power = 0 if n_targets > 1 else 1 if loss == "absolute" else 2
        losses = [getattr(naive, loss)(d[0][:, k], d[1][:, k]) * unit[k] ** power for k in range(n_targets)]
        return np.mean(losses)

    np.testing.assert_allclose(model.loss_curve_, mean_loss(slice(0, 45)), rtol=1e-9)
    np.testing.assert_allclose(model.validation_loss_curve_, mean_loss(slice(45, 50)), rtol=1e-9)


# -- shapes


def test_flat_rows_hold_step_after_step(data, model):
    X, y = data
    flat = SeqRegressor(**TINY, n_channels=2).fit(X.reshape(60, 12), y)
    assert_same_weights(flat, model)
    for one in (flat, model):
        assert one.n_features_in_ == 12
        for rows in (X, X.reshape(60, 12), X.tolist()):
            np.testing.assert_array_equal(one.predict(rows), model.predict(X))


def test_one_channel_by_default(data):
    X, y = data
    one = SeqRegressor(**TINY).fit(X[:, :, 0], y)
    assert one.weights_["weight_ih_l0"].shape == (24, 1)
    other = SeqRegressor(**TINY).fit(X[:, :, :1], y)
    assert_same_weights(one, other)


def test_predictions_have_the_shape_of_y(data, model):
    X, y = data
    column = SeqRegressor(**TINY, n_channels=2).fit(X, y[:, None])
    assert_same_weights(column, model)
    np.testing.assert_array_equal(column.predict(X), model.predict(X)[:, None])
    several = SeqRegressor(**TINY, n_channels=2).fit(*sequences(n_targets=3))
    assert several.predict(X[:7]).shape == (7, 3)
    assert several.weights_["head_weight"].shape == (3, 8)


def test_several_targets_share_the_weight_of_their_row(data):
    X, _ = data
    y, weights = sequences(n_targets=3)[1], np.arange(60) % 3
    rows = np.repeat(np.arange(60), weights)
    weighted = SeqRegressor(**TINY).fit(X, y, sample_weight=weights)
    assert_same_weights(weighted, SeqRegressor(**TINY).fit(X[rows], y[rows]))
    with pytest.raises(ValueError, match="Sample weights must be 1D array"):
        SeqRegressor(**TINY).fit(X, y, sample_weight=np.ones((60, 3)))


def test_predictions_are_float64(data):
    X, y = data
    for dtype in ("float32", "float64"):
        model = SeqRegressor(**TINY, n_channels=2, dtype=dtype).fit(
            X.astype(np.float32), y.astype(np.float32)
        )
        assert (model.predict(X).dtype, model.weights_["head_bias"].dtype) == ("float64", dtype)


# -- constant targets


@pytest.mark.parametrize("value", [1 / 3, 0.0, -7e200, 5e-324])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_target_is_predicted_exactly(data, value, dtype):
    """The prediction does not depend on the rows."""
    model = SeqRegressor(**TINY, dtype=dtype).fit(data[0], np.full(60, value))
    new, _ = sequences(500, n_steps=9, seed=3)
    np.testing.assert_array_equal(model.predict(100 * new), value)


def test_constant_targets_are_predicted_exactly(data):
    X, y = data
    model = SeqRegressor(**TINY).fit(X, np.column_stack([np.full(60, 1 / 3), y]))
    said = model.predict(X)
    np.testing.assert_array_equal(said[:, 0], 1 / 3)
    assert said[:, 1].std() > 0
    weighted = SeqRegressor(**TINY).fit(X, np.where(np.arange(60) < 30, 5.0, y), np.arange(60) < 30)
    np.testing.assert_array_equal(weighted.predict(X), 5.0)  # constant among the rows with a weight


# -- independence


def test_a_row_is_predicted_alike_in_any_batch_and_order(model):
    X, _ = sequences(300, seed=2)
    whole = model.predict(X)
    order = np.random.default_rng(0).permutation(300)
    np.testing.assert_array_equal(model.predict(X[order]), whole[order])
    for rows in (slice(0, 1), slice(7, 8), slice(3, 66), slice(100, 300)):
        np.testing.assert_array_equal(model.predict(X[rows]), whole[rows])


def test_more_rows_than_one_call_takes_are_predicted_alike():
    """The network predicts 4096 rows in one call."""
    X, y = sequences(5000, n_steps=3, n_channels=1)
    model = SeqRegressor(**TINY).fit(X[:50], y[:50])
    np.testing.assert_array_equal(model.predict(X)[4090:4100], model.predict(X[4090:4100]))


def test_long_rows_are_predicted_in_short_calls(monkeypatch):
    """Ctrl-C is handled between calls, so none may take long."""
    X, y = sequences(700, n_steps=6, n_channels=1)
    model = SeqRegressor(**TINY).fit(X[:50], y[:50])
    whole, sizes, real = model.predict(X), [], network.Network.plan
    monkeypatch.setattr(network, "PREDICT_WORK", 1)

    def watched(self, window, n_rows, **options):
        sizes.append(n_rows)
        return real(self, window, n_rows, **options)

    monkeypatch.setattr(network.Network, "plan", watched)
    np.testing.assert_array_equal(model.predict(X), whole)
    assert sizes == [256, 256, 188]  # all shares of a batch, at least


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_cross_validation_in_parallel_is_that_in_turn(data, backend):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2)
    expected = cross_val_score(model, X, y, cv=KFold(4))
    with parallel_config(backend, n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=KFold(4)), expected)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.4, "n_layers": 2}, {"early_stopping": True}])
def test_results_do_not_depend_on_the_number_of_threads(options):
    X, y = sequences(300)
    one, two, all_cores = (
        SeqRegressor(**TINY, **options, n_channels=2, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, -1)
    )
    for other in (two, all_cores):
        assert_same_weights(one, other)
        np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_same_seed_same_bits_and_refit_forgets(data, model):
    again = SeqRegressor(**TINY, n_channels=2).fit(*sequences(30, n_steps=4, seed=7))
    assert_same_weights(again.fit(*data), model)
    other = SeqRegressor(**{**TINY, "random_state": 1}, n_channels=2).fit(*data)
    assert not np.array_equal(other.predict(data[0]), model.predict(data[0]))


def test_pickled_model_predicts_and_goes_on_as_the_original(data):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2, warm_start=True).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    assert_same_weights(copied.fit(X, y), model.fit(X, y))


def test_parameters_set_after_fit_wait_for_the_next(data):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2).fit(X, y)
    before = model.predict(X)
    model.set_params(dtype="float64", cell="lstm", hidden_size=3, bidirectional=True, n_channels=3)
    np.testing.assert_array_equal(model.predict(X.reshape(60, 12)), before)


# -- training


def test_early_stopping_judges_by_the_last_rows(data):
    """Weights depend on the rows before the last 6, and the validation loss on the others."""
    X, y = data
    options = {**TINY, "max_iter": 1, "n_channels": 2, "early_stopping": True}
    one = SeqRegressor(**options).fit(X, y)
    changed_X, changed_y = X.copy(), y.copy()
    changed_X[54:], changed_y[54:] = 99.0, -99.0
    other = SeqRegressor(**options).fit(changed_X, changed_y)
    assert_same_weights(one, other)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    changed_y[53] = -99.0
    assert SeqRegressor(**options).fit(changed_X, changed_y).loss_curve_ != one.loss_curve_


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    X, y = sequences(120)
    options = {**TINY, "n_channels": 2, "early_stopping": True, "learning_rate_init": 0.1}
    model = SeqRegressor(**{**options, "max_iter": 100, "n_iter_no_change": 6}).fit(X, y)
    curve = model.validation_loss_curve_
    assert model.n_iter_ == len(curve) == len(model.loss_curve_) < 100
    assert model.best_iter_ == int(np.argmin(curve)) + 1 < model.n_iter_
    best = naive.squared(y[108:], model.predict(X[108:]))
    assert curve[model.best_iter_ - 1] == pytest.approx(best, rel=1e-5)
    assert_same_weights(model, SeqRegressor(**{**options, "max_iter": model.best_iter_}).fit(X, y))


def test_without_early_stopping_the_last_epoch_is_kept(data):
    X, y = data
    options = {**TINY, "n_channels": 2, "n_iter_no_change": 4, "tol": 1e6, "max_iter": 50}
    model = SeqRegressor(**options).fit(X, y)
    assert (model.n_iter_, model.best_iter_, model.validation_loss_curve_) == (5, 5, None)
    assert_same_weights(model, SeqRegressor(**{**options, "max_iter": 5}).fit(X, y))


def test_two_rows_are_enough_to_train_and_judge(data):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2, early_stopping=True)
    assert np.isfinite(model.fit(X[:2], y[:2]).predict(X)).all()
    message = (
        "With early_stopping=True, SeqRegressor.fit needs rows to train on and rows to validate on: at least "
        "2. Got n_samples=1 instead. Set early_stopping=False, or pass more rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(X[:1], y[:1])


def test_warm_start_goes_on_and_refuses_another_network(data):
    X, y = data
    options = {"n_channels": 2, "n_iter_no_change": 100}
    whole = SeqRegressor(**{**TINY, "max_iter": 6}, **options).fit(X, y)
    model = SeqRegressor(**TINY, **options, warm_start=True).fit(X, y)
    first = model.loss_curve_
    np.testing.assert_allclose(first + model.fit(X, y).loss_curve_, whole.loss_curve_, rtol=1e-5)
    assert model.n_iter_ == 3
    with pytest.raises(
        ValueError,
        match=r"SeqRegressor\.fit with warm_start=True continues .* Call fit with warm_start=False",
    ):
        model.fit(X, np.stack([y, y], 1))


def test_passes_take_as_many_targets_as_the_first(data):
    X, y = data
    model = SeqRegressor(**TINY).partial_fit(X, y)
    message = "The 'y' parameter of SeqRegressor.partial_fit must have 1 target(s), as before. Got 2 instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.partial_fit(X, np.column_stack([y, y]))
    assert model.predict(X).shape == (60,)
    assert model.partial_fit(X, y[:, None]).predict(X).shape == (60, 1)
    assert_same_weights(model, SeqRegressor(**TINY).partial_fit(X, y).partial_fit(X, y))


def test_passes_over_parts_learn_as_much_as_a_fit():
    X, y = sequences(300)
    options = {**TINY, "max_iter": 40, "batch_size": 50}
    model, fitted = SeqRegressor(**options), SeqRegressor(**options).fit(X, y)
    for _ in range(40):
        for first in range(0, 300, 100):
            model.partial_fit(X[first : first + 100], y[first : first + 100])
    assert len(model.loss_curve_) == 120
    assert model.score(X, y) == pytest.approx(fitted.score(X, y), abs=0.1)
    assert fitted.score(X, y) > 0.5


def test_truncation_at_the_whole_row_is_none(data):
    X, y = sequences(40, n_steps=40)
    options = {**TINY, "n_channels": 2, "dtype": "float64"}
    full, same, short = (SeqRegressor(**options, bptt_steps=steps).fit(X, y) for steps in (None, 40, 7))
    assert_same_weights(full, same)
    assert short.loss_curve_[0] == pytest.approx(full.loss_curve_[0], rel=1e-12)
    assert short.loss_curve_[1] != full.loss_curve_[1]
    np.testing.assert_allclose(short.predict(X), predict_by_hand(short, (X, y), X)[:, 0], rtol=1e-9)


@pytest.mark.filterwarnings("default:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
def test_convergence_warning_names_the_line_of_the_caller(data):
    with pytest.warns(ConvergenceWarning, match=r"Stopped at max_iter=3, before 10 epochs") as caught:
        SeqRegressor(**TINY, n_channels=2).fit(*data)
    assert [warning.filename for warning in caught] == [__file__]


@contextmanager
def interrupted_progress(verbose, max_iter):
    """Return a replacement of `progress` that simulates Ctrl-C after four epochs."""

    def report(epoch):
        if epoch.number == 4:
            raise KeyboardInterrupt

    yield report


@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupted_fit_leaves_the_best_weights_so_far(data, monkeypatch, early_stopping):
    X, y = data
    options = {**TINY, "n_channels": 2, "early_stopping": early_stopping, "learning_rate_init": 0.1}
    model = SeqRegressor(**{**options, "max_iter": 50})
    monkeypatch.setattr(network_parameters, "progress", interrupted_progress)
    with pytest.raises(KeyboardInterrupt, match="the estimator is usable"):
        model.fit(X, y)
    monkeypatch.undo()
    watched = model.validation_loss_curve_ if early_stopping else model.loss_curve_
    assert (model.n_iter_, model.best_iter_) == (4, int(np.argmin(watched)) + 1)
    assert_same_weights(model, SeqRegressor(**{**options, "max_iter": model.best_iter_}).fit(X, y))
    assert np.isfinite(model.predict(X)).all()


def test_a_fit_interrupted_in_its_first_epoch_learned_nothing(data, monkeypatch):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.CpuTrainer, "run_epoch", interrupt)
        with pytest.raises(KeyboardInterrupt, match="nothing was learned"):
            model.fit(X, y)
        assert not hasattr(model, "n_features_in_")
    expected = model.fit(X, y).predict(X)
    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt, match="nothing was learned"):
        model.fit(X[:, :4], y)
    np.testing.assert_array_equal(model.predict(X), expected)


def interrupt(self, rows):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("size", "n_rows", "expected"), [("auto", 256, 256), ("auto", 257, 128), (64, 300, 64), (64, 9, 9)]
)
def test_batch_size(size, n_rows, expected):
    assert SeqRegressor(batch_size=size)._network_options().batch_rows(n_rows) == expected


def test_loss_curves_of_several_targets_are_in_deviations(data):
    X, y = data
    units = np.array([1.0, 1000.0])
    options = {**TINY, "n_channels": 2, "dtype": "float64"}
    plain, scaled = (SeqRegressor(**options).fit(X, np.column_stack([y, -y]) * u) for u in (1.0, units))
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=1e-9)


# -- divergence

WILD = {
    "hidden_size": 4,
    "n_channels": 2,
    "random_state": 0,
    "optimizer": "sgd",
    "clip_norm": None,
    "max_iter": 20,
}


def test_diverged_training_keeps_the_best_epoch_and_says_so(data):
    X, y = data
    model = SeqRegressor(**WILD, learning_rate_init=1e10)
    message = (
        r"Training diverged in epoch (\d+); the weights of epoch (\d+) are kept\. Lower learning_rate_init"
    )
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model.fit(X, y)
    stopped, kept = map(int, re.match(message, str(caught[0].message)).groups())
    assert (model.n_iter_, model.best_iter_) == (stopped, kept)
    assert kept == int(np.argmin(model.loss_curve_)) + 1
    assert caught[0].filename == __file__
    assert np.isfinite(model.predict(X)).all()
    assert_same_weights(model, SeqRegressor(**{**WILD, "max_iter": kept}, learning_rate_init=1e10).fit(X, y))


def test_divergence_of_the_training_loss_alone_raises(data):
    """Early stopping watches the validation loss, which stays finite for weights that forecast 1e29."""
    X, y = data
    with pytest.raises(TrainingDivergedError, match="Training diverged in epoch 2"):
        SeqRegressor(**WILD, learning_rate_init=1e30, early_stopping=True).fit(X, y)


def test_no_finite_epoch_at_all_is_an_error(data):
    X, y = data
    with pytest.raises(
        TrainingDivergedError, match=r"^Training diverged in epoch 1, before any epoch .* Lower"
    ):
        SeqRegressor(**TINY, n_channels=2, learning_rate_init=1e38, batch_size=20).fit(X, y)


def test_diverged_warm_start_leaves_the_weights_of_the_last_fit(data):
    X, y = data
    model = SeqRegressor(**TINY, n_channels=2, warm_start=True).fit(X, y)
    before = model.predict(X)
    with pytest.raises(TrainingDivergedError):
        model.set_params(learning_rate_init=1e38, batch_size=20).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_huge_targets_are_no_divergence():
    X, y = sequences()
    model = SeqRegressor(**TINY, n_channels=2, loss="absolute").fit(X * 1e200, y * 1e200)
    unscaled = SeqRegressor(**TINY, n_channels=2, loss="absolute").fit(X, y)
    np.testing.assert_allclose(model.predict(X * 1e200), 1e200 * unscaled.predict(X), rtol=1e-4)


# -- what is refused, and how it is said

BAD_PARAMETERS = {
    "cell": ["transformer", 3],
    "hidden_size": [0, -1, 2.5, "8", None],
    "n_layers": [0, 1.0],
    "bidirectional": ["yes", 2],
    "dropout": [-0.1, 1.0, None],
    "n_channels": [0, 1.5, "two"],
    "pooling": ["first", None, 2],
    "loss": ["mse", None],
    "optimizer": ["adamw", None],
    "learning_rate_init": [0, -1e-3, "fast"],
    "momentum": [-0.1, 1.0],
    "batch_size": [0, "all", 2.5, None],
    "max_samples": [0, "all", 2.5],
    "max_iter": [0, 1.5, None],
    "early_stopping": ["no", 2],
    "validation_fraction": [0, 1, 1.0, 0.0],
    "n_iter_no_change": [0, 1.5],
    "tol": [-1e-9, None],
    "alpha": [-1, None],
    "clip_norm": [0, -1.0, "big"],
    "bptt_steps": [0, 2.5],
    "warm_start": ["yes"],
    "dtype": ["float16", np.float32],
    "device": ["gpu", None],
    "n_jobs": [0, 1.5],
    "random_state": ["seed", -1.5],
    "verbose": ["loud", -1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS.items() for value in values]
)
def test_parameters_out_of_range_are_named_with_their_owner(data, name, value):
    message = rf"The '{name}' parameter of SeqRegressor must be .* Got {re.escape(repr(value))} instead\."
    with pytest.raises(ValueError, match=message):
        SeqRegressor(**{**TINY, "n_channels": 2, name: value}).fit(*data)


def test_every_parameter_is_checked():
    assert set(BAD_PARAMETERS) == set(SeqRegressor().get_params())


def test_truncation_needs_one_direction(data):
    with pytest.raises(
        ValueError, match="The 'bptt_steps' parameter of SeqRegressor must be None with bidirectional"
    ):
        SeqRegressor(**TINY, n_channels=2, bidirectional=True, bptt_steps=4).fit(*data)


# -- scikit-learn


def test_in_a_pipeline_and_a_search():
    X, y = sequences(80, n_channels=1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SeqRegressor(**{**TINY, "max_iter": 30})),
        {"seqregressor__hidden_size": [1, 8]},
        cv=KFold(3),
    ).fit(X[:, :, 0], y)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"seqregressor__hidden_size": [1, 8][int(np.argmax(scores))]}
    by_hand = SeqRegressor(
        **{**TINY, "max_iter": 30, **{"hidden_size": search.best_params_["seqregressor__hidden_size"]}}
    )
    scaled = StandardScaler().fit_transform(X[:, :, 0])
    np.testing.assert_array_equal(search.predict(X[:, :, 0]), by_hand.fit(scaled, y).predict(scaled))


def test_score_is_r2_and_clone_forgets(data, model):
    X, y = data
    expected = 1 - naive.squared(y, model.predict(X)) / np.var(y)
    assert model.score(X, y) == pytest.approx(expected, rel=1e-12)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "n_iter_")


def test_docstring_example_is_true():
    result = doctest.testmod(regressor)
    assert (result.failed, result.attempted) == (0, 6)
