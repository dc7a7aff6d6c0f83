"""Estimators in pipelines, wrappers and ensembles of scikit-learn; clones, pickles, processes and HTML."""

import html
import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import seqcast
from seqcast import (
    LinearForecaster,
    NaiveForecaster,
    SeqClassifier,
    SeqEncoder,
    SeqForecaster,
    SeqRegressor,
    WindowTransformer,
)

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 4, "max_iter": 3, "random_state": 0}
REGRESSOR = SeqRegressor(**TINY)
LSTM = SeqRegressor("lstm", **TINY)
CLASSIFIER = SeqClassifier(**TINY)
ENCODER = SeqEncoder(**TINY)
FORECASTER = SeqForecaster(4, 8, **TINY)

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 6))
Y = np.stack([np.exp(X[:, -1]), X[:, 0] - X[:, 1]], axis=1)  # of which the first is positive
y = Y[:, 0]
LABELS = np.array(["falls", "rests", "rises"])[np.digitize(X[:, -1], [-0.4, 0.4])]
NAMES = list("uvwxyz")
ROWS = pd.DataFrame(X, columns=NAMES)

HOURS = pd.date_range("2024", periods=120, freq="h")
LOAD = 5 + np.sin(np.arange(120) / 4) + 0.1 * rng.normal(size=120)
FRAME = pd.DataFrame({"load": LOAD, "wind": 40 + 20 * rng.normal(size=120)}, HOURS)
PAST, LATER = FRAME[:96], FRAME[96:]

same = np.testing.assert_array_equal


def fitted(model, *data):
    return clone(model).fit(*data)


# -- pipelines


@pytest.mark.parametrize("target", [y, Y], ids=["one", "two"])
def test_a_scaler_before_a_regressor_is_scaling_by_hand(target):
    found = make_pipeline(StandardScaler(), clone(REGRESSOR)).fit(X, target).predict(X)
    scaled = StandardScaler().fit_transform(X)
    same(found, fitted(REGRESSOR, scaled, target).predict(scaled))
    assert found.shape == target.shape


def test_a_column_transformer_scales_covariates_only():
    wind = ColumnTransformer(
        [("scaled", StandardScaler(), ["wind"])], remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(wind.set_output(transform="pandas"), clone(FORECASTER).set_params(target="load"))
    scaled = FRAME[["wind", "load"]].copy()  # as the transformer orders them
    scaled["wind"] = StandardScaler().fit(PAST[["wind"]]).transform(FRAME[["wind"]])[:, 0]
    expected = fitted(FORECASTER, scaled[:96], scaled["load"][:96])
    for ways in [(PAST,), (PAST, PAST["load"])]:
        found = clone(pipeline).fit(*ways)
        same(np.ravel(found.predict(LATER)), expected.predict(scaled[96:]))
        assert found[-1].covariate_names_ == ["wind"]
    assert found.score(LATER) == expected.score(scaled[96:])


def test_a_scaler_scales_covariates_of_a_separate_target():
    scaler = StandardScaler().set_output(transform="pandas")
    scaled = scaler.fit(PAST[["wind"]]).transform(FRAME[["wind"]])
    expected = fitted(FORECASTER, scaled[:96], PAST["load"]).predict(scaled[96:])
    pipeline = make_pipeline(clone(scaler), clone(FORECASTER))
    found = pipeline.fit(PAST[["wind"]], PAST["load"]).predict(LATER[["wind"]])
    pd.testing.assert_series_equal(found, expected, check_exact=True)
    arrays = make_pipeline(StandardScaler(), clone(FORECASTER)).fit(PAST[["wind"]], PAST["load"])
    same(arrays.predict(LATER[["wind"]]), expected)


@pytest.mark.parametrize(
    "regressor",
    [HistGradientBoostingRegressor(max_iter=5), SeqRegressor(**TINY, n_channels=2)],
    ids=["trees", "network"],
)
def test_windows_before_a_regressor_are_lags_across_the_border(regressor):
    lags = pd.concat([FRAME.shift(lag) for lag in (3, 2, 1)], axis=1).to_numpy()
    pipeline = make_pipeline(WindowTransformer(3), clone(regressor)).fit(PAST, PAST["load"])
    expected = fitted(regressor, lags[:96], PAST["load"])
    same(pipeline.predict(LATER), expected.predict(lags[96:]))


@pytest.mark.parametrize("columns", [["v", "z"], [1, 5]])
def test_a_column_transformer_picks_the_steps_that_are_read(columns):
    picked = ColumnTransformer([("picked", "passthrough", columns)])
    found = make_pipeline(picked, clone(REGRESSOR)).fit(ROWS, y)
    same(found.predict(ROWS), fitted(REGRESSOR, X[:, [1, 5]], y).predict(X[:, [1, 5]]))
    assert found[-1].n_features_in_ == 2


def test_encoders_of_some_columns_stand_side_by_side():
    parts = {"first": (ENCODER, NAMES[:4]), "last": (clone(ENCODER).set_params(output="mean"), NAMES[2:])}
    encoders = ColumnTransformer([(name, *part) for name, part in parts.items()])
    expected = [
        fitted(encoder, ROWS[columns]).transform(ROWS[columns]) for encoder, columns in parts.values()
    ]
    same(encoders.fit_transform(ROWS), np.hstack(expected))
    assert list(encoders.get_feature_names_out()) == [
        f"{name}__seqencoder{number}" for name in parts for number in range(4)
    ]


def test_features_of_an_encoder_join_others_in_a_union():
    union = FeatureUnion([("states", ENCODER), ("scaled", StandardScaler())])
    found = make_pipeline(union, Ridge()).fit(X, y).predict(X)
    features = np.hstack([fitted(ENCODER, X).transform(X), StandardScaler().fit_transform(X)])
    same(found, Ridge().fit(features, y).predict(features))


def test_features_come_out_as_pandas_frames_with_index_and_names():
    rows = ROWS.set_axis(pd.Index(range(100, 180), name="row"))
    found = clone(ENCODER).set_output(transform="pandas").fit(rows).transform(rows)
    names = [f"seqencoder{number}" for number in range(4)]
    expected = pd.DataFrame(fitted(ENCODER, X).transform(X), rows.index, names)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    pipeline = make_pipeline(clone(ENCODER), clone(REGRESSOR)).set_output(transform="pandas").fit(rows, y)
    assert list(pipeline[-1].feature_names_in_) == names
    same(pipeline.predict(rows), fitted(REGRESSOR, expected.to_numpy(), y).predict(expected.to_numpy()))


def test_polars_frames_are_read_and_given():
    polars = pytest.importorskip("polars")
    rows = polars.DataFrame(dict(zip(NAMES, X.T, strict=True)))
    found = clone(ENCODER).set_output(transform="polars").fit_transform(rows)
    assert isinstance(found, polars.DataFrame)
    assert found.columns == [f"seqencoder{number}" for number in range(4)]
    same(found.to_numpy(), fitted(ENCODER, X).transform(X))
    regressor = fitted(REGRESSOR, rows, polars.Series(y))
    same(regressor.predict(rows), fitted(REGRESSOR, X, y).predict(X))
    assert list(regressor.feature_names_in_) == NAMES
    same(
        fitted(CLASSIFIER, rows, polars.Series(LABELS)).predict(rows),
        fitted(CLASSIFIER, X, LABELS).predict(X),
    )


def test_cloning_a_fitted_pipeline_keeps_parameters_only():
    pipeline = make_pipeline(StandardScaler(), clone(REGRESSOR).set_params(cell="lstm")).fit(X, y)
    blank = clone(pipeline)
    parameters, others = pipeline[-1].get_params(), blank[-1].get_params()
    assert parameters == others
    assert vars(blank[-1]) == parameters  # no learned attribute
    with pytest.raises(NotFittedError):
        blank[-1].predict(X)
    same(blank.fit(X, y).predict(X), pipeline.predict(X))


# -- targets in other forms


@pytest.mark.parametrize("target", [y, np.exp(Y)], ids=["one", "two"])
def test_transformed_targets_are_logarithms_by_hand(target):
    wrapped = TransformedTargetRegressor(clone(REGRESSOR), func=np.log, inverse_func=np.exp)
    same(
        wrapped.fit(X, target).predict(X),
        np.exp(fitted(REGRESSOR, X, np.log(target)).predict(X)),
    )


def test_transformed_targets_pass_windows():
    model = make_pipeline(WindowTransformer(3), SeqRegressor(**TINY, n_channels=2))
    wrapped = TransformedTargetRegressor(clone(model), func=np.log, inverse_func=np.exp)
    expected = np.exp(fitted(model, PAST, np.log(PAST["load"])).predict(LATER))
    same(wrapped.fit(PAST, PAST["load"]).predict(LATER), expected)


def test_transformed_targets_are_returned_in_their_units():
    wrapped = TransformedTargetRegressor(clone(FORECASTER), func=np.log, inverse_func=np.exp)
    expected = fitted(FORECASTER, PAST[["wind"]], np.log(PAST["load"])).predict(LATER[["wind"]])
    found = wrapped.fit(PAST[["wind"]], PAST["load"]).predict(LATER[["wind"]])
    same(found, np.exp(expected))


def test_targets_one_by_one_are_models_of_their_own():
    found = MultiOutputRegressor(clone(REGRESSOR)).fit(X, Y).predict(X)
    same(found, np.stack([fitted(REGRESSOR, X, target).predict(X) for target in Y.T], axis=1))
    codes = np.stack([LABELS, LABELS[::-1]], axis=1)
    found = MultiOutputClassifier(clone(CLASSIFIER)).fit(X, codes).predict(X)
    same(found, np.stack([fitted(CLASSIFIER, X, target).predict(X) for target in codes.T], axis=1))


def test_a_chain_reads_the_targets_before():
    found = RegressorChain(clone(REGRESSOR)).fit(X, Y).predict(X)
    first = fitted(REGRESSOR, X, y)
    second = fitted(REGRESSOR, np.c_[X, y], Y[:, 1])
    same(found, np.c_[first.predict(X), second.predict(np.c_[X, first.predict(X)])])


def test_calibrated_probabilities_average_isotonic_fits_of_folds():
    rises, folds = LABELS == "rises", StratifiedKFold(3)
    found = CalibratedClassifierCV(clone(CLASSIFIER), method="isotonic", cv=folds).fit(X, rises)
    expected = []
    for train, test in folds.split(X, rises):
        model = fitted(CLASSIFIER, X[train], rises[train])
        steps = IsotonicRegression(out_of_bounds="clip").fit(model.decision_function(X[test]), rises[test])
        expected.append(steps.predict(model.decision_function(X)))
    np.testing.assert_allclose(found.predict_proba(X)[:, 1], np.mean(expected, axis=0), rtol=1e-12)


# -- ensembles


@pytest.mark.parametrize("target", [y, Y], ids=["one", "two"])
def test_bagged_regressors_are_those_of_their_samples(target):
    """For a row drawn twice, scikit-learn (until 1.7) sets a weight, and later versions repeat it."""
    bag = BaggingRegressor(clone(REGRESSOR), n_estimators=3, random_state=0).fit(X, target)
    members = [
        fitted(member, X[rows], target[rows]).predict(X)
        for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True)
    ]
    same(bag.predict(X), sum(members) / 3)
    assert not np.array_equal(members[0], members[1])


def test_bagged_classifiers_are_those_of_their_samples():
    bag = BaggingClassifier(clone(CLASSIFIER), n_estimators=3, random_state=0).fit(X, LABELS)
    codes = np.searchsorted(bag.classes_, LABELS)
    members = [
        fitted(member, X[rows], codes[rows]).predict_proba(X)
        for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True)
    ]
    same(bag.predict_proba(X), sum(members) / 3)


def test_a_vote_of_regressors_is_their_mean():
    models = [fitted(model, X, y).predict(X) for model in (REGRESSOR, LSTM)]
    named = [("gru", REGRESSOR), ("lstm", LSTM)]
    same(VotingRegressor(named).fit(X, y).predict(X), np.mean(models, axis=0))
    weighted = VotingRegressor(named, weights=[1, 3]).fit(X, y).predict(X)
    np.testing.assert_allclose(weighted, (models[0] + 3 * models[1]) / 4, rtol=1e-14)


@pytest.mark.parametrize(
    "columns",
    [["wind"], ["load", "wind"]],
    ids=["target beside X", "target in X"],
)
def test_a_vote_of_forecasters_is_their_mean(columns):
    models = [FORECASTER, clone(FORECASTER).set_params(cell="lstm")]
    vote = VotingRegressor(list(zip("ab", models, strict=True))).fit(PAST[columns], PAST["load"])
    alone = [fitted(model, PAST[columns], PAST["load"]).predict(LATER[columns]) for model in models]
    same(vote.predict(LATER[columns]), np.mean(alone, axis=0))


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_a_vote_of_classifiers_adds_probabilities_or_counts(voting):
    named = {"network": CLASSIFIER, "bayes": GaussianNB(), "lstm": clone(CLASSIFIER).set_params(cell="lstm")}
    vote = VotingClassifier(list(named.items()), voting=voting).fit(X, LABELS)
    models = [fitted(model, X, LABELS) for model in named.values()]
    if voting == "soft":
        shares = np.mean([model.predict_proba(X) for model in models], axis=0)
        same(vote.predict_proba(X), shares)
    else:
        shares = sum(model.predict(X)[:, None] == vote.classes_ for model in models)
    same(vote.predict(X), vote.classes_[shares.argmax(axis=1)])


def test_stacked_regressors_learn_from_out_of_fold_predictions():
    named, folds = {"gru": REGRESSOR, "ridge": Ridge(), "lstm": LSTM}, KFold(4)
    stack = StackingRegressor(list(named.items()), Ridge(alpha=0.1), cv=folds).fit(X, y)
    unseen = np.stack([cross_val_predict(clone(model), X, y, cv=folds) for model in named.values()], axis=1)
    final = Ridge(alpha=0.1).fit(unseen, y)
    same(stack.final_estimator_.coef_, final.coef_)
    seen = np.stack([fitted(model, X, y).predict(X) for model in named.values()], axis=1)
    same(stack.transform(X), seen)
    same(stack.predict(X), final.predict(seen))


def test_stacked_classifiers_learn_from_out_of_fold_predictions():
    named, folds = {"network": CLASSIFIER, "bayes": GaussianNB()}, StratifiedKFold(3)
    stack = StackingClassifier(list(named.items()), GaussianNB(), cv=folds).fit(X, LABELS)
    ways = {"cv": folds, "method": "predict_proba"}
    unseen = np.hstack([cross_val_predict(clone(model), X, LABELS, **ways) for model in named.values()])
    final = GaussianNB().fit(unseen, np.searchsorted(stack.classes_, LABELS))
    same(stack.final_estimator_.theta_, final.theta_)
    seen = np.hstack([fitted(model, X, LABELS).predict_proba(X) for model in named.values()])
    same(stack.predict_proba(X), final.predict_proba(seen))


# -- the same bits again, here and elsewhere

TRAVELLERS = {  # what to fit on, what to ask, of which rows
    "LinearForecaster": (LinearForecaster(4, 8), (PAST,), "predict", LATER),
    "NaiveForecaster": (NaiveForecaster(4), (PAST,), "predict", LATER),
    "SeqClassifier": (CLASSIFIER, (X, LABELS), "predict_proba", X),
    "SeqEncoder": (ENCODER, (X,), "transform", X),
    "SeqForecaster": (FORECASTER, (PAST,), "predict", LATER),
    "SeqRegressor": (REGRESSOR, (X, Y), "predict", X),
    "WindowTransformer": (WindowTransformer(3), (PAST,), "transform", LATER),
}
ASK = """
import pickle, sys
fitted = pickle.load(open(FILE, "rb"))
answers = {name: getattr(model, method)(rows) for name, (model, method, rows) in fitted.items()}
pickle.dump(answers, open(FILE, "wb"))
"""


@pytest.fixture(scope="module")
def answers_elsewhere(run_python, tmp_path_factory):
    """Return the predictions of pickled estimators in a new process."""
    file = tmp_path_factory.mktemp("pickles") / "fitted"
    models = {
        name: (fitted(model, *data), method, rows) for name, (model, data, method, rows) in TRAVELLERS.items()
    }
    file.write_bytes(pickle.dumps(models))
    run_python(ASK.replace("FILE", repr(str(file))))
    return pickle.loads(file.read_bytes())


def test_every_public_estimator_travels():
    public = (getattr(seqcast, name) for name in seqcast.__all__)
    classes = [thing for thing in public if isinstance(thing, type) and issubclass(thing, BaseEstimator)]
    assert set(TRAVELLERS) == {thing.__name__ for thing in classes}


@pytest.mark.parametrize("name", TRAVELLERS)
def test_refits_clones_pickles_and_processes_give_the_same_bits(name, answers_elsewhere):
    model, data, method, rows = TRAVELLERS[name]
    model = fitted(model, *data)
    expected = getattr(model, method)(rows)
    others = {
        "pickled": pickle.loads(pickle.dumps(model)),
        "pickled before fit": pickle.loads(pickle.dumps(clone(model))).fit(*data),
        "cloned": clone(model).fit(*data),
        "fitted again": model.fit(*data),
    }
    for way, other in others.items():
        same(getattr(other, method)(rows), expected, err_msg=way)
    same(answers_elsewhere[name], expected)
    assert type(answers_elsewhere[name]) is type(expected)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib_give_the_same_bits(backend):
    models = [(fitted(model, *data), method, rows) for model, data, method, rows in TRAVELLERS.values()]
    expected = [getattr(model, method)(rows) for model, method, rows in models]
    found = Parallel(2, backend=backend)(
        delayed(getattr(model, method))(rows) for model, method, rows in models
    )
    for one, other in zip(found, expected, strict=True):
        same(one, other)


# -- in a notebook


@pytest.mark.parametrize("name", TRAVELLERS)
def test_notebooks_show_what_was_set(name):
    model = clone(TRAVELLERS[name][0])
    assert html.escape(str(model)) in estimator_html_repr(model)
    assert name in model._repr_html_()
    assert name in make_pipeline(StandardScaler(), model)._repr_html_()


def descriptions(owner):
    """Return type and description of each parameter by its name."""
    section = inspect.getdoc(owner).split("\nParameters\n----------\n")[1].split("\n\n")[0]
    entries = re.findall(r"^(\w+) : (.+)\n((?:    .+\n)*)", section + "\n", re.MULTILINE)
    return {name: (kind, inspect.cleandoc(text)) for name, kind, text in entries}


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8),
    reason="shows no documentation of parameters",
)
@pytest.mark.parametrize("name", TRAVELLERS)
def test_notebooks_link_parameters_to_the_documentation(name, monkeypatch):
    """The docstring of a parameter is shown beside its link, so only if there is one."""
    owner = getattr(seqcast, name)
    monkeypatch.setattr(owner, "_doc_link_module", "seqcast")
    monkeypatch.setattr(owner, "_doc_link_template", "https://example.org/{estimator_name}")
    shown = estimator_html_repr(owner())
    tips = re.findall(r'<span class="param-doc-description"[^>]*>(.*?)</span>', shown, re.DOTALL)
    texts = [html.unescape(tip.strip().replace("<br>", "\n")) for tip in tips]
    documented = descriptions(owner)
    assert list(documented) == list(inspect.signature(owner).parameters)
    assert sorted(texts) == sorted(f"{name}: {kind}\n\n{text}" for name, (kind, text) in documented.items())
