"""SeqForecaster: what it learns, forecasts and scores, against the equations written again in NumPy."""

import copy
import doctest
import math
import pickle
import re
from contextlib import contextmanager

import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from seqcast import SeqForecaster
from seqcast.estimators import base, forecaster
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels import parallel

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 8, "max_iter": 3, "random_state": 0}
SHORT = {**TINY, "horizon": 5, "window": 12}
WHOLE = {**SHORT, "batch_size": 10**6}  # one update an epoch
# What naive.recurrent calls the cells.
CELLS = {
    "rnn": {"cell": "rnn"},
    "rnn_relu": {"cell": "rnn", "activation": "relu"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "gru_reset_before": {"cell": "gru", "reset_after": False},
}


def hourly(n, columns="a", seed=0):
    """Daily waves with noise, each column at a level and with a height of its own."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: 10.0 * k + (k + 1) * (np.sin(2 * np.pi * t / 24 + k) + 0.3 * rng.normal(size=n))
        for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h", name="time"))


def with_holes(frame, share=0.2, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def last_observed(column):
    observed = column[~np.isnan(column)]
    return observed[-1] if len(observed) else 0.0


def training_end(model, n):
    return n - max(model.horizon_, round(model.validation_fraction * n)) if model.early_stopping else n


def scales(model, train):
    """Mean and deviation of the columns, of the steps that were trained on."""
    fitted = train[: training_end(model, len(train))]
    return np.nanmean(fitted, axis=0), np.nanstd(fitted, axis=0)


def forecast_by_hand(model, train, known):
    """The forecast from the last steps of `known`, by the equations; both with the targets' columns first."""
    center, scale = scales(model, train)
    scaled = (known[-model.window_ :] - center) / scale
    offset = np.zeros(scaled.shape[1])
    if model.normalization == "last":
        offset = np.array([last_observed(column) for column in scaled.T])
    x = np.nan_to_num(scaled - offset)
    if np.isnan(train).any():
        x = np.hstack([x, ~np.isnan(scaled)])
    weights = model.weights_
    ways = {"n_layers": model.n_layers, "bidirectional": model.bidirectional}
    _, state = naive.recurrent(weights=weights, x=x[None], **CELLS[model.cell], **ways)
    h = state[0] if model.cell == "lstm" else state
    last = np.concatenate(h[-1 - model.bidirectional :, 0])
    k = len(model.target_names_)
    out = naive.head(last, weights["head_weight"], weights["head_bias"]).reshape(-1, k) + offset[:k]
    return out * scale[:k] + center[:k]


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


@pytest.fixture(scope="module")
def frame():
    return hourly(168, "ab")


@pytest.fixture(scope="module")
def model(frame):
    """Fitted on the first 120 rows of `frame`: two targets, no covariate."""
    return SeqForecaster(**SHORT).fit(frame[:120])


@pytest.fixture(scope="module")
def guided():
    """A model of targets c and a with covariate b, in double precision, and the rows it was fitted on."""
    rows = with_holes(hourly(120, "abc"))
    return SeqForecaster(**SHORT, target=["c", "a"], dtype="float64").fit(rows), rows


# -- the equations


@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("cell", CELLS)
def test_forecast_follows_the_equations(cell, n_layers, bidirectional):
    rows = with_holes(hourly(80, "abc"))
    options = {**SHORT, "hidden_size": 5, "dtype": "float64"}
    model = SeqForecaster(
        **options, cell=cell, n_layers=n_layers, bidirectional=bidirectional, target=["c", "a"]
    ).fit(rows)
    known = rows[["c", "a", "b"]].to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("normalization", ["last", "none"])
def test_complete_rows_are_read_without_masks(normalization):
    rows = hourly(50, "ab")
    options = {**TINY, "hidden_size": 3, "max_iter": 1, "dtype": "float64"}
    model = SeqForecaster(3, 6, **options, normalization=normalization).fit(rows)
    assert model.weights_["weight_ih_l0"].shape == (9, 2)
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def test_window_without_any_observed_value_gives_what_the_equations_give(guided):
    model, rows = guided
    later = hourly(140, "abc")[120:]
    later[:] = np.nan
    known = np.concatenate([rows, later])[:, [2, 0, 1]]
    by_hand = forecast_by_hand(model, known[:120], known[:135])
    np.testing.assert_allclose(model.predict(later)[15:], by_hand, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_loss_curves_of_several_targets_are_mean_losses_in_their_deviations(loss):
    """A step of next to no length keeps the first epoch's weights for the forecasts by hand."""
    rows = with_holes(hourly(60, "abc"), share=0.1)
    options = {"target": ["a", "c"], "loss": loss, "dtype": "float64", "learning_rate_init": 1e-300}
    model = SeqForecaster(4, 6, **TINY, **options).fit(rows)
    known = rows[["a", "c", "b"]].to_numpy()
    unit = scales(model, known)[1][:2]

    def mean_loss(origins):
        hats = np.stack([forecast_by_hand(model, known, known[:origin]) for origin in origins]) / unit
        truths = np.stack([known[origin : origin + 4, :2] for origin in origins]) / unit
        losses = [getattr(naive, loss)(truths[..., k], hats[..., k]) for k in range(2)]
        return np.mean(losses)

    assert training_end(model, 60) == 54
    np.testing.assert_allclose(model.loss_curve_, mean_loss(range(6, 51)), rtol=1e-9)
    np.testing.assert_allclose(model.validation_loss_curve_, mean_loss(range(54, 57)), rtol=1e-9)


# -- beyond the horizon


def test_shorter_forecasts_begin_longer_ones(model):
    longest = model.forecast(48)
    assert model.horizon_ == 5
    for steps in (1, 4, 5, 6, 24, 47):
        pd.testing.assert_frame_equal(
            model.forecast(steps), longest[:steps], check_exact=True, check_freq=False
        )
    pd.testing.assert_frame_equal(model.forecast(), longest[:5], check_exact=True, check_freq=False)


def test_continuation_is_made_from_forecasts_as_if_observed(model):
    """`predict` reads the forecasts fed back by hand as observed rows."""
    continued = model.forecast(20)
    assert_same_bits(model.predict(continued), continued)


def test_covariates_go_on_as_in_their_last_season(guided):
    model, rows = guided
    later = model.forecast(20)
    # The last season of b, in its place; where it was not observed there, the season before (and so on).
    assert model.season_length_ == 24
    context = rows["b"].to_numpy()[-24:]
    later["b"] = [value if not np.isnan(value) else last_observed(context) for value in context[:20]]
    assert_same_bits(model.predict(later[["a", "b", "c"]]), later[["c", "a"]])


def test_every_way_to_ask_for_the_future_is_forecast(model):
    for ask in (model.predict(), model.predict(None), model.predict(5), model.predict(np.int64(5))):
        pd.testing.assert_frame_equal(ask, model.forecast(), check_exact=True)
    pd.testing.assert_frame_equal(model.predict(7), model.forecast(7), check_exact=True)


# -- rows that follow


def test_first_block_of_predict_is_forecast(model, frame):
    predicted = model.predict(frame[120:])
    assert predicted.index.equals(frame.index[120:])
    assert_same_bits(predicted[:5], model.forecast())
    assert_same_bits(model.predict(frame[120:123]), model.forecast(3))


def test_later_blocks_are_forecasts_from_the_rows_before(guided):
    model, rows = guided
    later = with_holes(hourly(137, "abc", seed=3)[120:], seed=4)
    known = pd.concat([rows, later])[["c", "a", "b"]].to_numpy()
    origins = (120, 125, 130, 135)
    blocks = [forecast_by_hand(model, known[:120], known[:origin]) for origin in origins]
    np.testing.assert_allclose(model.predict(later), np.concatenate(blocks)[:17], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    first=st.integers(0, 47),
    noise=st.integers(0, 2**16),
    kind=st.sampled_from(["noise", "nan", "huge"]),
)
def test_nothing_at_or_after_an_origin_informs_its_forecast(model, frame, first, noise, kind):
    later = frame[120:]
    changed = later.copy()
    values = {
        "noise": np.random.default_rng(noise).normal(size=(48 - first, 2)),
        "nan": np.nan,
        "huge": 1e300,
    }
    changed.iloc[first:] = values[kind]
    origin = first - first % 5  # of the block that the first changed row lies in
    before, after = model.predict(later), model.predict(changed)
    assert_same_bits(after[: origin + 5], before[: origin + 5])
    if origin + 5 < 48:
        assert not np.array_equal(after[origin + 5 :], before[origin + 5 :])


def test_validation_rows_inform_neither_scaling_nor_the_first_epoch():
    """One epoch: what early stopping keeps can not differ, so weights differ only if something leaks."""
    rows = hourly(120, "ab")
    changed = rows.copy()
    changed.iloc[108:] = 1e3 * np.random.default_rng(5).normal(size=(12, 2))
    options = {**SHORT, "max_iter": 1}
    one, other = SeqForecaster(**options).fit(rows), SeqForecaster(**options).fit(changed)
    assert_same_weights(one, other)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    # ... while the last row that is trained on does matter
    changed.iloc[107] = 1e3
    assert SeqForecaster(**options).fit(changed).loss_curve_ != one.loss_curve_


# -- gaps and missing values


def test_gaps_are_rows_of_missing_values():
    full = hourly(130, "ab")
    gone = [3, 40, 41, 42, 77, 100, 122, 123]
    blank = full.copy()
    blank.iloc[gone] = np.nan
    absent = full.drop(full.index[gone])
    train, n = blank[:120], 120 - 6
    one, other = SeqForecaster(**SHORT).fit(train), SeqForecaster(**SHORT).fit(absent[:n])
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(30), other.forecast(30), check_exact=True)
    kept = [k for k in range(10) if k not in (2, 3)]
    assert_same_bits(one.predict(blank[120:]).iloc[kept], other.predict(absent[n:]))
    assert one.score(blank[120:]) == other.score(absent[n:])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 1.0]))
def test_no_missing_value_comes_out_of_predict(model, guided, frame, seed, share):
    assert np.isfinite(model.predict(with_holes(frame[120:], share, seed))).all(axis=None)
    assert np.isfinite(guided[0].predict(with_holes(hourly(140, "abc")[120:], share, seed))).all(axis=None)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), share=st.floats(0, 1), normalization=st.sampled_from(["last", "none"]))
def test_no_missing_value_comes_out_of_fit(seed, share, normalization):
    full = hourly(72, "ab")
    rows = with_holes(full, share, seed)
    # Few enough to leave most windows empty, and enough for one window to train on and one to judge by.
    kept = [0, 15, 20, 66, 71]
    rows.iloc[kept] = full.iloc[kept]
    # The windows that are checked, not the network: one unit, one epoch.
    model = SeqForecaster(4, 8, hidden_size=1, max_iter=1, normalization=normalization, random_state=0)
    model.fit(rows)
    assert np.isfinite(model.forecast(20)).all(axis=None)
    assert np.isfinite(model.loss_curve_ + model.validation_loss_curve_).all()


def test_trailing_missing_rows_move_the_forecast_on():
    rows = hourly(120)
    rows.iloc[-3:] = np.nan
    forecast = SeqForecaster(**SHORT).fit(rows).forecast(4)
    assert forecast.index[0] == pd.Timestamp("2024-01-06")
    assert np.isfinite(forecast).all(axis=None)


# -- constant series


@pytest.mark.parametrize("value", [5.0, 0.1, 0.0, -1e200])
def test_constant_series_is_forecast_exactly_with_a_warning(value):
    rows = pd.Series(value, pd.RangeIndex(60), name="flat")
    message = "Targets ['flat'] are constant in training and are forecast as such."
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as caught:
        model = SeqForecaster(**SHORT).fit(rows)
    assert {warning.filename for warning in caught} == {__file__}
    assert (model.forecast(12) == value).all(axis=None)
    assert (model.predict(pd.Series(value + 1.0, pd.RangeIndex(60, 72), name="flat")) == value).all()


def test_only_the_constant_one_of_two_targets_is_fixed():
    rows = hourly(100, "ab").assign(flat=7.3)
    with pytest.warns(UserWarning, match=r"Targets \['flat'\] are constant"):
        model = SeqForecaster(**SHORT).fit(rows)
    forecast = model.forecast(10)
    assert (forecast["flat"] == 7.3).all()
    assert forecast[["a", "b"]].nunique().tolist() == [10, 10]


def test_constant_covariate_is_no_cause_for_warning():
    rows = hourly(100).assign(flat=7.3)
    assert np.isfinite(SeqForecaster(**SHORT, target="a").fit(rows).forecast(10)).all(axis=None)


# -- scaling and precision


def test_rows_in_another_unit_give_the_same_forecast_in_that_unit():
    """Powers of two leave the digits alone, so that not one bit may differ."""
    rows = hourly(100, "ab")
    one = SeqForecaster(**SHORT).fit(rows)
    other = SeqForecaster(**SHORT).fit(rows * [4.0, 4.0])
    assert_same_bits(other.forecast(9), 4 * one.forecast(9))
    assert_same_bits(other.loss_curve_, one.loss_curve_)
    assert_same_bits(other.validation_loss_curve_, one.validation_loss_curve_)
    one, other = (SeqForecaster(**SHORT).fit(rows["a"] * unit) for unit in (1.0, 4.0))
    assert_same_bits(other.loss_curve_, 16 * np.array(one.loss_curve_))


@pytest.mark.parametrize(("loss", "factor"), [("squared", 100.0), ("huber", 100.0), ("absolute", 10.0)])
def test_loss_curves_are_in_the_targets_unit(loss, factor):
    rows = hourly(100)
    one, other = (SeqForecaster(**SHORT, loss=loss).fit(rows * unit) for unit in (1.0, 10.0))
    np.testing.assert_allclose(other.loss_curve_, factor * np.array(one.loss_curve_), rtol=1e-4)
    np.testing.assert_allclose(
        other.validation_loss_curve_, factor * np.array(one.validation_loss_curve_), rtol=1e-4
    )


@pytest.mark.parametrize("exponent", [664, -664, 990, -990])
def test_values_near_the_ends_of_float64_are_forecast_as_others_are(exponent):
    unit, rows = 2.0**exponent, hourly(100)
    one, other = (SeqForecaster(**SHORT, loss="absolute").fit(rows * factor) for factor in (1.0, unit))
    assert_same_bits(other.forecast(9), unit * one.forecast(9))
    later = hourly(120)[100:]
    assert_same_bits(other.predict(later * unit), unit * one.predict(later))
    assert other.score(later * unit) == one.score(later)


def test_squares_beyond_float64_give_an_infinite_loss_curve_and_no_warning():
    model = SeqForecaster(**SHORT).fit(hourly(100) * 1e200)
    assert model.loss_curve_ == [np.inf] * 3
    assert np.isfinite(model.forecast(9)).all(axis=None)


def test_values_far_outside_the_training_rows_are_clipped_not_nan(model, frame):
    later = frame[120:].copy()
    later.iloc[2] = [1.7e308, -1.7e308]
    assert np.isfinite(model.predict(later)).all(axis=None)


@pytest.mark.parametrize(
    "dtype", ["int64", "int8", "uint8", "float16", "float32", "bool", "Int32", "Float64"]
)
def test_columns_of_other_types_are_read_as_their_values(dtype):
    numbers = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, size=100)
    one = SeqForecaster(**SHORT).fit(pd.Series(numbers, dtype="float64"))
    other = SeqForecaster(**SHORT).fit(pd.Series(numbers, dtype=dtype))
    pd.testing.assert_frame_equal(one.forecast(9), other.forecast(9), check_exact=True)


def test_precisions_agree_and_forecasts_are_always_float64():
    rows = hourly(100)
    single, double = (SeqForecaster(**SHORT, dtype=dtype).fit(rows) for dtype in ("float32", "float64"))
    assert (single.weights_["head_bias"].dtype, double.weights_["head_bias"].dtype) == ("float32", "float64")
    assert (single.forecast()["a"].dtype, double.forecast()["a"].dtype) == ("float64", "float64")
    np.testing.assert_allclose(single.forecast(), double.forecast(), rtol=1e-4)
    assert not np.array_equal(single.forecast(), double.forecast())


# -- score


@pytest.mark.parametrize("season_length", [None, 7, 1])
def test_score_is_skill_against_the_seasonal_naive_forecast(season_length):
    rows = hourly(148, "abc")
    model = SeqForecaster(**SHORT, target=["b", "a"], season_length=season_length).fit(rows[:120])
    assert model.season_length_ == (season_length or 24)
    known = rows[["b", "a"]].to_numpy()
    blocks = [naive.seasonal_naive(known[:origin], 5, model.season_length_) for origin in range(120, 148, 5)]
    scale = scales(model, known[:120])[1]

    def error(forecasts):
        return np.mean([naive.rmse(known[120:, k], forecasts[:28, k]) / scale[k] for k in range(2)])

    expected = 1 - error(model.predict(rows[120:]).to_numpy()) / error(np.concatenate(blocks))
    assert model.score(rows[120:]) == pytest.approx(expected, rel=1e-12)


def test_score_leaves_out_what_was_not_observed(model, frame):
    """With the last rows missing, the score is that of the rows before."""
    later = frame[120:140].copy()
    later.iloc[15:] = np.nan
    assert model.score(later) == pytest.approx(model.score(frame[120:135]), rel=1e-12)
    later["a"] = np.nan
    assert np.isfinite(model.score(later))


def test_score_of_exact_naive_forecasts():
    rows = hourly(60)
    flat = pd.DataFrame({"a": rows["a"].iloc[-1]}, pd.date_range("2024-01-03 12:00", periods=5, freq="h"))
    assert SeqForecaster(**SHORT, season_length=1).fit(rows).score(flat) == -np.inf
    with pytest.warns(UserWarning, match="constant"):
        model = SeqForecaster(**SHORT).fit(rows * 0 + 3)
    assert model.score(flat * 0 + 3) == 0.0


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


def test_other_scorers_compare_rows_with_predictions(frame):
    errors = cross_val_score(
        SeqForecaster(**SHORT),
        frame[["a"]],
        frame["a"],
        cv=TimeSeriesSplit(2),
        scoring="neg_mean_absolute_error",
    )
    train, test = list(TimeSeriesSplit(2).split(frame))[1]
    model = SeqForecaster(**SHORT).fit(frame[["a"]].iloc[train])
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


def test_fit_changes_neither_parameters_nor_data():
    rows, options = with_holes(hourly(100, "ba")), {**SHORT, "target": ["a"]}
    before, model = rows.copy(deep=True), SeqForecaster(**options)
    parameters = copy.deepcopy(model.get_params())
    model.fit(rows[::-1]).predict(hourly(104, "ba")[100:])
    assert model.get_params() == parameters
    pd.testing.assert_frame_equal(rows, before, check_exact=True)


def test_parameters_set_after_fit_wait_for_the_next(frame):
    model = SeqForecaster(**SHORT).fit(frame)
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
def test_nothing_comes_before_fit(method):
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
def test_a_failed_fit_leaves_the_last_one_as_it_was(frame, change, data, message):
    """Names, scaling and calendar of one fit before the weights of another would forecast nonsense."""
    model = SeqForecaster(**SHORT).fit(frame[["a"]])
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
    model = SeqForecaster(**SHORT, target=several(["b", "a"])).fit(frame)
    assert list(model.forecast().columns) == ["b", "a"]


def test_a_sample_of_windows_is_learned_from_and_judged_by(monkeypatch):
    seen = {}
    real = base.fit_network

    def watched(network, windows, train, validation, options, **more):
        seen.update(train=len(train), validation=len(validation), options=options)
        return real(network, windows, train, validation, options, **more)

    monkeypatch.setattr(base, "fit_network", watched)
    model = SeqForecaster(**SHORT, max_samples=32).fit(hourly(1000))
    assert (seen["train"], seen["validation"]) == (884, 32)
    assert (seen["options"].max_samples, seen["options"].batch_size) == (32, 8)
    few = SeqForecaster(**SHORT, max_samples=10**6).fit(hourly(1000))
    assert_same_weights(few, SeqForecaster(**SHORT).fit(hourly(1000)))
    assert model.loss_curve_ != few.loss_curve_


@pytest.mark.parametrize(
    ("size", "n_rows", "expected"),
    [("auto", 90, 8), ("auto", 256, 16), ("auto", 10**6, 128), (64, 300, 64), (64, 9, 9)],
)
def test_batch_size(size, n_rows, expected):
    assert SeqForecaster(batch_size=size)._batch_rows(n_rows) == expected


# -- same bits


def test_pickled_model_forecasts_and_goes_on_as_the_original(frame):
    model = SeqForecaster(**SHORT, warm_start=True).fit(frame)
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copied.forecast(12), model.forecast(12), check_exact=True)
    assert_same_weights(copied.fit(frame), model.fit(frame))
    assert_same_bits(copied.forecast(12), model.forecast(12))
    assert copied.loss_curve_ == model.loss_curve_


def test_copies_share_no_weights(frame):
    model = SeqForecaster(**SHORT, warm_start=True).fit(frame)
    before = model.forecast()
    copy.deepcopy(model).fit(frame)
    model.weights_["head_bias"][:] = 1e3
    assert_same_bits(model.forecast(), before)


def test_refit_forgets_the_first_fit(frame):
    fresh = SeqForecaster(**SHORT).fit(frame)
    again = SeqForecaster(**SHORT).fit(with_holes(hourly(60, "xyz"), seed=9)).fit(frame)
    assert_same_weights(fresh, again)
    pd.testing.assert_frame_equal(fresh.forecast(12), again.forecast(12), check_exact=True)


def test_refit_on_an_array_forgets_the_names(frame):
    model = SeqForecaster(**SHORT).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(model.fit(frame.to_numpy()), "feature_names_in_")
    assert (model.target_names_, model.n_features_in_) == (["x0", "x1"], 2)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "n_layers": 2}, {"early_stopping": False}])
def test_results_do_not_depend_on_the_number_of_threads(options):
    """200 windows make more than one share of a batch."""
    rows = hourly(220, "ab")
    one, two, all_cores = (
        SeqForecaster(**SHORT, **options, n_jobs=n_jobs).fit(rows) for n_jobs in (1, 2, -1)
    )
    for other in (two, all_cores):
        assert_same_weights(one, other)
        assert one.loss_curve_ == other.loss_curve_
        assert_same_bits(one.forecast(12), other.forecast(12))


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(1, 1), (2, 2), (-1, 3), (-2, 2)])
def test_threads_are_as_many_as_asked_for(n_jobs, n_threads, frame, monkeypatch):
    asked = []

    def run(kernel, n_shards, dtype, arrays, n_threads):
        asked.append(n_threads)
        compiled(kernel, n_shards, dtype, arrays, 1)

    compiled = parallel.run
    monkeypatch.setattr(parallel, "run", run)
    monkeypatch.setattr(parallel.nb.config, "NUMBA_NUM_THREADS", 3)
    SeqForecaster(**SHORT, n_jobs=n_jobs).fit(frame).forecast()
    assert set(asked) == {n_threads}


def test_predictions_do_not_depend_on_the_rows_that_follow(model, frame):
    whole = model.predict(frame[120:])
    for n in (1, 5, 6, 17, 47):
        assert_same_bits(model.predict(frame[120 : 120 + n]), whole[:n])


def test_unsorted_rows_are_fitted_as_sorted_ones(frame):
    shuffled = with_holes(frame).sample(frac=1, random_state=0)
    assert not shuffled.index.is_monotonic_increasing
    one, other = SeqForecaster(**SHORT).fit(with_holes(frame)), SeqForecaster(**SHORT).fit(shuffled)
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(12), other.forecast(12), check_exact=True)


def test_seeds_differ_and_repeat(frame):
    seeded = {seed: SeqForecaster(**{**SHORT, "random_state": seed}).fit(frame) for seed in (0, 1)}
    assert not np.array_equal(seeded[0].forecast(), seeded[1].forecast())
    generator = np.random.RandomState(1)
    assert_same_weights(SeqForecaster(**{**SHORT, "random_state": generator}).fit(frame), seeded[1])


# -- training


def test_warm_start_goes_on_where_the_last_fit_ended(frame):
    """Without early stopping and with full batches, two fits of three epochs are one of six."""
    options = {**SHORT, "early_stopping": False, "batch_size": 10**6, "n_iter_no_change": 100}
    whole = SeqForecaster(**{**options, "max_iter": 6}).fit(frame)
    model = SeqForecaster(**options, warm_start=True).fit(frame)
    first = model.loss_curve_
    model.fit(frame)
    # Rows come in another order, so that sums differ in their last digits.
    np.testing.assert_allclose(first + model.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(model.forecast(), whole.forecast(), rtol=1e-4)
    cold = SeqForecaster(**options).fit(frame).fit(frame)
    assert cold.loss_curve_ == first


@pytest.mark.parametrize(
    "change",
    [
        {"cell": "lstm"},
        {"hidden_size": 9},
        {"n_layers": 2},
        {"bidirectional": True},
        {"dtype": "float64"},
        {"horizon": 6},
        {"target": "a"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_warm_start_refuses_another_network(frame, change):
    model = SeqForecaster(**SHORT, warm_start=True).fit(frame)
    with pytest.raises(
        ValueError, match=r"SeqForecaster\.fit with warm_start=True goes on .* Call fit with warm_start=False"
    ):
        model.set_params(**change).fit(frame)
    assert model.set_params(warm_start=False).fit(frame).forecast(3).shape[0] == 3


def test_early_stopping_keeps_the_best_epoch_on_the_last_rows():
    rows = hourly(150)
    options = {**SHORT, "max_iter": 60, "learning_rate_init": 0.03, "n_iter_no_change": 5}
    model = SeqForecaster(**options).fit(rows)
    curve = model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == model.n_iter_ < 60
    assert model.best_iter_ == int(np.argmin(curve)) + 1 < model.n_iter_
    until_best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(rows)
    assert_same_weights(model, until_best)


def test_without_early_stopping_all_rows_are_trained_on_and_the_last_epoch_is_kept():
    rows = hourly(60)
    model = SeqForecaster(**SHORT, early_stopping=False).fit(rows)
    assert model.validation_loss_curve_ is None
    assert (model.n_iter_, model.best_iter_) == (3, 3)
    changed = rows.copy()
    changed.iloc[-1] = 30.0
    assert SeqForecaster(**SHORT, early_stopping=False).fit(changed).loss_curve_ != model.loss_curve_


def test_training_stops_when_the_loss_no_longer_falls():
    model = SeqForecaster(**{**SHORT, "max_iter": 50}, tol=1e6, n_iter_no_change=4, early_stopping=False)
    assert model.fit(hourly(60)).n_iter_ == 1 + 4


@pytest.mark.filterwarnings("default:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
def test_warning_that_training_was_too_short_points_at_the_callers_line():
    with pytest.warns(ConvergenceWarning, match=r"Stopped at max_iter=3, before 10 epochs") as caught:
        SeqForecaster(**SHORT).fit(hourly(60))
    assert [warning.filename for warning in caught] == [__file__]


def test_truncation_at_the_window_is_none_and_shorter_learns_otherwise():
    rows = hourly(200)
    options = {**TINY, "horizon": 4, "window": 100, "dtype": "float64", "batch_size": 10**6}
    full, same, short = (
        SeqForecaster(**options, bptt_steps=bptt_steps).fit(rows) for bptt_steps in (None, 100, 16)
    )
    assert_same_weights(full, same)
    # The first loss is that of the initial weights: the state is carried through the whole window.
    assert short.loss_curve_[0] == pytest.approx(full.loss_curve_[0], rel=1e-12)
    assert short.loss_curve_[1] != full.loss_curve_[1]
    known = rows.to_numpy()
    np.testing.assert_allclose(short.forecast(), forecast_by_hand(short, known, known), rtol=1e-9)


def test_dropout_acts_in_training_only():
    rows = hourly(100)
    without, with_dropout = (SeqForecaster(**SHORT, dtype="float64", dropout=d).fit(rows) for d in (0.0, 0.5))
    assert with_dropout.loss_curve_[0] != without.loss_curve_[0]
    known = rows.to_numpy()
    np.testing.assert_allclose(
        with_dropout.forecast(), forecast_by_hand(with_dropout, known, known), rtol=1e-9
    )


def test_momentum_is_that_of_sgd(frame):
    fits = {
        (optimizer, momentum): SeqForecaster(**WHOLE, optimizer=optimizer, momentum=momentum).fit(frame)
        for optimizer in ("adam", "rmsprop", "sgd")
        for momentum in (0.0, 0.9)
    }
    assert_same_weights(fits["adam", 0.0], fits["adam", 0.9])
    assert_same_weights(fits["rmsprop", 0.0], fits["rmsprop", 0.9])
    slow, fast = (fits["sgd", momentum].loss_curve_ for momentum in (0.0, 0.9))
    assert slow[:2] == fast[:2]  # the first step has no velocity yet
    assert slow[2] > fast[2]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_every_optimizer_lowers_the_loss(optimizer):
    options = {**WHOLE, "max_iter": 80, "optimizer": optimizer, "learning_rate_init": 0.02}
    curve = SeqForecaster(**options).fit(hourly(150)).loss_curve_
    assert curve[-1] < 0.9 * curve[0]


def test_penalty_shrinks_the_weights_and_a_small_norm_limits_the_step(frame):
    size = {}
    for alpha in (0.0, 10.0):
        weights = SeqForecaster(**{**SHORT, "max_iter": 20}, alpha=alpha).fit(frame).weights_
        size[alpha] = math.sqrt(sum((weights[name] ** 2).sum() for name in weights if "weight" in name))
    assert size[10.0] < 0.9 * size[0.0]
    start = SeqForecaster(**SHORT, learning_rate_init=1e-300).fit(frame).weights_
    clipped = SeqForecaster(
        **{**WHOLE, "max_iter": 1}, optimizer="sgd", clip_norm=1e-3, learning_rate_init=1.0
    )
    moved = clipped.fit(frame).weights_
    step = math.sqrt(sum(((moved[name] - start[name]) ** 2).sum() for name in start))
    assert step == pytest.approx(1e-3, rel=1e-3)


def test_interrupted_fit_leaves_the_best_weights_so_far(frame, monkeypatch):
    until = 4
    monkeypatch.setattr(base, "progress", interrupting(until))
    options = {**SHORT, "max_iter": 50, "learning_rate_init": 0.03}
    model = SeqForecaster(**options)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    assert (model.n_iter_, len(model.validation_loss_curve_)) == (until, until)
    assert model.best_iter_ == int(np.argmin(model.validation_loss_curve_)) + 1
    monkeypatch.undo()
    best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(frame)
    assert_same_weights(model, best)
    pd.testing.assert_frame_equal(model.forecast(12), best.forecast(12), check_exact=True)


def interrupting(until):
    """A stand-in for `progress` whose user presses Ctrl-C after so many epochs."""

    def report(epoch):
        if epoch.number == until:
            raise KeyboardInterrupt

    @contextmanager
    def progress(verbose, max_iter):
        yield report

    return progress


# -- choices


@pytest.mark.parametrize(
    ("n", "options", "chosen"),
    [
        (1000, {}, (24, 72, 24)),
        (100, {}, (12, 38, 24)),  # half of 100 - 12 - 12
        (100, {"horizon": 4}, (4, 43, 24)),
        (1000, {"season_length": 7}, (7, 21, 7)),
        (1000, {"season_length": 1}, (12, 36, 1)),
        (1000, {"horizon": 48}, (48, 144, 24)),
        (100, {"window": 9, "early_stopping": False}, (12, 9, 24)),
        (8, {}, (1, 3, 24)),
    ],
)
def test_lengths_that_are_not_given_follow_season_and_rows(n, options, chosen):
    model = SeqForecaster(hidden_size=1, max_iter=1, **options).fit(hourly(n))
    assert (model.horizon_, model.window_, model.season_length_) == chosen


def test_docstring_example_is_true():
    result = doctest.testmod(forecaster)
    assert (result.failed, result.attempted) == (0, 2)
