"""Transforms of targets, compared with the equations of the papers and with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import PowerTransformer

from seqcast.data.scaling import LIMIT
from seqcast.data.transforms import KINDS, Transform

LEAST = {"log": 0.0, "log1p": -1.0, "box-cox": 0.0, "yeo-johnson": -1e300}
BENT = ["box-cox", "yeo-johnson"]
OWNER = "SeqForecaster"


def fitted(values, kind):
    return Transform.fit(values, kind, [f"x{k}" for k in range(values.shape[1])], OWNER)


def with_lambda(kind, power, unit=1.0, bound=np.inf):
    return Transform(kind, *np.array([[power], [unit], [bound]]))


@st.composite
def columns(draw, kind, largest=1e300):
    """Draw values in the domain of a transform, some of them missing."""
    least = max(LEAST[kind], -largest)
    shape = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=st.floats(least, largest, exclude_min=True)))
    return np.where(draw(arrays.arrays(bool, shape)), np.nan, values)


def box_cox(x, power):
    """Return the transform by equation 1 of Box and Cox."""
    return np.log(x) if power == 0 else (x**power - 1) / power


def yeo_johnson(x, power):
    """Return the transform by equation 2.1 of Yeo and Johnson."""
    if x >= 0:
        return np.log(1 + x) if power == 0 else ((1 + x) ** power - 1) / power
    return -np.log(1 - x) if power == 2 else -((1 - x) ** (2 - power) - 1) / (2 - power)


# -- there


def test_none_returns_the_very_values():
    values = np.array([[1.0, np.nan]])
    transform = fitted(values, "none")
    assert transform.transform(values) is values
    assert transform.inverse_transform(values) is values


@pytest.mark.parametrize(("kind", "function"), [("log", np.log), ("log1p", np.log1p)])
def test_logarithms_are_just_those(kind, function):
    values = np.array([[1e-300, 3.0], [7.0, 1e300]])
    np.testing.assert_array_equal(fitted(values, kind).transform(values), function(values))


@pytest.mark.parametrize("power", [0.0, 1e-9, 0.3, 1.0, 2.0])
def test_box_cox_is_that_of_the_paper(power):
    x = np.array([[0.01], [0.5], [1.0], [20.0]])
    found = with_lambda("box-cox", power, unit=4.0).transform(x)
    np.testing.assert_allclose(found[:, 0], [box_cox(v / 4, power) for v in x[:, 0]], rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0, 1.7, 2.0])
def test_yeo_johnson_is_that_of_the_paper(power):
    x = np.array([[-30.0], [-0.5], [0.0], [0.01], [20.0]])
    found = with_lambda("yeo-johnson", power, unit=4.0).transform(x)
    np.testing.assert_allclose(found[:, 0], [yeo_johnson(v / 4, power) for v in x[:, 0]], rtol=1e-12)


def test_a_power_of_one_is_a_change_of_units():
    x = np.array([[-3.0], [0.0], [5.0]])
    np.testing.assert_allclose(with_lambda("yeo-johnson", 1.0, 2.0).transform(x), x / 2, rtol=1e-15)
    np.testing.assert_allclose(with_lambda("box-cox", 1.0, 2.0).transform(x[2:]), [[1.5]], rtol=1e-15)


@pytest.mark.parametrize(("kind", "bad"), [("log", 0.0), ("log", -2.0), ("log1p", -1.0), ("box-cox", 0.0)])
def test_values_outside_the_domain_count_as_missing(kind, bad):
    transform = fitted(np.array([[1.0], [2.0], [4.0]]), kind)
    found = transform.transform(np.array([[bad], [3.0], [np.nan], [-1e300]]))
    assert np.isnan(found[:, 0]).tolist() == [True, False, True, True]


@pytest.mark.parametrize("kind", LEAST)
def test_missing_values_stay_missing_and_count_for_nothing(kind):
    values = np.array([[1.0, np.nan], [np.nan, 2.0], [4.0, 5.0], [9.0, np.nan], [2.0, 3.0]])
    transform = fitted(values, kind)
    np.testing.assert_array_equal(np.isnan(transform.transform(values)), np.isnan(values))
    for k in range(2):
        alone = fitted(values[~np.isnan(values[:, k]), k : k + 1], kind)
        for name in ("lambdas", "unit", "bound"):
            assert getattr(transform, name)[k] == getattr(alone, name)[0]


# -- what is refused


@pytest.mark.parametrize(
    ("kind", "bad", "rule", "ways"),
    [
        ("log", 0.0, "more than 0. Got 0 in", "'log1p' or 'yeo-johnson'"),
        ("log", -3.5, "more than 0. Got -3.5 in", "'yeo-johnson'"),
        ("log1p", -1.0, "more than -1. Got -1 in", "'yeo-johnson'"),
        ("box-cox", -0.5, "more than 0. Got -0.5 in", "'log1p' or 'yeo-johnson'"),
    ],
)
def test_errors_name_column_rule_value_and_way_out(kind, bad, rule, ways):
    values = np.array([[5.0, 1.0], [1.0, bad], [np.nan, np.nan]])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Transform.fit(values, kind, ["wind", "load"], OWNER)
    assert str(caught.value) == (
        f"The 'target_transform' parameter of SeqForecaster can be {kind!r} only where all observed values "
        f"are {rule} column 'load' instead. Use {ways}, or make such values NaN if they stand for missing "
        f"ones."
    )


# -- and back


@given(data=st.data(), kind=st.sampled_from(list(LEAST)))
def test_values_come_back(data, kind):
    values = data.draw(columns(kind))
    transform = fitted(values, kind)
    back = transform.inverse_transform(transform.transform(values))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    error = np.nan_to_num(np.abs(back - values))
    # (x / unit)^2 - 1 has lost what is 1e-8 of the unit
    assert (
        error <= 1e-12 * np.nan_to_num(np.abs(values)) + 1e-7 * transform.unit * (kind in BENT) + 1e-15
    ).all()


@pytest.mark.parametrize("kind", BENT)
@pytest.mark.parametrize("power", [0.0, 1e-12, 0.2, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e290])
def test_values_of_any_size_come_back_by_any_power(kind, power, unit):
    x = np.geomspace(1e-3, 1e9, 50)[:, None] * unit
    x = np.vstack([x, -x]) if kind == "yeo-johnson" else x
    transform = with_lambda(kind, power, unit)
    np.testing.assert_allclose(transform.inverse_transform(transform.transform(x)), x, rtol=1e-9)


@given(data=st.data(), kind=st.sampled_from(list(LEAST)))
def test_inverse_values_are_finite(data, kind):
    transform = fitted(data.draw(columns(kind)), kind)
    said = data.draw(arrays.arrays(float, (5, transform.unit.size), elements=st.floats(-1.7e308, 1.7e308)))
    back = transform.inverse_transform(said)
    assert np.isfinite(back).all()
    assert (np.abs(back) <= transform.bound).all()


@given(data=st.data(), kind=st.sampled_from(list(LEAST)))
def test_any_observation_is_a_number_or_missing(data, kind):
    transform = fitted(data.draw(columns(kind)), kind)
    values = data.draw(arrays.arrays(float, (5, transform.unit.size), elements=st.floats(-1.7e308, 1.7e308)))
    found = transform.transform(values)
    np.testing.assert_array_equal(np.isnan(found), values <= LEAST[kind] if kind != "yeo-johnson" else False)
    assert not np.isinf(found).any()


@given(data=st.data(), kind=st.sampled_from(list(LEAST)))
def test_order_is_kept_both_ways(data, kind):
    """Therefore the inverse maps quantiles to quantiles."""
    transform = fitted(data.draw(columns(kind, 1e6))[:, :1], kind)
    values = np.sort(data.draw(columns(kind, 1e6))[:, :1], axis=0)
    for changed in (
        transform.transform(values),
        transform.inverse_transform(np.sort(transform.transform(values), axis=0)),
    ):
        steps = np.diff(changed[~np.isnan(changed)])
        assert (steps >= -1e-12 * np.nanmax(np.abs(changed), initial=1.0)).all()


def test_the_median_is_undone_to_the_median():
    values = np.random.default_rng(0).gamma(2.0, 3.0, (1001, 1))
    for kind in LEAST:
        transform = fitted(values, kind)
        middle = np.median(transform.transform(values), axis=0)
        np.testing.assert_allclose(transform.inverse_transform(middle), np.median(values, axis=0), rtol=1e-12)


def test_inverse_values_are_bounded_by_observed_ones():
    transform = fitted(np.array([[1.0, -20.0], [np.nan, 1.0], [3.0, 4.0]]), "yeo-johnson")
    assert transform.bound.tolist() == [3 * LIMIT, 20 * LIMIT]
    assert transform.inverse_transform(np.array([[1e300, -1e300]])).tolist() == [[3 * LIMIT, -20 * LIMIT]]
    assert fitted(np.array([[5.0]]), "log").inverse_transform(np.array([[800.0]])).tolist() == [[5 * LIMIT]]


def test_values_below_the_range_of_box_cox_become_0():
    """(x^0.5 - 1) / 0.5 is never below -2."""
    found = with_lambda("box-cox", 0.5).inverse_transform(np.array([[-2.0], [-3.0], [-1e300], [-1.0]]))
    np.testing.assert_allclose(found, [[0.0], [0.0], [0.0], [0.25]], rtol=1e-12)


# -- the most likely power

SKEWED = {
    "gamma": lambda rng: rng.gamma(3.0, 2.0, 500),
    "square": lambda rng: rng.normal(5, 1, 500) ** 2,
    "left": lambda rng: np.sqrt(rng.normal(5, 1, 500)),
    "both sides": lambda rng: rng.standard_t(5, 500) + 1,
    "left tail": lambda rng: -(rng.normal(0.5, 1, 500) ** 2) + rng.normal(0, 1, 500),
}


@pytest.mark.parametrize("name", ["gamma", "square", "left"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_power_of_box_cox_is_that_of_scikit_learn(name, unit):
    x = SKEWED[name](np.random.default_rng(0))[:, None]
    power = PowerTransformer(method="box-cox", standardize=False).fit(x).lambdas_
    assert 0 < power[0] < 2.5
    np.testing.assert_allclose(fitted(x * unit, "box-cox").lambdas, np.minimum(power, 2), atol=2e-4)


@pytest.mark.parametrize("name", ["square", "left", "both sides"])
def test_in_one_unit_yeo_johnson_is_that_of_scikit_learn(name):
    x = SKEWED[name](np.random.default_rng(0))[:, None]
    transform = fitted(x, "yeo-johnson")
    peer = PowerTransformer(method="yeo-johnson", standardize=False).fit(x / transform.unit)
    np.testing.assert_allclose(transform.lambdas, np.clip(peer.lambdas_, 0, 2), atol=2e-4)
    if 0 < peer.lambdas_[0] < 2:
        np.testing.assert_allclose(
            transform.transform(x), peer.transform(x / transform.unit), rtol=2e-3, atol=1e-4
        )


@pytest.mark.parametrize("kind", BENT)
@pytest.mark.parametrize("exponent", [-900, -40, 40, 900])
def test_units_change_nothing_of_what_is_learned(kind, exponent):
    x = SKEWED["gamma"](np.random.default_rng(1))[:, None]
    one, other = fitted(x, kind), fitted(x * 2.0**exponent, kind)
    assert other.lambdas == one.lambdas
    np.testing.assert_array_equal(other.transform(x * 2.0**exponent), one.transform(x))
    np.testing.assert_allclose(other.inverse_transform(one.transform(x)), x * 2.0**exponent, rtol=1e-12)


@pytest.mark.parametrize("name", SKEWED)
def test_mirrored_values_have_the_mirrored_power(name):
    x = SKEWED[name](np.random.default_rng(0))[:, None]
    one, other = fitted(x, "yeo-johnson"), fitted(-x, "yeo-johnson")
    np.testing.assert_allclose(other.lambdas, 2 - one.lambdas, atol=2e-4)
    assert other.unit == one.unit


@pytest.mark.parametrize("kind", BENT)
def test_powers_end_where_forecasts_would_be_infinite(kind):
    rng = np.random.default_rng(0)
    heavy = 1 / rng.gamma(2.0, 1.0, (300, 1))  # 1 / x would be the more normal
    assert fitted(heavy, kind).lambdas.tolist() == [0.0]
    steep = np.log(1 + rng.uniform(size=(300, 1)) ** 0.05 * 6)
    assert fitted(steep, kind).lambdas.tolist() == [2.0]


def test_the_unit_is_the_middle_size_that_is_not_0():
    values = np.array([[0.0], [-4.0], [0.0], [np.nan], [2.0], [100.0]])
    assert fitted(values, "yeo-johnson").unit.tolist() == [4.0]
    assert fitted(values[4:], "box-cox").unit.tolist() == [2.0]


@pytest.mark.parametrize("kind", BENT)
@pytest.mark.parametrize("value", [1e-300, 1 / 3, 5.0, 1e300])
def test_constant_columns_have_power_1_and_come_back_exactly(kind, value):
    values = np.array([[value], [np.nan], [value]])
    transform = fitted(values, kind)
    assert (transform.lambdas.tolist(), transform.unit.tolist()) == ([1.0], [value])
    np.testing.assert_array_equal(transform.inverse_transform(transform.transform(values)), values)


@pytest.mark.parametrize("values", [[[0.0], [0.0]], [[np.nan], [np.nan]]], ids=["zeros", "nothing"])
def test_columns_of_zeros_and_of_nothing_have_power_and_unit_1(values):
    transform = fitted(np.array(values), "yeo-johnson")
    assert (transform.lambdas, transform.unit, transform.bound) == (1, 1, LIMIT)
    np.testing.assert_array_equal(transform.transform(np.array(values)), values)


@pytest.mark.parametrize(
    "values",
    [
        [2003.0, 1950.0, 1997.0, 2000.0, 2009.0],  # the most likely power is 93
        [1.0] * 50 + [2.0],
        [1.0] * 50 + [1e40],
        [1.0, 1.0 + 2e-16, 1.0 + 4e-16],
        [5e-324] * 9 + [1.7e308],
        [*range(1, 50), 1e-200],
    ],
)
@pytest.mark.parametrize("kind", BENT)
def test_odd_columns_are_fitted_without_a_warning(values, kind):
    values = np.array(values)[:, None]
    transform = fitted(values, kind)
    assert 0 <= transform.lambdas[0] <= 2
    np.testing.assert_allclose(
        transform.inverse_transform(transform.transform(values)),
        values,
        rtol=1e-9,
        atol=1e-7 * transform.unit[0],
    )


# -- several series


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_undone_as_its_own_series(kind):
    rng = np.random.default_rng(0)
    parts = [fitted(rng.gamma(shape, 4.0, (60, 2)), kind) for shape in (0.5, 2.0, 9.0)]
    numbers = np.array([2, 0, 0, 1])
    rows = Transform.stack(parts).select_series(numbers)
    assert rows.lambdas.shape == (4, 2)
    forecasts = rng.normal(size=(4, 6, 2))
    values = rng.gamma(2.0, 4.0, (4, 6, 2))
    for row, number in enumerate(numbers):
        one = parts[number]
        np.testing.assert_array_equal(
            rows.inverse_transform(forecasts)[row], one.inverse_transform(forecasts[row])
        )
        np.testing.assert_array_equal(rows.transform(values)[row], one.transform(values[row]))
