"""Series that `update` adds to a fitted forecaster."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from fitted_parts import networks_of, residuals_of

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, backtest, permutation_importance

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 4, "window": 7}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 4, "season_length": 3}),
    "linear": (LinearForecaster, SMALL),
    "lags": (LinearForecaster, {**SMALL, "lags": [4, 9], "normalization": "instance", "half_life": 30.0}),
    "box-cox": (
        LinearForecaster,
        {**SMALL, "target_transform": "box-cox", "scaling": "robust", "differences": [1, 5]},
    ),
    "calendar": (LinearForecaster, {**SMALL, "calendar_features": "auto", "future_cols": "x"}),
    "network": (SeqForecaster, TINY),
    "distribution": (SeqForecaster, {**TINY, "loss": "gaussian", "intervals": "distribution"}),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)
N, ALL = 60, 100


def series(seed, n=ALL):
    """Return positive series of different scales."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = np.exp(seed + 0.3 * np.sin(t / 3 + seed) + 0.1 * rng.normal(size=n).cumsum())
    index = pd.date_range("2024-01-01", periods=n, freq="D", name="time")
    return pd.DataFrame({"y": y, "x": rng.normal(size=n)}, index)


def long(**of):
    return pd.concat([one.reset_index().assign(id=name) for name, one in of.items()], ignore_index=True)


A, B, C = (series(seed) for seed in range(3))
PANEL = long(b=B[:N], a=A[: N + 7])


def fitted(kind=LinearForecaster, rows=PANEL, **options):
    lengths = {} if kind is NaiveForecaster else SMALL
    return kind(**{**lengths, **KEYS, "target": "y"} | options).fit(rows)


def of(frame, name):
    return frame.loc[frame["id"] == name].drop(columns="id").reset_index(drop=True)


def ahead_of(model, frame):
    """Return the future rows that `forecast` needs if columns are known ahead."""
    return {"X_future": frame[["id", "time", "x"]]} if getattr(model, "future_cols", None) else {}


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same(one, other):
    """Check that forecasts of two forecasters have the same bits."""
    pd.testing.assert_frame_equal(one.forecast(9), other.forecast(9), check_exact=True)
    assert vars(one).keys() == vars(other).keys()


# -- an added series is one like the others


@models
def test_an_added_series_is_forecast_like_an_equal_fitted_one(kind, options):
    model = fitted(kind, **options)
    assert model.update(long(c=B[:N])) is model
    future = ahead_of(model, long(a=A[N:], b=B[N:], c=B[N:]))
    for steps in (3, 4, 10):
        forecast = model.forecast(steps, **future)
        pd.testing.assert_frame_equal(of(forecast, "c"), of(forecast, "b"), check_exact=True)
    later = long(c=B[N : N + 10], b=B[N : N + 10])
    predicted = later.assign(y=model.predict(later)["y"])
    pd.testing.assert_frame_equal(of(predicted, "c"), of(predicted, "b"), check_exact=True)
    assert model.score(long(c=B[N:])) == model.score(long(b=B[N:]))
    assert_same_bits(model.naive_mae_, [*fitted(kind, **options).naive_mae_, model.naive_mae_[0]])
    assert_same_bits(model.naive_rmse_[2], model.naive_rmse_[0])


@models
def test_it_moves_on_as_the_others_do(kind, options):
    model = fitted(kind, **options).update(long(c=B[:N]))
    model.update(long(c=B[N : N + 9], b=B[N : N + 9])).update(long(b=B[N + 9 : N + 10], c=B[N + 9 : N + 10]))
    forecast = model.forecast(9, **ahead_of(model, long(a=A[N:], b=B[N:], c=B[N:])))
    pd.testing.assert_frame_equal(of(forecast, "c"), of(forecast, "b"), check_exact=True)
    assert of(forecast, "c")["time"][0] == B.index[N + 10]


@models
@pytest.mark.parametrize("n", [2, 9, 14])
def test_a_short_one_is_padded_as_in_fit(kind, options, n):
    model = fitted(kind, long(a=A[: N + 7], b=B[:n]), **options)
    model.update(long(c=B[:n]))
    forecast = model.forecast(9, **ahead_of(model, long(a=A[N:], b=B[n:], c=B[n:])))
    pd.testing.assert_frame_equal(of(forecast, "c"), of(forecast, "b"), check_exact=True)
    assert np.isfinite(forecast["y"]).all()


@models
def test_adding_a_series_does_not_change_the_others(kind, options):
    model = fitted(kind, **options)
    future = ahead_of(model, long(a=A[N:], b=B[N:], c=C[N:]))
    known = {name: rows[rows["id"] != "c"] for name, rows in future.items()}
    before, paths = model.forecast(9, **known), model.sample_paths(3, 5, **known, random_state=0)
    model.update(long(c=C[:N]))
    after = model.forecast(9, **future)
    pd.testing.assert_frame_equal(after[: len(before)], before, check_exact=True)
    assert after["id"].tolist() == ["b"] * 9 + ["a"] * 9 + ["c"] * 9
    now = model.sample_paths(3, 5, **future, random_state=0)
    pd.testing.assert_frame_equal(now[: len(paths)], paths, check_exact=True)


def test_added_series_follow_in_order_of_their_first_rows():
    rows = long(d=A[:50], c=C[:N])
    blend = rows.sort_values("time", kind="stable")
    at_once = fitted().update(blend)
    assert at_once.forecast(1)["id"].tolist() == ["b", "a", "d", "c"]
    one_by_one = fitted().update(rows[rows["id"] == "d"]).update(rows[rows["id"] == "c"])
    assert_same(at_once, one_by_one)
    beside = fitted().update(pd.concat([long(a=A[N + 7 : N + 9]), blend]))
    assert_same(beside, one_by_one.update(long(a=A[N + 7 : N + 9])))


def test_rows_may_have_gaps_and_come_in_any_order():
    patchy = C[:N].drop(C.index[[5, 6, 40]])
    patchy.iloc[20, 0] = np.nan
    model = fitted().update(long(c=patchy).sample(frac=1, random_state=0))
    whole = C[:N].copy()
    whole.iloc[[5, 6, 40]] = np.nan
    whole.loc[patchy.index[20], "y"] = np.nan
    assert_same(model, fitted().update(long(c=whole)))


@models
def test_its_errors_are_taken_to_be_as_those_of_all(kind, options):
    model = fitted(kind, **options).update(long(c=B[:N]))
    future = ahead_of(model, long(a=A[N:], b=B[N:], c=B[N:]))
    assert_same_bits(residuals_of(model).scales[2], np.ones((1, 1)))
    forecast = model.forecast(level=50, **future)
    assert np.isfinite(forecast[["y-lo-50", "y-hi-50"]]).all(axis=None)
    assert (of(forecast, "c")["y-lo-50"] < of(forecast, "c")["y-hi-50"]).all()


def test_bounds_are_those_of_errors_of_all_series():
    model = fitted(target_transform="none").update(long(c=B[:N]))
    b, c = (of(model.forecast(level=60), name) for name in "bc")
    size = float(residuals_of(model).scales[0, 0, 0])
    assert size != 1
    np.testing.assert_allclose(b["y-hi-60"] - b["y"], size * (c["y-hi-60"] - c["y"]), rtol=1e-9)


def test_paths_do_not_depend_on_the_series_beside():
    one, two = fitted().update(long(c=C[:N])), fitted().update(long(d=A[:N], c=C[:N]))
    paths = [of(model.sample_paths(4, 9, random_state=0), "c") for model in (one, two)]
    pd.testing.assert_frame_equal(*paths, check_exact=True)


@models
def test_backtests_know_it(kind, options):
    model = fitted(kind, **options).update(long(c=B[:N]))
    rows = backtest(model, long(b=B, c=B), refit=False)
    assert_same_bits(rows.loc[rows["id"] == "c", "y_hat"], rows.loc[rows["id"] == "b", "y_hat"])
    assert set(rows["id"]) == {"b", "c"}


def test_sensitivities_and_importances_know_it():
    model = fitted().update(long(c=B[:N]))
    slopes = model.sensitivity()
    pd.testing.assert_frame_equal(slopes.loc["c"], slopes.loc["b"], check_exact=True)
    added = fitted().sensitivity(long(c=B[:N]), ids=["c", "b"])
    pd.testing.assert_frame_equal(added, slopes.loc[["c", "b"]], check_exact=True)
    found = permutation_importance(model, long(b=B[N:], c=C[N:]), n_repeats=1, random_state=0)
    assert np.isfinite(found.importances).all()


def test_added_series_are_pickled_and_discarded_by_fit():
    model = fitted()
    first = model.forecast()
    model.update(long(c=C[:N]))
    assert_same(pickle.loads(pickle.dumps(model)), model)
    pd.testing.assert_frame_equal(model.fit(PANEL).forecast(), first, check_exact=True)


def test_a_copy_is_left_alone():
    model = fitted()
    other, before = copy.copy(model), model.forecast()
    other.update(long(c=C[:N]))
    pd.testing.assert_frame_equal(model.forecast(), before, check_exact=True)


def test_where_one_series_was_fitted_there_may_be_more():
    model = fitted(rows=long(b=B[:N])).update(long(c=B[:N]))
    pd.testing.assert_frame_equal(of(model.forecast(), "c"), of(model.forecast(), "b"), check_exact=True)


def test_a_separate_target_is_passed_as_y():
    inside = fitted().update(long(c=C[:N], b=B[N : N + 3]))
    rows = long(c=C[:N], b=B[N : N + 3])
    model = LinearForecaster(**SMALL, **KEYS).fit(PANEL.drop(columns="y"), PANEL["y"])
    model.update(rows.drop(columns="y"), rows["y"])
    assert_same_bits(model.forecast()["y"], inside.forecast()["y"])
    with pytest.raises(ValueError, match="nothing but missing values in series 'd'"):
        model.update(rows.drop(columns="y").assign(id="d"), rows["y"].where(rows["y"] < 0))


# -- stamps


def test_few_rows_get_the_most_common_calendar():
    model = fitted().update(long(c=C.iloc[[5, 8]], d=C.iloc[[0, 2, 4]]))
    assert of(model.forecast(2), "c")["time"].tolist() == B.index[9:11].tolist()
    assert of(model.forecast(2), "d")["time"].tolist() == B.index[5:7].tolist()


def test_a_series_may_have_another_step_of_its_own():
    hours = pd.date_range("2024-01-01", periods=N, freq="h", name="time")
    model = fitted(calendar_features=["day_of_week"]).update(long(c=B[:N].set_axis(hours)))
    assert of(model.forecast(1), "c")["time"][0] == hours[-1] + pd.Timedelta(hours=1)


def test_series_whose_stamps_can_not_continue_are_refused():
    days = pd.bdate_range("2024-01-01", periods=60, name="time").drop(["2024-02-14"])
    model = fitted(rows=long(a=A[:59].set_axis(days)))
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match="must be two or more to tell the step") as error:
        model.update(long(c=C[:1].set_axis(days[:1])))
    assert error.value.__notes__ == ["This is series 'c'."]
    assert_same(model, before)


# -- constant columns and categories

STATIC = PANEL.assign(region=PANEL["id"].map({"a": "north", "b": "south"}))


def static_model():
    return SeqForecaster(**TINY, **KEYS, target="y", static_cols="region").fit(STATIC)


def test_static_columns_are_read_from_its_rows():
    model = static_model()
    rows = long(c=B[:N], d=B[:N], b=B[N : N + 2], a=A[N + 7 : N + 8])
    rows["region"] = rows["id"].map({"c": "south", "d": "north"})  # of others they are known
    untouched = static_model().forecast()
    forecast = model.update(rows[rows["id"].isin(["c", "d"])]).forecast()
    assert_same_bits(of(forecast, "c"), of(forecast, "b"))
    assert_same_bits(of(forecast, "b"), of(untouched, "b"))
    assert not np.array_equal(of(forecast, "d")["y"], of(forecast, "b")["y"])
    assert_same(static_model().update(rows), model.update(rows[rows["id"].isin(["a", "b"])]))


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (["west"] * N, "must have in column 'region' only categories that fit has seen, 'north', 'south'"),
        (["south"] * (N - 1) + ["north"], "must have one value of column 'region', which static_cols names"),
        (None, "must have the column 'region', which static_cols names"),
    ],
    ids=["unseen", "changing", "missing"],
)
def test_static_columns_are_refused_as_in_fit(regions, message):
    model = static_model()
    before = copy.deepcopy(model)
    rows = long(c=C[:N]) if regions is None else long(c=C[:N]).assign(region=regions)
    with pytest.raises(ValueError, match=f"The 'X' parameter of SeqForecaster.update {message}"):
        model.update(rows)
    assert_same(model, before)


def test_a_region_that_is_not_known_is_a_missing_one():
    model = static_model().update(long(c=C[:N]).assign(region=None))
    assert np.isfinite(model.forecast()["y"]).all()


# -- ids


@pytest.mark.parametrize(
    ("ids", "added", "dtype"),
    [
        ([1, 2], 3, "int8"),
        ([1, 2], 300, "int64"),
        (["a", "b"], "c", "category"),
        (["a", "b"], "c", "object"),
        ([1, 2], 3, "Int64"),
    ],
)
def test_ids_keep_their_type(ids, added, dtype):
    fit_dtype = "int8" if added == 300 else dtype
    rows = PANEL.assign(id=pd.Series(np.where(PANEL["id"] == "a", *ids), dtype=object).astype(fit_dtype))
    new = long(c=C[:N]).assign(id=pd.Series([added] * N, dtype=object).astype(dtype))
    model = fitted(rows=rows).update(new)
    found = model.forecast(1)["id"]
    assert found.tolist() == [ids[1], ids[0], added]
    assert found.dtype.name == dtype
    assert model.update(new.assign(time=C.index[N] + (new["time"] - C.index[0]))).forecast(1).shape == (3, 3)


@pytest.mark.parametrize(("ids", "id_", "types"), [("ab", 7, "str"), ([1, 2], "1", "int")])
def test_ids_of_another_type_are_refused(ids, id_, types):
    model = fitted(rows=PANEL.assign(id=np.where(PANEL["id"] == "a", *ids)))
    before = copy.deepcopy(model)
    message = (
        f"The column 'id' of X in LinearForecaster must hold ids of the same type as in fit, {types}. Got "
        f"{id_!r}, {type(id_).__name__}, instead. Convert the column with astype."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        model.update(long(c=C[:N]).assign(id=id_))
    assert_same(model, before)


# -- what is refused, and told


@pytest.mark.parametrize("kind", [LinearForecaster, SeqForecaster])
def test_local_models_have_none_for_it(kind):
    options = TINY if kind is SeqForecaster else SMALL
    model = fitted(kind, **options, scope="local")
    before = copy.deepcopy(model)
    message = (
        f"The column 'id' of X in {kind.__name__}.update must hold series that were fitted, since with "
        f"scope='local' each has a model of its own. Got 2 others, such as 'd'. Fit with them, or use "
        f"scope='global'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.update(long(a=A[N + 7 : N + 9], d=C[:N], c=C[:N]))
    assert_same(model, before)
    assert_same(model.models_["a"], before.models_["a"])


def test_short_ones_are_dropped_with_a_warning():
    model, before = (fitted(short_series="drop") for _ in range(2))
    message = "1 of 2 series are too short for window=7 and horizon=4, and are left out, such as 'c'"
    with pytest.warns(UserWarning, match=message) as caught:
        model.update(long(c=C[:9], d=A[:N]))
    assert caught[0].filename == __file__
    assert model.forecast(1)["id"].tolist() == ["b", "a", "d"]
    with pytest.warns(UserWarning, match="1 of 1 series are too short"):
        before.update(long(c=C[:9], a=A[N + 7 : N + 9]))
    assert_same(before, fitted(short_series="drop").update(long(a=A[N + 7 : N + 9])))


def test_short_ones_may_be_an_error():
    model = fitted(short_series="error")
    message = (
        r"^LinearForecaster\.update needs at least 15 rows of each series for window=7 and horizon=4 with "
        r"short_series='error'\. Got 14 of 'c'\."
    )
    with pytest.raises(ValueError, match=message):
        model.update(long(c=C[:14]))
    assert model.update(long(c=C[:15])).forecast(1)["id"].tolist() == ["b", "a", "c"]


def test_an_added_constant_series_is_forecast_with_a_warning():
    model = fitted()
    with pytest.warns(UserWarning, match=r"^1 of 2 series are constant in training and are forecast as such"):
        model.update(long(c=C[:N].assign(y=5.0), d=C[:N]))
    assert of(model.forecast(9), "c")["y"].tolist() == [5.0] * 9


REFUSED = {
    "unobserved": ({}, {"y": np.nan}, "must have an observed value in the column 'y' of every series"),
    "infinite": ({}, {"y": np.inf}, "Got inf in column 'y' in series 'c' at 2024-01-01"),
    "negative": (
        {"target_transform": "log"},
        {"y": -1.0},
        "'target_transform' parameter .* can be 'log' only",
    ),
    "too large": (
        {"scaling": "none", "target_transform": "none"},
        {"y": 1e9},
        "'scaling' parameter .* can be 'none' only",
    ),
}


@pytest.mark.parametrize(("options", "spoil", "message"), REFUSED.values(), ids=REFUSED)
def test_series_that_fit_would_refuse_change_nothing(options, spoil, message):
    model = fitted(**options)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=message) as error:
        model.update(long(a=A[N + 7 : N + 9], c=C[:N].assign(**spoil)))
    assert options == {} or error.value.__notes__ == ["This is series 'c'."]
    assert_same(model, before)
    assert_same_bits(model.predict(long(a=A[N + 7 :])), before.predict(long(a=A[N + 7 :])))


def test_counts_may_not_be_negative():
    rows = PANEL.assign(y=PANEL["y"].round())
    options = {**TINY, "loss": "negative_binomial", "normalization": "none", "scaling": "none"}
    model = fitted(SeqForecaster, rows, **options)
    with pytest.raises(ValueError, match="The target 'y' must be a count, 0 or more"):
        model.update(long(c=C[:N].round().assign(x=0.0) - 100))
    model.update(long(c=B[:N].round()))
    assert_same_bits(of(model.forecast(), "c"), of(model.forecast(), "b"))


# -- learned from


@pytest.mark.parametrize("way", [{}, {"n_models": 2}, {"linear": False}], ids=["one", "two", "network"])
def test_partial_fit_adds_it_and_learns_from_all_its_windows(way):
    model = fitted(SeqForecaster, **TINY, **way)
    updated = copy.deepcopy(model).update(long(c=C[:N]))
    weights, losses = [network.flat.copy() for network in networks_of(model)], len(model.loss_curve_)
    model.partial_fit(long(c=C[:N]))
    for network, before in zip(networks_of(model), weights, strict=True):
        assert not np.array_equal(network.flat, before)
    assert len(model.loss_curve_) == losses + 1
    assert_same_bits(model.naive_mae_, updated.naive_mae_)
    assert model.forecast()[["id", "time"]].equals(updated.forecast()[["id", "time"]])
    again = fitted(SeqForecaster, **TINY, **way).partial_fit(long(c=C[:N]))
    assert_same(again, model)


def test_partial_fit_of_too_few_rows_only_knows_them():
    model, updated = (fitted(SeqForecaster, **TINY) for _ in range(2))
    assert_same(model.partial_fit(long(c=C[:2])), updated.update(long(c=C[:2])))


def test_a_partial_fit_that_fails_adds_nothing():
    model = fitted(SeqForecaster, **TINY)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match="partial_fit continues from the weights"):
        model.set_params(hidden_size=5).partial_fit(long(c=C[:N]))
    assert_same(model.set_params(hidden_size=4), before)


@pytest.mark.parametrize("change", ["zone", "periods"])
def test_stamps_of_another_kind_are_refused(change):
    model, rows = fitted(), long(c=C[:N])
    if change == "zone":
        rows["time"] = rows["time"].dt.tz_localize("UTC")
    else:
        rows["time"] = rows["time"].dt.to_period("D")
    with pytest.raises(
        TypeError, match=r"The stamps of X in LinearForecaster.update must be of the same kind"
    ):
        model.update(rows[["id", "time", "y", "x"]])
    assert len(model.forecast()) == 8


@pytest.mark.parametrize("dtype", ["int8", "Int8"])
def test_ids_grow_beyond_their_dtype(dtype):
    rows = PANEL.assign(id=PANEL["id"].map({"b": 1, "a": 2}).astype(dtype))
    model = fitted(rows=rows).update(long(c=C[:N]).assign(id=300).astype({"id": "Int64"}))
    assert sorted(set(model.forecast()["id"])) == [1, 2, 300]


def test_a_zero_is_not_observed_where_auto_took_logarithms():
    zero = C[:N].copy()
    zero.iloc[5, 0] = 0.0
    missing = zero.replace({"y": {0.0: np.nan}})
    models = [fitted().update(long(c=rows)) for rows in (zero, missing)]
    assert models[0].target_transform_ == "log"
    pd.testing.assert_frame_equal(models[0].forecast(), models[1].forecast())
    with pytest.raises(ValueError, match="can be 'log' only where all observed values are more than 0"):
        fitted(target_transform="log").update(long(c=zero))
