"""Derivatives of a network's forecasts with respect to each value of the windows that they are made from.

The kernels propagate gradients back through the recurrent layers, once for each output of the readout, all in
one batch. The chain rule covers what `kernels.cpu.windows` does to a window before the network reads it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..kernels.batch_plan import BLOCK_SAMPLES, BatchPlan, Window
from ..kernels.constants import LEAST_DEVIATION
from ..kernels.distributions import LEAST_COUNT
from ..kernels.samples import sample_table
from .network import Network
from .samples import SampleSource
from .window_denormalization import Units, last_observed

# Largest number of elements in the workspaces of one call, 256 MB in float64.
WORK_NUMBERS = 2**25


def window_slopes(
    network: Network, source: SampleSource, starts: np.ndarray, n_jobs: int | None
) -> np.ndarray:
    """Return the derivatives of forecasts with respect to the values of whole windows.

    The derivatives of distributions are those of their locations.

    Parameters
    ----------
    network : Network
        Its readout must read the last state.
    source : SampleSource
    starts : ndarray of int, shape (n,)
        First row of each window.
    n_jobs : int

    Returns
    -------
    ndarray, shape (n, n_points, n_steps * segment, n_channels), float64
        0 for missing values.
    """
    window, n_points = source.window, network.architecture.readout.n_points
    size, lengths = window.n_steps * window.segment, np.full(len(starts), window.n_steps)
    values = source.values.reshape(-1, window.n_channels)[starts[:, None] + np.arange(size)]
    samples = sample_table(starts, lengths, np.zeros_like(starts))
    forecasts = network.predict(source, samples, n_jobs)
    values = values.astype(np.float64)
    units = _find_units(values, window)
    outputs = units.outputs(forecasts[:, :n_points].astype(np.float64))
    of_inputs = _output_slopes(network, source, starts, n_jobs)
    # With masks, the inputs of a step are its channels, then their masks.
    of_values = of_inputs.reshape(len(starts), n_points, size, -1)[..., : window.n_channels]
    return units.of_values(of_values * _location_slopes(network, outputs)[..., None, None], values, outputs)


def _location_slopes(network: Network, locations: np.ndarray) -> np.ndarray:
    """Return the derivatives of locations with respect to the outputs.

    A location is the output itself, except for counts, where it is a softplus of it.
    """
    if network.architecture.readout.distribution != "negative_binomial":
        return np.ones_like(locations)
    return -np.expm1(LEAST_COUNT - locations)


# -- through the layers


def _output_slopes(
    network: Network, source: SampleSource, starts: np.ndarray, n_jobs: int | None
) -> np.ndarray:
    """Return the derivatives of outputs with respect to the inputs of each step.

    The shape is (n * n_points, n_steps, input_size).
    """
    n_points = network.architecture.readout.n_points
    starts, outputs = np.repeat(starts, n_points), np.tile(np.arange(n_points), len(starts))
    size = BLOCK_SAMPLES * max(1, WORK_NUMBERS // _plan(network, source.window, BLOCK_SAMPLES).size)
    parts = [slice(first, first + size) for first in range(0, len(starts), size)]
    return np.concatenate([_propagate(network, source, starts[p], outputs[p], n_jobs) for p in parts])


def _plan(network: Network, window: Window, n_samples: int) -> BatchPlan:
    return network.plan(window, n_samples, chunk=window.n_steps, keep=True, outputs=True, d_input=True)


def _propagate(
    network: Network, source: SampleSource, starts: np.ndarray, outputs: np.ndarray, n_jobs: int | None
) -> np.ndarray:
    """Return the derivatives of output `outputs[k]` of the window that begins at `starts[k]`."""
    stack, window, dtype, n = network.architecture.stack, source.window, network.dtype, len(starts)
    plan, packed = _plan(network, window, n), network.packed()
    lengths, targets = np.full(n, window.n_steps), np.zeros(n, np.int64)
    workspaces = plan.allocate(dtype)
    top = np.zeros((n, window.n_steps, stack.output_size), dtype)
    states = np.zeros((stack.n_states, stack.n_unrolls, n, stack.hidden_size), dtype)
    network.run(
        "forward",
        plan,
        n_jobs,
        samples=sample_table(starts, lengths, targets),
        weights=packed,
        values=source.values.ravel(),
        outputs=top,
        states=states,
        workspaces=workspaces,
    )
    states[:] = 0
    weights = network.weights["head_weight"][outputs].reshape(n, stack.n_directions, -1)
    # The gradient of the last h of the top layer.
    states[0, -stack.n_directions :] = weights.swapaxes(0, 1)
    slopes = np.zeros((n, window.n_steps, window.input_size), dtype)
    network.run(
        "backward",
        _with_all_inputs(plan, window),
        n_jobs,
        samples=sample_table(window.n_steps * np.arange(n), lengths, targets),
        weights=packed,
        d_outputs=np.zeros_like(top),
        d_values=slopes,
        d_states=states,
        workspaces=workspaces,
        gradients=np.empty((plan.n_shards, network.layout.n_gradients), dtype),
    )
    return slopes


def _with_all_inputs(plan: BatchPlan, window: Window) -> BatchPlan:
    """Return a plan for the gradients of all inputs of a step, which may be more than the channels."""
    network = plan.network.copy()
    network[0].window.n_channels = window.input_size
    return replace(plan, network=network)


# -- through the normalization of windows


def _find_units(values: np.ndarray, window: Window) -> Units:
    n_columns = window.n_channels
    n_relative = n_columns if window.n_normalized is None else window.n_normalized
    offsets, of_offsets = last_observed(values, n_relative if window.normalize else 0)
    scales, of_scales = _find_scales(values, window.scale)
    fixed = np.arange(n_columns) >= (0 if window.scale == "none" else n_relative)
    scales, of_scales = np.where(fixed, 1.0, scales), np.where(fixed, 0.0, of_scales)
    return Units(offsets, scales, of_offsets, of_scales, np.eye(n_columns, dtype=bool), window.n_targets)


def _find_scales(windows: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale of each column, (n, n_columns), and its derivatives, (n, n_rows, n_columns).

    See `kernels.cpu.windows.find_scale`.
    """
    seen = ~np.isnan(windows)
    n = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    means = np.where(seen, windows, 0.0).sum(axis=1, keepdims=True) / n
    if kind == "mean":
        return (1 + np.abs(means))[:, 0], seen * np.sign(means) / n
    deviations = np.where(seen, windows - means, 0.0)
    scales = np.sqrt((deviations * deviations).sum(axis=1, keepdims=True) / n)
    least = np.where(seen.any(axis=1, keepdims=True), LEAST_DEVIATION, 1.0)
    slopes = np.where(scales > least, deviations / (n * np.maximum(scales, least)), 0.0)
    return np.maximum(scales, least)[:, 0], slopes
