"""Several targets, forecast jointly or each from its own past."""

import numpy as np
import pandas as pd
import pytest
from forecast_by_hand import (
    hourly,
)
from forecaster_tasks import EXACT, SMALL, TOGETHER, assert_same_bits, assert_same_weights

from seqcast import SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

BATCH = {"batch_size": 10**6, "naive_fallback": False}  # all windows at once, in whatever order


def test_univariate_targets_share_the_weights_of_the_network():
    """The same series twice is learned like one of them."""
    rows = hourly(150)
    twice = pd.DataFrame({"a": rows["a"], "b": 4 * rows["a"] + 1})
    alone, both = (SeqForecaster(**EXACT, **BATCH).fit(data) for data in (rows, twice))
    for name, weight in alone.weights_.items():
        np.testing.assert_allclose(both.weights_[name], weight, rtol=1e-6, atol=1e-8)
    forecast = both.forecast(9)
    np.testing.assert_allclose(forecast["a"], alone.forecast(9)["a"], rtol=1e-6)
    np.testing.assert_allclose(forecast["b"], 4 * forecast["a"] + 1, rtol=1e-6)
    assert both.weights_["weight_ih_l0"].shape == (24, 1)


@pytest.mark.parametrize("covariates", [[], ["d"]])
def test_the_order_of_univariate_targets_does_not_matter(covariates):
    rows = hourly(150, "abcd")
    options = {**EXACT, **BATCH}
    one, other = (
        SeqForecaster(**options, target=names).fit(rows[[*"abc", *covariates]])
        for names in (["a", "b", "c"], ["c", "a", "b"])
    )
    assert one.chosen_ == pytest.approx(other.chosen_, rel=1e-6)
    np.testing.assert_allclose(other.forecast(9)[["a", "b", "c"]], one.forecast(9), rtol=1e-6)


@pytest.mark.parametrize("multivariate", [False, True])
def test_targets_depend_on_each_other_only_if_multivariate(multivariate):
    rows = hourly(200, "abc")
    model = SeqForecaster(**SMALL, **TOGETHER, multivariate=multivariate, target=["a", "b"]).fit(rows)
    later = hourly(212, "abc")[200:]
    before = model.predict(later)[5:]
    after = {name: model.predict(later.assign(**{name: later[name] + 1.0}))[5:] for name in "abc"}
    moved = {
        (cause, name): not np.array_equal(after[cause][name], before[name])
        for cause in "abc"
        for name in "ab"
    }
    own = {("a", "a"), ("b", "b"), ("c", "a"), ("c", "b")}
    assert {pair for pair, different in moved.items() if different} == (set(moved) if multivariate else own)


def test_multivariate_does_not_matter_for_a_single_target():
    rows = hourly(150, "ab")
    one, other = (
        SeqForecaster(**SMALL, target="a", multivariate=multivariate).fit(rows)
        for multivariate in (True, False)
    )
    assert_same_weights(one, other)
    assert one.chosen_ == other.chosen_
    assert_same_bits(one.forecast(12), other.forecast(12))
