"""Missing values, constant series, units, precision and types of columns."""

import re

import numpy as np
import pandas as pd
import pytest
from forecast_by_hand import (
    hourly,
    with_holes,
)
from forecaster_tasks import SHORT, SMALL, WAYS, assert_same_bits, assert_same_weights, ways
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# -- gaps and missing values


@ways
def test_gaps_are_rows_of_missing_values(way):
    full = hourly(130, "ab")
    gone = [3, 40, 41, 42, 77, 100, 122, 123]
    blank = full.copy()
    blank.iloc[gone] = np.nan
    absent = full.drop(full.index[gone])
    train, n = blank[:120], 120 - 6
    one, other = SeqForecaster(**SMALL, **way).fit(train), SeqForecaster(**SMALL, **way).fit(absent[:n])
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(30), other.forecast(30), check_exact=True)
    kept = [k for k in range(10) if k not in (2, 3)]
    assert_same_bits(one.predict(blank[120:]).iloc[kept], other.predict(absent[n:]))
    assert one.score(blank[120:]) == pytest.approx(other.score(absent[n:]), rel=1e-12)  # sums of 10 and of 8


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 1.0]))
def test_no_missing_value_comes_out_of_predict(guided, seed, share):
    assert np.isfinite(guided[0].predict(with_holes(hourly(140, "abc")[120:], share, seed))).all(axis=None)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
    normalization=st.sampled_from(["last", "none", "instance", "auto"]),
    way=st.sampled_from(list(WAYS.values())),
)
def test_no_missing_value_comes_out_of_fit(seed, share, normalization, way):
    full = hourly(72, "ab")
    rows = with_holes(full, share, seed)
    # Few enough to leave most windows empty, and enough for one window to train on and one to judge by.
    kept = [0, 15, 20, 66, 71]
    rows.iloc[kept] = full.iloc[kept]
    # The windows that are checked, not the network: one unit, one epoch.
    options = {"hidden_size": 1, "max_iter": 1, "normalization": normalization, "random_state": 0, **way}
    model = SeqForecaster(4, 8, **options).fit(rows)
    assert np.isfinite(model.forecast(20)).all(axis=None)
    assert np.isfinite(model.loss_curve_ + model.validation_loss_curve_).all()


@ways
def test_trailing_missing_rows_move_the_forecast_on(way):
    rows = hourly(120)
    rows.iloc[-3:] = np.nan
    forecast = SeqForecaster(**SMALL, **way).fit(rows).forecast(4)
    assert forecast.index[0] == pd.Timestamp("2024-01-06")
    assert np.isfinite(forecast).all(axis=None)


# -- constant series


@pytest.mark.parametrize("value", [5.0, 0.1, 0.0, -1e200])
@ways
def test_constant_series_is_forecast_exactly_with_a_warning(value, way):
    rows = pd.Series(value, pd.RangeIndex(60), name="flat")
    message = "Targets ['flat'] are constant in training and are forecast as such."
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as caught:
        model = SeqForecaster(**SMALL, **way).fit(rows)
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


@ways
def test_constant_covariate_is_no_cause_for_warning(way):
    rows = hourly(100).assign(flat=7.3)
    assert np.isfinite(SeqForecaster(**SMALL, **way, target="a").fit(rows).forecast(10)).all(axis=None)


# -- scaling and precision


@ways
def test_forecasts_scale_with_the_unit_of_the_rows(way):
    """Powers of two do not change the digits, so all bits must be equal."""
    rows, options = hourly(100, "ab"), {**SMALL, **way}
    one = SeqForecaster(**options).fit(rows)
    other = SeqForecaster(**options).fit(rows * [4.0, 4.0])
    assert_same_bits(other.forecast(9), 4 * one.forecast(9))
    assert_same_bits(other.loss_curve_, one.loss_curve_)
    assert_same_bits(other.validation_loss_curve_, one.validation_loss_curve_)
    one, other = (SeqForecaster(**options).fit(rows["a"] * unit) for unit in (1.0, 4.0))
    assert_same_bits(other.loss_curve_, (16 if one.loss == "squared" else 4) * np.array(one.loss_curve_))


@pytest.mark.parametrize(("loss", "factor"), [("squared", 100.0), ("huber", 100.0), ("absolute", 10.0)])
def test_loss_curves_are_in_the_targets_unit(loss, factor):
    rows = hourly(100)
    options = {**SHORT, "loss": loss}
    one, other = (SeqForecaster(**options).fit(rows * unit) for unit in (1.0, 10.0))
    np.testing.assert_allclose(other.loss_curve_, factor * np.array(one.loss_curve_), rtol=1e-4)
    np.testing.assert_allclose(
        other.validation_loss_curve_, factor * np.array(one.validation_loss_curve_), rtol=1e-4
    )


@pytest.mark.parametrize("exponent", [664, -990])
@ways
def test_values_near_the_limits_of_float64_are_forecast(exponent, way):
    unit, rows, options = 2.0**exponent, hourly(100), {**SMALL, **way, "loss": "absolute"}
    one, other = (SeqForecaster(**options).fit(rows * factor) for factor in (1.0, unit))
    assert_same_bits(other.forecast(9), unit * one.forecast(9))
    later = hourly(120)[100:]
    assert_same_bits(other.predict(later * unit), unit * one.predict(later))
    assert other.score(later * unit) == one.score(later)


def test_overflowing_squares_give_an_infinite_loss_curve():
    model = SeqForecaster(**SHORT).fit(hourly(100) * 1e200)
    assert model.loss_curve_ == [np.inf] * 3
    assert np.isfinite(model.forecast(9)).all(axis=None)


def test_values_far_outside_the_training_range_are_clipped(model, frame):
    later = frame[120:].copy()
    later.iloc[2] = [1.7e308, -1.7e308]
    assert np.isfinite(model.predict(later)).all(axis=None)


@pytest.mark.parametrize(
    "dtype",
    [
        *["int64", "int8", "uint8", "float16", "float32", "bool", "Int32", "Float64"],
        *["double[pyarrow]", "int64[pyarrow]"],
    ],
)
def test_columns_of_other_types_are_read_as_their_values(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    numbers = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, size=100)
    one = LinearForecaster(5, 12).fit(pd.Series(numbers, dtype="float64"))
    other = LinearForecaster(5, 12).fit(pd.Series(numbers, dtype=dtype))
    pd.testing.assert_frame_equal(one.forecast(9), other.forecast(9), check_exact=True)


def test_precisions_agree_and_forecasts_are_always_float64():
    rows = hourly(100)
    single, double = (SeqForecaster(**SHORT, dtype=dtype).fit(rows) for dtype in ("float32", "float64"))
    assert (single.weights_["head_bias"].dtype, double.weights_["head_bias"].dtype) == ("float32", "float64")
    assert (single.forecast()["a"].dtype, double.forecast()["a"].dtype) == ("float64", "float64")
    np.testing.assert_allclose(single.forecast(), double.forecast(), rtol=1e-4)
    assert not np.array_equal(single.forecast(), double.forecast())
