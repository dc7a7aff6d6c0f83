"""Weights of training rows: `sample_weight` and `half_life`."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from fitted_parts import linear_map_of
from forecast_by_hand import (
    cutoffs_between,
    groups_of,
    hourly,
    network_by_hand,
    scaled_rows,
    training_end,
    truth_at,
    with_holes,
)
from naive import absolute, huber, squared
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seqcast import LinearForecaster, SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 8}
TINY = {
    **SMALL,
    "hidden_size": 4,
    "max_iter": 2,
    "random_state": 0,
    "naive_fallback": False,
    "dtype": "float64",
}
MODELS = {"linear": (LinearForecaster, SMALL), "network": (SeqForecaster, TINY)}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)
N = 120
WEIGHTS = np.random.default_rng(5).random(N) + 0.1
LOSSES = {"squared": squared, "absolute": absolute, "huber": huber}


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_close(one, other, rtol=1e-7):
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=rtol)


def network_of(model):
    return np.concatenate([weight.ravel() for weight in model.weights_.values()])


def assert_same_model(one, other):
    pd.testing.assert_frame_equal(one.forecast(7, level=60), other.forecast(7, level=60), check_exact=True)
    if hasattr(one, "weights_"):
        assert_same_bits(network_of(one), network_of(other))
        assert one.loss_curve_ == other.loss_curve_


def long(**series):
    parts = [frame.reset_index().assign(id=name) for name, frame in series.items()]
    return pd.concat(parts, ignore_index=True)


# -- by hand


@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_weighted_means(loss, multivariate):
    """A tiny learning rate keeps the first weights of the network for the forecasts by hand."""
    rows, measure = with_holes(hourly(N, "ab"), 0.1), LOSSES[loss]
    options = {
        **TINY,
        "loss": loss,
        "multivariate": multivariate,
        "linear": False,
        "learning_rate_init": 1e-300,
    }
    options |= {"dropout": 0.0, "ema": None, "validation_fraction": 0.2}
    given = np.where(np.arange(N) % 7, WEIGHTS, 0.0)
    model = SeqForecaster(**options).fit(rows, sample_weight=given)
    scaled, end = scaled_rows(model, rows), training_end(model, N)

    def mean_loss(begin, stop):
        cutoffs = cutoffs_between(model, scaled, begin, stop)
        windows = [scaled[at - model.window_ : at] for at in cutoffs]
        groups = groups_of(model, 2)
        hats = np.stack([np.hstack([network_by_hand(model, w[:, g], True) for g in groups]) for w in windows])
        truth = truth_at(model, scaled, cutoffs)
        weights = np.stack([given[at : at + model.horizon_] for at in cutoffs])
        if not multivariate:
            return measure(truth, hats, weights[:, :, None])
        return np.mean([measure(truth[..., k], hats[..., k], weights) for k in range(2)])

    assert_close(model.loss_curve_, [mean_loss(0, end)] * 2, 1e-9)
    assert_close(model.validation_loss_curve_, [mean_loss(end, N)] * 2, 1e-9)


@pytest.mark.parametrize("holes", [0.0, 0.05])
@models
def test_the_linear_map_is_weighted_least_squares(kind, options, holes):
    """The weight of a window is the mean of its rows; the ridge penalty and the steps are the chosen ones."""
    rows = with_holes(hourly(N), holes)
    model = kind(**options, season_length=1).fit(rows, sample_weight=WEIGHTS)
    linear, scaled = linear_map_of(model), (rows - (scaling := scales_of(model, rows))[0]) / scaling[1]
    assert linear.seasonal_features.periods == ()
    y = scaled["a"].to_numpy()
    inputs, outputs, counts = [], [], []
    for at in range(8, border(model) - 2):
        if np.isfinite(y[at : at + 3]).all():
            window, last = y[at - 8 : at], pd.Series(y[at - 8 : at]).ffill().fillna(0).iloc[-1]
            inputs.append(np.nan_to_num(window[-linear.n_steps :] - last))
            outputs.append(y[at : at + 3] - last)
            counts.append(WEIGHTS[at : at + 3].mean() / WEIGHTS.mean())
    x, y, w = np.array(inputs), np.array(outputs), np.array(counts)
    x_mean, y_mean = w @ x / w.sum(), w @ y / w.sum()
    x, y = x - x_mean, y - y_mean
    xx, xy = x.T @ (w[:, None] * x), x.T @ (w[:, None] * y)
    penalty = linear.ridge * np.trace(xx) / linear.n_steps
    expected = np.linalg.solve(xx + penalty * np.eye(linear.n_steps), xy)
    assert_close(linear.weights, expected, 1e-6)
    assert_close(linear.intercept, y_mean - x_mean @ expected, 1e-6)
    plain = kind(**options, season_length=1).fit(rows)
    assert not np.allclose(linear_map_of(plain).weights, linear.weights, rtol=1e-3)


def border(model):
    return N - max(model.horizon_, round(model.validation_fraction * N))


def scales_of(model, rows):
    fitted = rows[: border(model)]
    return fitted.mean(), fitted.std(ddof=0)


# -- weights that change nothing


@pytest.mark.parametrize("weight", [1.0, 2.0, 2.0**-900, 0.1, 1e300])
@models
def test_equal_weights_change_nothing(kind, options, weight):
    rows = with_holes(hourly(N, "ab"), 0.05)
    plain, weighted = (kind(**options).fit(rows, sample_weight=given) for given in (None, np.full(N, weight)))
    assert_close(weighted.forecast(7, level=60), plain.forecast(7, level=60))
    if kind is SeqForecaster and np.log2(weight).is_integer():
        assert_same_bits(network_of(weighted), network_of(plain))
        assert weighted.loss_curve_ == plain.loss_curve_


@models
def test_only_ratios_of_weights_matter(kind, options):
    one, other = (kind(**options).fit(hourly(N), sample_weight=unit * WEIGHTS) for unit in (1, 1024))
    assert_same_model(one, other)
    other = kind(**options).fit(hourly(N), sample_weight=1e-3 * WEIGHTS)
    assert_close(other.forecast(7), one.forecast(7), 1e-6)


@models
def test_the_forecast_before_weights_is_that_after(kind, options):
    """A later fit without weights does not use the former ones."""
    plain, model = kind(**options).fit(hourly(N)), kind(**options).fit(hourly(N), sample_weight=WEIGHTS)
    assert not np.array_equal(model.forecast(), plain.forecast())
    assert_same_model(model.fit(hourly(N)), plain)


# -- rows that do not count


@pytest.mark.parametrize(("linear", "horizon"), [(True, 1), (False, 1), (False, 3)])
def test_rows_of_weight_0_are_not_learned_from(linear, horizon):
    """The last rows, which are inputs of nothing: whatever they are. To the linear map windows count the mean
    of their rows, so it is tried with one step."""
    weights = np.ones(N)
    weights[-horizon:] = 0
    rows = hourly(N, "ab")
    spoilt = rows.copy()
    spoilt.iloc[-horizon:] = [[1e3, -1e3]]
    options = {**TINY, "horizon": horizon, "early_stopping": False, "scaling": "none", "linear": linear}
    one, other = (SeqForecaster(**options).fit(given, sample_weight=weights) for given in (rows, spoilt))
    assert_same_bits(network_of(one), network_of(other))
    if linear:
        assert_close(linear_map_of(other).weights, linear_map_of(one).weights)
        assert_close(linear_map_of(other).intercept, linear_map_of(one).intercept)
    counted = SeqForecaster(**options).fit(spoilt)
    assert not np.array_equal(network_of(counted), network_of(one))
    assert not np.array_equal(one.forecast(), other.forecast())  # they are known, though


def test_weights_draw_the_forecast_to_where_they_are():
    """A series jumps between two levels, and the level of the rows with weight is learned."""
    rng = np.random.default_rng(0)
    after = pd.Series(np.r_[rng.normal(size=100), 5 + rng.normal(size=100)], name="y")
    options = {"horizon": 2, "window": 4, "normalization": "none", "scaling": "none"}
    early, late = (np.r_[np.full(100, 1.0 - k), np.full(100, float(k))] + 1e-6 for k in (0, 1))
    levels = [linear_map_of(LinearForecaster(**options).fit(after, sample_weight=w)) for w in (early, late)]
    means = [fit.intercept / (1 - fit.weights.sum(axis=0)) for fit in levels]  # where it stays
    assert np.abs(means[0]).max() < 1
    assert np.abs(means[1] - 5).max() < 1


# -- half-life


@models
def test_a_half_life_is_weights_that_halve(kind, options):
    weights = 0.5 ** (np.arange(N)[::-1] / 30)
    for given, expected in ((None, weights), (WEIGHTS, WEIGHTS * weights)):
        halved = kind(**options, half_life=30).fit(hourly(N), sample_weight=given)
        assert_same_model(halved, kind(**options).fit(hourly(N), sample_weight=expected))


@models
def test_half_lives_end_where_each_series_does(kind, options):
    """Steps of its calendar are counted, gaps included."""
    a, b = hourly(N), hourly(90, seed=1) + 3
    gone = [40, 41, 60]
    parts = [0.5 ** (np.arange(len(one))[::-1] / 20) for one in (a, b)]
    weights = np.concatenate([parts[0], np.delete(parts[1], gone)])
    frame = long(a=a, b=b.drop(b.index[gone]))
    halved = kind(**options, **KEYS, half_life=20).fit(frame).forecast()
    weighted = kind(**options, **KEYS).fit(frame, sample_weight=weights).forecast()
    assert_close(halved["a"], weighted["a"])
    assert not np.allclose(halved["a"], kind(**options, **KEYS).fit(frame).forecast()["a"], rtol=1e-3)


def test_a_short_half_life_follows_a_change():
    """The sign of the next value equals that of the last one, but near the end it is opposite."""
    rng, y = np.random.default_rng(0), np.zeros(600)
    for t in range(1, 600):
        y[t] = (0.9 if t < 400 else -0.9) * y[t - 1] + rng.normal()
    options = {"horizon": 1, "window": 2, "normalization": "none", "scaling": "none"}
    slopes = {
        half_life: linear_map_of(LinearForecaster(**options, half_life=half_life).fit(y)).weights[-1, 0]
        for half_life in (None, 30)
    }
    assert slopes[30] < -0.5
    assert slopes[None] > -0.2


# -- whose weights they are


@models
def test_weights_go_with_their_rows(kind, options):
    """Rows may come in any order and with gaps."""
    rows = hourly(N, "ab").drop(hourly(N).index[[30, 31, 70]])
    weights = np.delete(WEIGHTS, [30, 31, 70])
    expected = kind(**options).fit(rows, sample_weight=weights)
    order = np.random.default_rng(0).permutation(len(rows))
    assert_same_model(kind(**options).fit(rows.iloc[order], sample_weight=weights[order]), expected)
    blank, any_weight = hourly(N, "ab"), WEIGHTS.copy()
    blank.iloc[[30, 31, 70]] = np.nan
    any_weight[[30, 31, 70]] = 0.0
    assert_same_model(kind(**options).fit(blank, sample_weight=any_weight), expected)


@models
def test_rows_of_a_long_frame_have_their_own(kind, options):
    a, b = hourly(N), hourly(90, seed=1) + 3
    frame, weights = long(a=a, b=b), np.concatenate([WEIGHTS, 3 * WEIGHTS[:90]])
    expected = kind(**options, **KEYS).fit(frame, sample_weight=weights)
    order = np.random.default_rng(0).permutation(len(frame))
    found = kind(**options, **KEYS).fit(frame.iloc[order], sample_weight=weights[order])
    forecasts = (model.forecast().sort_values(["id", "time"]).to_numpy()[:, 2] for model in (found, expected))
    if kind is LinearForecaster:  # a network meets the series in another order
        assert_close(*forecasts, 1e-9)
    local = kind(**options, **KEYS, scope="local").fit(frame, sample_weight=weights)
    for name, rows, own in (("a", a, WEIGHTS), ("b", b, WEIGHTS[:90])):
        alone = kind(**options).fit(rows, sample_weight=own)
        forecast = local.forecast()
        assert_close(forecast.loc[forecast["id"] == name, "a"], alone.forecast()["a"], 1e-6)


def test_a_series_that_counts_more_is_learned_more_from():
    """Two series follow opposite rules, and the linear map follows the one of larger weight."""
    rng, t = np.random.default_rng(0), np.arange(N)
    series = [pd.DataFrame({"a": x}, hourly(N).index) for x in ((-1.0) ** t, (-1.0) ** (t // 2))]
    series = [one + 0.1 * rng.normal(size=(N, 1)) for one in series]
    options = {"horizon": 1, "window": 2, "normalization": "none", **KEYS}
    errors = []
    for heavy in (0, 1):
        weights = np.concatenate([np.full(N, 1e-3 + (heavy == k)) for k in (0, 1)])
        forecast = LinearForecaster(**options).fit(long(a=series[0], b=series[1]), sample_weight=weights)
        truth = np.array([(-1.0) ** N, (-1.0) ** (N // 2)])
        errors.append(np.abs(forecast.forecast()["a"] - truth))
    assert errors[0][0] < 0.3 < errors[0][1]
    assert errors[1][1] < 0.3 < errors[1][0]


@pytest.mark.parametrize("as_given", [list, tuple, pd.Series, lambda w: w.astype("float32").astype(float)])
def test_weights_may_come_in_any_form(as_given):
    weights = np.float32(WEIGHTS).astype(float)
    expected = LinearForecaster(**SMALL).fit(hourly(N), sample_weight=weights)
    assert_same_model(LinearForecaster(**SMALL).fit(hourly(N), sample_weight=as_given(weights)), expected)


@models
def test_a_separate_target_is_weighted_like_a_column(kind, options):
    rows = hourly(N, "ab")
    one = kind(**options, target="a").fit(rows, sample_weight=WEIGHTS)
    assert_same_model(kind(**options).fit(rows, rows["a"], sample_weight=WEIGHTS), one)
    assert_same_model(kind(**options).fit(rows, rows["a"], WEIGHTS), one)


# -- through scikit-learn's tools


@models
def test_a_pipeline_hands_weights_on(kind, options):
    name = kind.__name__.lower()
    pipeline = make_pipeline(FunctionTransformer(), kind(**options))
    pipeline.fit(hourly(N), **{f"{name}__sample_weight": WEIGHTS})
    assert_same_model(pipeline[-1], kind(**options).fit(hourly(N), sample_weight=WEIGHTS))


@models
def test_cross_validation_hands_on_the_weights_of_each_fold(kind, options):
    rows, folds = hourly(N), TimeSeriesSplit(2, test_size=10)
    with sklearn.config_context(enable_metadata_routing=True):
        model = kind(**options).set_fit_request(sample_weight=True)
        found = cross_val_score(model, rows, cv=folds, params={"sample_weight": WEIGHTS})
    by_hand = [
        kind(**options).fit(rows.iloc[train], sample_weight=WEIGHTS[train]).score(rows.iloc[test])
        for train, test in folds.split(rows)
    ]
    assert_close(found, by_hand, 1e-12)


# -- what is refused

REFUSED = {
    "negative": (-WEIGHTS, "Negative values in data passed to `sample_weight`"),
    "one negative": (np.where(np.arange(N) == 7, -1.0, 1.0), "Negative values in data"),
    "too few": (WEIGHTS[1:], rf"sample_weight.shape == \({N - 1},\), expected \({N},\)"),
    "missing": (np.where(np.arange(N) == 7, np.nan, 1.0), "sample_weight contains NaN"),
    "infinite": (np.where(np.arange(N) == 7, np.inf, 1.0), "sample_weight contains infinity"),
    "two a row": (np.ones((N, 2)), "Sample weights must be 1D"),
    "none above 0": (np.zeros(N), "weight"),
    "none above 0 in training": (1.0 * (np.arange(N) >= 110), "weight above 0"),
}


@pytest.mark.parametrize(("weights", "message"), REFUSED.values(), ids=REFUSED)
@models
def test_weights_that_can_not_be_are_refused(kind, options, weights, message):
    model = kind(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(hourly(N), sample_weight=weights)
    assert not [name for name in vars(model) if name.endswith("_")]


@models
def test_a_half_life_that_leaves_nothing_is_refused(kind, options):
    with pytest.raises(ValueError, match="weight above 0"):
        kind(**options, half_life=1e-3).fit(hourly(N))
