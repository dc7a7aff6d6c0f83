"""Requested levels and quantiles, and the names of their columns."""

import numpy as np
import pandas as pd
import pytest
from interval_tasks import assert_close, assert_same_bits, says

from seqcast.forecasting.requested_quantiles import RequestedQuantiles

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("level", "quantiles", "names", "probabilities"),
    [
        (80, None, ["a-lo-80", "a-hi-80"], [0.1, 0.9]),
        ([80, 95], None, ["a-lo-80", "a-hi-80", "a-lo-95", "a-hi-95"], [0.1, 0.9, 0.025, 0.975]),
        ([99.5], None, ["a-lo-99.5", "a-hi-99.5"], [0.0025, 0.9975]),
        (None, 0.1, ["a-q0.1"], [0.1]),
        (None, (0.5, 0.025), ["a-q0.5", "a-q0.025"], [0.5, 0.025]),
        (50, [0.25, 0.3], ["a-lo-50", "a-hi-50", "a-q0.25", "a-q0.3"], [0.25, 0.75, 0.25, 0.3]),
        (np.array([80.0]), np.array(0.3), ["a-lo-80", "a-hi-80", "a-q0.3"], [0.1, 0.9, 0.3]),
        (np.float32(60), np.float64(0.2), ["a-lo-60", "a-hi-60", "a-q0.2"], [0.2, 0.8, 0.2]),
        ([], None, [], []),
        (None, None, [], []),
    ],
)
def test_requested_levels_and_quantiles_name_columns(level, quantiles, names, probabilities):
    bounds = RequestedQuantiles.parse(level, quantiles, "Test")
    assert bounds.column_names(["a"]) == ["a", *names]
    assert_close([probability for _, probability in bounds.columns], probabilities, 1e-12)
    assert list(bounds.probabilities) == sorted({probability for _, probability in bounds.columns})
    assert len(bounds.probabilities) == len(set(np.round(probabilities, 9)))
    assert bool(bounds) == bool(names)


@pytest.mark.parametrize("percent", [*range(1, 100), 99.9, 1.5])
def test_a_level_is_the_same_as_its_two_quantiles(percent):
    tail = (100 - percent) / 200
    bounds = RequestedQuantiles.parse(percent, [tail, 1 - tail], "Test")
    np.testing.assert_allclose(
        [p for _, p in bounds.columns[:2]], [p for _, p in bounds.columns[2:]], rtol=1e-12
    )


def test_values_are_put_under_their_names():
    bounds = RequestedQuantiles.parse(80, [0.5, 0.1], "Test")
    assert bounds.probabilities == (0.1, 0.5, 0.9)
    values = np.arange(4 * 3 * 2).reshape(4, 3, 2)  # forecast and three quantiles, of 3 steps and 2 targets
    found = pd.DataFrame(bounds.to_columns(values), columns=bounds.column_names(["a", 7]))
    for k, name in enumerate(["a", 7]):
        for column, place in {
            name: 0,
            f"{name}-lo-80": 1,
            f"{name}-hi-80": 3,
            f"{name}-q0.5": 2,
            f"{name}-q0.1": 1,
        }.items():
            assert_same_bits(found[column], values[place, :, k])


BAD = {
    "level": [
        0,
        0.95,
        [80, 0.99],
        np.float32(0.5),
        100,
        -5,
        150,
        "80",
        True,
        [80, 0],
        [None],
        [80, "90"],
        float("nan"),
    ],
    "quantiles": [0, 1, 1.5, 90, -0.1, "0.1", [0.1, 1], [True], [[0.1]]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values], ids=str
)
def test_levels_and_quantiles_out_of_range_are_refused(model, name, value):
    rule = {
        "level": "levels in percent, at least 1 and below 100: 95, not 0.95, for intervals that hold 95 %",
        "quantiles": "probabilities above 0 and below 1: 0.9, not 90, for the value that 90 % lie below",
    }[name]
    caller = f"{type(model).__name__}.forecast"
    message = f"The {name!r} parameter of {caller} must hold {rule}. Got {value!r} instead."
    with pytest.raises(ValueError, match=says(message)):
        model.forecast(**{name: value})


@pytest.mark.parametrize(
    "asked", [{"level": [80, 80.0]}, {"quantiles": [0.1, 0.1]}, {"quantiles": [0.1, 0.10000001]}]
)
def test_duplicate_columns_are_refused(model, asked):
    with pytest.raises(ValueError, match=r"'quantiles'.* must hold"):
        model.forecast(**asked)
