"""The chain rule through offsets and scales of windows."""

import numpy as np

from seqcast.learning.window_denormalization import Units, last_observed

NAN = np.nan


def test_the_last_observed_value_of_each_column():
    windows = np.array([[[1.0, NAN, 5.0], [2.0, NAN, 6.0], [NAN, NAN, 7.0]]])
    last, slopes = last_observed(windows, n_relative=2)
    assert last.tolist() == [[2, 0, 0]]
    assert slopes.tolist() == [[[0, 0, 0], [1, 0, 0], [0, 0, 0]]]


def test_a_forecast_moves_and_stretches_with_its_window():
    """With x = v - offset and out = sum(x), y = out + offset is sum(v) - 2 * offset here."""
    values = np.array([[[1.0], [4.0], [2.0]]])
    offsets, of_offsets = last_observed(values, n_relative=1)
    units = Units(offsets, np.ones((1, 1)), of_offsets, np.zeros((1, 3, 1)), np.eye(1, dtype=bool), 1)
    forecast = np.array([[(values - offsets).sum() + offsets.item()]])
    outputs = units.outputs(forecast)
    assert outputs.tolist() == [[1.0]]
    slopes = units.of_values(np.ones((1, 1, 3, 1)), values, outputs)
    assert slopes.ravel().tolist() == [1, 1, -1]
