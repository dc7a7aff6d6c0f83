"""Dropout masks from a counter: the same mask forward and backward, in any split into blocks, on any device.

Whether an output is dropped depends on a hash of (seed, layer, number of the sample, time, column). Nothing
is stored.
"""

import numpy as np

from ..samples import NUMBER
from .jit import inlined, kernel

_u = np.uint32


@inlined
def mix(x):
    """Return a 32-bit hash with low bias (C. Wellons, "Prospecting for hash functions", 2018: lowbias32)."""
    x = _u(x ^ (x >> _u(16)))
    x = _u(x * _u(0x7FEB352D))
    x = _u(x ^ (x >> _u(15)))
    x = _u(x * _u(0x846CA68B))
    return _u(x ^ (x >> _u(16)))


@inlined
def mask_key(seed, layer, number, time):
    """Return the key that the masks of all columns are hashed from."""
    key = mix(_u(seed ^ mix(_u(layer + 1))))
    key = mix(_u(key ^ _u(number)))
    return mix(_u(key ^ _u(time)))


@inlined
def is_kept(key, column, limit):
    """Return whether the output of a column is kept."""
    return mix(_u(key ^ _u(column))) >= limit


@inlined
def mask_limit(rate):
    """Return the number below which a hash drops its column."""
    return _u(min(rate * 4294967296.0, 4294967295.0))


@kernel
def drop_row(values, n, seed, layer, number, time, rate):
    """Apply the mask of one row to ``values[:n]``, in place.

    Each number is set to 0 with probability `rate`, and multiplied by 1 / (1 - rate) otherwise.
    """
    key, limit = mask_key(seed, layer, number, time), mask_limit(rate)
    scale = values.dtype.type(1.0 / (1.0 - rate))
    for j in range(n):
        values[j] = values[j] * scale if is_kept(key, j, limit) else 0


@kernel
def drop(net, block, layer, begin, steps, width, values):
    """Apply the masks of one layer's outputs to `values` (steps, b, width), in place.

    The same masks apply to the outputs and to their gradient.
    """
    batch = net.batch
    if batch.dropout > 0:
        n = block.shape[0]
        for s in range(steps):
            for r in range(n):
                row = values[(s * n + r) * width :]
                drop_row(row, width, batch.seed, layer, block[r, NUMBER], begin + s, batch.dropout)
