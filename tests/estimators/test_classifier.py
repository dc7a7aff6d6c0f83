"""SeqClassifier, compared with the equations in plain NumPy."""

import doctest
import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_class_weight

from seqcast import SeqClassifier
from seqcast.estimators import classifier
from seqcast.kernels.modes import POOLINGS

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 5, "max_iter": 3, "random_state": 0}
STILL = {**TINY, "dtype": "float64", "learning_rate_init": 1e-300, "max_iter": 1}  # a step of no length
LABELS = {
    "strings": np.array(["cold", "hot", "mild"]),
    "objects": np.array(["cold", "hot", "mild"], object),
    "negative": np.array([-7, -2, 4]),
    "floats": np.array([-1.0, 0.0, 12.0]),
    "unsigned": np.array([3, 200, 255], np.uint8),
}


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


def task(n=60, n_classes=3, seed=0):
    """Return sequences of two channels, and classes that depend on their first and last steps."""
    z = np.random.default_rng(seed).normal(size=(n, 6, 2))
    score = z[:, -1, 0] + z[:, 0, 1]
    edges = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return 3 * z + 5, np.searchsorted(edges, score)


def logits_by_hand(model, fitted, X):
    """Return probabilities by the equations; `fitted` holds the training rows."""
    rows, weights = fitted.reshape(-1, X.shape[2]), model.weights_
    x = (X - rows.mean(axis=0)) / rows.std(axis=0)
    ways = {"n_layers": model.n_layers, "bidirectional": model.bidirectional}
    output, _ = naive.recurrent(weights=weights, x=x, **naive.CELLS[model.cell], **ways)
    read = naive.pooled(output, [x.shape[1]] * len(x), model.pooling, model.bidirectional)
    return naive.head(read, weights["head_weight"], weights["head_bias"])


def assert_same(one, other):
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)
    assert one.loss_curve_ == other.loss_curve_


def drawn(y, stratify=True, fraction=0.1, seed=0):
    """Return the numbers of the training and of the validation rows of early stopping."""
    return train_test_split(
        np.arange(len(y)),
        test_size=max(1, round(fraction * len(y))),
        stratify=y if stratify else None,
        random_state=np.random.RandomState(seed).randint(2**31),
    )


@pytest.fixture(scope="module")
def data():
    return task()


# -- the equations


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("cell", "n_layers", "bidirectional"), [("gru", 1, False), ("lstm", 2, True)])
def test_answers_follow_the_equations(data, cell, n_layers, bidirectional, pooling):
    X, y = data
    options = {"n_layers": n_layers, "bidirectional": bidirectional, "pooling": pooling, "dtype": "float64"}
    model, (new, _) = SeqClassifier(cell, **TINY, **options).fit(X, y), task(20, seed=1)
    logits = logits_by_hand(model, X, new)
    np.testing.assert_allclose(model.decision_function(new), logits, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(new), naive.log_softmax(logits), rtol=1e-9)
    np.testing.assert_allclose(model.predict_proba(new), np.exp(naive.log_softmax(logits)), rtol=1e-9)
    np.testing.assert_array_equal(model.predict(new), logits.argmax(axis=1))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_loss_curves_are_mean_cross_entropies_in_nats(n_classes):
    """A tiny learning rate keeps the weights of the first epoch."""
    X, y = task(50, n_classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, 50)
    options = {"early_stopping": True, "dtype": "float64", "learning_rate_init": 1e-300}
    model = SeqClassifier(**TINY, **options).fit(X, y, sample_weight=weights)
    probabilities, parts = model.predict_proba(X), drawn(y)
    for curve, rows in zip((model.loss_curve_, model.validation_loss_curve_), parts, strict=True):
        expected = log_loss(
            y[rows], probabilities[rows], sample_weight=weights[rows], labels=np.arange(n_classes)
        )
        np.testing.assert_allclose(curve, expected, rtol=1e-9)


# -- answers


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_classes_may_be_anything_that_can_be_sorted(data, labels):
    X, y = data
    plain, model = SeqClassifier(**TINY).fit(X, y), SeqClassifier(**TINY).fit(X, labels[y])
    assert model.classes_.tolist() == labels.tolist()
    assert model.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(model.predict(X), labels[plain.predict(X)])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    for form in (
        labels[y].tolist(),
        pd.Series(labels[y], index=np.arange(60)[::-1]),
        pd.Categorical(labels[y]),
    ):
        np.testing.assert_array_equal(SeqClassifier(**TINY).fit(X, form).predict(X), model.predict(X))


def test_two_classes_may_be_booleans():
    X, y = task(n_classes=2)
    model = SeqClassifier(**TINY).fit(X, y == 1)
    assert model.classes_.tolist() == [False, True]
    assert model.predict(X).dtype == bool
    np.testing.assert_array_equal(model.predict(X), SeqClassifier(**TINY).fit(X, y).predict(X) == 1)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_probabilities_logits_and_classes_agree(n_classes):
    X, y = task(200, n_classes)
    model = SeqClassifier(**{**TINY, "max_iter": 100}).fit(X, y)
    proba, scores = model.predict_proba(X), model.decision_function(X)
    assert proba.dtype == scores.dtype == np.float64
    assert proba.shape == (200, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert (proba > 0).all()
    if n_classes == 2:
        assert scores.shape == (200,)
        np.testing.assert_allclose(scores, np.log(proba[:, 1] / proba[:, 0]), rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(model.predict(X), scores > 0)
    else:
        assert scores.shape == (200, n_classes)
        np.testing.assert_allclose(proba, np.exp(naive.log_softmax(scores)), rtol=1e-12)
        np.testing.assert_array_equal(model.predict(X), scores.argmax(axis=1))
    np.testing.assert_array_equal(model.predict(X), proba.argmax(axis=1))
    assert model.score(X, y) == np.mean(model.predict(X) == y) > 1.2 / n_classes


def test_logarithms_are_finite_where_a_probability_is_0(data):
    X, y = data
    model = SeqClassifier(**TINY).fit(X, y)
    model.fitted_.network.weights["head_bias"][:] = [4000, 0, -4000]
    proba, logs = model.predict_proba(X), model.predict_log_proba(X)
    np.testing.assert_array_equal(proba, [[1, 0, 0]] * 60)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(logs, [[0, -4000, -8000]] * 60, atol=10)
    assert not np.isnan(np.exp(logs)).any()


# -- weights of classes


def test_class_weights_are_sample_weights(data):
    X, y = data
    labels, weights = LABELS["strings"], np.random.default_rng(0).uniform(0.5, 2, 60)
    by_class = {"cold": 3.0, "hot": 0.25, "mild": 1.5}
    of_rows = np.array([3.0, 0.25, 1.5])[y]
    for given in (None, weights):
        model = SeqClassifier(**TINY, class_weight=by_class).fit(X, labels[y], sample_weight=given)
        total = of_rows if given is None else of_rows * given
        assert_same(model, SeqClassifier(**TINY).fit(X, labels[y], sample_weight=total))
    with_rest = SeqClassifier(**TINY, class_weight={"cold": 1.0, "hot": 1.0, "mild": 1.0}).fit(X, labels[y])
    assert_same(with_rest, SeqClassifier(**TINY).fit(X, labels[y]))


def test_balanced_classes_weigh_the_same_in_all():
    X, y = task(60)
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:5], np.flatnonzero(y == 2)[:2]]
    X, y = X[rows], y[rows]
    model = SeqClassifier(**TINY, class_weight="balanced").fit(X, y)
    of_class = compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert of_class.tolist() == pytest.approx([27 / 60, 27 / 15, 27 / 6])
    assert_same(model, SeqClassifier(**TINY, class_weight=dict(enumerate(of_class))).fit(X, y))
    assert_same(model, SeqClassifier(**TINY).fit(X, y, sample_weight=of_class[y]))
    weights = np.random.default_rng(0).integers(1, 4, 27)
    weighted = SeqClassifier(**TINY, class_weight="balanced").fit(X, y, sample_weight=weights)
    repeated = np.repeat(np.arange(27), weights)
    assert_same(weighted, SeqClassifier(**TINY, class_weight="balanced").fit(X[repeated], y[repeated]))


def test_rows_of_a_class_without_weight_are_left_out(data):
    X, y = data
    spoilt = np.where((y == 1)[:, None, None], 1e9, X)
    model = SeqClassifier(**TINY, class_weight={0: 1.0, 1: 0.0, 2: 2.0}).fit(spoilt, y)
    assert_same(model, SeqClassifier(**TINY).fit(X, y, sample_weight=np.array([1.0, 0.0, 2.0])[y]))
    assert model.predict_proba(X).shape == (60, 3)
    for more in ({"batch_size": 8}, {"max_samples": 20}, {"early_stopping": True}):
        one = SeqClassifier(**TINY, **more, class_weight={0: 1.0, 1: 0.0, 2: 2.0}).fit(spoilt, y)
        other = SeqClassifier(**TINY, **more, class_weight={0: 1.0, 2: 2.0})
        assert_same(one, other.fit(X, y, sample_weight=y != 1))


def test_class_weights_move_the_border():
    X, y = task(200, 2)
    shares = []
    for weight in (0.1, 1.0, 10.0):
        model = SeqClassifier(**{**TINY, "max_iter": 60}, class_weight={0: 1.0, 1: weight}).fit(X, y)
        shares.append(model.predict(X).mean())
    assert shares[0] < 0.35 < shares[1] < 0.65 < shares[2]


NO_WEIGHTS = (
    "The 'class_weight' parameter of SeqClassifier must hold finite weights, none of them below 0 and one at "
    "least above it. Got {} instead."
)


@pytest.mark.parametrize(
    "weights",
    [
        {0: -1.0, 1: 1.0},
        {0: -1.0, 1: -1.0},
        {0: np.nan, 1: 1.0},
        {0: np.inf, 1: 1.0},
        {0: 1.0, 1: -np.inf},
        {0: 0.0, 1: 0.0},
    ],
    ids=str,
)
def test_weights_that_are_none_are_refused(weights):
    X, y = task(n_classes=2)
    model = SeqClassifier(**TINY, class_weight=weights)
    for call in (model.fit, model.partial_fit):
        first = {"classes": [0, 1]} if call.__name__ == "partial_fit" else {}
        with pytest.raises(ValueError, match=says(NO_WEIGHTS.format(weights))):
            call(X, y, **first)
    assert not hasattr(model, "classes_")


def test_classes_missing_in_class_weight_count_one(data):
    X, y = data
    partly = SeqClassifier(**TINY, class_weight={0: 3.0, 2: 2.0}).fit(X, y)
    assert_same(partly, SeqClassifier(**TINY, class_weight={0: 3.0, 1: 1.0, 2: 2.0}).fit(X, y))
    with pytest.raises(ValueError, match=r"The classes, \[2\], are not in class_weight"):
        SeqClassifier(**TINY, class_weight={0: 1.0, 1: 1.0, "2": 1.0}).fit(X, y)


def test_a_class_counts_however_little_it_weighs():
    X, y = task(n_classes=2)
    model = SeqClassifier(**TINY, class_weight={0: 1e-320, 1: 0.0}).fit(X, y)
    assert_same(model, SeqClassifier(**TINY).fit(X, y, sample_weight=y == 0))


def test_weights_of_rows_and_of_their_class_both_leave_out(data):
    """The product of class and sample weights is 0 in every row."""
    X, y = data
    model = SeqClassifier(**TINY, class_weight={0: 1.0, 1: 0.0, 2: 1.0})
    with pytest.raises(ValueError, match="'class_weight' parameter of SeqClassifier must hold"):
        model.fit(X, y, sample_weight=y == 1)
    even = np.arange(60) % 2 == 0
    both = SeqClassifier(**TINY).fit(X, y, sample_weight=even & (y != 1))
    assert_same(model.fit(X, y, sample_weight=even), both)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 8.0, 2: 0.5}], ids=str)
def test_class_weights_apply_to_nearly_infinite_sample_weights(data, class_weight):
    X, y = data
    weights = np.random.default_rng(0).integers(1, 9, 60) / 8
    model, plain = (SeqClassifier(**TINY, class_weight=class_weight) for _ in range(2))
    model.fit(X, y, sample_weight=weights * 2.0**1023)
    assert_same(model, plain.fit(X, y, sample_weight=weights))


# -- early stopping


def test_early_stopping_judges_by_rows_of_each_class():
    """The last rows all have one class, so they would not validate the others."""
    X, y = task(60)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    train, judged = drawn(y)
    assert np.bincount(y[judged]).tolist() == [2, 2, 2]
    options = {**TINY, "max_iter": 1, "early_stopping": True}
    one = SeqClassifier(**options).fit(X, y)
    spoilt = X.copy()
    spoilt[judged] = 99.0
    other = SeqClassifier(**options).fit(spoilt, y)
    assert_same(one, other)  # none of those rows is trained on, nor in the scaling
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    for row in train[:3]:
        spoilt = X.copy()
        spoilt[row] = 99.0
        assert SeqClassifier(**options).fit(spoilt, y).loss_curve_ != one.loss_curve_
    assert SeqClassifier(**{**options, "random_state": 1}).fit(X, y).loss_curve_ != one.loss_curve_


@pytest.mark.parametrize("random_state", [0, 7])
def test_rows_to_judge_by_are_drawn_by_the_seed(data, random_state):
    """The random state may be a generator, too."""
    X, y = data
    options = {**STILL, "early_stopping": True, "random_state": random_state}
    model = SeqClassifier(**options).fit(X, y)
    _, judged = drawn(y, seed=random_state)
    assert_judged_by(model, X, y, judged)
    generator = np.random.RandomState(random_state)
    model = SeqClassifier(**{**options, "random_state": generator}).fit(X, y)
    assert_judged_by(model, X, y, judged)
    seed = np.random.RandomState(random_state)
    seed.randint(2**31)
    assert generator.randint(2**31) != seed.randint(2**31)  # the weights were drawn after the rows


def assert_judged_by(model, X, y, rows):
    expected = log_loss(y[rows], model.predict_proba(X[rows]), labels=model.classes_)
    np.testing.assert_allclose(model.validation_loss_curve_, expected, rtol=1e-9)


ONE_RARE = np.r_[np.zeros(30, int), np.ones(29, int), 2]
THIRTY = np.arange(60) % 30


@pytest.mark.parametrize(
    ("y", "fraction", "stratify"),
    [
        (np.r_[np.zeros(30, int), np.ones(28, int), 2, 2], 0.1, True),
        (ONE_RARE, 0.1, False),
        (THIRTY, 0.1, False),
        (THIRTY, 0.9, False),
        (np.arange(60) % 2, 0.03, True),
        (np.arange(60) % 2, 0.02, False),
    ],
    ids=[
        "two of a class",
        "one of a class",
        "6 rows for 30 to judge",
        "6 rows for 30 to train",
        "a row each",
        "one row",
    ],
)
def test_validation_is_not_stratified_if_a_class_is_too_rare(y, fraction, stratify):
    X, _ = task(60)
    options = {"early_stopping": True, "validation_fraction": fraction}
    model = SeqClassifier(**STILL, **options).fit(X, y)
    assert_judged_by(model, X, y, drawn(y, stratify, fraction)[1])


def test_rows_without_weight_are_not_drawn():
    """A class without a row of positive weight is not used for validation."""
    X, y = task(60)
    options, others = {**STILL, "early_stopping": True}, np.flatnonzero(y != 1)
    rows = others[drawn(y[others])[1]]
    for model in (
        SeqClassifier(**options).fit(X, y, sample_weight=y != 1),
        SeqClassifier(**options, class_weight={0: 1.0, 1: 0.0, 2: 1.0}).fit(X, y),
    ):
        assert_judged_by(model, X, y, rows)


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    X, y = task(120)
    options = {**TINY, "early_stopping": True, "learning_rate_init": 0.1, "n_iter_no_change": 6}
    model = SeqClassifier(**{**options, "max_iter": 100}).fit(X, y)
    curve, (_, judged) = model.validation_loss_curve_, drawn(y)
    assert model.best_iter_ == int(np.argmin(curve)) + 1 < model.n_iter_ == len(curve) < 100
    best = log_loss(y[judged], model.predict_proba(X[judged]))
    assert curve[model.best_iter_ - 1] == pytest.approx(best, rel=1e-5)


def test_two_rows_are_enough_to_train_and_judge(data):
    X, _ = data
    model = SeqClassifier(**TINY, early_stopping=True)
    assert np.isfinite(model.fit(X[:2], [0, 1]).predict_proba(X)).all()
    message = (
        "With early_stopping=True, SeqClassifier.fit needs rows to train on and rows to validate on: at "
        "least 2. Got n_samples=1 instead. Set early_stopping=False, or pass more rows."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.fit(X[:2], [0, 1], sample_weight=[1.0, 0.0])


# -- passes over parts of the data


def test_classes_may_come_one_after_the_other(data):
    """Classes are announced in any order, and have probabilities before their first row."""
    X, y = data
    names = LABELS["strings"]
    model = SeqClassifier(**TINY).partial_fit(X[y == 1], names[y[y == 1]], classes=["mild", "cold", "hot"])
    assert model.classes_.tolist() == ["cold", "hot", "mild"]
    assert model.predict_proba(X).shape == (60, 3)
    first = model.loss_curve_[0]
    model.partial_fit(X, names[y], classes=["hot", "mild", "cold"]).partial_fit(X, names[y])
    assert len(model.loss_curve_) == model.n_iter_ == 3
    assert model.loss_curve_[0] == first


def test_passes_weigh_classes_by_a_dict(data):
    X, y = data
    classes, by_class = np.arange(3), {0: 3.0, 1: 0.25, 2: 1.5}
    model = SeqClassifier(**TINY, class_weight=by_class).partial_fit(X, y, classes)
    of_rows = np.array([3.0, 0.25, 1.5])[y]
    assert_same(model, SeqClassifier(**TINY).partial_fit(X, y, classes, sample_weight=of_rows))


BALANCED = (
    "The 'class_weight' parameter of SeqClassifier must be a dict or None for partial_fit, which sees a part "
    "of the rows. Got 'balanced' instead. Compute the weights of all rows with "
    "sklearn.utils.compute_class_weight and pass them as a dict."
)
UNKNOWN = (
    "The 'y' parameter of SeqClassifier must hold the classes ['cold', 'hot'] only. Got 'mild' as well. Name "
    "all classes in the first call of partial_fit."
)


def test_invalid_rows_of_partial_fit_raise(data):
    X, y = data
    names = LABELS["strings"][y]
    with pytest.raises(ValueError, match=says(BALANCED)):
        SeqClassifier(**TINY, class_weight="balanced").partial_fit(X, names, np.unique(names))
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        SeqClassifier(**TINY).partial_fit(X, names)
    model = SeqClassifier(**TINY)
    with pytest.raises(ValueError, match=says(UNKNOWN)):
        model.partial_fit(X, names, ["hot", "cold"])
    assert not hasattr(model, "classes_")
    model.fit(X[y < 2], names[y < 2])
    with pytest.raises(ValueError, match=says(UNKNOWN)):
        model.partial_fit(X, names)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, names, np.unique(names))
    assert model.classes_.tolist() == ["cold", "hot"]
    with pytest.raises(ValueError, match="must hold 2 classes or more"):
        SeqClassifier(**TINY).partial_fit(X[y < 1], names[y < 1], ["cold"])


def test_warm_start_goes_on_with_the_same_classes_only(data):
    X, y = data
    names = LABELS["strings"][y]
    model = SeqClassifier(**TINY, warm_start=True).fit(X, names)
    before, first = model.predict_proba(X), model.loss_curve_
    message = (
        "With warm_start=True, SeqClassifier.fit goes on with the classes of the last fit, ['cold', 'hot', "
        "'mild']. Got ['cold', 'hot', 'warm'] instead. Set warm_start=False to start anew."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.fit(X, np.where(names == "mild", "warm", names))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.classes_.tolist() == ["cold", "hot", "mild"]
    again = model.fit(X, names).loss_curve_
    whole = SeqClassifier(**{**TINY, "max_iter": 6}).fit(X, names)
    np.testing.assert_allclose(first + again, whole.loss_curve_, rtol=1e-5)


# -- what is no class


@pytest.mark.parametrize(("label", "shown"), [("hot", "'hot'"), (-3, "-3"), (True, "True")])
def test_one_class_is_refused(data, label, shown):
    message = (
        f"The 'y' parameter of SeqClassifier.fit must hold 2 classes or more. Got 1 class, {shown}, instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqClassifier(**TINY).fit(data[0], np.full(60, label))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda y: y + 0.5, "Unknown label type: continuous"),
        (lambda y: np.column_stack([y, y]), "y should be a 1d array, got an array of shape"),
        (lambda y: np.eye(3)[y], "y should be a 1d array, got an array of shape"),
    ],
    ids=["continuous", "two columns", "indicators"],
)
def test_targets_that_are_no_classes_are_refused(data, target, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        SeqClassifier(**TINY).fit(X, target(y))


@pytest.mark.parametrize(
    ("name", "value"),
    [("class_weight", "even"), ("class_weight", [1, 2]), ("pooling", "first"), ("pooling", None)],
)
def test_parameters_out_of_range_are_named(data, name, value):
    message = rf"The '{name}' parameter of SeqClassifier must be .* Got {re.escape(repr(value))} instead\."
    with pytest.raises(ValueError, match=message):
        SeqClassifier(**{**TINY, name: value}).fit(*data)


def test_nothing_comes_before_fit(data):
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError, match="SeqClassifier"):
            getattr(SeqClassifier(), name)(data[0])


# -- what is learnt


def adding_problem(n, n_steps=12, seed=0):
    """The class is whether the sum of two numbers of the first channel, marked in the second, exceeds 1."""
    rng = np.random.default_rng(seed)
    X = np.stack([rng.random((n, n_steps)), np.zeros((n, n_steps))], axis=2)
    marked = np.argsort(rng.random((n, n_steps)), axis=1)[:, :2]
    np.put_along_axis(X[:, :, 1], marked, 1, axis=1)
    return X, (X[:, :, 0] * X[:, :, 1]).sum(axis=1) > 1


def test_the_adding_problem_is_learned_where_baselines_fail():
    """The problem of Hochreiter and Schmidhuber (1997) as classes; the marked steps differ between rows."""
    (X, y), (new, truth) = adding_problem(2000), adding_problem(1000, seed=1)
    flat, new_flat = X.reshape(2000, -1), new.reshape(1000, -1)
    neighbour = KNeighborsClassifier(1).fit(flat, y).score(new_flat, truth)
    line = LogisticRegression(solver="newton-cholesky").fit(flat, y).score(new_flat, truth)
    model = SeqClassifier("lstm", hidden_size=16, max_iter=40, learning_rate_init=0.02, random_state=0).fit(
        X, y
    )
    assert neighbour < 0.7
    assert line < 0.75
    assert model.score(new, truth) > 0.93


def test_in_a_pipeline_and_a_search():
    X, y = task(90)
    flat, names = X[:, :, 0], LABELS["strings"][y]
    estimator = make_pipeline(StandardScaler(), SeqClassifier(**{**TINY, "max_iter": 20}))
    grid = {"seqclassifier__pooling": list(POOLINGS)}
    search = GridSearchCV(estimator, grid, cv=StratifiedKFold(3), scoring="neg_log_loss").fit(flat, names)
    best = search.best_params_["seqclassifier__pooling"]
    assert best == POOLINGS[int(np.argmax(search.cv_results_["mean_test_score"]))]
    scaled = StandardScaler().fit_transform(flat)
    by_hand = SeqClassifier(**{**TINY, "max_iter": 20}, pooling=best).fit(scaled, names)
    np.testing.assert_array_equal(search.predict_proba(flat), by_hand.predict_proba(scaled))


def test_docstring_example_is_true():
    result = doctest.testmod(classifier)
    assert (result.failed, result.attempted) == (0, 6)
