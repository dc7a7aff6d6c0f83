"""Every estimator by scikit-learn's own checks, and by those that `check_estimator` leaves out.

`make conformance` runs them under the oldest and the newest supported versions.
"""

from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils import estimator_checks, estimator_html_repr

import seqcast

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning"),
    # the checks of set_output fit frames and transform arrays, and the other way round
    pytest.mark.filterwarnings("ignore:X (has|does not have).* feature names:UserWarning"),
]

# They reach the R2 of 0.5 that the checks ask for (0.75 with five seeds) in less time than the defaults.
# Batches of 32 hold all rows of the check of weights: a row that counts twice is two rows only there.
STEPS = {"learning_rate_init": 0.01, "batch_size": 32}
LSTM = {"cell": "lstm", "hidden_size": 16, **STEPS, "max_iter": 60}
STOPPED = {"early_stopping": True, **STEPS, "n_iter_no_change": 20}
DEEP = {
    **{"cell": "rnn", "hidden_size": 8, "n_layers": 2, "bidirectional": True, "pooling": "max"},
    **{"dtype": "float64", **STEPS, "max_iter": 60},
}
CONFIGURATIONS = {
    "LinearForecaster": {
        "defaults": {},
        "jointly": {"horizon": 2, "window": 3, "multivariate": True},
        "treated": {"horizon": 2, "window": 3, "differences": 1, "normalization": "auto", "half_life": 9},
    },
    "NaiveForecaster": {"defaults": {}, "season": {"horizon": 2, "season_length": 3}},
    # The classifier and the regressor share their networks, so each is checked with one other network.
    "SeqClassifier": {"defaults": {}, "lstm": LSTM, "stopped": STOPPED},
    "SeqEncoder": {"defaults": {}, "states": {"cell": "lstm", "output": "states", "max_iter": 5}},
    "SeqForecaster": {
        "defaults": {},
        "one_step": {"horizon": 1, "window": 2, "early_stopping": False, "max_iter": 2},
        "several": {
            **{"horizon": 2, "window": 3, "max_iter": 2, "n_models": 2},
            **{"loss": "gaussian", "normalization": "instance"},
        },
    },
    "SeqRegressor": {"defaults": {}, "stopped": STOPPED, "deep": DEEP},
    "WindowTransformer": {"defaults": {}, "lead": {"window": 3, "lead": 2}},
}
ESTIMATORS = {
    f"{name}-{configuration}": getattr(seqcast, name)(**parameters)
    for name, configurations in CONFIGURATIONS.items()
    for configuration, parameters in configurations.items()
}

LEFT_OUT = [
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
    "check_param_validation",
]
LEFT_OUT_OF_TRANSFORMERS = [
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]

BY_ORDER = {
    "raises": pytest.RaisesExc(AssertionError, match="is not invariant when applied to a"),
    "reason": "what it makes of a row comes from the rows before it",
}
BY_LAST_ROWS = {
    "raises": pytest.RaisesExc(AssertionError, match="fitting with `sample_weight` is not equivalent"),
    "reason": "it stops by the last rows, and the check puts the weighted rows in another order",
}
BY_DRAWN_ROWS = {
    "raises": pytest.RaisesExc(AssertionError, match="fitting with `sample_weight` is not equivalent"),
    "reason": "it stops by rows that are drawn, and a row that comes twice is two rows to draw from, not one",
}
BY_NAME = {
    "raises": pytest.RaisesExc(AssertionError, match="^predict did not raise$"),
    "reason": "columns in another order are put right by their names",
}
BY_STEPS = {
    "raises": pytest.RaisesExc(AssertionError, match="fitting with `sample_weight` is not equivalent"),
    "reason": "a row that comes twice is two steps of time, and one that is left out is a step less",
}
OF_FORECASTERS = {
    "check_methods_sample_order_invariance": BY_ORDER,
    "check_methods_subset_invariance": BY_ORDER,
    "check_dataframe_column_names_consistency": BY_NAME,
}
# Estimator or configuration -> check -> the error that it must end in, and why none of its kind could pass.
EXPECTED_FAILURES = {
    "SeqClassifier-stopped": {"check_sample_weight_equivalence_on_dense_data": BY_DRAWN_ROWS},
    "LinearForecaster": OF_FORECASTERS | {"check_sample_weight_equivalence_on_dense_data": BY_STEPS},
    "NaiveForecaster-defaults": {
        "check_dataframe_column_names_consistency": BY_NAME
    },  # all rows get the last
    "NaiveForecaster-season": OF_FORECASTERS,
    "SeqForecaster": OF_FORECASTERS | {"check_sample_weight_equivalence_on_dense_data": BY_STEPS},
    "SeqRegressor-stopped": {"check_sample_weight_equivalence_on_dense_data": BY_LAST_ROWS},
    "WindowTransformer": {
        "check_methods_sample_order_invariance": BY_ORDER,
        "check_methods_subset_invariance": BY_ORDER,
    },
}


def checks_of(estimator):
    """All checks, each with the estimator that it is for."""
    yield from estimator_checks.estimator_checks_generator(estimator)
    for name in LEFT_OUT + LEFT_OUT_OF_TRANSFORMERS * hasattr(estimator, "transform"):
        yield estimator, partial(getattr(estimator_checks, name), type(estimator).__name__)


def as_test(label, estimator, check):
    """One test; where the check is expected to fail, it must, and in the expected error.

    `parametrize_with_checks` would not do: it takes any error for the expected one, its marks are not strict
    by themselves before scikit-learn 1.8, and pytest 9 warns of its generators.
    """
    name = check.func.__name__
    options = [f"{option}={value}" for option, value in check.keywords.items()]
    marks = [
        pytest.mark.xfail(strict=True, **checks[name])
        for owner, checks in EXPECTED_FAILURES.items()
        if label.startswith(owner) and name in checks
    ]
    if label.startswith("Seq") and not label.endswith("-defaults"):
        # `make conformance` runs them too.
        marks.append(pytest.mark.slow)
    return pytest.param(estimator, check, id="-".join([label, name, *options]), marks=marks)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [as_test(label, *pair) for label, estimator in ESTIMATORS.items() for pair in checks_of(estimator)],
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_html_shows_name_and_state_and_no_link_to_scikit_learn(name):
    fitted = clone(ESTIMATORS[name]).fit(np.arange(90.0).reshape(30, 3) % 7, np.arange(30) % 2)
    for estimator, state in [(ESTIMATORS[name], "Not fitted"), (fitted, "Fitted")]:
        html = estimator_html_repr(estimator)
        assert type(estimator).__name__ in html
        assert f">{state}<" in html
        assert "https://scikit-learn.org" not in html


@pytest.mark.parametrize("name", ["SeqClassifier", "SeqEncoder", "SeqRegressor"])
def test_estimators_of_sequences_pass_every_check_as_they_come(name):
    assert not any(f"{name}-defaults".startswith(owner) for owner in EXPECTED_FAILURES)


def test_every_public_estimator_is_checked_as_it_comes():
    public = (getattr(seqcast, name) for name in seqcast.__all__)
    classes = [thing for thing in public if isinstance(thing, type) and issubclass(thing, BaseEstimator)]
    assert set(CONFIGURATIONS) == {thing.__name__ for thing in classes}
    assert all({} in configurations.values() for configurations in CONFIGURATIONS.values())
