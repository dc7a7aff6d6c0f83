"""Forecasts in the unit of the values, from the outputs of a network."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from numba import float32, int64

from ..batch_plan import Window
from ..cpu import distributions
from ..distributions import DISTRIBUTIONS, output_probabilities
from ..samples import LENGTH, TARGET
from .compiler import Example, cuda, cuda_kernel, device_function
from .device_math import divide
from .packed_layout import PackedLayout
from .queue import Queue
from .window_reader import WindowReader


class ForecastWriter:
    """Forecasts of batches of one size, in the unit of the values.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    window : Window
    n_samples : int
    """

    def __init__(self, queue: Queue, layout: PackedLayout, window: Window, n_samples: int):
        self._queue = queue
        self._net = layout.architecture.readout
        self._window = window
        self._n_samples = n_samples
        self._n_readings = n_samples * (window.n_steps if self._net.reads_every_step else 1)
        dtype = layout.layout.dtype
        self._probabilities = queue.upload(output_probabilities(self._net.probabilities).astype(dtype))

    def write(self, batch_table: Any, out: Any, reader: WindowReader, forecasts: Any) -> None:
        """Convert `out` (IN and OUT) to the unit of the values, and copy it to its places in `forecasts`."""
        net = self._net
        n = self._n_readings * net.n_points
        arrays = batch_table, out, reader.offsets, reader.scales, self._probabilities, forecasts
        sizes = n, self._n_samples, net.n_points, net.n_outputs
        kernel = make_write_forecasts(DISTRIBUTIONS.index(net.distribution), net.reads_every_step)
        self._queue.for_each(kernel, n, *arrays, *sizes, self._window.n_channels, self._window.n_targets)


@cache
def make_write_forecasts(distribution: int, every_step: bool) -> Any:
    """Return the kernel for one distribution, an index into DISTRIBUTIONS.

    every_step: whether there is a reading for each step and sample, not for each sample.
    """
    to_parameters = device_function(distributions.to_parameters)
    to_values_unit = device_function(distributions.to_values_unit)

    @cuda_kernel
    def write_forecasts(
        batch_table, out, offsets, scales, probabilities, forecasts,
        n, n_samples, n_points, n_outputs, n_channels, n_targets,
    ):  # fmt: skip
        """Write the forecast of one step and target, or the parameters of its distribution."""
        i = cuda.grid(1)
        if i >= n:
            return
        q, j = divide(i, n_points)
        r, to = q, j
        if every_step:
            t, r = divide(q, n_samples)
            if t >= batch_table[4 * r + LENGTH]:
                return
            to += t * n_outputs
        _, k = divide(j, n_targets)
        offset = offsets[r * n_channels + k]
        scale = scales[r * n_channels + k]
        p = out[q * n_outputs + j : (q + 1) * n_outputs : n_points]
        if distribution:
            to_parameters(distribution, probabilities, p)
            to_values_unit(distribution, p, offset, scale)
        else:
            p[0] = p[0] * scale + offset
        to += batch_table[4 * r + TARGET]
        for m in range(p.size):
            forecasts[to + m * n_points] = p[m]

    return write_forecasts


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    signature = int64[::1], *[float32[::1]] * 5, *[int64] * 6
    for every_step in (False, True):
        mode = ", every step" if every_step else ""
        for number, name in enumerate(DISTRIBUTIONS):
            kernel = make_write_forecasts(number, every_step)
            yield Example(f"write_forecasts, {name}{mode}", kernel, signature, distributions=number > 0)
