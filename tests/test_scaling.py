"""Scaling there and back, at every size that float64 has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.scaling import LIMIT, Scaler

DOUBLE = np.dtype("float64")


def columns(elements):
    shapes = st.tuples(st.integers(1, 20), st.integers(1, 3))
    return arrays.arrays(float, shapes, elements=elements)


@given(values=columns(st.floats(-1e6, 1e6, allow_subnormal=False)))
def test_scaling_is_by_mean_and_population_deviation(values):
    scaler = Scaler.of(values)
    spread = ~(values == values[0]).all(axis=0)
    np.testing.assert_allclose(scaler.center, values.mean(axis=0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(scaler.scale[spread], values.std(axis=0)[spread], rtol=1e-6, atol=1e-9)
    assert scaler.constant.tolist() == (~spread).tolist()


@given(values=columns(st.floats(-1e300, 1e300)))
def test_values_come_back(values):
    scaler = Scaler.of(values)
    scaled = scaler.transform(values, DOUBLE)
    assert np.isfinite(scaled).all()
    error = np.abs(scaler.inverse(scaled) - values)
    assert (error <= 1e-12 * np.maximum(np.abs(values).max(axis=0), scaler.scale)).all()


@given(values=columns(st.floats(-1e300, 1e300)), dtype=st.sampled_from(["float32", "float64"]))
def test_scaled_rows_have_mean_0_and_deviation_1(values, dtype):
    scaler = Scaler.of(values)
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
    scaler = Scaler.of(values)
    assert (scaler.center.tolist(), scaler.scale.tolist(), scaler.constant.tolist()) == (
        [value],
        [1.0],
        [True],
    )
    np.testing.assert_array_equal(scaler.transform(values[:n], DOUBLE), 0.0)
    assert scaler.inverse(np.zeros((1, 1), np.float32)).tolist() == [[value]]


@given(
    value=st.floats(-1.7e308, 1.7e308),
    scaled=arrays.arrays(np.float32, (3, 1), elements=st.floats(-1e6, 1e6, width=32)),
)
def test_whatever_the_network_says_of_a_constant_column_is_the_constant(value, scaled):
    scaler = Scaler.of(np.full((2, 1), value))
    assert scaler.inverse(scaled).tolist() == [[value]] * 3


def test_only_constant_columns_are_fixed_on_the_way_back():
    scaler = Scaler.of(np.array([[0.0, 5.0], [2.0, 5.0]]))
    assert scaler.inverse(np.array([[0.5, 0.5], [-3.0, 0.0]])).tolist() == [[1.5, 5.0], [-2.0, 5.0]]


# -- weights


@given(
    values=columns(st.floats(-1e6, 1e6, allow_subnormal=False)),
    seed=st.integers(0, 1000),
)
def test_weighted_rows_count_as_often_as_they_say(values, seed):
    counts = np.random.default_rng(seed).integers(1, 4, len(values))
    weighted, repeated = Scaler.of(values, counts.astype(float)), Scaler.of(np.repeat(values, counts, axis=0))
    np.testing.assert_allclose(weighted.center, repeated.center, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-6, atol=1e-9)
    assert weighted.constant.tolist() == repeated.constant.tolist()


def test_weighted_mean_and_deviation_by_hand():
    """0 three times and 4 once: mean 1, variance (3 * 1 + 9) / 4."""
    scaler = Scaler.of(np.array([[0.0], [4.0]]), np.array([1.5, 0.5]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([1.0], [np.sqrt(3.0)])


def test_missing_values_have_no_weight():
    """Each column is that of its observed rows alone, whatever the others weigh."""
    values = np.array([[1.0, np.nan], [np.nan, 4.0], [3.0, 8.0], [np.nan, np.nan]])
    scaler = Scaler.of(values, np.array([1.0, 3.0, 1.0, 1e6]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([2.0, 5.0], [1.0, np.sqrt(3.0)])


@pytest.mark.parametrize("factor", [2.0**-1000, 0.1, 3.0, 2.0**900])
def test_weights_have_no_unit(factor):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(50, 3)), rng.random(50)
    one, other = Scaler.of(values, weights), Scaler.of(values, weights * factor)
    np.testing.assert_allclose(other.center, one.center, rtol=1e-12)
    np.testing.assert_allclose(other.scale, one.scale, rtol=1e-12)


def test_weighted_constant_columns_keep_their_value_exactly():
    values = np.column_stack([np.full(7, 1 / 3), np.arange(7.0)])
    scaler = Scaler.of(values, np.linspace(0.1, 0.9, 7))
    assert scaler.constant.tolist() == [True, False]
    assert scaler.center[0] == 1 / 3
    assert scaler.inverse(np.ones((1, 2)))[0, 0] == 1 / 3


def test_weighted_squares_beyond_float64_do_not_matter():
    scaler = Scaler.of(np.array([[1e300], [-1e300]]), np.array([3.0, 1.0]))
    np.testing.assert_allclose([scaler.center[0], scaler.scale[0]], [0.5e300, np.sqrt(0.75) * 1e300])


@pytest.mark.parametrize("exponent", [1000, 600, -600, -1000])
def test_units_near_the_ends_of_float64_change_no_bit_of_what_the_network_reads(exponent):
    values = np.random.default_rng(0).normal(size=(50, 3))
    unit = 2.0**exponent
    one, other = Scaler.of(values), Scaler.of(values * unit)
    np.testing.assert_array_equal(one.transform(values, DOUBLE), other.transform(values * unit, DOUBLE))
    np.testing.assert_array_equal(other.scale, one.scale * unit)


def test_squares_beyond_float64_do_not_matter():
    scaler = Scaler.of(np.array([[1e300], [-1e300]]))
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([0.0], [1e300])


def test_deviation_too_small_for_float64_is_no_divisor():
    scaler = Scaler.of(np.array([[0.0], [5e-324]]))
    assert scaler.constant.tolist() == [False]
    assert np.isfinite(scaler.transform(np.array([[1.0]]), DOUBLE)).all()


def test_missing_values_are_left_out_and_stay_missing():
    values = np.array([[1.0, np.nan], [np.nan, 4.0], [3.0, 8.0]])
    scaler = Scaler.of(values)
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([2.0, 6.0], [1.0, 2.0])
    expected = [[-1.0, np.nan], [np.nan, -1.0], [1.0, 1.0]]
    np.testing.assert_array_equal(scaler.transform(values, DOUBLE), expected)


def test_values_far_outside_are_clipped():
    scaler = Scaler.of(np.array([[0.0], [2.0]]))
    far = np.array([[1e300], [-1.7e308], [1e6], [1e6 + 2]])
    np.testing.assert_array_equal(scaler.transform(far, DOUBLE)[:, 0], [LIMIT, -LIMIT, 1e6 - 1, LIMIT])
    assert np.isfinite(scaler.transform(far, np.dtype("float32"))).all()


def test_differences_beyond_float64_are_clipped_without_a_warning():
    scaler = Scaler.of(np.array([[-1.7e308]] * 9 + [[-1.6e308]]))
    assert scaler.transform(np.array([[1.7e308]]), DOUBLE).tolist() == [[LIMIT]]


def test_first_columns():
    scaler = Scaler.of(np.array([[0.0, 5.0, 1.0], [2.0, 5.0, 9.0]])).columns(2)
    assert scaler.center.tolist() == [1.0, 5.0]
    assert scaler.scale.tolist() == [1.0, 1.0]
    assert scaler.constant.tolist() == [False, True]


def test_scaling_back_is_in_float64():
    scaler = Scaler.of(np.array([[1e9], [1e9 + 2]]))
    assert scaler.inverse(np.array([[0.5]], np.float32)).tolist() == [[1e9 + 1.5]]


def test_the_identity_changes_nothing():
    values, scaler = np.array([[-0.5, 3.0], [np.nan, 1e6]]), Scaler.identity(2)
    np.testing.assert_array_equal(scaler.inverse(values), values)
    np.testing.assert_array_equal(scaler.transform(values, DOUBLE), values)
    assert scaler.constant.tolist() == [False, False]
