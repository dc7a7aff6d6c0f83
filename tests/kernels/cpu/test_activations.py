"""The functions sigmoid, tanh and relu of the kernels."""

import naive
import numpy as np
import pytest

from seqcast.kernels.cpu import activations

POINTS = np.concatenate([np.linspace(-20, 20, 4001), [-1e30, -1e-30, 0.0, 1e-30, 1e30]])


@pytest.mark.parametrize(
    ("function", "exact", "dtype", "error"),
    [
        (activations.tanh32, np.tanh, np.float32, 3.2e-7),
        (activations.sigmoid32, naive.sigmoid, np.float32, 2.2e-7),
        (activations.tanh64, np.tanh, np.float64, 3e-16),
        (activations.sigmoid64, naive.sigmoid, np.float64, 3e-16),
    ],
)
def test_sigmoid_and_tanh_have_the_documented_accuracy(function, exact, dtype, error):
    points = POINTS.astype(dtype)
    found = np.array([function(x) for x in points])
    np.testing.assert_array_equal(found, found.astype(dtype))  # computed in this very dtype
    np.testing.assert_allclose(found, exact(points.astype(float)), rtol=0, atol=error)
    assert (abs(found) <= 1).all()
    assert np.isnan(function(dtype(np.nan)))


@pytest.mark.parametrize(
    ("function", "dtype"), [(activations.relu32, np.float32), (activations.relu64, np.float64)]
)
def test_relu_is_zero_left_of_zero_and_keeps_nan(function, dtype):
    points = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf], dtype)
    np.testing.assert_array_equal([function(x) for x in points], [0, 0, 0, 0, 3, np.inf])
    assert np.isnan(function(dtype(np.nan)))
