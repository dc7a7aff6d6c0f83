"""SeqForecaster: parameters, failed fits and scikit-learn's tools."""

import copy
import doctest

import naive
import numpy as np
import pandas as pd
import pytest
from forecast_by_hand import (
    hourly,
    with_holes,
)
from forecaster_tasks import (
    SHORT,
    SMALL,
    TINY,
    assert_same_bits,
    ways,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from seqcast import LinearForecaster, SeqForecaster
from seqcast.estimators import forecaster
from seqcast.exceptions import TrainingDivergedError

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# -- scikit-learn's tools


@pytest.mark.parametrize("given_y", [False, True])
def test_grid_search_picks_the_best_of_its_own_scores(given_y):
    rows = hourly(100)
    search = GridSearchCV(SeqForecaster(**SHORT), {"hidden_size": [1, 4, 8]}, cv=TimeSeriesSplit(3))
    search.fit(rows, rows["a"] if given_y else None)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    assert search.best_params_ == {"hidden_size": [1, 4, 8][int(np.argmax(scores))]}
    folds = TimeSeriesSplit(3).split(rows)
    best = clone(SeqForecaster(**SHORT)).set_params(**search.best_params_)
    by_hand = [best.fit(rows.iloc[train]).score(rows.iloc[test]) for train, test in folds]
    assert search.best_score_ == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert_same_bits(search.best_estimator_.forecast(), best.fit(rows).forecast())


@ways
def test_other_scorers_compare_rows_with_predictions(frame, way):
    errors = cross_val_score(
        SeqForecaster(**SMALL, **way),
        frame[["a"]],
        frame["a"],
        cv=TimeSeriesSplit(2),
        scoring="neg_mean_absolute_error",
    )
    train, test = list(TimeSeriesSplit(2).split(frame))[1]
    model = SeqForecaster(**SMALL, **way).fit(frame[["a"]].iloc[train])
    hats = model.predict(frame[["a"]].iloc[test])["a"]
    assert errors[1] == pytest.approx(-naive.mae(frame["a"].to_numpy()[test], hats.to_numpy()), rel=1e-12)


def test_parameters_are_stored_as_given_and_cloned():
    given_parameters = {"horizon": 3, "cell": "lstm", "target": ["b"], "clip_norm": None, "n_jobs": 2}
    model = SeqForecaster(**given_parameters)
    assert given_parameters.items() <= model.get_params().items()
    assert set(vars(model)) == set(model.get_params())
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.set_params(horizon=9).horizon == 9
    assert model.horizon == 3


@ways
def test_fit_changes_neither_parameters_nor_data(way):
    rows, options = with_holes(hourly(100, "ba")), {**SMALL, **way, "target": ["a"]}
    before, model = rows.copy(deep=True), SeqForecaster(**options)
    parameters = copy.deepcopy(model.get_params())
    model.fit(rows[::-1]).predict(hourly(104, "ba")[100:])
    assert model.get_params() == parameters
    pd.testing.assert_frame_equal(rows, before, check_exact=True)


@ways
def test_parameters_set_after_fit_wait_for_the_next(frame, way):
    model = SeqForecaster(**SMALL, **way).fit(frame)
    before = model.forecast(12)
    model.set_params(
        normalization="none",
        dtype="float64",
        horizon=2,
        window=3,
        cell="lstm",
        n_layers=2,
        bidirectional=True,
    )
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)


@pytest.mark.parametrize("method", ["forecast", "predict", "score"])
def test_methods_need_a_fitted_forecaster(method):
    with pytest.raises(NotFittedError, match="SeqForecaster"):
        getattr(SeqForecaster(), method)(*([hourly(10)] if method == "score" else []))


def test_a_failed_fit_leaves_the_estimator_unfitted():
    model = SeqForecaster(**TINY)
    with pytest.raises(ValueError, match="at least"):
        model.fit(hourly(1))
    with pytest.raises(NotFittedError):
        model.forecast()


FAILING = [
    ({}, hourly(1), "at least"),
    (
        {"learning_rate_init": 1e38},
        hourly(60, "xyz", seed=3),
        "diverged",
    ),
    ({"warm_start": True, "target": "a"}, hourly(60, "ab"), "warm_start=True"),
]


@pytest.mark.parametrize(("change", "data", "message"), FAILING)
@ways
def test_a_failed_fit_leaves_the_last_one_as_it_was(frame, change, data, message, way):
    """Names, scaling and calendar of one fit with the weights of another would be meaningless."""
    model = SeqForecaster(**SMALL, **way).fit(frame[["a"]])
    before, fitted = model.forecast(), set(vars(model))
    with pytest.raises((ValueError, TrainingDivergedError), match=message):
        model.set_params(**change).fit(data)
    assert set(vars(model)) == fitted
    pd.testing.assert_frame_equal(model.forecast(), before, check_exact=True)


def test_weights_before_fit():
    with pytest.raises(NotFittedError):
        SeqForecaster().weights_  # noqa: B018


@pytest.mark.parametrize("several", [list, tuple, np.array, pd.Index])
def test_targets_may_come_in_any_sequence(frame, several):
    model = LinearForecaster(5, 12, target=several(["b", "a"])).fit(frame)
    assert list(model.forecast().columns) == ["b", "a"]


# -- choices


def test_docstring_example_is_true():
    result = doctest.testmod(forecaster)
    assert (result.failed, result.attempted) == (0, 2)
