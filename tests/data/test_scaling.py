"""Scaling there and back, at every size that float64 has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.scaling import LIMIT, Scaler, check_limit

DOUBLE = np.dtype("float64")


def columns(elements):
    shapes = st.tuples(st.integers(1, 20), st.integers(1, 3))
    return arrays.arrays(float, shapes, elements=elements)


@given(values=columns(st.floats(-1e6, 1e6, allow_subnormal=False)))
def test_scaling_is_by_mean_and_population_deviation(values):
    scaler = Scaler.fit(values)
    spread = ~(values == values[0]).all(axis=0)
    np.testing.assert_allclose(scaler.center, values.mean(axis=0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(scaler.scale[spread], values.std(axis=0)[spread], rtol=1e-6, atol=1e-9)
    assert scaler.constant.tolist() == (~spread).tolist()


@given(values=columns(st.floats(-1e300, 1e300)))
def test_values_come_back(values):
    scaler = Scaler.fit(values)
    scaled = scaler.transform(values, DOUBLE)
    assert np.isfinite(scaled).all()
    error = np.abs(scaler.inverse_transform(scaled) - values)
    assert (error <= 1e-12 * np.maximum(np.abs(values).max(axis=0), scaler.scale)).all()


@given(values=columns(st.floats(-1e300, 1e300)), dtype=st.sampled_from(["float32", "float64"]))
def test_scaled_rows_have_mean_0_and_deviation_1(values, dtype):
    scaler = Scaler.fit(values)
    scaled = scaler.transform(values, np.dtype(dtype))
    assert scaled.dtype == dtype
    assert scaled.flags.c_contiguous
    size = np.abs(values).max(axis=0)
    clear = scaler.scale > 1e-9 * size  # rounding of large values blurs a deviation far smaller than they are
    clear &= ~scaler.constant & (size > 1e-290)
    np.testing.assert_allclose(scaled.astype(float).mean(axis=0)[clear], 0, atol=1e-5)
    np.testing.assert_allclose(scaled.astype(float).std(axis=0)[clear], 1, rtol=1e-5)


@given(
    value=st.floats(-1.7e308, 1.7e308),
    n=st.integers(1, 50),
    missing=st.booleans(),
)
def test_constant_columns_keep_their_value_exactly(value, n, missing):
    values = np.full((n + missing, 1), value)
    values[n:] = np.nan
    scaler = Scaler.fit(values)
    assert (scaler.center.tolist(), scaler.scale.tolist(), scaler.constant.tolist()) == (
        [value],
        [1.0],
        [True],
    )
    np.testing.assert_array_equal(scaler.transform(values[:n], DOUBLE), 0.0)
    assert scaler.inverse_transform(np.zeros((1, 1), np.float32)).tolist() == [[value]]


@given(
    value=st.floats(-1.7e308, 1.7e308),
    scaled=arrays.arrays(np.float32, (3, 1), elements=st.floats(-1e6, 1e6, width=32)),
)
def test_forecasts_of_a_constant_column_are_the_constant(value, scaled):
    scaler = Scaler.fit(np.full((2, 1), value))
    assert scaler.inverse_transform(scaled).tolist() == [[value]] * 3


def test_only_constant_columns_are_fixed_on_the_way_back():
    scaler = Scaler.fit(np.array([[0.0, 5.0], [2.0, 5.0]]))
    assert scaler.inverse_transform(np.array([[0.5, 0.5], [-3.0, 0.0]])).tolist() == [[1.5, 5.0], [-2.0, 5.0]]


# -- weights


@given(
    values=columns(st.floats(-1e6, 1e6, allow_subnormal=False)),
    seed=st.integers(0, 1000),
)
def test_weighted_rows_count_as_often_as_they_say(values, seed):
    counts = np.random.default_rng(seed).integers(1, 4, len(values))
    weighted, repeated = (
        Scaler.fit(values, counts.astype(float)),
        Scaler.fit(np.repeat(values, counts, axis=0)),
    )
    np.testing.assert_allclose(weighted.center, repeated.center, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-6, atol=1e-9)
    assert weighted.constant.tolist() == repeated.constant.tolist()


def test_weighted_mean_and_deviation_by_hand():
    """The values 0, 0, 0 and 4 have the mean 1 and the variance (3 * 1 + 9) / 4."""
    scaler = Scaler.fit(np.array([[0.0], [4.0]]), np.array([1.5, 0.5]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([1.0], [np.sqrt(3.0)])


def test_missing_values_have_no_weight():
    """The statistics of a column depend on its observed rows only."""
    values = np.array([[1.0, np.nan], [np.nan, 4.0], [3.0, 8.0], [np.nan, np.nan]])
    scaler = Scaler.fit(values, np.array([1.0, 3.0, 1.0, 1e6]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([2.0, 5.0], [1.0, np.sqrt(3.0)])


@pytest.mark.parametrize("factor", [2.0**-1000, 0.1, 3.0, 2.0**900])
def test_weights_have_no_unit(factor):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(50, 3)), rng.random(50)
    one, other = Scaler.fit(values, weights), Scaler.fit(values, weights * factor)
    np.testing.assert_allclose(other.center, one.center, rtol=1e-12)
    np.testing.assert_allclose(other.scale, one.scale, rtol=1e-12)


def test_weighted_constant_columns_keep_their_value_exactly():
    values = np.column_stack([np.full(7, 1 / 3), np.arange(7.0)])
    scaler = Scaler.fit(values, np.linspace(0.1, 0.9, 7))
    assert scaler.constant.tolist() == [True, False]
    assert scaler.center[0] == 1 / 3
    assert scaler.inverse_transform(np.ones((1, 2)))[0, 0] == 1 / 3


def test_weighted_squares_beyond_float64_do_not_matter():
    scaler = Scaler.fit(np.array([[1e300], [-1e300]]), np.array([3.0, 1.0]))
    np.testing.assert_allclose([scaler.center[0], scaler.scale[0]], [0.5e300, np.sqrt(0.75) * 1e300])


@pytest.mark.parametrize("exponent", [1000, 600, -600, -1000])
def test_extreme_units_change_no_bit_of_scaled_values(exponent):
    values = np.random.default_rng(0).normal(size=(50, 3))
    unit = 2.0**exponent
    one, other = Scaler.fit(values), Scaler.fit(values * unit)
    np.testing.assert_array_equal(one.transform(values, DOUBLE), other.transform(values * unit, DOUBLE))
    np.testing.assert_array_equal(other.scale, one.scale * unit)


def test_squares_beyond_float64_do_not_matter():
    scaler = Scaler.fit(np.array([[1e300], [-1e300]]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([0.0], [1e300])


def test_deviation_too_small_for_float64_is_no_divisor():
    scaler = Scaler.fit(np.array([[0.0], [5e-324]]))
    assert scaler.constant.tolist() == [False]
    assert np.isfinite(scaler.transform(np.array([[1.0]]), DOUBLE)).all()


def test_missing_values_are_left_out_and_stay_missing():
    values = np.array([[1.0, np.nan], [np.nan, 4.0], [3.0, 8.0]])
    scaler = Scaler.fit(values)
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([2.0, 6.0], [1.0, 2.0])
    expected = [[-1.0, np.nan], [np.nan, -1.0], [1.0, 1.0]]
    np.testing.assert_array_equal(scaler.transform(values, DOUBLE), expected)


def test_values_far_outside_are_clipped():
    scaler = Scaler.fit(np.array([[0.0], [2.0]]))
    far = np.array([[1e300], [-1.7e308], [1e6], [1e6 + 2]])
    np.testing.assert_array_equal(scaler.transform(far, DOUBLE)[:, 0], [LIMIT, -LIMIT, 1e6 - 1, LIMIT])
    assert np.isfinite(scaler.transform(far, np.dtype("float32"))).all()


def test_clipping_of_differences_beyond_float64_does_not_warn():
    scaler = Scaler.fit(np.array([[-1.7e308]] * 9 + [[-1.6e308]]))
    assert scaler.transform(np.array([[1.7e308]]), DOUBLE).tolist() == [[LIMIT]]


def test_scaling_back_is_in_float64():
    scaler = Scaler.fit(np.array([[1e9], [1e9 + 2]]))
    assert scaler.inverse_transform(np.array([[0.5]], np.float32)).tolist() == [[1e9 + 1.5]]


def test_the_identity_changes_nothing():
    values, scaler = np.array([[-0.5, 3.0], [np.nan, 1e6]]), Scaler.identity(2)
    np.testing.assert_array_equal(scaler.inverse_transform(values), values)
    np.testing.assert_array_equal(scaler.transform(values, DOUBLE), values)
    assert scaler.constant.tolist() == [False, False]


# -- robust, none, nothing observed


def second_definition(values, share):
    """Return the weighted quantile of the second definition of Hyndman and Fan, in a loop over rows."""
    ordered = sorted(values)
    place = len(ordered) * share
    below = ordered[int(np.ceil(place)) - 1]
    return (below + ordered[int(place)]) / 2 if place == int(place) else below


@given(values=columns(st.floats(-1e6, 1e6)))
def test_robust_scaling_is_by_median_and_quartiles(values):
    scaler = Scaler.fit(values, method="robust")
    for k, column in enumerate(values.T):
        assert scaler.center[k] == pytest.approx(np.median(column), rel=1e-12, abs=1e-9)
        spread = second_definition(column, 0.75) - second_definition(column, 0.25)
        if spread > 1e-9:
            assert scaler.scale[k] == pytest.approx(0.7413 * spread, rel=1e-6)


def test_robust_scaling_by_hand():
    """The five observed rows have the quartiles 1 and 3."""
    values = np.array([[3.0], [np.nan], [0.0], [1e9], [2.0], [1.0]])
    scaler = Scaler.fit(values, method="robust")
    assert scaler.center.tolist() == [2.0]
    assert scaler.scale[0] == pytest.approx(0.7413 * 2)
    assert scaler.constant.tolist() == [False]


def test_robust_scaling_of_normal_noise_is_the_standard_one():
    values = np.random.default_rng(0).normal(10, 3, (40_001, 1))
    scaler = Scaler.fit(values, method="robust")
    assert [scaler.center[0], scaler.scale[0]] == pytest.approx([10, 3], rel=0.02)


def test_equal_quartiles_fall_back_on_the_deviation():
    values = np.column_stack([[0.0] * 9 + [10.0], np.arange(10.0), np.full(10, 4.0)])
    scaler = Scaler.fit(values, method="robust")
    assert scaler.center.tolist() == [0.0, 4.5, 4.0]
    np.testing.assert_allclose(scaler.scale, [3.0, 0.7413 * 5, 1.0])
    assert scaler.constant.tolist() == [False, False, True]


@given(values=columns(st.integers(-9, 9).map(float)), seed=st.integers(0, 1000))
def test_robust_weights_count_rows_as_often_as_they_say(values, seed):
    counts = np.random.default_rng(seed).integers(1, 4, len(values))
    weighted = Scaler.fit(values, counts * 0.1, method="robust")
    repeated = Scaler.fit(np.repeat(values, counts, axis=0), method="robust")
    np.testing.assert_allclose(weighted.center, repeated.center, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-9)


@given(values=columns(st.floats(-1e300, 1e300)))
def test_equal_weights_change_nothing_robust(values):
    weighted, plain = (Scaler.fit(values, w, method="robust") for w in (np.full(len(values), 0.3), None))
    error = np.abs([weighted.center - plain.center, weighted.scale - plain.scale])
    assert (error <= 1e-15 * np.abs(values).max(axis=0)).all()


def test_missing_values_have_no_robust_weight():
    values = np.array([[1.0, np.nan], [np.nan, 4.0], [3.0, 8.0], [np.nan, np.nan]])
    scaler = Scaler.fit(values, np.array([3.0, 3.0, 1.0, 1e6]), method="robust")
    assert scaler.center.tolist() == [1.0, 4.0]
    np.testing.assert_allclose(scaler.scale, 0.7413 * np.array([1.0, 2.0]))


@pytest.mark.parametrize("how", ["standard", "robust"])
@pytest.mark.parametrize("largest", [1.7e308, 1e300, 1e-300])
def test_spreads_near_the_ends_of_float64_are_finite(how, largest):
    scaler = Scaler.fit(np.array([[largest], [-largest]] * 3), method=how)
    assert 0.9 * largest < scaler.scale[0] <= np.finfo(float).max
    assert np.isfinite(scaler.transform(np.array([[largest], [-largest]]), DOUBLE)).all()


@given(values=columns(st.floats(-1e300, 1e300)), method=st.sampled_from(["standard", "robust"]))
def test_any_column_is_scaled_without_a_warning(values, method):
    scaler = Scaler.fit(values, method=method)
    assert np.isfinite(scaler.inverse_transform(scaler.transform(values, np.dtype("float32")))).all()


def test_forecasts_beyond_float64_are_clipped():
    scaler = Scaler.fit(np.array([[1.7e308], [-1.7e308]]))
    largest = np.finfo(float).max
    np.testing.assert_array_equal(
        scaler.inverse_transform(np.array([[1e6], [-2.0], [np.nan]])), [[largest], [-largest], [np.nan]]
    )


def test_none_leaves_values_as_they_are():
    values = np.array([[3.0, -1e6], [np.nan, 5.0]])
    scaler = Scaler.fit(np.vstack([values, [7.0, 6.0]]), method="none")
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    np.testing.assert_array_equal(scaler.transform(values, DOUBLE), values)
    np.testing.assert_array_equal(scaler.inverse_transform(values), values)


def test_none_knows_constant_columns():
    """The forecast of a constant column is the constant, also if it is large."""
    scaler = Scaler.fit(np.array([[1e9, 1.0], [np.nan, 2.0], [1e9, 4.0]]), method="none")
    assert scaler.constant.tolist() == [True, False]
    assert scaler.inverse_transform(np.array([[0.5, 0.5]])).tolist() == [[1e9, 0.5]]


def test_none_is_refused_where_it_would_clip():
    check_limit(np.array([[np.nan, 0.0], [3.0, -1e6]]), ["a", "b"], "Model.fit")
    with pytest.raises(
        ValueError, match=r"'scaling' parameter of Model.fit can be 'none' .* Got 2e\+06 in column 'a'"
    ):
        check_limit(np.array([[np.nan, 0.0], [3.0, 1.0], [-2e6, 2.0]]), ["a", "b"], "Model.fit")


@pytest.mark.parametrize("how", ["standard", "robust", "none"])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0])], ids=["unweighted", "weighted"])
def test_a_column_never_observed_stays_as_it_is(how, weights):
    scaler = Scaler.fit(np.array([[np.nan, 0.0], [np.nan, 2.0]]), weights, method=how)
    assert (scaler.center[0], scaler.scale[0], scaler.constant[0]) == (0.0, 1.0, False)
    assert scaler.inverse_transform(np.array([[0.5, 0.0]]))[0, 0] == 0.5
    np.testing.assert_array_equal(scaler.transform(np.full((1, 2), np.nan), DOUBLE), np.nan)


@pytest.mark.parametrize("how", ["standard", "robust", "none"])
def test_zero_columns_are_scaled(how):
    """This is the case of a forecaster without covariates."""
    scaler = Scaler.fit(np.empty((5, 0)), method=how)
    assert scaler.transform(np.empty((2, 0)), DOUBLE).shape == (2, 0)
    assert scaler.constant.shape == (0,)


# -- several series


def several():
    """Return three series of two columns; the second column of the second series is constant."""
    series = [np.array([[0.0, 1.0], [2.0, 5.0]]), np.array([[-8.0, 3.0], [8.0, 3.0]]), np.eye(2)]
    parts = [Scaler.fit(values) for values in series]
    return parts, Scaler.stack(parts)


def test_stacked_statistics_are_rows():
    _, scaler = several()
    assert scaler.center.tolist() == [[1.0, 3.0], [0.0, 3.0], [0.5, 0.5]]
    assert scaler.scale.tolist() == [[1.0, 2.0], [8.0, 1.0], [0.5, 0.5]]
    assert scaler.constant.tolist() == [[False, False], [False, True], [False, False]]


def test_each_row_is_scaled_by_its_own_series():
    parts, scaler = several()
    numbers = np.array([2, 0, 1, 1])
    rows = scaler.select_series(numbers)
    assert rows.center.shape == (4, 2)
    windows = np.random.default_rng(0).normal(size=(4, 5, 2))
    scaled, back = rows.transform(windows, DOUBLE), rows.inverse_transform(windows)
    assert scaled.shape == back.shape == (4, 5, 2)
    for row, number in enumerate(numbers):
        np.testing.assert_array_equal(scaled[row], parts[number].transform(windows[row], DOUBLE))
        np.testing.assert_array_equal(back[row], parts[number].inverse_transform(windows[row]))


def test_values_without_a_horizon_are_rows_of_their_series():
    _, scaler = several()
    assert scaler.inverse_transform(np.ones((3, 2))).tolist() == [[2.0, 5.0], [8.0, 3.0], [1.0, 1.0]]
    np.testing.assert_array_equal(scaler.transform(scaler.center, np.dtype("float32")), 0.0)


def test_statistics_of_one_series_go_with_any_leading_shape():
    parts, _ = several()
    values = np.arange(24.0).reshape(2, 3, 2, 2)
    back = parts[0].inverse_transform(values)
    np.testing.assert_array_equal(back.reshape(-1, 2), parts[0].inverse_transform(values.reshape(-1, 2)))


def test_one_number_is_one_series():
    parts, scaler = several()
    one = scaler.select_series(1)
    for name in ("center", "scale", "constant"):
        np.testing.assert_array_equal(getattr(one, name), getattr(parts[1], name))


def test_the_only_series_needs_no_number():
    parts, _ = several()
    assert parts[0].select_series(np.zeros(7, int)).center is parts[0].center


def test_columns_are_joined_in_every_series():
    parts, scaler = several()
    wide = scaler.join_columns(scaler)
    assert wide.center.tolist() == [[1.0, 3.0, 1.0, 3.0], [0.0, 3.0, 0.0, 3.0], [0.5, 0.5, 0.5, 0.5]]
    joined = parts[1].join_columns(parts[0])
    assert joined.constant.tolist() == [*parts[1].constant, *parts[0].constant]
