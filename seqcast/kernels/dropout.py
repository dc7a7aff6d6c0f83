"""Dropout masks from a counter: the same mask forward and backward, for any split into blocks, on any device.

Whether an output is dropped is a hash of (seed, level, row of the batch, time, column); nothing is stored.
"""

import numpy as np

from .jit import inlined, kernel

_u = np.uint32


@inlined
def mix(x):
    """A 32-bit finaliser with low bias (C. Wellons, "Prospecting for hash functions", 2018: lowbias32)."""
    x = _u(x ^ (x >> _u(16)))
    x = _u(x * _u(0x7FEB352D))
    x = _u(x ^ (x >> _u(15)))
    x = _u(x * _u(0x846CA68B))
    return _u(x ^ (x >> _u(16)))


@inlined
def mask_key(seed, level, row, time):
    """What the masks of all columns are hashed from."""
    key = mix(_u(seed ^ mix(_u(level + 1))))
    key = mix(_u(key ^ _u(row)))
    return mix(_u(key ^ _u(time)))


@inlined
def is_kept(key, column, limit):
    return mix(_u(key ^ _u(column))) >= limit


@inlined
def mask_limit(rate):
    """Hashes below it drop their column."""
    return _u(min(rate * 4294967296.0, 4294967295.0))


@kernel
def drop_row(values, n, seed, level, row, time, rate):
    """Zero each of ``values[:n]`` with probability `rate`, and scale the others by 1 / (1 - rate), in
    place."""
    key, limit = mask_key(seed, level, row, time), mask_limit(rate)
    scale = values.dtype.type(1.0 / (1.0 - rate))
    for j in range(n):
        values[j] = values[j] * scale if is_kept(key, j, limit) else 0


@kernel
def drop(net, block, level, begin, steps, width, values):
    """Apply the mask of one layer's outputs to `values` (steps, b, width), in place; backward is the same
    product."""
    if net.dropout > 0:
        n_rows = block.shape[0]
        for s in range(steps):
            for r in range(n_rows):
                row = values[(s * n_rows + r) * width :]
                drop_row(row, width, net.seed, level, block[r, 3], begin + s, net.dropout)
