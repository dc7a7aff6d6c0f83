"""Transforms, differences and lags of targets, compared with the same steps done by hand."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
from fitted_parts import model_of, replace_model
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster
from seqcast.data.transforms import Transform

pytestmark = pytest.mark.filterwarnings(
    "ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning",
    "ignore:.* constant in training:UserWarning",
)

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 5, "window": 12}
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
T = np.arange(400.0)
SEASON = np.random.default_rng(7).normal(size=24)[np.arange(400) % 24]


def says(message):
    return f"^{re.escape(message)}$"


def growth(n=120, seed=0):
    """Return a positive series whose level changes slowly."""
    rng = np.random.default_rng(seed)
    return pd.Series(
        np.exp(0.02 * np.arange(n) + rng.normal(scale=0.1, size=n).cumsum()), pd.RangeIndex(n), name="y"
    )


def assert_close(one, other, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=rtol)


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


# -- transforms

BENT = {"log": (np.log, np.exp), "log1p": (np.log1p, np.expm1)}


@models
@pytest.mark.parametrize("transform", BENT)
def test_a_transform_is_the_same_as_transformed_rows(kind, options, transform):
    """This holds for point forecasts, quantiles and paths, also after an update."""
    (bend, undo), y = BENT[transform], growth(160)
    options = {**options, "validation_fraction": 0.3}
    inside, outside = (
        kind(**options, target_transform=transform).fit(y[:130]),
        kind(**options).fit(bend(y[:130])),
    )
    for later in (y[130:137], y[137:140]):
        assert_close(inside.forecast(12), undo(outside.forecast(12)))
        assert_close(inside.predict(y[140:]), undo(outside.predict(bend(y[140:]))))
        one, other = (model.forecast(8, level=60, quantiles=[0.3]) for model in (inside, outside))
        assert one.columns.tolist() == other.columns.tolist()
        assert_close(one[:5], undo(other[:5]))
        assert_close(one, undo(other), 1e-4)  # beyond the horizon between two paths, on a line or on a curve
        one, other = (model.sample_paths(9, 8, random_state=1) for model in (inside, outside))
        assert_close(one, undo(other))
        inside.update(later), outside.update(bend(later))


def squares(n=140, seed=0):
    """The root of such values is closest to a normal distribution."""
    t = np.arange(n)
    level = 10 + 2 * np.sin(t / 5) + np.random.default_rng(seed).normal(size=n)
    return pd.Series(level**2, pd.RangeIndex(n), name="y")


@pytest.mark.parametrize("transform", ["box-cox", "yeo-johnson"])
def test_powers_are_those_of_the_training_rows(transform):
    y = squares()
    inside = LinearForecaster(**SMALL, target_transform=transform).fit(y[:120])
    learned = Transform.fit(y.to_numpy()[:108, None], transform, ["y"], "Test")
    assert 0.05 < learned.lambdas[0] < 0.9

    def bent(rows):
        return pd.Series(learned.transform(rows.to_numpy()[:, None])[:, 0], rows.index, name="y")

    outside = LinearForecaster(**SMALL).fit(bent(y[:120]))
    assert_close(inside.forecast(12), learned.inverse_transform(outside.forecast(12).to_numpy()))
    assert_close(
        inside.predict(y[120:]),
        learned.inverse_transform(outside.predict(bent(y[120:])).to_numpy()[:, None])[:, 0],
    )


def test_each_series_has_a_power_of_its_own():
    series = {"a": squares(120, 1), "b": squares(120, 2) ** 0.5, "c": squares(120, 3) ** 2}
    frame = pd.concat([one.reset_index(name="y").assign(id=name) for name, one in series.items()])
    inside = LinearForecaster(**SMALL, **KEYS, target_transform="box-cox").fit(
        frame.rename(columns={"index": "time"})
    )
    bent, powers = [], {}
    for name, one in series.items():
        powers[name] = Transform.fit(one.to_numpy()[:108, None], "box-cox", ["y"], "Test")
        bent.append(
            one.reset_index(name="y").assign(id=name, y=powers[name].transform(one.to_numpy()[:, None]))
        )
    assert len({float(power.lambdas[0]) for power in powers.values()}) == 3
    outside = LinearForecaster(**SMALL, **KEYS).fit(pd.concat(bent).rename(columns={"index": "time"}))
    one, other = inside.forecast(12), outside.forecast(12)
    for name, power in powers.items():
        expected = power.inverse_transform(other.loc[other["id"] == name, ["y"]].to_numpy())
        assert_close(one.loc[one["id"] == name, ["y"]], expected)


def test_growth_by_a_constant_factor_continues():
    y = 3 * 1.02**T
    model = LinearForecaster(**SMALL, target_transform="log").fit(y[:300])
    assert_close(model.forecast(90)["y"], y[300:390], 1e-8)


def test_a_transform_changes_no_covariate():
    rows = growth().to_frame().assign(x=np.random.default_rng(0).normal(size=120))
    inside = LinearForecaster(**SMALL, target="y", target_transform="log").fit(rows)
    outside = LinearForecaster(**SMALL, target="y").fit(rows.assign(y=np.log(rows["y"])))
    assert_close(inside.forecast(9), np.exp(outside.forecast(9)))


def test_later_values_outside_a_transform_are_missing():
    y = growth(140)
    model = LinearForecaster(**SMALL, target_transform="log").fit(y[:120])
    odd, missing = y[120:].copy(), y[120:].copy()
    odd.iloc[[2, 3, 9]], missing.iloc[[2, 3, 9]] = [0.0, -1.0, -0.1], np.nan
    assert_same_bits(model.predict(odd), model.predict(missing))
    assert_same_bits(copy.deepcopy(model).update(odd[:4]).forecast(), model.update(missing[:4]).forecast())


def test_a_transform_that_training_rows_can_not_take_is_refused():
    y = growth()
    y.iloc[7] = 0.0
    with pytest.raises(
        ValueError,
        match=r"^The 'target_transform' parameter of LinearForecaster can be 'log' only where .* Got 0",
    ):
        LinearForecaster(**SMALL, target_transform="log").fit(y)
    frame = pd.concat(
        [growth(60, k).reset_index(name="y").assign(id=f"s{k}") for k in range(3)], ignore_index=True
    )
    frame.loc[130, "y"] = -4.0
    with pytest.raises(ValueError, match=r"Got -4 in column 'y'(.|\n)*This is series 's2'"):
        LinearForecaster(**SMALL, id_col="id", time_col="index", target_transform="log").fit(frame)


def test_score_is_in_the_targets_own_unit():
    """One of the two targets is a million times the other, and both have the same influence."""
    rows = pd.DataFrame({"a": growth(140, 1), "b": 1e6 * growth(140, 2)})
    train, later = rows[:120], rows[120:]
    model = LinearForecaster(**SMALL, target_transform="log", season_length=3).fit(train)
    naive, scale = NaiveForecaster(5, season_length=3).fit(train), train[:108].std(ddof=0)

    def error(forecaster):
        return np.sqrt((((forecaster.predict(later) - later) / scale) ** 2).mean()).mean()

    assert model.score(later) == pytest.approx(1 - error(model) / error(naive), rel=1e-9)


def series_of(*columns):
    frames = [column.reset_index(name="y").assign(id=f"s{k}") for k, column in enumerate(columns)]
    return pd.concat(frames, ignore_index=True).rename(columns={"index": "time"})


@models
def test_positive_series_are_log_transformed_by_default(kind, options):
    positive, blend = (
        series_of(growth(), squares(), growth(seed=3)),
        series_of(growth(), squares(), -growth()),
    )
    chosen = kind(**options, **KEYS).fit(positive)
    assert chosen.target_transform_ == "log"
    forecast = kind(**options, **KEYS, target_transform="log").fit(positive).forecast(9)
    pd.testing.assert_frame_equal(chosen.forecast(9), forecast, check_exact=True)
    for frame in (blend, series_of(growth())):
        plain = kind(**options, **KEYS).fit(frame)
        assert plain.target_transform_ == "none"
        forecast = kind(**options, **KEYS, target_transform="none").fit(frame).forecast(9)
        pd.testing.assert_frame_equal(plain.forecast(9), forecast, check_exact=True)
    assert kind(**options).fit(growth()).target_transform_ == "none"


# -- scaling


def test_scaling_does_not_change_a_univariate_ridge_regression():
    """The penalty of the linear part is in units of its inputs."""
    y = 5 + 3 * growth()
    expected = LinearForecaster(**SMALL, normalization="none").fit(y).forecast(9)
    for scaling in ("robust", "none"):
        found = LinearForecaster(**SMALL, normalization="none", scaling=scaling).fit(y).forecast(9)
        assert_close(found, expected, 1e-7)


def scale_of(model, of="target_scaler"):
    scaler = getattr(model_of(model).preparer.preparation, of)
    return scaler.center.ravel().tolist(), scaler.scale.ravel().tolist()


def test_one_outlier_moves_no_robust_scale():
    rows = growth().to_frame().assign(x=np.random.default_rng(0).normal(size=120))
    broken = rows.copy()
    broken.loc[rows["y"].idxmax() if rows["y"].idxmax() < 108 else rows["y"][:108].idxmax(), "y"] = 1e9
    broken.loc[rows["x"][:108].idxmin(), "x"] = -1e9
    options = {**SMALL, "target": "y"}
    robust = [LinearForecaster(**options, scaling="robust").fit(data) for data in (rows, broken)]
    for of in ("target_scaler", "covariate_scaler"):
        assert_close(scale_of(robust[0], of), scale_of(robust[1], of), 1e-12)
    low, middle, high = np.quantile(rows["y"][:108], [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
    assert_close(scale_of(robust[1]), [[middle], [0.7413 * (high - low)]])
    standard = [LinearForecaster(**options).fit(data) for data in (rows, broken)]
    assert scale_of(standard[1])[1][0] > 1e6 * scale_of(standard[0])[1][0]


def test_an_outlier_does_not_change_robust_units_of_the_network():
    """After standardisation, the other values would be almost constant."""
    y = pd.Series(np.sin(T / 3), name="y")
    y.iloc[100] = 1e5
    options = {
        **TINY,
        "linear": False,
        "max_iter": 20,
        "hidden_size": 16,
        "learning_rate_init": 1e-2,
        "ema": None,
    }
    errors = {}
    for scaling in ("standard", "robust"):
        model = SeqForecaster(**options, scaling=scaling).fit(y[:360])
        errors[scaling] = np.abs(model.predict(y[360:]) - y[360:]).mean()
    assert errors["robust"] < 0.3
    assert errors["standard"] > 2 * errors["robust"]


def test_the_network_reads_what_is_not_scaled_as_it_is():
    y = 2 + growth()
    model = SeqForecaster(**TINY, scaling="none").fit(y)
    assert scale_of(model) == ([0.0], [1.0])
    center, scale = y[:108].mean(), y[:108].std(ddof=0)
    by_hand = SeqForecaster(**TINY, scaling="none").fit((y - center) / scale)
    standard = SeqForecaster(**TINY).fit(y)
    assert_close(standard.forecast(7), by_hand.forecast(7) * scale + center)


def test_values_too_large_to_be_left_unscaled_are_refused():
    y = growth()
    y.iloc[5] = 2e6
    message = (
        "The 'scaling' parameter of LinearForecaster can be 'none' only where all values lie within 1e+06 of "
        "0. Got 2e+06 in column 'y'. Use 'standard' or 'robust', or divide the values."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, scaling="none").fit(y)


def test_covariates_are_scaled_in_any_case():
    """Units of covariates do not depend on those of the target."""
    rows = growth().to_frame().assign(x=np.random.default_rng(0).normal(size=120))
    other = rows.assign(x=1e9 + 1e8 * rows["x"])
    for scaling in ("none", "standard", "robust"):
        options = {**SMALL, "target": "y", "scaling": scaling, "normalization": "none"}
        one, two = (LinearForecaster(**options).fit(data) for data in (rows, other))
        assert_close(one.forecast(9), two.forecast(9), 1e-6)


# -- differences

EXACT = {  # which series changes by what is constant, or grows steadily
    "line": (3 - 0.5 * T, 1, True),
    "line, as a list": (3 - 0.5 * T, [1], True),
    "season": (SEASON, 24, True),
    "season on a line": (SEASON + 0.3 * T, 24, True),
    "season on a line, twice": (SEASON + 0.3 * T, (24, 1), True),
    "season on a parabola, twice": (SEASON + 0.3 * T - 0.01 * T**2, (1, 24), True),
    "parabola": (0.5 * T - 0.01 * T**2, 1, False),
    "parabola, by twos": (0.5 * T - 0.01 * T**2, (1, 2), True),
    "season on a parabola": (SEASON - 0.01 * T**2, 24, False),
    "cubic": (1e-4 * T**3 - T, [1, 3], False),
}


@pytest.mark.parametrize(("y", "differences", "constant"), EXACT.values(), ids=EXACT)
def test_series_with_regular_differences_are_forecast_exactly(y, differences, constant):
    """This holds for any horizon, since the forecasts that are read again are exact, too."""
    scale = np.abs(y).max()
    kinds = [LinearForecaster(**SMALL, differences=differences)]
    if constant:  # whatever the network says
        kinds.append(SeqForecaster(**TINY, differences=differences))
    for model in kinds:
        model.fit(y[:300])
        np.testing.assert_allclose(model.forecast(70)["y"], y[300:370], rtol=0, atol=1e-9 * scale)
        np.testing.assert_allclose(model.predict(y[300:]), y[300:], rtol=0, atol=1e-9 * scale)
        model.update(y[300:317])
        np.testing.assert_allclose(model.forecast(30)["y"], y[317:347], rtol=0, atol=1e-9 * scale)


def test_seasonal_growth_is_exact_with_logarithm_and_differences():
    y = np.exp(0.01 * T + 0.3 * SEASON)
    model = LinearForecaster(**SMALL, target_transform="log", differences=24).fit(y[:300])
    assert_close(model.forecast(90)["y"], y[300:390], 1e-8)


def test_each_series_of_a_panel_goes_on_from_its_own_end():
    lengths, slopes = {"a": 300, "b": 200, "c": 120}, {"a": 1.0, "b": -2.0, "c": 0.1}
    series = {name: slopes[name] * T[:n] + (n / 100) * SEASON[:n] for name, n in lengths.items()}
    frame = pd.concat(
        [pd.DataFrame({"id": name, "time": np.arange(len(y)), "y": y}) for name, y in series.items()]
    )
    forecast = LinearForecaster(**SMALL, **KEYS, differences=24).fit(frame).forecast(40)
    for name, n in lengths.items():
        found = forecast[forecast["id"] == name]
        truth = slopes[name] * T[n : n + 40] + (n / 100) * SEASON[n : n + 40]
        np.testing.assert_allclose(found["y"], truth, rtol=0, atol=1e-9)
        assert found["time"].tolist() == [*range(n, n + 40)]


@models
@pytest.mark.parametrize("lag", [1, 3])
def test_differences_equal_differencing_by_hand(kind, options, lag):
    y = growth(140)
    options = {**options, "validation_fraction": 0.01}
    inside = kind(**options, differences=lag).fit(y[:120])
    level = y[:115]  # the differences are of scaled levels: in their unit
    changes = (y.diff(lag) / level.std(ddof=0)).rename("y")
    outside = kind(**options).fit(changes[lag:120])
    steps = outside.forecast()["y"].to_numpy() * level.std(ddof=0)
    expected = [*y[120 - lag : 120]]
    for change in steps:
        expected.append(expected[-lag] + change)
    parts = {"recurrent": 0.5, "linear": 0.5} if kind is SeqForecaster else None
    if parts:  # are weighed by errors of levels inside, and of changes outside
        for model in (inside, outside):
            replace_model(model, weights=parts)
        expected = [*y[120 - lag : 120]]
        for change in outside.forecast()["y"].to_numpy() * level.std(ddof=0):
            expected.append(expected[-lag] + change)
    assert_close(inside.forecast()["y"], expected[lag:], 1e-7)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
    differences=st.sampled_from([1, 4, (1, 4)]),
    target_transform=st.sampled_from(["none", "log", "yeo-johnson"]),
    scaling=st.sampled_from(["standard", "robust", "none"]),
    lags=st.sampled_from([None, 7]),
)
def test_no_missing_value_comes_out(seed, share, **treatment):
    full = growth(100)
    rows = full.mask(np.random.default_rng(seed).random(100) < share)
    kept = [*range(30, 50), *range(70, 80)]
    rows.iloc[kept] = full.iloc[kept]
    model = LinearForecaster(3, 6, **treatment).fit(rows[:80])
    assert np.isfinite(model.predict(rows[80:])).all()
    assert np.isfinite(model.forecast(20)).all(axis=None)
    assert np.isfinite(model.update(rows[80:]).forecast(20)).all(axis=None)


BAD_DIFFERENCES = [[0], [-1], [1, 1], ["a"], [None], [1.5], [True], (24, 24)]


@pytest.mark.parametrize("differences", BAD_DIFFERENCES, ids=str)
def test_differences_must_be_steps_back(differences):
    message = (
        "The 'differences' parameter of LinearForecaster must hold ints, each at least 1, and none twice. "
        f"Got {differences!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, differences=differences).fit(growth())


@pytest.mark.parametrize("differences", [0, -1, 1.5, "day", np.array([1, 2])], ids=str)
def test_differences_must_be_ints(differences):
    with pytest.raises(ValueError, match=r"^The 'differences' parameter of LinearForecaster must be"):
        LinearForecaster(**SMALL, differences=differences).fit(growth())


@pytest.mark.parametrize("differences", [24, (1, 24), 90])
def test_the_least_number_of_rows_includes_differences(differences):
    y, model = growth(300), LinearForecaster(**SMALL, differences=differences)
    with pytest.raises(ValueError, match=r"needs at least \d+ rows") as caught:
        model.fit(y[:25])
    least = int(re.search(r"at least (\d+) rows", str(caught.value))[1])
    assert least > 25
    model.fit(y[:least])
    with pytest.raises(ValueError, match=f"needs at least {least} rows"):
        model.fit(y[: least - 1])


def test_a_value_that_has_no_logarithm_is_seen_wherever_it_is():
    """This includes the last rows, which are validation data only."""
    rows = pd.concat(
        [pd.DataFrame({"id": name, "t": range(90), "y": 20.0 + k}) for k, name in enumerate("ab")]
    )
    rows["y"] += np.random.default_rng(0).normal(size=len(rows))
    rows.iloc[-1, 2] = 0.0
    assert LinearForecaster(4, 8, id_col="id", time_col="t").fit(rows).target_transform_ == "none"


def test_lags_make_a_long_season_forecastable():
    """Relative to the last value, the error would be 8.98, and the seasonal naive error is 7.0."""
    rng = np.random.default_rng(0)
    values = np.tile(rng.normal(100, 20, 52), 20) + rng.normal(0, 5, 1040)
    model = LinearForecaster(4, 8, lags=52).fit(values[:832])
    errors = np.ravel(model.predict(values[832:])) - values[832:]
    assert np.sqrt(np.mean(errors**2)) < np.sqrt(np.mean((values[832:] - values[780:-52]) ** 2))
