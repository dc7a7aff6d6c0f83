"""Dropout on the device, with the same masks as on the CPU, forward and backward."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import float32, int64, uint32

from ..cpu import dropout
from ..samples import NUMBER
from .compiler import Example, cuda, cuda_kernel, device_function
from .device_math import divide
from .packed_layout import PackedLayout
from .queue import Queue

mask_key = device_function(dropout.mask_key)
is_kept = device_function(dropout.is_kept)


class Dropout:
    """Dropout masks of one rate for batches of one size.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    rate : float
    n_samples : int
    """

    def __init__(self, queue: Queue, layout: PackedLayout, rate: float, n_samples: int):
        self._queue = queue
        self._net = layout.architecture.stack
        self._rate = rate
        self._n_samples = n_samples
        # The CPU's masks count padded units.
        self._padded = layout.layout.stack.hidden
        self._limit = np.uint32(dropout.mask_limit(rate))
        self._scale = layout.layout.dtype.type(1 / (1 - rate))

    def drop(self, batch_table: Any, seed: Any, layer: int, n_steps: int, values: Any) -> None:
        """Apply the mask in place to the outputs of a layer (n_steps, B, D * H), or to their gradient."""
        self._drop(batch_table, seed, layer, n_steps, self._net.output_size, values)

    def drop_pooled(self, batch_table: Any, seed: Any, n_times: int, pooled: Any) -> None:
        """Apply the mask in place to `pooled` (n_times, B, P) or to its gradient.

        The mask is that of an additional layer. The constant 1 is never dropped. n_times: 1 if one vector is
        read of each sample.
        """
        self._drop(batch_table, seed, self._net.n_layers, n_times, self._net.output_size + 1, pooled)

    def _drop(self, batch_table: Any, seed: Any, layer: int, n_steps: int, stride: int, values: Any) -> None:
        if self._rate > 0:
            width = self._net.output_size
            n = n_steps * self._n_samples * width
            sizes = n, self._n_samples, width, stride, self._net.hidden_size, self._padded, layer
            self._queue.for_each(drop, n, batch_table, seed, values, *sizes, self._limit, self._scale)


@cuda_kernel
def drop(batch_table, seed, values, n, n_samples, width, stride, hidden, padded, layer, limit, scale):
    """Scale one value, or set it to 0."""
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width)
        t, r = divide(row, n_samples)
        direction, u = divide(j, hidden)
        key = mask_key(seed[0], layer, batch_table[4 * r + NUMBER], t)
        to = row * stride + j
        if is_kept(key, direction * padded + u, limit):
            values[to] *= scale
        else:
            values[to] = 0


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    signature = int64[::1], uint32[::1], float32[::1], *[int64] * 7, uint32, float32
    yield Example("drop", drop, signature)
