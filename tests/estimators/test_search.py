"""Searches, cross-validation, curves and importances of scikit-learn, compared with loops."""

import numba
import numpy as np
import pandas as pd
import pytest
from joblib import cpu_count
from sklearn import metrics
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import (
    PanelTimeSeriesSplit,
    SeqClassifier,
    SeqForecaster,
    SeqRegressor,
    WindowTransformer,
    make_forecast_scorer,
)
from seqcast.evaluation import metrics as forecast_metrics
from seqcast.kernels.parallel import thread_count

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 4, "max_iter": 3, "random_state": 0}
REGRESSOR = SeqRegressor(**TINY)
CLASSIFIER = SeqClassifier(**TINY)
FORECASTER = SeqForecaster(4, 8, **TINY)
WINDOWS = make_pipeline(WindowTransformer(4), SeqRegressor(**TINY, n_channels=2))

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 6))
y = 2 * X[:, -1] + X[:, 0] ** 2
LABELS = np.array(["falls", "rests", "rises"])[np.digitize(X[:, -1], [-0.4, 0.4])]

HOURS = pd.date_range("2024", periods=160, freq="h")
LOAD = 5 + np.sin(np.arange(160) / 4) + 0.1 * rng.normal(size=160)
FRAME = pd.DataFrame({"load": LOAD, "wind": rng.normal(size=160)}, HOURS)
IN_TIME = TimeSeriesSplit(3)

# What is to be learnt, from which rows, in which folds.
PROBLEMS = {
    "sequences": (REGRESSOR, X, y, KFold(3)),
    "sequences in time": (REGRESSOR, X, y, IN_TIME),
    "several targets": (REGRESSOR, X, np.stack([y, X[:, 1]], axis=1), KFold(3)),
    "windows": (WINDOWS, FRAME, FRAME["load"], IN_TIME),
    "target in X": (FORECASTER, FRAME, FRAME["load"], IN_TIME),
    "targets in X": (FORECASTER, FRAME, FRAME, IN_TIME),
    "target beside X": (FORECASTER, FRAME[["wind"]], FRAME["load"], IN_TIME),
    "pipeline": (
        make_pipeline(StandardScaler().set_output(transform="pandas"), FORECASTER),
        FRAME[["wind"]],
        FRAME["load"],
        IN_TIME,
    ),
}
REGRESSION_SCORES = {
    "neg_mean_absolute_error": lambda *both: -metrics.mean_absolute_error(*both),
    "neg_root_mean_squared_error": lambda *both: -metrics.root_mean_squared_error(*both),
    "r2": metrics.r2_score,
}

same = np.testing.assert_array_equal


def taken(data, rows):
    return data.iloc[rows] if hasattr(data, "iloc") else None if data is None else data[rows]


def fits(model, X, y, folds):
    """Yield a fitted clone and the test rows of each fold."""
    for train, test in folds if isinstance(folds, list) else folds.split(X, y):
        fitted = clone(model).fit(taken(X, train), taken(y, train))
        yield fitted, taken(X, test), taken(y, test)


def scores_by_hand(model, X, y, folds, score=REGRESSION_SCORES["r2"]):
    """Return the score of truth and predictions for each fold."""
    return [score(truth, fitted.predict(rows)) for fitted, rows, truth in fits(model, X, y, folds)]


def own_scores_by_hand(model, X, y, folds):
    return [fitted.score(rows, truth) for fitted, rows, truth in fits(model, X, y, folds)]


# -- cross-validation


@pytest.mark.parametrize("scoring", REGRESSION_SCORES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_string_scorers_give_the_metrics_of_predictions(problem, scoring):
    model, X, y, folds = PROBLEMS[problem]
    found = cross_val_score(model, X, y, cv=folds, scoring=scoring)
    same(found, scores_by_hand(model, X, y, folds, REGRESSION_SCORES[scoring]))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_scores_of_their_own_are_those_of_each_fold(problem):
    model, X, y, folds = PROBLEMS[problem]
    same(cross_val_score(model, X, y, cv=folds), own_scores_by_hand(model, X, y, folds))


def area_by_probabilities(model, rows, labels):
    return metrics.roc_auc_score(labels, model.predict_proba(rows), multi_class="ovr")


def area_by_logits(model, rows, labels):
    return metrics.roc_auc_score(labels, model.decision_function(rows))


@pytest.mark.parametrize(
    ("labels", "area", "score"),
    [
        (LABELS, "roc_auc_ovr", area_by_probabilities),
        (LABELS == "rises", "roc_auc", area_by_logits),
    ],
    ids=["three classes", "two"],
)
def test_string_scorers_compute_classification_metrics(labels, area, score):
    expected = {
        "accuracy": lambda model, rows, labels: np.mean(model.predict(rows) == labels),
        "neg_log_loss": lambda model, rows, labels: -metrics.log_loss(labels, model.predict_proba(rows)),
        area: score,
    }
    folds = StratifiedKFold(3)
    found = cross_validate(CLASSIFIER, X, labels, cv=folds, scoring=list(expected))
    for name, by_hand in expected.items():
        scores = [by_hand(*fit) for fit in fits(CLASSIFIER, X, labels, folds)]
        np.testing.assert_allclose(found[f"test_{name}"], scores, rtol=1e-14, err_msg=name)


def test_several_scorers_at_once_and_those_of_training_rows():
    folds, scoring = KFold(3), list(REGRESSION_SCORES)
    found = cross_validate(REGRESSOR, X, y, cv=folds, scoring=scoring, return_train_score=True)
    turned = [(train, train) for train, _ in folds.split(X)]
    for name, score in REGRESSION_SCORES.items():
        same(found[f"test_{name}"], scores_by_hand(REGRESSOR, X, y, folds, score))
        same(found[f"train_{name}"], scores_by_hand(REGRESSOR, X, y, turned, score))


@pytest.mark.parametrize(
    ("model", "target", "method"),
    [(REGRESSOR, y, "predict"), (CLASSIFIER, LABELS, "predict"), (CLASSIFIER, LABELS, "predict_proba")],
)
def test_predictions_of_rows_left_out(model, target, method):
    folds = KFold(3)
    by_hand = [getattr(fitted, method)(rows) for fitted, rows, _ in fits(model, X, target, folds)]
    same(cross_val_predict(model, X, target, cv=folds, method=method), np.concatenate(by_hand))


def test_folds_of_panels_in_the_order_of_time():
    panel = pd.DataFrame(np.c_[X, np.tile(np.arange(40), 2), np.repeat([0, 1], 40)]).set_axis(
        [*"uvwxyz", "day", "id"], axis=1
    )
    folds = PanelTimeSeriesSplit(3, horizon=8, time_col="day", id_col="id")
    model = make_pipeline(ColumnTransformer([("steps", "passthrough", list("uvwxyz"))]), clone(REGRESSOR))
    days = [range(16), range(24), range(32)]
    by_hand = []
    for past in days:
        train, test = panel["day"] < len(past), panel["day"].between(len(past), len(past) + 7)
        fitted = clone(REGRESSOR).fit(X[train], y[train])
        by_hand.append(metrics.r2_score(y[test], fitted.predict(X[test])))
    same(cross_val_score(model, panel, y, cv=folds), by_hand)


def test_folds_of_one_series_are_those_of_scikit_learn():
    ours, theirs = PanelTimeSeriesSplit(3, horizon=20), TimeSeriesSplit(3, test_size=20)
    found = cross_val_score(FORECASTER, FRAME, FRAME["load"], cv=ours, scoring="r2")
    same(found, scores_by_hand(FORECASTER, FRAME, FRAME["load"], theirs))


# -- searches


@pytest.mark.parametrize("problem", ["sequences", "windows", "target in X", "target beside X", "pipeline"])
def test_a_grid_search_finds_the_best_of_the_scores_by_hand(problem):
    model, X, y, folds = PROBLEMS[problem]
    step = model.steps[-1][0] + "__" if hasattr(model, "steps") else ""
    grid = {f"{step}hidden_size": [2, 5], f"{step}cell": ["gru", "lstm"]}
    search = GridSearchCV(model, grid, cv=folds, scoring="neg_mean_absolute_error").fit(X, y)
    candidates = [clone(model).set_params(**values) for values in ParameterGrid(grid)]
    score = REGRESSION_SCORES["neg_mean_absolute_error"]
    by_hand = np.array([scores_by_hand(candidate, X, y, folds, score) for candidate in candidates])
    same(np.stack([search.cv_results_[f"split{fold}_test_score"] for fold in range(3)], axis=1), by_hand)
    assert search.best_score_ == by_hand.mean(axis=1).max()
    best = candidates[int(np.argmax(by_hand.mean(axis=1)))]
    assert search.best_params_.items() <= best.get_params().items()
    later = X.set_axis(X.index + pd.Timedelta("160h")) if hasattr(X, "index") else X
    same(search.predict(later), best.fit(X, y).predict(later))


def test_a_search_of_a_forecaster_needs_no_y():
    search = GridSearchCV(FORECASTER, {"hidden_size": [2, 5]}, cv=IN_TIME).fit(FRAME)
    by_hand = [
        np.mean(own_scores_by_hand(clone(FORECASTER).set_params(hidden_size=size), FRAME, None, IN_TIME))
        for size in (2, 5)
    ]
    same(search.cv_results_["mean_test_score"], by_hand)
    assert search.best_score_ == max(by_hand)
    assert search.score(FRAME.set_axis(HOURS + pd.Timedelta("160h"))) == clone(FORECASTER).set_params(
        **search.best_params_
    ).fit(FRAME).score(FRAME.set_axis(HOURS + pd.Timedelta("160h")))


def test_random_search_of_a_classifier_finds_the_best_draw():
    ranges, folds = {"hidden_size": range(2, 7), "pooling": ["last", "mean", "max"]}, StratifiedKFold(3)
    search = RandomizedSearchCV(
        CLASSIFIER, ranges, n_iter=4, cv=folds, scoring="neg_log_loss", random_state=0
    ).fit(X, LABELS)
    drawn = list(ParameterSampler(ranges, 4, random_state=0))
    by_hand = [
        np.mean(
            [
                -metrics.log_loss(truth, fitted.predict_proba(rows))
                for fitted, rows, truth in fits(clone(CLASSIFIER).set_params(**values), X, LABELS, folds)
            ]
        )
        for values in drawn
    ]
    same(search.cv_results_["mean_test_score"], by_hand)
    assert (search.best_score_, search.best_params_) == (max(by_hand), drawn[int(np.argmax(by_hand))])


@pytest.mark.parametrize(
    ("problem", "y_given"), [("sequences", True), ("target in X", True), ("target in X", False)]
)
def test_halving_gives_the_better_half_twice_the_epochs(problem, y_given):
    """`return_train_score` is True by default; a forecaster has no scores of training rows."""
    model, X, y, folds = PROBLEMS[problem]
    y = y if y_given else None
    resource = {"resource": "max_iter", "min_resources": 1, "max_resources": 4, "factor": 2}
    sizes = [2, 3, 4, 5]
    search = HalvingGridSearchCV(
        model, {"hidden_size": sizes}, **resource, cv=folds, random_state=0, return_train_score=False
    ).fit(X, y)
    left, rounds = sizes, []
    for epochs in (1, 2, 4):
        candidates = [clone(model).set_params(hidden_size=size, max_iter=epochs) for size in left]
        by_hand = [np.mean(own_scores_by_hand(candidate, X, y, folds)) for candidate in candidates]
        rounds += [(size, epochs, score) for size, score in zip(left, by_hand, strict=True)]
        left = [left[place] for place in np.argsort(by_hand)][len(left) // 2 :]
    found = search.cv_results_
    names = ("param_hidden_size", "param_max_iter", "mean_test_score")
    same([found[name] for name in names], np.transpose(rounds))
    assert search.best_params_ == {"hidden_size": rounds[-1][0], "max_iter": 4}


def test_halving_of_rows_ends_with_the_scores_of_all_rows():
    """In the last round, all rows come in a random order, on which the weights do not depend."""
    folds = KFold(3)
    search = HalvingGridSearchCV(
        REGRESSOR, {"hidden_size": [2, 5]}, factor=2, min_resources=40, cv=folds, random_state=0
    ).fit(X, y)
    assert search.n_resources_ == [40, 80]
    last = search.cv_results_["iter"] == 1
    by_hand = scores_by_hand(clone(REGRESSOR).set_params(**search.best_params_), X, y, folds)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"][last], [np.mean(by_hand)], rtol=1e-12)


@pytest.mark.parametrize("columns", [["load", "wind"], ["wind"]], ids=["target in X", "target beside X"])
def test_halving_by_rows_is_refused_by_a_forecaster(columns):
    search = HalvingGridSearchCV(
        FORECASTER,
        {"hidden_size": [2, 5]},
        min_resources=120,
        cv=IN_TIME,
        random_state=0,
        error_score="raise",
    )
    with pytest.raises(ValueError, match="must come after the training rows"):
        search.fit(FRAME[columns], FRAME["load"])


# -- curves


@pytest.mark.parametrize("model", [REGRESSOR, CLASSIFIER], ids=["regressor", "classifier"])
def test_learning_curve_scores_the_first_rows_of_each_fold(model):
    target, folds = (y, KFold(3)) if model is REGRESSOR else (LABELS, KFold(3, shuffle=True, random_state=0))
    sizes, train_scores, test_scores = learning_curve(model, X, target, cv=folds, train_sizes=[20, 50])
    same(sizes, [20, 50])
    for number, size in enumerate(sizes):
        first = [(train[:size], test) for train, test in folds.split(X)]
        same(test_scores[number], own_scores_by_hand(model, X, target, first))
        seen = [(train, train) for train, _ in first]
        same(train_scores[number], own_scores_by_hand(model, X, target, seen))


@pytest.mark.parametrize("model", [REGRESSOR, CLASSIFIER], ids=["regressor", "classifier"])
def test_incremental_learning_curve_calls_partial_fit_in_order(model):
    target, folds = (y, KFold(3)) if model is REGRESSOR else (LABELS, KFold(3, shuffle=True, random_state=0))
    classes = {} if model is REGRESSOR else {"classes": np.unique(LABELS)}
    _, _, found = learning_curve(
        model, X, target, cv=folds, train_sizes=[20, 50], exploit_incremental_learning=True
    )
    for fold, (train, test) in enumerate(folds.split(X)):
        learner = clone(model)
        for number, part in enumerate([train[:20], train[20:50]]):
            learner.partial_fit(X[part], target[part], **classes)
            assert found[number, fold] == learner.score(X[test], target[test])


def test_a_learning_curve_in_time_of_windows():
    folds = TimeSeriesSplit(2, test_size=20)
    sizes, train_scores, test_scores = learning_curve(
        WINDOWS, FRAME, FRAME["load"], cv=folds, train_sizes=[60, 100]
    )
    for number, size in enumerate(sizes):
        first = [(train[:size], test) for train, test in folds.split(FRAME)]
        same(test_scores[number], own_scores_by_hand(WINDOWS, FRAME, FRAME["load"], first))
        seen = [(train, train) for train, _ in first]
        same(train_scores[number], own_scores_by_hand(WINDOWS, FRAME, FRAME["load"], seen))


@pytest.mark.parametrize(
    ("order", "part"),
    [(slice(None), lambda size: slice(size)), (slice(None, None, -1), lambda size: slice(-size, None))],
    ids=["first rows", "last rows"],
)
@pytest.mark.parametrize("problem", ["target in X", "target beside X"])
def test_learning_curve_of_a_forecaster_scores_later_rows(problem, order, part):
    """scikit-learn takes the first training rows, far from those of the test: turned round, the last ones.

    Forecasts of rows that were trained on say nothing, and the warnings tell so.
    """
    model, X, y, _ = PROBLEMS[problem]
    folds = list(TimeSeriesSplit(2, test_size=20).split(X))
    turned = [(train[order], test) for train, test in folds]
    with pytest.warns(UserWarning, match="(?s)Scoring failed.*must come after the training rows") as caught:
        sizes, train_scores, test_scores = learning_curve(
            model, X, y, cv=turned, train_sizes=[60, 100], scoring="r2"
        )
    for number, size in enumerate(sizes):
        rows = [(train[part(size)], test) for train, test in folds]
        same(test_scores[number], scores_by_hand(model, X, y, rows))
    assert np.isnan(train_scores).all()
    assert sum(warning.category is UserWarning for warning in caught) == 4  # sizes times folds


# -- importances


class Recorder:
    """A scorer that records the rows that it receives."""

    def __init__(self, score):
        self.score, self.rows = score, []

    def __call__(self, model, X, y):
        self.rows.append(X.copy())
        return self.score(y, model.predict(X))


def importances_by_hand(model, X, y, rows, score):
    """Return the decrease of the score for each shuffled table of `rows`, and the shuffled columns."""
    whole = score(y, model.predict(X))
    losses = {column: [] for column in range(X.shape[1])}
    for disturbed in rows:
        moved = np.flatnonzero((np.asarray(disturbed) != np.asarray(X)).any(axis=0))
        assert len(moved) == 1
        same(np.sort(np.asarray(disturbed)[:, moved], axis=0), np.sort(np.asarray(X)[:, moved], axis=0))
        losses[moved[0]].append(whole - score(y, model.predict(disturbed)))
    return np.array([losses[column] for column in range(X.shape[1])])


def test_the_step_and_channel_that_decide_are_the_most_important():
    sequences = np.random.default_rng(1).normal(size=(150, 4, 2))
    target, rows = 3 * sequences[:, -1, 1] + 0.1 * sequences[:, 0, 0], sequences.reshape(150, 8)
    model = SeqRegressor(**{**TINY, "max_iter": 60}, n_channels=2).fit(rows[:100], target[:100])
    recorder = Recorder(metrics.r2_score)
    found = permutation_importance(
        model, rows[100:], target[100:], scoring=recorder, n_repeats=2, random_state=0
    )
    expected = importances_by_hand(model, rows[100:], target[100:], recorder.rows[1:], metrics.r2_score)
    same(found.importances, expected)
    assert np.argmax(found.importances_mean) == 7
    named = permutation_importance(model, rows[100:], target[100:], scoring="r2", n_repeats=2, random_state=0)
    same(named.importances, expected)


LONGER = {"hidden_size": 8, "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}


@pytest.mark.parametrize(
    "model",
    [
        SeqForecaster(1, 3, **LONGER),
        make_pipeline(WindowTransformer(3), SeqRegressor(n_channels=3, **LONGER)),
    ],
    ids=["forecaster", "windows"],
)
def test_the_column_that_tells_the_future_is_the_most_important(model):
    """The wind determines the load of the next step."""
    rows = pd.DataFrame(np.random.default_rng(1).normal(size=(240, 3)), columns=["load", "wind", "noise"])
    rows["load"] = rows["wind"].shift(1, fill_value=0) + 0.1 * rows["load"]
    rows.index = pd.date_range("2024", periods=240, freq="h")
    train, test = rows[:180], rows[180:]
    model.fit(train, train["load"])
    recorder = Recorder(REGRESSION_SCORES["neg_mean_absolute_error"])
    options = {"scoring": recorder, "n_repeats": 2, "random_state": 0}
    found = permutation_importance(model, test, test["load"], **options)
    expected = importances_by_hand(model, test, test["load"], recorder.rows[1:], recorder.score)
    same(found.importances, expected)
    assert np.argmax(found.importances_mean) == 1


# -- scorers of forecasts


BY_METRIC = [
    *((metric, ["load"]) for metric in ("mae", "rmse", "crps")),
    *((metric, ["load", "wind"]) for metric in ("smape", "mape", "mase", "rmsse")),
]


@pytest.mark.parametrize("before", [(), (StandardScaler(),)], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize(("metric", "targets"), BY_METRIC)
def test_forecast_scorers_need_no_y(metric, targets, before):
    """After a scaler, errors are those of the scaled rows."""
    model = clone(FORECASTER).set_params(target=targets, season_length=24)
    pipeline = make_pipeline(*before, model).set_output(transform="pandas")
    found = cross_val_score(pipeline, FRAME, cv=IN_TIME, scoring=make_forecast_scorer(metric))
    by_hand = []
    for train, test in IN_TIME.split(FRAME):
        past, rows = FRAME.iloc[train], FRAME.iloc[test]
        if before:
            scaler = StandardScaler().set_output(transform="pandas").fit(past)
            past, rows = scaler.transform(past), scaler.transform(rows)
        forecasts, errors = clone(model).fit(past).predict(rows), []
        for name in targets:
            history = {"history": past[name], "season_length": 24} if metric in ("mase", "rmsse") else {}
            errors.append(getattr(forecast_metrics, metric)(rows[name], forecasts[name], **history))
        by_hand.append(-np.mean(errors))
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


# -- workers


def test_a_search_on_two_workers_gives_the_bits_of_one():
    grid = {"cell": ["gru", "lstm"], "hidden_size": [2, 5]}
    alone, together = (
        GridSearchCV(FORECASTER, grid, cv=IN_TIME, n_jobs=n_jobs).fit(FRAME) for n_jobs in (None, 2)
    )
    assert alone.cv_results_.keys() == together.cv_results_.keys()
    for name, found in alone.cv_results_.items():
        if "time" not in name:
            same(together.cv_results_[name], found, err_msg=name)
    assert together.best_params_ == alone.best_params_
    same(together.best_estimator_.forecast(), alone.best_estimator_.forecast())


def test_a_worker_trains_with_its_share_of_the_cores(monkeypatch):
    """Each of two workers on two cores has one thread."""
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)

    def threads(model, X, y=None):
        return {"asked": thread_count(model.n_jobs), "numba": numba.get_num_threads()}

    search = GridSearchCV(
        FORECASTER, {"n_jobs": [None, -1]}, cv=IN_TIME, n_jobs=2, scoring=threads, refit=False
    ).fit(FRAME)
    share = max(1, cpu_count() // 2)
    for name in ("asked", "numba"):
        same([search.cv_results_[f"split{fold}_test_{name}"] for fold in range(3)], np.full((3, 2), share))
