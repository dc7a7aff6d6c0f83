"""The same bits after pickling, on any number of threads and from any order of rows."""

import copy
import pickle

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
    assert_same_bits,
    assert_same_weights,
    ways,
)

from seqcast import SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


@ways
def test_pickled_model_forecasts_and_trains_like_the_original(frame, way):
    model = SeqForecaster(**SMALL, **way, warm_start=True).fit(frame)
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copied.forecast(12), model.forecast(12), check_exact=True)
    assert_same_weights(copied.fit(frame), model.fit(frame))
    assert_same_bits(copied.forecast(12), model.forecast(12))
    assert copied.loss_curve_ == model.loss_curve_


@ways
def test_copies_share_no_weights(frame, way):
    model = SeqForecaster(**SMALL, **way, warm_start=True).fit(frame)
    before = model.forecast()
    copy.deepcopy(model).fit(frame)
    model.weights_["head_bias"][:] = 1e3
    assert_same_bits(model.forecast(), before)


@ways
def test_refit_forgets_the_first_fit(frame, way):
    fresh = SeqForecaster(**SMALL, **way).fit(frame)
    again = SeqForecaster(**SMALL, **way).fit(with_holes(hourly(60, "xyz"), seed=9)).fit(frame)
    assert_same_weights(fresh, again)
    pd.testing.assert_frame_equal(fresh.forecast(12), again.forecast(12), check_exact=True)


@ways
def test_refit_on_an_array_forgets_the_names(frame, way):
    model = SeqForecaster(**SMALL, **way).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(model.fit(frame.to_numpy()), "feature_names_in_")
    assert (model.target_names_, model.n_features_in_) == (["x0", "x1"], 2)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "n_layers": 2}, {"early_stopping": False}])
@ways
def test_results_do_not_depend_on_the_number_of_threads(options, way):
    """A batch of 200 windows has more than one shard."""
    rows = hourly(220, "ab")
    one, two, all_cores = (
        SeqForecaster(**{**SMALL, **way, **options}, n_jobs=n_jobs).fit(rows) for n_jobs in (1, 2, -1)
    )
    for other in (two, all_cores):
        assert_same_weights(one, other)
        assert one.loss_curve_ == other.loss_curve_
        assert_same_bits(one.forecast(12), other.forecast(12))


@ways
def test_unsorted_rows_are_fitted_as_sorted_ones(frame, way):
    shuffled = with_holes(frame).sample(frac=1, random_state=0)
    assert not shuffled.index.is_monotonic_increasing
    one, other = (
        SeqForecaster(**SMALL, **way).fit(with_holes(frame)),
        SeqForecaster(**SMALL, **way).fit(shuffled),
    )
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(12), other.forecast(12), check_exact=True)


def test_seeds_differ_and_repeat(frame):
    seeded = {seed: SeqForecaster(**{**SHORT, "random_state": seed}).fit(frame) for seed in (0, 1)}
    assert not np.array_equal(seeded[0].forecast(), seeded[1].forecast())
    generator = np.random.RandomState(1)
    assert_same_weights(SeqForecaster(**{**SHORT, "random_state": generator}).fit(frame), seeded[1])
