"""Options and helpers of the tests of SeqForecaster."""

import numpy as np
import pytest

# The recurrent network alone, which takes a step of the window at one of its own.
PLAIN = {
    "segment": 1,
    "multivariate": True,
    "linear": False,
    "naive_fallback": False,
    "ema": None,
    "dropout": 0.0,
    "loss": "squared",
    "learning_rate_init": 3e-3,
}
# Without the fallback, since these fits are so short that the naive forecast is as good; in segments that do
# not fill the window.
TOGETHER = {"naive_fallback": False, "segment": 5}
WAYS = {"plain": PLAIN, "together": TOGETHER, "default": {}}
# In such short fits the default is the naive forecast, which says little about the parts.
ways = pytest.mark.parametrize("way", [PLAIN, TOGETHER], ids=["plain", "together"])
SMALL = {"hidden_size": 8, "max_iter": 3, "random_state": 0, "horizon": 5, "window": 12}
TINY = {**PLAIN, "hidden_size": 8, "max_iter": 3, "random_state": 0}
SHORT = {**PLAIN, **SMALL}


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


EXACT = {**SMALL, "dtype": "float64", "dropout": 0.0}
