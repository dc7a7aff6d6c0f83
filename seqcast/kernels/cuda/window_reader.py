"""Windows of a batch, cut from the series on the device: offsets, scales, and inputs of the network.

The stages are those of `kernels.cpu.windows`.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, float64, int64

from ..batch_plan import Window
from ..cpu import windows
from ..modes import SCALES
from ..samples import LENGTH, START
from .compiler import Example, cuda, cuda_kernel, device_function
from .device_math import divide, natural_time
from .packed_layout import PackedLayout
from .queue import Queue
from .unroll_workspace import UnrollWorkspace

last_observed = device_function(windows.last_observed)
scale_of = device_function(windows.find_scale)


class WindowReader:
    """Windows of batches of one size: offsets, scales, and inputs of the lowest layer.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    window : Window
    n_samples : int

    Attributes
    ----------
    offsets, scales : arrays, (n_samples, n_channels), flat
        0 and 1 for channels that are not normalized. If there are more targets than channels, the arrays have
        room for them.
    """

    def __init__(self, queue: Queue, layout: PackedLayout, window: Window, n_samples: int):
        self._queue = queue
        self._window = window
        self._n_samples = n_samples
        dtype = layout.layout.dtype
        n = n_samples * max(window.n_channels, window.n_targets)
        self.offsets = queue.zeros(n, dtype)
        self.scales = queue.upload(np.ones(n, dtype))

    def find_offsets(self, batch_table: Any, values: Any) -> None:
        """Compute `offsets` and `scales` of the current batch from `values` (n, n_channels), flat."""
        window = self._window
        if not window.normalize and window.scale == "none":
            return
        kernel = make_find_offsets(window.normalize, SCALES.index(window.scale))
        n_channels = window.n_channels
        n_normalized = n_channels if window.n_normalized is None else window.n_normalized
        n = self._n_samples * n_normalized
        sizes = n, n_channels, n_normalized, window.segment
        self._queue.for_each(kernel, n, values, batch_table, self.offsets, self.scales, *sizes)

    def gather(self, batch_table: Any, values: Any, workspace: UnrollWorkspace) -> None:
        """Copy each window to the operands, in the order of this direction, with the constant 1."""
        window = self._window
        F = workspace.layout.input_size
        n = workspace.n_steps * workspace.n_samples * (F + 1)
        arrays = values, batch_table, self.offsets, self.scales, workspace.operands
        sizes = n, workspace.n_samples, workspace.hidden, F, window.n_channels, window.segment
        self._queue.for_each(gather, n, *arrays, *sizes, int(window.masked), workspace.layout.direction)


@cache
def make_find_offsets(normalize: bool, scale: int) -> Any:
    """Return the kernel that computes offsets and scales; `scale` is an index into SCALES.

    Scales are computed in float64, by the CPU's function. In float32 the sums of a window that ends far from
    its mean would cancel.
    """

    @cuda_kernel
    def find_offsets(values, batch_table, offsets, scales, n, n_channels, n_normalized, segment):
        """Compute offset and scale of one channel of one sample."""
        i = cuda.grid(1)
        if i < n:
            r, c = divide(i, n_normalized)
            first = batch_table[4 * r + START] * n_channels
            length = batch_table[4 * r + LENGTH] * n_channels * segment
            window = values[first + c : first + length]
            to = r * n_channels + c
            last = last_observed(window, n_channels)
            if normalize:
                offsets[to] = last
            if scale:
                scales[to] = scale_of(scale, window, n_channels, float64(last))

    return find_offsets


@cuda_kernel
def gather(
    values, batch_table, offsets, scales, operands,
    n, n_samples, hidden, width, n_channels, segment, masked, direction,
):  # fmt: skip
    """Set one input of one step, or the constant 1 behind the inputs.

    An input is the value less the offset, divided by the scale, or 0 where the value is missing. With
    `masked`, inputs that are 1 for observed values follow. All inputs are 0 past the end of the sample.
    """
    i = cuda.grid(1)
    if i >= n:
        return
    row, j = divide(i, width + 1)
    s, r = divide(row, n_samples)
    to = row * (hidden + width + 1) + hidden + j
    if j == width:
        operands[to] = 1
        return
    operands[to] = 0
    t = natural_time(direction, s, batch_table[4 * r + LENGTH])
    if t >= 0:
        k, column = divide(j, 2 * n_channels if masked else n_channels)
        _, c = divide(column, n_channels)
        x = values[(batch_table[4 * r + START] + t * segment + k) * n_channels + c]
        if math.isnan(x):
            return
        if column == c:
            operands[to] = (x - offsets[r * n_channels + c]) / scales[r * n_channels + c]
        else:
            operands[to] = 1


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    real, integers = float32[::1], int64[::1]
    for scale, name in enumerate(SCALES):
        signature = real, integers, real, real, *[int64] * 4
        # Scales are computed in float64, see `make_find_offsets`.
        kernel, in_float64 = make_find_offsets(True, scale), scale > 0
        yield Example(f"find_offsets, {name}", kernel, signature, distributions=in_float64)
    yield Example("gather", gather, (real, integers, real, real, real, *[int64] * 8))
