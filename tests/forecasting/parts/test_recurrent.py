"""The recurrent part, against the equations in NumPy."""

import copy
import pickle

import naive
import numpy as np
import pandas as pd
import pytest
from fitted_parts import linear_map_of, networks_of, recurrent_of
from forecast_by_hand import (
    forecast_by_hand,
    hourly,
    scales,
    training_end,
    with_holes,
)
from forecaster_tasks import (
    EXACT,
    SHORT,
    SMALL,
    TINY,
    TOGETHER,
    assert_same_bits,
    assert_same_weights,
    ways,
)

from seqcast import SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def frame():
    return hourly(168, "ab")


# -- the equations


@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("cell", naive.CELLS)
def test_forecast_follows_the_equations(cell, n_layers, bidirectional):
    rows = with_holes(hourly(80, "abc"))
    options = {**SHORT, "hidden_size": 5, "dtype": "float64"}
    model = SeqForecaster(
        **options, cell=cell, n_layers=n_layers, bidirectional=bidirectional, target=["c", "a"]
    ).fit(rows)
    known = rows[["c", "a", "b"]].to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("normalization", ["last", "none", "instance"])
def test_complete_rows_are_read_without_masks(normalization):
    rows = hourly(50, "ab")
    options = {**TINY, "hidden_size": 3, "max_iter": 1, "dtype": "float64"}
    model = SeqForecaster(3, 6, **options, normalization=normalization).fit(rows)
    assert model.weights_["weight_ih_l0"].shape == (9, 2)
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def test_the_last_value_may_lie_before_the_steps_that_are_read():
    rows = hourly(300)
    model = SeqForecaster(**{**EXACT, "naive_fallback": False}).fit(rows)
    assert linear_map_of(model).n_steps < 10
    known = np.concatenate([rows, np.full((10, 1), np.nan)])
    later = pd.DataFrame(np.nan, hourly(315).index[300:], ["a"])
    by_hand = forecast_by_hand(model, known[:300], known)
    np.testing.assert_allclose(model.predict(later)[10:], by_hand, rtol=1e-9)


@pytest.mark.parametrize("segment", [1, 2])
@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_loss_curves_are_mean_losses_in_standard_deviations(loss, multivariate, segment):
    """The learning rate is nearly 0, so that the forecasts by hand have the weights of the first epoch."""
    rows = with_holes(hourly(60, "abc"), share=0.1)
    options = {**TINY, "loss": loss, "dtype": "float64", "learning_rate_init": 1e-300}
    options |= {"target": ["a", "c"], "multivariate": multivariate, "segment": segment}
    model = SeqForecaster(4, 6, **options).fit(rows)
    known = rows[["a", "c", "b"]].to_numpy()
    unit = scales(model, known)[1][:2]

    def mean_loss(cutoffs):
        hats = np.stack([forecast_by_hand(model, known, known[:cutoff]) for cutoff in cutoffs]) / unit
        truths = np.stack([known[cutoff : cutoff + 4, :2] for cutoff in cutoffs]) / unit
        losses = [getattr(naive, loss)(truths[..., k], hats[..., k]) for k in range(2)]
        return np.mean(losses) if multivariate else getattr(naive, loss)(truths, hats)

    assert training_end(model, 60) == 54
    np.testing.assert_allclose(model.loss_curve_, mean_loss(range(6, 51)), rtol=1e-9)
    np.testing.assert_allclose(model.validation_loss_curve_, mean_loss(range(54, 57)), rtol=1e-9)


# -- several networks


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("multivariate", [True, False])
def test_several_networks_are_averaged(linear, multivariate):
    rows, options = (
        with_holes(hourly(150, "ab"), 0.05),
        {**EXACT, "linear": linear, "multivariate": multivariate},
    )
    one, model = (SeqForecaster(**options, naive_fallback=False, n_models=n).fit(rows) for n in (1, 3))
    flats = [network.flat for network in networks_of(model)]
    np.testing.assert_array_equal(flats[0], networks_of(one)[0].flat)
    assert len({flat.tobytes() for flat in flats}) == len(flats) == 3
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)
    assert model.chosen_ != one.chosen_ or not linear  # they are weighed together


@ways
def test_one_network_is_trained_by_default(frame, way):
    one, other = (SeqForecaster(**SMALL, **way, **some).fit(frame) for some in ({}, {"n_models": 1}))
    assert_same_weights(one, other)
    assert (one.loss_curve_, one.chosen_) == (other.loss_curve_, other.chosen_)
    pd.testing.assert_frame_equal(one.forecast(12), other.forecast(12), check_exact=True)


def test_histories_and_weights_are_those_of_the_last_network(frame):
    model = SeqForecaster(**SHORT, n_models=2).fit(frame)
    assert (model.n_iter_, len(model.loss_curve_), len(model.validation_loss_curve_)) == (3, 3, 3)
    first = SeqForecaster(**SHORT).fit(frame)
    assert model.loss_curve_ != first.loss_curve_
    np.testing.assert_array_equal(model.weights_["head_bias"], networks_of(model)[1].weights["head_bias"])


@pytest.mark.parametrize("n_models", [1, 2])
def test_warm_start_continues_from_each_networks_weights(frame, n_models):
    """The learning rate is nearly 0, so that weights stay those of the last fit. New networks are random."""
    options = {**SHORT, "n_models": n_models, "warm_start": True}
    model, cold = SeqForecaster(**options).fit(frame), SeqForecaster(**{**options, "warm_start": False})
    before = [network.flat.copy() for network in networks_of(model)]
    assert_same_bits(before, [network.flat for network in networks_of(cold.fit(frame))])
    model.set_params(learning_rate_init=1e-300, n_models=n_models + 1).fit(frame)
    assert_same_bits([network.flat for network in networks_of(model)[:n_models]], before)
    assert not any(np.array_equal(networks_of(model)[-1].flat, flat) for flat in before)
    model.set_params(n_models=1).fit(frame)
    assert_same_bits([network.flat for network in networks_of(model)], before[:1])


@ways
def test_several_networks_do_not_depend_on_threads_or_pickling(frame, way):
    one, two = (SeqForecaster(**SMALL, **way, n_models=2, n_jobs=n_jobs).fit(frame) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.forecast(12), two.forecast(12), check_exact=True)
    copied = pickle.loads(pickle.dumps(one))
    pd.testing.assert_frame_equal(one.forecast(12), copied.forecast(12), check_exact=True)


# -- windows divided by their deviation


@pytest.mark.parametrize("parts", [{"linear": False}, {}], ids=["network", "both"])
@pytest.mark.parametrize("multivariate", [True, False])
def test_instance_normalization_is_invariant_to_shift_and_scale(parts, multivariate):
    """With "instance", all columns of a window are divided by the same deviation."""
    rows, later = hourly(150, "ab"), hourly(162, "ab")[150:]
    options = {**EXACT, **TOGETHER, **parts, "multivariate": multivariate, "segment": 4, "season_length": 1}
    for normalization, equal in (("instance", True), ("last", False)):
        model = SeqForecaster(**options, normalization=normalization).fit(rows)
        known = copy.deepcopy(model).update(later).forecast()
        stretched = copy.deepcopy(model).update(1000 + 8 * later).forecast()
        assert np.allclose(stretched, 1000 + 8 * known, rtol=1e-9) == equal


# -- segments


@pytest.mark.parametrize(
    ("window", "segment", "read"),
    [
        (12, 1, (12, 1)),
        (12, 5, (2, 5)),
        (12, 12, (1, 12)),
        (12, 40, (1, 12)),  # a segment is no longer than the window
        (13, None, (13, 1)),
        (28, None, (14, 2)),
        (30, None, (15, 2)),
        (85, None, (14, 6)),  # the oldest step is left out
    ],
)
def test_the_network_reads_whole_segments(window, segment, read):
    rows = hourly(300, "ab")
    options = {
        **EXACT,
        "window": window,
        "segment": segment,
        "linear": False,
        "naive_fallback": False,
        "max_iter": 1,
    }
    model = SeqForecaster(**options).fit(rows)
    reading = recurrent_of(model).reading
    assert (reading.n_steps, reading.segment) == read
    assert model.weights_["weight_ih_l0"].shape == (24, read[1])
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def test_the_oldest_steps_outside_segments_are_not_read():
    rows = hourly(150)
    options = {**SMALL, "segment": 5, "linear": False, "naive_fallback": False, "horizon": 1}
    model = SeqForecaster(**options).fit(rows)
    later = hourly(163)[150:]
    before = model.predict(later).iloc[12]
    for step, matters in ((0, False), (1, False), (2, True), (6, True), (11, True)):
        changed = later.copy()
        changed.iloc[step] += 1.0
        assert (model.predict(changed).iloc[12] != before).all() == matters
    assert linear_map_of(SeqForecaster(**{**options, "linear": True}).fit(rows)).n_steps <= 12
