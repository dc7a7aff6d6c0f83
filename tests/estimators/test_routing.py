"""Metadata routing of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import NaiveForecaster, SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor, WindowTransformer

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("routing"),
]

TINY = {"hidden_size": 4, "max_iter": 3, "random_state": 0}
REGRESSOR = SeqRegressor(**TINY)
CLASSIFIER = SeqClassifier(**TINY)

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 6))
y = np.exp(X[:, -1])
LABELS = np.where(X[:, -1] > 0, "rises", "falls")
WEIGHT = rng.integers(0, 4, 80).astype(float)

same = np.testing.assert_array_equal


@pytest.fixture
def routing():
    """Requests cannot be set without routing."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def weighing(model):
    """Return a clone that requests weights in fit."""
    return clone(model).set_fit_request(sample_weight=True)


def unweighed_scaler():
    return StandardScaler().set_fit_request(sample_weight=False)


def weighted(model, X, y, rows=slice(None)):
    """Return a clone fitted with the weights of the rows."""
    return clone(model).fit(X[rows], y[rows], sample_weight=WEIGHT[rows])


def assert_weights_matter(model, target, method="predict"):
    plain = getattr(clone(model).fit(X, target), method)(X)
    assert not np.array_equal(getattr(weighted(model, X, target), method)(X), plain)


# -- through


@pytest.mark.parametrize(
    ("model", "target", "method"), [(REGRESSOR, y, "predict"), (CLASSIFIER, LABELS, "predict_proba")]
)
def test_a_pipeline_hands_weights_on(model, target, method):
    assert_weights_matter(model, target, method)
    scaled = StandardScaler().fit_transform(X)
    pipeline = make_pipeline(unweighed_scaler(), weighing(model)).fit(X, target, sample_weight=WEIGHT)
    same(getattr(pipeline, method)(X), getattr(weighted(model, scaled, target), method)(scaled))


def test_an_encoder_in_a_pipeline_is_given_weights():
    encoder = SeqEncoder(**TINY)
    union = FeatureUnion([("states", weighing(encoder)), ("scaled", unweighed_scaler())])
    pipeline = make_pipeline(union, Ridge().set_fit_request(sample_weight=False))
    states = clone(encoder).fit(X, sample_weight=WEIGHT).transform(X)
    assert not np.array_equal(states, clone(encoder).fit_transform(X))
    features = np.hstack([states, StandardScaler().fit_transform(X)])
    found = pipeline.fit(X, y, sample_weight=WEIGHT).predict(X)
    same(found, Ridge().fit(features, y).predict(features))


def test_transformed_targets_keep_their_weights():
    wrapped = TransformedTargetRegressor(weighing(REGRESSOR), func=np.log, inverse_func=np.exp)
    found = wrapped.fit(X, y, sample_weight=WEIGHT).predict(X)
    same(found, np.exp(weighted(REGRESSOR, X, np.log(y)).predict(X)))


def test_voting_passes_weights_to_those_that_request_them():
    vote = VotingClassifier(
        [("weighed", weighing(CLASSIFIER)), ("not", clone(CLASSIFIER).set_fit_request(sample_weight=False))],
        voting="soft",
    ).fit(X, LABELS, sample_weight=WEIGHT)
    models = [weighted(CLASSIFIER, X, LABELS), clone(CLASSIFIER).fit(X, LABELS)]
    same(vote.predict_proba(X), np.mean([model.predict_proba(X) for model in models], axis=0))


def test_a_stack_hands_weights_on_in_its_folds_too():
    folds = KFold(3)
    stack = StackingRegressor([("model", weighing(REGRESSOR))], weighing(Ridge()), cv=folds)
    stack.fit(X, y, sample_weight=WEIGHT)
    unseen = [weighted(REGRESSOR, X, y, train).predict(X[test]) for train, test in folds.split(X)]
    by_hand = Ridge().fit(np.concatenate(unseen)[:, None], y, sample_weight=WEIGHT)
    same(stack.final_estimator_.coef_, by_hand.coef_)
    same(stack.predict(X), by_hand.predict(weighted(REGRESSOR, X, y).predict(X)[:, None]))


# -- searches


@pytest.mark.parametrize("in_score", [True, False])
@pytest.mark.parametrize(
    ("model", "target", "metric", "folds"),
    [(REGRESSOR, y, r2_score, KFold(3)), (CLASSIFIER, LABELS, accuracy_score, StratifiedKFold(3))],
    ids=["regressor", "classifier"],
)
def test_a_search_fits_and_scores_with_the_weights_of_each_fold(model, target, metric, folds, in_score):
    """With `in_score`, the estimator requests weights in its own score."""
    asking = weighing(model).set_score_request(sample_weight=in_score)
    search = GridSearchCV(asking, {"hidden_size": [2, 5]}, cv=folds)
    search.fit(X, target, sample_weight=WEIGHT)
    candidates = [clone(model).set_params(hidden_size=size) for size in (2, 5)]
    for fold, (train, test) in enumerate(folds.split(X, target)):
        weight = WEIGHT[test] if in_score else None
        predictions = [weighted(candidate, X, target, train).predict(X[test]) for candidate in candidates]
        by_hand = [metric(target[test], found, sample_weight=weight) for found in predictions]
        same(search.cv_results_[f"split{fold}_test_score"], by_hand)
    best = candidates[int(np.argmax(search.cv_results_["mean_test_score"]))]
    same(search.predict(X), weighted(best, X, target).predict(X))


def test_pipeline_search_scores_with_requested_weights():
    scorers = {
        "weighed": make_scorer(mean_absolute_error).set_score_request(sample_weight=True),
        "not": make_scorer(mean_absolute_error).set_score_request(sample_weight=False),
    }
    pipeline, folds = make_pipeline(unweighed_scaler(), weighing(REGRESSOR)), KFold(3)
    search = GridSearchCV(
        pipeline, {"seqregressor__hidden_size": [3]}, scoring=scorers, cv=folds, refit=False
    ).fit(X, y, sample_weight=WEIGHT)
    for fold, (train, test) in enumerate(folds.split(X)):
        scaler, model = StandardScaler().fit(X[train]), clone(REGRESSOR).set_params(hidden_size=3)
        model.fit(scaler.transform(X[train]), y[train], sample_weight=WEIGHT[train])
        errors = np.abs(y[test] - model.predict(scaler.transform(X[test])))
        for name, expected in {
            "weighed": np.average(errors, weights=WEIGHT[test]),
            "not": errors.mean(),
        }.items():
            found = search.cv_results_[f"split{fold}_test_{name}"][0]
            assert found == pytest.approx(expected, rel=1e-12)


def test_cross_validation_scores_probabilities_with_weights():
    folds = StratifiedKFold(3)
    scorer = make_scorer(log_loss, response_method="predict_proba").set_score_request(sample_weight=True)
    found = cross_validate(
        weighing(CLASSIFIER), X, LABELS, cv=folds, scoring=scorer, params={"sample_weight": WEIGHT}
    )
    by_hand = [
        log_loss(
            LABELS[test],
            weighted(CLASSIFIER, X, LABELS, train).predict_proba(X[test]),
            sample_weight=WEIGHT[test],
        )
        for train, test in folds.split(X, LABELS)
    ]
    np.testing.assert_allclose(found["test_score"], by_hand, rtol=1e-14)


# -- passes over parts of the rows


def test_passes_for_each_target_are_given_weights():
    Y, part = np.stack([y, X[:, 0]], axis=1), slice(40)
    asking = clone(REGRESSOR).set_partial_fit_request(sample_weight=True)
    found = MultiOutputRegressor(asking)
    found.partial_fit(X[part], Y[part], sample_weight=WEIGHT[part])
    models = [
        clone(REGRESSOR).partial_fit(X[part], target[part], sample_weight=WEIGHT[part]) for target in Y.T
    ]
    same(found.predict(X), np.stack([model.predict(X) for model in models], axis=1))
    plain = clone(REGRESSOR).partial_fit(X[part], y[part])
    assert not np.array_equal(plain.predict(X), models[0].predict(X))


def test_partial_fit_receives_the_classes():
    labels = np.stack([LABELS, LABELS[::-1]], axis=1)
    asking = clone(CLASSIFIER).set_partial_fit_request(sample_weight=True)
    classes = [np.array(["falls", "rests", "rises"])] * 2
    found = MultiOutputClassifier(asking).partial_fit(X, labels, classes=classes, sample_weight=WEIGHT)
    for number, model in enumerate(found.estimators_):
        by_hand = clone(CLASSIFIER).partial_fit(X, labels[:, number], classes[number], WEIGHT)
        same(model.predict_proba(X), by_hand.predict_proba(X))
        assert list(model.classes_) == ["falls", "rests", "rises"]


# -- who can ask, and what happens where nobody did


@pytest.mark.parametrize(
    ("model", "requests"),
    [
        (REGRESSOR, {"fit": ["sample_weight"], "partial_fit": ["sample_weight"], "score": ["sample_weight"]}),
        (
            CLASSIFIER,
            {
                "fit": ["sample_weight"],
                "partial_fit": ["classes", "sample_weight"],
                "score": ["sample_weight"],
            },
        ),
        (SeqEncoder(), {"fit": ["sample_weight"], "partial_fit": ["sample_weight"]}),
        (SeqForecaster(), {"fit": ["sample_weight"]}),
        (NaiveForecaster(), {}),
        (WindowTransformer(), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_asked_for(model, requests):
    for method in ("fit", "partial_fit", "score", "predict", "transform"):
        found = getattr(model.get_metadata_routing(), method).requests
        assert found == dict.fromkeys(requests.get(method, []))
    for method, names in requests.items():
        asking = getattr(clone(model), f"set_{method}_request")(**dict.fromkeys(names, True))
        for answer in (asking, clone(asking)):
            assert getattr(answer.get_metadata_routing(), method).requests == dict.fromkeys(names, True)


@pytest.mark.parametrize(
    "tool",
    [
        lambda model: make_pipeline(unweighed_scaler(), model).fit,
        lambda model: GridSearchCV(model, {"hidden_size": [2]}).fit,
        lambda model: lambda X, y, **weights: cross_validate(model, X, y, params=weights),
    ],
    ids=["pipeline", "search", "cross-validation"],
)
@pytest.mark.parametrize("model", [REGRESSOR, CLASSIFIER], ids=["regressor", "classifier"])
def test_weights_that_nobody_decided_about_are_an_error(tool, model):
    target = y if model is REGRESSOR else LABELS
    message = f"sample_weight.* not explicitly set as requested or not requested for .*{type(model).__name__}"
    with pytest.raises(UnsetMetadataPassedError, match=message):
        tool(clone(model))(X, target, sample_weight=WEIGHT)


@pytest.mark.parametrize("before", [(), (WindowTransformer(3),)], ids=["forecaster", "windows"])
def test_weights_that_nobody_takes_are_an_error(before):
    frame = pd.DataFrame(X, pd.date_range("2024", periods=80, freq="h"))
    last = NaiveForecaster(4) if not before else weighing(REGRESSOR).set_fit_request(sample_weight=False)
    with pytest.raises(TypeError, match=r"unexpected argument\(s\) \{'sample_weight'\}"):
        make_pipeline(*before, last).fit(frame, frame[0], sample_weight=WEIGHT)
