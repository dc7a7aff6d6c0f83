"""Shared behaviour of the sequence estimators: weights, padding, gaps, truncation, more training."""

import inspect
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone

from seqcast import SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor, pad_sequences
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.modes import POOLINGS
from seqcast.learning import trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

NAN = np.nan
TINY = {"hidden_size": 5, "max_iter": 3, "random_state": 0}
ESTIMATORS = {kind.__name__: kind for kind in (SeqRegressor, SeqClassifier, SeqEncoder)}
estimators = pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=ESTIMATORS)


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


# -- what the estimators share


def task(kind, n=40, n_steps=6, seed=0):
    """Return sequences of two channels with offsets, and their targets."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_steps, 2))
    y = z[:, -1, 0] + z[:, 0, 1]
    labels = np.where(y > 0.7, "high", np.where(y < -0.7, "low", "middle"))
    return 3 * z + 5, {SeqRegressor: y, SeqClassifier: labels, SeqEncoder: None}[kind]


def ragged(X, seed=1):
    lengths = np.random.default_rng(seed).integers(1, X.shape[1] + 1, len(X))
    return pad_sequences(X, lengths), lengths


def tiny(kind, options):
    """Return a small estimator with those options that it has; SeqEncoder has no bptt_steps."""
    known = kind().get_params()
    return kind(**TINY, **{name: value for name, value in options.items() if name in known})


def pooled(kind, pooling):
    return {"output" if kind is SeqEncoder else "pooling": pooling}


def predictions_of(model, X):
    """Return the predictions of a model."""
    for name in ("transform", "predict_proba", "predict"):
        if hasattr(model, name):
            return getattr(model, name)(X)


def taken(target, rows):
    return None if target is None else target[rows]


def first_pass(kind):
    """Return the arguments that the first partial_fit needs."""
    return {"classes": ["high", "low", "middle"]} if kind is SeqClassifier else {}


def assert_same(one, other):
    """Check that weights, losses and predictions have the same bits."""
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    X, _ = task(SeqEncoder, 9, seed=5)
    np.testing.assert_array_equal(predictions_of(one, X), predictions_of(other, X))


options = pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.4, "n_layers": 2, "bidirectional": True},
        {"dtype": "float64", "cell": "lstm", "bptt_steps": 2},
        {"optimizer": "sgd", "batch_size": 1000, "alpha": 0.1},
    ],
    ids=["defaults", "dropout", "float64", "sgd"],
)


@options
@estimators
def test_a_weight_says_how_often_a_row_comes(kind, options):
    """Rows of weight 0 have no influence. If all rows are one batch, all bits are equal in any order."""
    X, target = task(kind)
    weights = np.random.default_rng(0).integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weights)
    weighted = tiny(kind, options).fit(X, target, sample_weight=weights)
    for order in (rows, np.random.default_rng(1).permutation(rows)):
        assert_same(weighted, tiny(kind, options).fit(X[order], taken(target, order)))


@estimators
def test_rows_without_weight_are_left_out_of_any_batch(kind):
    """Their values are not read, not even for the scaling."""
    X, target = task(kind)
    weights = np.where(np.arange(40) % 3 == 0, 0.0, 1.5)
    weights[1] = 2.5
    kept, spoilt = weights > 0, np.where((weights > 0)[:, None, None], X, 1e9)
    for more in ({"batch_size": 8}, {"early_stopping": True}, {"max_samples": 20}):
        one = kind(**TINY, **more).fit(spoilt, target, sample_weight=weights)
        assert_same(one, kind(**TINY, **more).fit(X[kept], taken(target, kept), sample_weight=weights[kept]))


@pytest.mark.parametrize("factor", [2.0**-1000, 0.25, 1e-300, 3.0, 1e300])
@estimators
def test_weights_have_no_unit(kind, factor):
    X, target = task(kind)
    weights = np.random.default_rng(0).uniform(0.5, 2, 40)
    one, other = (kind(**TINY).fit(X, target, sample_weight=w) for w in (weights, weights * factor))
    if np.frexp(factor)[0] == 0.5:  # a power of 2 changes no digit
        assert_same(one, other)
    np.testing.assert_allclose(predictions_of(other, X), predictions_of(one, X), rtol=1e-4, atol=1e-6)
    assert_same(kind(**TINY).fit(X, target), kind(**TINY).fit(X, target, sample_weight=np.full(40, factor)))


LARGEST = np.finfo(float).max


@estimators
def test_weights_may_be_so_large_that_their_sum_is_no_number(kind):
    X, target = task(kind)
    weights = np.random.default_rng(0).integers(1, 9, 40) / 8  # of few digits: only the power of 2 changes
    for more in ({}, {"early_stopping": True}, {"batch_size": 16}):
        one, other = (
            kind(**TINY, **more).fit(X, target, sample_weight=w) for w in (weights, weights * 2.0**1023)
        )
        assert_same(one, other)
    plain = kind(**TINY).fit(X, target)
    assert_same(kind(**TINY).fit(X, target, sample_weight=np.full(40, LARGEST)), plain)
    passed = (
        kind(**TINY).partial_fit(X, target, sample_weight=w, **first_pass(kind))
        for w in (weights, weights * 2.0**1023)
    )
    assert_same(*passed)


@estimators
def test_weights_of_equal_rows_may_be_as_large(kind):
    X, target = task(kind)
    rows = np.repeat(np.arange(40), 4)
    weights = np.random.default_rng(0).integers(1, 9, 160) / 8
    one, other = (
        kind(**TINY).fit(X[rows], taken(target, rows), sample_weight=w)
        for w in (weights, weights * 2.0**1023)
    )
    assert_same(one, other)


@estimators
def test_weights_count(kind):
    """Rows of weight 1000 dominate the scaling and the losses."""
    X, target = task(kind)
    weights = np.where(np.arange(40) < 20, 1000.0, 1e-3)
    model = kind(**TINY, dtype="float64").fit(X, target, sample_weight=weights)
    first = kind(**TINY, dtype="float64").fit(X[:20], taken(target, slice(20)))
    np.testing.assert_allclose(model.loss_curve_, first.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(
        model.fitted_.scaling.inputs.center, first.fitted_.scaling.inputs.center, rtol=1e-4
    )
    assert not np.allclose(model.loss_curve_, kind(**TINY).fit(X, target).loss_curve_, rtol=1e-3)


@estimators
def test_refit_and_clone_forget(kind):
    X, target = task(kind)
    model = kind(**TINY).fit(X, target)
    again = kind(**TINY).fit(*task(kind, 30, n_steps=3, seed=7))
    assert_same(again.fit(X, target), model)
    assert_same(clone(again).fit(X, target), model)
    assert not hasattr(clone(again), "n_iter_")
    passed = kind(**TINY).partial_fit(X, target, **first_pass(kind))
    assert_same(passed.fit(X, target), model)


@options
@estimators
def test_pickled_models_predict_and_train_like_the_originals(kind, options):
    X, target = task(kind)
    model = tiny(kind, options).fit(X, target)
    copied = pickle.loads(pickle.dumps(model))
    assert_same(copied, model)
    assert_same(copied.partial_fit(X, target), model.partial_fit(X, target))


def test_a_new_process_says_the_same(run_python, tmp_path):
    X, _ = task(SeqEncoder)
    models = [kind(**TINY, **pooled(kind, "mean")).fit(*task(kind)) for kind in ESTIMATORS.values()]
    (tmp_path / "models").write_bytes(pickle.dumps((models, X)))
    script = f"""
import pickle
models, X = pickle.load(open({str(tmp_path / "models")!r}, "rb"))
predictions_of = (models[0].predict(X), models[1].predict_proba(X), models[2].transform(X))
print(" ".join(numbers.tobytes().hex() for numbers in predictions_of))
"""
    assert run_python(script) == " ".join(predictions_of(model, X).tobytes().hex() for model in models)


@pytest.mark.parametrize("pooling", POOLINGS)
@estimators
def test_a_forecast_is_the_same_in_any_batch_and_padding(kind, pooling):
    """Sequences are predicted alone, among others, in another order, and with more padding."""
    X, target = task(kind, n_steps=9)
    padded, lengths = ragged(X)
    model = kind(**TINY, **pooled(kind, pooling)).fit(padded, target)
    assert model.weights_["weight_ih_l0"].shape == (15, 2)  # no row has a gap: nothing is flagged
    whole, order = predictions_of(model, padded), np.random.default_rng(0).permutation(40)
    for k in range(40):
        np.testing.assert_array_equal(predictions_of(model, X[k : k + 1, : lengths[k]]), whole[k : k + 1])
    np.testing.assert_array_equal(predictions_of(model, padded[order]), whole[order])
    np.testing.assert_array_equal(predictions_of(model, padded.reshape(40, -1)), whole)
    longer = np.concatenate([padded, np.full((40, 70, 2), NAN)], axis=1)
    np.testing.assert_array_equal(predictions_of(model, longer), whole)


@estimators
def test_padding_is_not_learnt_from(kind):
    X, target = task(kind)
    padded, _ = ragged(X)
    longer = np.concatenate([padded, np.full((40, 5, 2), NAN)], axis=1)
    one, other = (kind(**TINY, dtype="float64").fit(rows, target) for rows in (padded, longer))
    np.testing.assert_allclose(
        predictions_of(other, X), predictions_of(one, X), rtol=1e-9
    )  # NumPy's sums group other numbers


@estimators
def test_gaps_within_rows_are_flagged(kind):
    """Each channel gets a flag; a sequence without observations has one missing step."""
    X, target = task(kind)
    gaps = np.where(np.random.default_rng(2).random(X.shape) < 0.2, NAN, X)
    gaps[3] = NAN
    model = kind(**TINY).fit(gaps, target)
    assert model.weights_["weight_ih_l0"].shape == (15, 4)
    whole = predictions_of(model, gaps)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(predictions_of(model, np.full((1, 1, 2), NAN)), whole[3:4])
    filled = np.where(np.isnan(gaps), model.fitted_.scaling.inputs.center, gaps)
    assert (predictions_of(model, filled) != whole).any(axis=None)  # the mean itself is another thing to read


@estimators
def test_rows_to_judge_may_be_longer_or_shorter(kind):
    X, target = task(kind)
    model = kind(**TINY, **pooled(kind, "max")).fit(X, target)
    for n_steps in (1, 2, 5, 40):
        longer = np.resize(X, (3, n_steps, 2))
        assert np.isfinite(predictions_of(model, longer)).all()
        assert len(predictions_of(model, longer)) == 3


@options
@pytest.mark.parametrize("weighted", [False, True])
@estimators
def test_n_passes_are_a_fit_of_n_epochs(kind, weighted, options):
    X, target = task(kind)
    weights = np.random.default_rng(0).uniform(0.5, 2, 40) if weighted else None
    for more in ({}, {"batch_size": 16}):
        model = tiny(kind, {**options, **more})
        for n in range(1, 4):
            first = first_pass(kind) if n == 1 else {}
            model.partial_fit(X, target, sample_weight=weights, **first)
            assert (model.n_iter_, len(model.loss_curve_)) == (n, n)
        assert_same(model, tiny(kind, {**options, **more}).fit(X, target, sample_weight=weights))


@estimators
def test_partial_fit_keeps_the_scaling_of_the_first_samples(kind):
    X, target = task(kind)
    model = kind(**TINY).fit(X, target)
    center, losses = model.fitted_.scaling.inputs.center, model.loss_curve_
    model.partial_fit(10 * X[:7], taken(target, slice(7)))
    np.testing.assert_array_equal(model.fitted_.scaling.inputs.center, center)
    assert model.loss_curve_[:3] == losses
    assert model.n_iter_ == 4


@estimators
def test_a_pass_that_diverges_leaves_the_estimator_as_it_was(kind):
    X, target = task(kind)
    model = kind(**TINY, batch_size=20).fit(X, target)
    before, wild = pickle.dumps(model), clone(model).set_params(learning_rate_init=1e38)
    model.set_params(learning_rate_init=1e38)
    for one in (model, wild):
        with pytest.raises(
            TrainingDivergedError, match=r"Training diverged in this pass over the rows\. Lower"
        ):
            one.partial_fit(X, target, **first_pass(kind) if one is wild else {})
    assert_same(model, pickle.loads(before))
    assert not hasattr(wild, "n_features_in_")
    model.set_params(learning_rate_init=5e-3).partial_fit(X, target)
    assert_same(model, pickle.loads(before).partial_fit(X, target))


@estimators
def test_an_interrupted_fit_leaves_a_usable_estimator(kind, monkeypatch):
    X, target = task(kind)
    model = kind(**{**TINY, "max_iter": 50}).fit(*task(kind, seed=9))  # of which nothing may be left

    def interrupt_third(self, rows, real=trainer.CpuTrainer.run_epoch):
        if self.state.n_updates == 2:
            raise KeyboardInterrupt
        return real(self, rows)

    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", interrupt_third)
    with pytest.raises(KeyboardInterrupt, match="the estimator is usable"):
        model.fit(X, target)
    monkeypatch.undo()
    assert model.n_iter_ == 2
    best = kind(**{**TINY, "max_iter": model.best_iter_}).fit(X, target)
    np.testing.assert_array_equal(predictions_of(model, X), predictions_of(best, X))


@pytest.mark.parametrize(
    "changed", [{"dtype": "float64", "cell": "lstm", "hidden_size": 3}, {"n_channels": 3}]
)
@estimators
def test_parameters_set_after_fit_wait_for_the_next(kind, changed):
    X, target = task(kind)
    model = kind(**TINY).fit(X, target)
    before = predictions_of(model, X)
    np.testing.assert_array_equal(predictions_of(model.set_params(**changed), X), before)


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [(SeqRegressor, "mean"), (SeqClassifier, "max"), (SeqEncoder, "mean"), (SeqEncoder, "states")],
)
def test_pooling_set_after_fit_waits_for_the_next(kind, pooling):
    X, target = task(kind)
    model = kind(**TINY).fit(X, target)
    before = predictions_of(model, X)
    np.testing.assert_array_equal(predictions_of(model.set_params(**pooled(kind, pooling)), X), before)


# -- truncation

TRUNCATED = (
    "The 'bptt_steps' parameter of {} must be None for rows that end before others: the last 2 steps that "
    "the gradient goes through are those of the longest. Got 2 instead."
)
truncated = pytest.mark.parametrize("kind", [SeqRegressor, SeqClassifier])


@truncated
def test_truncation_needs_rows_of_one_length(kind):
    X, target = task(kind)
    one_shorter, one_blank = X.copy(), X.copy()
    one_shorter[3, -1], one_blank[3] = NAN, NAN
    model = kind(**TINY, bptt_steps=2)
    for rows in (ragged(X)[0], one_shorter, one_blank):
        for call in (model.fit, model.partial_fit):
            first = first_pass(kind) if call.__name__ == "partial_fit" else {}
            with pytest.raises(ValueError, match=says(TRUNCATED.format(kind.__name__))):
                call(rows, target, **first)
    assert not hasattr(model, "n_iter_")
    model.fit(X, target)
    with pytest.raises(ValueError, match=says(TRUNCATED.format(kind.__name__))):
        model.partial_fit(one_shorter, target)


@truncated
def test_truncation_takes_gaps_and_ignores_rows_without_weight(kind):
    X, target = task(kind)
    gaps = X.copy()
    gaps[3, 2], gaps[4, -1, 0] = NAN, NAN
    assert np.isfinite(kind(**TINY, bptt_steps=2).fit(gaps, target).loss_curve_).all()
    X[3, -1] = NAN
    weights = np.where(np.arange(40) == 3, 0.0, 1.0)
    assert kind(**TINY, bptt_steps=2).fit(X, target, sample_weight=weights).n_iter_ == 3


@truncated
def test_truncation_is_of_training_only(kind):
    X, target = task(kind)
    model, shorter = kind(**TINY, bptt_steps=2).fit(X, target), ragged(X)[0]
    whole = kind(**TINY, bptt_steps=2).fit(X, target).set_params(bptt_steps=None)
    np.testing.assert_array_equal(predictions_of(model, shorter), predictions_of(whole, shorter))


@truncated
def test_truncation_is_refused_where_all_rows_are_padded(kind):
    X, target = task(kind)
    padded = np.concatenate([X, np.full((40, 2, 2), NAN)], axis=1)
    with pytest.raises(ValueError, match=says(TRUNCATED.format(kind.__name__))):
        kind(**TINY, bptt_steps=2).fit(padded, target)


# -- going on

OTHER_NETWORKS = [
    {"cell": "lstm"},
    {"hidden_size": 4},
    {"n_layers": 2},
    {"bidirectional": True},
    {"dtype": "float64"},
]


@pytest.mark.parametrize("method", ["fit with warm_start=True", "partial_fit"])
@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        *[(kind, changed) for kind in ESTIMATORS.values() for changed in OTHER_NETWORKS],
        *[(kind, {"pooling": "max"}) for kind in (SeqRegressor, SeqClassifier)],
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else case.__name__,
)
def test_training_goes_on_with_the_same_network_only(kind, changed, method):
    X, target = task(kind)
    model = kind(**TINY, warm_start=True, **pooled(kind, "mean")).fit(X, target)
    before, losses = predictions_of(model, X), model.loss_curve_
    message = (
        f"{kind.__name__}.{method} continues from the weights of the last fit, so cell, sizes, dtype, the "
        f"shapes of the data and whether values are missing must not change. Call fit with warm_start=False "
        f"to start anew."
    )
    model.set_params(**changed)
    train = model.partial_fit if method == "partial_fit" else model.fit
    with pytest.raises(ValueError, match=says(message)):
        train(X, target)
    np.testing.assert_array_equal(predictions_of(model, X), before)
    assert model.loss_curve_ == losses


@pytest.mark.parametrize("output", [*POOLINGS, "states"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_training_of_an_encoder_may_go_on_with_another_output(bidirectional, output):
    """Training does not depend on the output."""
    X, _ = task(SeqEncoder)
    for train in (SeqEncoder.fit, SeqEncoder.partial_fit):
        one, other = (
            SeqEncoder(**TINY, warm_start=True, bidirectional=bidirectional, output=first).fit(X)
            for first in ("mean", output)
        )
        assert_same(train(one.set_params(output=output), X), train(other, X))


@estimators
def test_warm_start_keeps_whether_missing_values_are_flagged(kind):
    """A network without a flag reads missing values as the mean, and one with a flag keeps it."""
    X, target = task(kind)
    gaps = X.copy()
    gaps[3, 2, 0], gaps[5] = NAN, NAN
    for first, then, n_inputs in ((X, gaps, 2), (gaps, X, 4)):
        model = kind(**TINY, warm_start=True).fit(first, target)
        before = model.weights_["weight_ih_l0"]
        model.fit(then, target)
        assert model.weights_["weight_ih_l0"].shape == before.shape == (15, n_inputs)
        assert (model.weights_["weight_ih_l0"] != before).any()
        assert np.isfinite(predictions_of(model, gaps)).all()
        model.set_params(warm_start=False).fit(then, target)
        assert_same(model, kind(**TINY).fit(then, target))  # anew, and flags as these rows need them


@estimators
def test_a_network_without_flags_reads_missing_values_as_means(kind):
    X, target = task(kind)
    gaps = X.copy()
    gaps[3, 2, 0] = NAN
    model = kind(**TINY, warm_start=True).fit(X, target).fit(gaps, target)
    filled = gaps.copy()
    filled[3, 2, 0] = model.fitted_.scaling.inputs.center[0]
    np.testing.assert_array_equal(predictions_of(model, gaps), predictions_of(model, filled))


# -- how parameters are described

OWN_DESCRIPTIONS = {  # where a description is another than that of SeqRegressor, and for a reason
    SeqClassifier: {"pooling", "early_stopping", "n_iter_no_change", "tol", "dtype", "random_state"},
    SeqEncoder: {"loss", "max_samples", "tol", "dtype"},
    SeqForecaster: {
        "dropout",
        "loss",
        "batch_size",
        "early_stopping",
        "validation_fraction",
        "bptt_steps",
        "dtype",
        "n_jobs",
    },
}
# Sentences that give the reason of a default that differs from that of another estimator.
REASONS = re.compile(r"[^.]*`Seq\w+` has [^.]*(\.\d[^.]*)*\.|[^.]*than in `SeqForecaster` \(100\)\.")


def descriptions(kind):
    """Map each parameter to its type and description, without the default and its reason."""
    part = inspect.getdoc(kind).split("Parameters\n----------\n")[1].split("\n\n")[0]
    pairs = (entry.split(" : ", 1) for entry in re.split(r"\n(?=\S)", part))
    return {name: _simplify(text) for name, text in pairs}


def _simplify(text):
    text = REASONS.sub("", re.sub(r", default=\S+", "", " ".join(text.split())))
    return re.sub("window|sequence", "sample", text).strip()


@pytest.mark.parametrize("kind", OWN_DESCRIPTIONS, ids=lambda kind: kind.__name__)
def test_shared_parameters_are_described_in_the_same_words(kind):
    model, own = descriptions(SeqRegressor), descriptions(kind)
    assert set(own) == set(kind().get_params())
    shared = model.keys() & own.keys()
    assert len(shared) > 20
    assert {name for name in shared if model[name] != own[name]} == OWN_DESCRIPTIONS[kind]


@pytest.mark.parametrize("kind", [SeqRegressor, SeqClassifier, SeqEncoder], ids=lambda kind: kind.__name__)
def test_defaults_other_than_the_forecasters_have_a_reason(kind):
    own, of_forecaster = kind().get_params(), SeqForecaster().get_params()
    different = {name for name in own.keys() & of_forecaster.keys() if own[name] != of_forecaster[name]}
    part = inspect.getdoc(kind).split("Parameters\n----------\n")[1].split("\n\n")[0]
    entries = dict(entry.split(" : ", 1) for entry in re.split(r"\n(?=\S)", part))
    assert different
    assert not {name for name in different if "`SeqForecaster`" not in entries[name]}
