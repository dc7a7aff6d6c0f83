"""SeqEncoder, compared with the equations in plain NumPy."""

import doctest
import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import Recurrent, SeqEncoder, pad_sequences
from seqcast.estimators import encoder
from seqcast.kernels.modes import POOLINGS
from seqcast.kernels.samples import LENGTH
from seqcast.learning import trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

NAN = np.nan
TINY = {"hidden_size": 5, "max_iter": 3, "random_state": 0}
STILL = {**TINY, "learning_rate_init": 1e-300, "max_iter": 1, "dtype": "float64"}
ALL_BEGINNINGS = {"bidirectional": True, "max_samples": 10**6}
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True)])


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


def draw(n=40, n_steps=6, n_channels=2, seed=0):
    """Return sequences of channels with offsets, in which each value is near the one before."""
    steps = np.random.default_rng(seed).normal(size=(n, n_steps, n_channels))
    return np.cumsum(steps, axis=1) * (1 + np.arange(n_channels)) + 5


def draw_ragged(n=40, n_steps=6, seed=0):
    lengths = np.random.default_rng(seed).integers(1, n_steps + 1, n)
    return pad_sequences(draw(n, n_steps, seed=seed), lengths), lengths


def scaled(X, fitted):
    """Scale by mean and deviation of each channel over all steps of the training rows."""
    steps = fitted.reshape(-1, fitted.shape[2])
    return (X - np.nanmean(steps, axis=0)) / np.nanstd(steps, axis=0)


def states_by_hand(model, x, lengths):
    ways = {"n_layers": model.n_layers, "bidirectional": model.bidirectional}
    cell = naive.CELLS[model.cell]
    return naive.recurrent(weights=model.weights_, x=x, lengths=lengths, **ways, **cell)[0]


# -- features


@pytest.mark.parametrize("pooling", POOLINGS)
@stacks
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_features_are_pooled_states_by_the_equations(cell, n_layers, bidirectional, pooling):
    X, lengths = draw_ragged()
    ways = {"n_layers": n_layers, "bidirectional": bidirectional, "output": pooling, "dtype": "float64"}
    model = SeqEncoder(cell, **TINY, **ways).fit(X)
    states = states_by_hand(model, np.nan_to_num(scaled(X, X)), lengths)
    features = model.transform(X)
    assert (features.dtype, features.shape) == (np.float64, (40, 10 if bidirectional else 5))
    np.testing.assert_allclose(features, naive.pooled(states, lengths, pooling, bidirectional), rtol=1e-9)


@stacks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_states_are_those_of_recurrent_layers(dtype, n_layers, bidirectional):
    """Features are ordered by step, and are zero after the end of a sequence."""
    X, lengths = draw_ragged()
    ways = {"n_layers": n_layers, "bidirectional": bidirectional, "dtype": dtype}
    model = SeqEncoder(**TINY, **ways, output="states").fit(X)
    layer = Recurrent("gru", 2, 5, **ways)
    weights = {name: weight for name, weight in model.weights_.items() if not name.startswith("head")}
    layer.weights.update(weights)
    states, _ = layer.forward(np.nan_to_num(scaled(X, X)).astype(dtype), lengths=lengths)
    features = model.transform(X)
    assert features.dtype == np.float64
    atol = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(features.reshape(40, 6, -1), states, rtol=0, atol=atol)
    after = np.arange(6) >= lengths[:, None]
    np.testing.assert_array_equal(features.reshape(40, 6, -1)[after], 0)


def test_the_last_feature_is_the_last_of_all_states():
    """Results have the same bits, because training does not depend on the output."""
    X, lengths = draw_ragged()
    last, states = (SeqEncoder(**TINY, output=output).fit(X) for output in ("last", "states"))
    of_steps = states.transform(X).reshape(40, 6, 5)
    np.testing.assert_array_equal(last.transform(X), of_steps[np.arange(40), lengths - 1])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_training_does_not_depend_on_the_output(bidirectional):
    X, _ = draw_ragged()
    first, *others = (
        SeqEncoder(**TINY, bidirectional=bidirectional, output=output).fit(X)
        for output in (*POOLINGS, "states")
    )
    for other in others:
        assert other.loss_curve_ == first.loss_curve_
        for name, weight in first.weights_.items():
            np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


def test_states_are_averaged_by_default():
    X, _ = draw_ragged()
    default, mean = SeqEncoder(**TINY).fit(X), SeqEncoder(**TINY, output="mean").fit(X)
    assert default.output == "mean"
    np.testing.assert_array_equal(default.transform(X), mean.transform(X))


def test_gaps_are_read_as_the_mean_and_a_flag():
    X = draw()
    gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.3, NAN, X)
    gaps[:, -1] = X[:, -1]
    model = SeqEncoder(**TINY, dtype="float64").fit(gaps)
    x = np.concatenate([np.nan_to_num(scaled(gaps, gaps)), ~np.isnan(gaps)], axis=2)
    expected = states_by_hand(model, x, [6] * 40).mean(axis=1)
    np.testing.assert_allclose(model.transform(gaps), expected, rtol=1e-9)


def test_fit_transform_is_fit_and_transform():
    X = draw()
    model = SeqEncoder(**TINY)
    features = model.fit_transform(X, np.arange(40))  # a pipeline passes a target, which is ignored
    np.testing.assert_array_equal(features, SeqEncoder(**TINY).fit(X).transform(X))
    np.testing.assert_array_equal(model.transform(X), features)


def test_features_after_more_training_use_the_new_weights():
    X = draw()
    for train in (SeqEncoder.partial_fit, SeqEncoder.fit):
        model = SeqEncoder(**TINY, dtype="float64", warm_start=True).fit(X)
        before = model.transform(X)
        train(model, X)
        states = states_by_hand(model, scaled(X, X), [6] * 40)
        np.testing.assert_allclose(model.transform(X), states.mean(axis=1), rtol=1e-9)
        assert not np.allclose(model.transform(X), before, rtol=1e-3)


# -- names


STEPS_AND_UNITS = [f"seqencoder_t{step}_u{unit}" for step in range(6) for unit in range(10)]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, [f"seqencoder{k}" for k in range(5)]),
        ({"output": "last", "bidirectional": True}, [f"seqencoder{k}" for k in range(10)]),
        ({"output": "states", "bidirectional": True}, STEPS_AND_UNITS),
    ],
    ids=["mean", "last", "states"],
)
def test_features_have_names(options, names):
    X = draw()
    model = SeqEncoder(**TINY, **options).fit(X)
    assert model.get_feature_names_out().tolist() == names
    plain = model.transform(X)
    frame = pd.DataFrame(X.reshape(40, 12), index=np.arange(100, 140)).add_prefix("s")
    named = (
        SeqEncoder(**TINY, **options, n_channels=2).set_output(transform="pandas").fit(frame).transform(frame)
    )
    pd.testing.assert_frame_equal(named, pd.DataFrame(plain, columns=names, index=frame.index))


def test_a_state_is_named_by_its_step_and_unit():
    """Names count steps from the beginning; features after the end of a sequence are zero."""
    X, lengths = draw_ragged()
    frame = SeqEncoder(**TINY, output="states").set_output(transform="pandas").fit_transform(X)
    of_last_unit = frame[[f"seqencoder_t{step}_u4" for step in range(6)]].to_numpy()
    np.testing.assert_array_equal((of_last_unit != 0).sum(axis=1), lengths)


def test_names_are_those_of_the_output_that_was_fitted():
    model = SeqEncoder(**TINY, output="states").fit(draw())
    assert model.set_params(output="mean").get_feature_names_out()[-1] == "seqencoder_t5_u4"
    assert model.fit(draw()).get_feature_names_out()[-1] == "seqencoder4"


def test_names_need_a_fit():
    with pytest.raises(NotFittedError, match="SeqEncoder"):
        SeqEncoder().get_feature_names_out()


# -- training


def next_steps(model, x, lengths):
    """What the model, of one direction, says of the next step after each step of rows but the last of each;
    the truth; and the row of each."""
    states = states_by_hand(model, with_flags(model, x), lengths)
    forecast = naive.head(states, model.weights_["head_weight"], model.weights_["head_bias"])
    rows, steps = np.nonzero(np.arange(x.shape[1]) + 1 < np.asarray(lengths)[:, None])
    return x[rows, steps + 1], forecast[rows, steps], rows


def next_steps_of_beginnings(model, x, lengths):
    """What a bidirectional model says of the step after every beginning of a row; the truth; and the row."""
    rows, ends = np.array([(row, n) for row, length in enumerate(lengths) for n in range(1, length)]).T
    states = states_by_hand(model, with_flags(model, x)[rows], ends)
    read = naive.pooled(states, ends, "last", bidirectional=True)
    return x[rows, ends], naive.head(read, model.weights_["head_weight"], model.weights_["head_bias"]), rows


def with_flags(model, x):
    if model.weights_["weight_ih_l0"].shape[1] > x.shape[2]:
        return np.concatenate([np.nan_to_num(x), ~np.isnan(x)], axis=2)
    return np.nan_to_num(x)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("output", ["last", "states"])
@pytest.mark.parametrize(
    ("ways", "by_hand"),
    [
        ({}, next_steps),
        ({"cell": "lstm", "n_layers": 2}, next_steps),
        ({"batch_size": 7}, next_steps),
        (ALL_BEGINNINGS, next_steps_of_beginnings),
    ],
    ids=["each step", "lstm", "batches", "bidirectional"],
)
def test_the_loss_compares_every_step_with_its_next_step(ways, by_hand, output, loss):
    """Told by a step of next to no length: the mean over all rows and steps, each step with the weight of its
    row."""
    (X, lengths), weights = draw_ragged(), np.random.default_rng(1).uniform(0.5, 2, 40)
    X[np.argmax(lengths), 2, 0] = NAN  # neither forecast, nor left out of what is read
    model = SeqEncoder(**STILL, **ways, output=output, loss=loss).fit(X, sample_weight=weights)
    steps = np.repeat(weights, 6)
    inputs = model.fitted_.scaling.inputs
    observed = ~np.isnan(X.reshape(-1, 2))
    np.testing.assert_allclose(
        inputs.center,
        [np.average(c[o], weights=steps[o]) for c, o in zip(X.reshape(-1, 2).T, observed.T, strict=True)],
    )
    truth, forecast, rows = by_hand(model, (X - inputs.center) / inputs.scale, lengths)
    assert len(truth) == np.sum(lengths - 1)
    measure, w = getattr(naive, loss), weights[rows]
    expected = np.mean([measure(truth[:, k], forecast[:, k], w) for k in range(2)])
    assert model.loss_curve_ == [pytest.approx(expected, rel=1e-9)]


def test_a_step_of_training_goes_down_the_slope_of_that_loss():
    """One step of "sgd" is compared with differences of the loss."""
    X, lengths = draw_ragged(8)
    options = {**STILL, "hidden_size": 3, "optimizer": "sgd", "clip_norm": None}
    first = SeqEncoder(**options).fit(X)
    moved = SeqEncoder(**{**options, "learning_rate_init": 0.01}).fit(X)
    after, weights, x = moved.weights_, first.fitted_.network.weights, scaled(X, X)

    def loss():
        truth, forecast, _ = next_steps(first, x, lengths)
        return np.mean([naive.squared(truth[:, k], forecast[:, k]) for k in range(2)])

    for name in ("weight_ih_l0", "weight_hh_l0", "bias_hh_l0", "head_weight", "head_bias"):
        slope = naive.central_differences(loss, weights[name])
        np.testing.assert_allclose((weights[name] - after[name]) / 0.01, slope, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(("loss", "power"), [("squared", 2), ("absolute", 1), ("huber", 2)])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_losses_are_in_units_of_one_or_deviations_of_several(n_channels, loss, power):
    X = draw(n_channels=n_channels)
    one, other = (SeqEncoder(**STILL, loss=loss).fit(X * unit) for unit in (1.0, 1024.0))
    factor = 1024.0**power if n_channels == 1 else 1.0
    np.testing.assert_allclose(np.multiply(one.loss_curve_, factor), other.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(("loss", "power"), [("squared", 2), ("absolute", 1), ("huber", 2)])
def test_the_loss_of_one_channel_is_in_its_own_unit(loss, power):
    X = draw(50, n_channels=1)
    model = SeqEncoder(**STILL, loss=loss, output="last", early_stopping=True).fit(X)
    scale = X[:45].std()
    for curve, x in ((model.loss_curve_, X[:45]), (model.validation_loss_curve_, X[45:])):
        truth, forecast, _ = next_steps(model, scaled(x, X[:45]), [6] * len(x))
        assert curve == [pytest.approx(getattr(naive, loss)(truth, forecast) * scale**power, rel=1e-9)]


@pytest.mark.parametrize(
    ("ways", "by_hand"),
    [({}, next_steps), (ALL_BEGINNINGS, next_steps_of_beginnings)],
    ids=["each step", "bidirectional"],
)
def test_early_stopping_judges_by_all_steps_of_the_last_rows(ways, by_hand):
    X = draw(50)
    model = SeqEncoder(**STILL, **ways, early_stopping=True).fit(X)
    whole = SeqEncoder(**STILL, **ways).fit(X[:45])
    assert model.loss_curve_ == whole.loss_curve_
    truth, forecast, _ = by_hand(model, scaled(X, X[:45])[45:], [6] * 5)
    assert len(truth) == 25
    assert model.validation_loss_curve_ == [pytest.approx(naive.squared(truth, forecast), rel=1e-9)]


@pytest.mark.parametrize(
    ("bidirectional", "max_samples", "n"),
    [
        *[(False, None, 40), (False, 7, 7), (False, 10**6, 40)],
        *[(True, None, 40), (True, 7, 7), (True, 10**6, 40 * 5)],
    ],
)
def test_an_epoch_draws_rows_or_as_many_beginnings(bidirectional, max_samples, n, monkeypatch):
    drawn, real = [], trainer.CpuTrainer.train_batch

    def watched(self, samples):
        drawn.extend(samples[:, LENGTH])
        return real(self, samples)

    monkeypatch.setattr(trainer.CpuTrainer, "train_batch", watched)
    SeqEncoder(**{**TINY, "max_iter": 1}, bidirectional=bidirectional, max_samples=max_samples).fit(draw())
    assert len(drawn) == n
    assert set(drawn) <= set(range(1, 6)) if bidirectional else set(drawn) == {5}
    if n == 200:
        assert np.bincount(drawn).tolist() == [0] + 5 * [40]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_training_brings_the_forecast_nearer(bidirectional):
    """With three seeds, the loss fell to 0.41 to 0.50 of the first, with two directions to 0.32 to 0.41."""
    model = SeqEncoder(**{**TINY, "max_iter": 60}, bidirectional=bidirectional).fit(draw(200))
    assert np.mean(model.loss_curve_[-5:]) < 0.6 * model.loss_curve_[0]


# -- what can not be learnt from

TOO_SHORT = (
    "The 'X' parameter of SeqEncoder.fit must have rows of two steps or more, both to train on and, with "
    "early_stopping=True, to validate on, since the network learns by forecasting the next step. Got "
    "n_features = {}, {} of them a step, and rows in which nothing was observed after the first."
)


def test_rows_of_one_step_have_no_next_one():
    with pytest.raises(ValueError, match=says(TOO_SHORT.format(1, 1))):
        SeqEncoder(**TINY).fit(np.arange(5.0)[:, None])
    with pytest.raises(ValueError, match=says(TOO_SHORT.format(2, 2))):
        SeqEncoder(**TINY, n_channels=2).fit(np.ones((5, 2)))
    first_only = draw()
    first_only[:, 1:] = NAN
    with pytest.raises(ValueError, match=says(TOO_SHORT.format(12, 2))):
        SeqEncoder(**TINY).fit(first_only)


@pytest.mark.parametrize("long", ["without weight", "to judge by", "to train on"])
def test_training_and_validation_need_rows_of_two_steps(long):
    X, last = draw(), np.arange(40) >= 36
    X[~last if long != "to train on" else last, 1:] = NAN
    weights = np.where(last, 0.0, 1.0) if long == "without weight" else None
    with pytest.raises(ValueError, match=r"must have rows of two steps or more"):
        SeqEncoder(**TINY, early_stopping=long != "without weight").fit(X, sample_weight=weights)


def test_rows_of_one_step_are_encoded_but_not_trained_on():
    X = draw()
    X[1:20, 1:] = NAN
    model = SeqEncoder(**{**STILL, "max_iter": 2}).fit(X)
    assert np.isfinite(model.transform(X)).all()
    X[1:20, 0] = X[1:20, :1].mean(axis=(0, 1))  # the scaling stays, but for the deviation
    assert len(np.unique(model.transform(X)[1:20], axis=0)) == 1


def test_a_channel_that_never_changes_is_no_obstacle():
    X = draw()
    X[:, :, 1] = 7.0
    model = SeqEncoder(**TINY).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize(
    ("name", "value"), [("output", "first"), ("output", None), ("loss", "cross_entropy")]
)
def test_parameters_out_of_range_are_named(name, value):
    message = rf"The '{name}' parameter of SeqEncoder must be .* Got {re.escape(repr(value))} instead\."
    with pytest.raises(ValueError, match=message):
        SeqEncoder(**{**TINY, name: value}).fit(draw())


def test_truncation_is_no_parameter():
    """Sequences have all lengths, or their prefixes have."""
    assert "bptt_steps" not in SeqEncoder().get_params()
    with pytest.raises(TypeError, match="unexpected keyword argument 'bptt_steps'"):
        SeqEncoder(bptt_steps=3)
    with pytest.raises(ValueError, match="Invalid parameter 'bptt_steps' for estimator SeqEncoder"):
        SeqEncoder().set_params(bptt_steps=3)


# -- what features are good for


def waves(n, seed):
    """Return noisy sines of any phase, with periods of 6 or 9 steps."""
    rng = np.random.default_rng(seed)
    slow = rng.random(n) < 0.5
    period, phase = np.where(slow, 9, 6)[:, None], rng.uniform(0, 2 * np.pi, (n, 1))
    return np.sin(2 * np.pi * np.arange(24) / period + phase) + 0.1 * rng.normal(size=(n, 24)), slow


def test_a_linear_classifier_finds_frequencies_in_features_only():
    """Measured: 0.60 by the values, 0.79 by the last states of the untrained network, 1.00 by those of the
    trained one. The mean of all states tells them (0.99 or more) even if untrained."""
    (X, slow), (new, truth) = waves(300, 0), waves(1000, 1)
    options = {"hidden_size": 16, "learning_rate_init": 0.01, "batch_size": 32, "random_state": 0}
    options["output"] = "last"
    trained, untrained = (
        SeqEncoder(**options, max_iter=60),
        SeqEncoder(**{**options, "learning_rate_init": 1e-300}),
    )
    line = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    scores = {
        name: make_pipeline(*steps).fit(X, slow).score(new, truth)
        for name, steps in {
            "values": [line],
            "untrained": [untrained.set_params(max_iter=1), line],
            "trained": [trained, line],
        }.items()
    }
    assert scores["values"] < 0.65
    assert scores["untrained"] < 0.9
    assert scores["trained"] > 0.97


def test_docstring_example_is_true():
    result = doctest.testmod(encoder)
    assert (result.failed, result.attempted) == (0, 4)
