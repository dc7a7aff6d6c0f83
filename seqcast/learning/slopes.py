"""How a network's forecasts change with each value of the windows that they are made from.

The recurrent layers are walked back by the kernels, once for each output of the head, all in one batch. What
`kernels.windows` does to a window before the network reads it is undone by the chain rule.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..kernels.constants import LEAST_DEVIATION
from ..kernels.distributions import LEAST_COUNT
from ..kernels.layout import BLOCK_ROWS
from ..kernels.workspace import Window, Workspace
from .network import Network, Windows, row_table
from .window_denormalization import Units, last_observed

WORK_NUMBERS = 2**25  # of work space at once: 256 MB in float64


def window_slopes(network: Network, windows: Windows, starts: np.ndarray, n_threads: int) -> np.ndarray:
    """Derivatives of what is forecast (of distributions: of their locations) by the values of whole windows.

    Parameters
    ----------
    network : Network
        Its head reads the last state.
    windows : Windows
    starts : ndarray of int, shape (n,)
        First row of each window.
    n_threads : int

    Returns
    -------
    ndarray, shape (n, n_points, n_steps * segment, n_channels), float64
        0 by missing values.
    """
    reading, n_points = windows.window, network.architecture.n_points
    size, steps = reading.n_steps * reading.segment, np.full(len(starts), reading.n_steps)
    values = windows.values.reshape(-1, reading.n_channels)[starts[:, None] + np.arange(size)]
    forecasts = network.predict(windows, row_table(starts, steps, np.zeros_like(starts)), n_threads)
    values = values.astype(np.float64)
    units = _units(values, reading)
    outputs = units.outputs(forecasts[:, :n_points].astype(np.float64))
    of_inputs = _head_slopes(network, windows, starts, n_threads)
    of_values = of_inputs.reshape(len(starts), n_points, size, -1)[..., : reading.n_channels]  # then masks
    return units.of_values(of_values * _location_slopes(network, outputs)[..., None, None], values, outputs)


def _location_slopes(network: Network, locations: np.ndarray) -> np.ndarray:
    """By the head's outputs, which locations are but for a softplus of counts."""
    if network.architecture.distribution != "negative_binomial":
        return np.ones_like(locations)
    return -np.expm1(LEAST_COUNT - locations)


# -- through the layers


def _head_slopes(network: Network, windows: Windows, starts: np.ndarray, n_threads: int) -> np.ndarray:
    """Of the head's outputs by what is read at each step, shape (n * n_points, n_steps, input_size)."""
    n_points = network.architecture.n_points
    starts, outputs = np.repeat(starts, n_points), np.tile(np.arange(n_points), len(starts))
    size = BLOCK_ROWS * max(1, WORK_NUMBERS // _space(network, windows.window, BLOCK_ROWS).size)
    parts = [slice(first, first + size) for first in range(0, len(starts), size)]
    return np.concatenate([_walked_back(network, windows, starts[p], outputs[p], n_threads) for p in parts])


def _space(network: Network, reading: Window, n_rows: int) -> Workspace:
    return network.space(reading, n_rows, chunk=reading.n_steps, keep=True, outputs=True, d_input=True)


def _walked_back(
    network: Network, windows: Windows, starts: np.ndarray, outputs: np.ndarray, n_threads: int
) -> np.ndarray:
    """Of output `outputs[k]` of the window that starts at `starts[k]`."""
    net, reading, dtype, n = network.architecture, windows.window, network.dtype, len(starts)
    space, packed, zeros = _space(network, reading, n), network.packed(), np.zeros(n, np.int64)
    steps, work = np.full(n, reading.n_steps), space.arrays(dtype)
    top = np.zeros(n * reading.n_steps * net.output_size, dtype)
    states = np.zeros((len(net.cell.states), net.n_walks, n, net.hidden_size), dtype)
    shares, sums = np.empty((space.n_shards, network.layout.n_gradients), dtype), np.empty((0, 0, 0))
    rows, values = row_table(starts, steps, zeros), windows.values.ravel()
    network.run("forward", space, (rows, packed, values, top, states.ravel(), work, shares, sums), n_threads)
    top[:] = 0
    states[:] = 0
    weights = network.weights["head_weight"][outputs].reshape(n, net.n_directions, -1)
    states[0, -net.n_directions :] = weights.swapaxes(0, 1)  # of the last h of the top layer
    rows, slopes = (
        row_table(reading.n_steps * np.arange(n), steps, zeros),
        np.zeros((n, *_shape(reading)), dtype),
    )
    arrays = rows, packed, top, slopes.ravel(), states.ravel(), work, shares, sums
    network.run("backward", _with_all_inputs(space, reading), arrays, n_threads)
    return slopes


def _shape(reading: Window) -> tuple[int, int]:
    return reading.n_steps, reading.input_size


def _with_all_inputs(space: Workspace, reading: Window) -> Workspace:
    """A copy whose gradients are of all that a step reads, not of as many columns as the values have."""
    network = space.network.copy()
    network[0].n_channels = reading.input_size
    return replace(space, network=network)


# -- through the reading of windows


def _units(windows: np.ndarray, reading: Window) -> Units:
    n_columns = reading.n_channels
    n_relative = n_columns if reading.n_normalized is None else reading.n_normalized
    offsets, of_offsets = last_observed(windows, n_relative if reading.normalize else 0)
    scales, of_scales = _scales(windows, reading.scale)
    fixed = np.arange(n_columns) >= (0 if reading.scale == "none" else n_relative)
    scales, of_scales = np.where(fixed, 1.0, scales), np.where(fixed, 0.0, of_scales)
    return Units(offsets, scales, of_offsets, of_scales, np.eye(n_columns, dtype=bool), reading.n_targets)


def _scales(windows: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each column, (n, n_columns), and their derivatives, (n, n_rows, n_columns); see `scale_of`."""
    seen = ~np.isnan(windows)
    n = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    means = np.where(seen, windows, 0.0).sum(axis=1, keepdims=True) / n
    if kind == "mean":
        return (1 + np.abs(means))[:, 0], seen * np.sign(means) / n
    apart = np.where(seen, windows - means, 0.0)
    scales = np.sqrt((apart * apart).sum(axis=1, keepdims=True) / n)
    least = np.where(seen.any(axis=1, keepdims=True), LEAST_DEVIATION, 1.0)
    slopes = np.where(scales > least, apart / (n * np.maximum(scales, least)), 0.0)
    return np.maximum(scales, least)[:, 0], slopes
