"""Everything between two batches, in three launches: gradient and its norm, update, packed weights.

Formulas are those of `kernels.optimizers`, from there; sums are made in blocks and added in order: the same
bits every run.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, int32, int64

from .. import optimizers
from ..optimizers import OPTIMIZERS
from .compiler import Example, cuda, cuda_kernel, device_function, real_type
from .layout import CudaLayout
from .queue import THREADS, Queue
from .sums import make_block_sum

# Squares of the gradient in units of 2^40: in float32, a network that diverges would otherwise have an
# infinite norm from 2e19 on, where it can still be clipped. Below 1e-10, the norm may come out as 0.
UNIT = 2.0**40


class Packing:
    """From the flat vector of parameters (n_parameters + 1 numbers, the last of them 0) to packed weights."""

    def __init__(self, queue: Queue, layout: CudaLayout):
        self._queue, self.size = queue, layout.index.size
        self._index, self._second = queue.upload(layout.index), queue.upload(layout.second)

    def pack(self, flat, packed) -> None:
        self._queue.for_each(pack, self.size, flat, self._index, self._second, packed, self.size)


@cuda_kernel
def pack(flat, index, second, packed, n):
    i = cuda.grid(1)
    if i < n:
        packed[i] = flat[index[i]] + flat[second[i]]


class Optimizer:
    """Moves the parameters of one network by the gradient of a batch.

    Parameters
    ----------
    queue : Queue
    layout : CudaLayout
    kind : {"sgd", "rmsprop", "adam"}
    flat : array, (n_parameters + 1,)
        Moved in place.
    settings : ndarray, shape (6,)
        See `kernels.optimizers.train_update`.
    decay : ndarray, shape (n_parameters,)
        1 for what L2 applies to, 0 for the rest.
    moments : ndarray, shape (2, n_parameters)
        To go on from.
    ema : float, optional
        Decay of an average of the weights over the updates.

    Attributes
    ----------
    moments : array, (2, n_parameters), flat
    """

    def __init__(
        self,
        queue: Queue,
        layout: CudaLayout,
        kind: str,
        flat: Any,
        settings: np.ndarray,
        decay: np.ndarray,
        moments: np.ndarray,
        ema: float | None = None,
    ):
        dtype, self._n = settings.dtype, layout.back.size
        self._queue, self._flat, self._ema, self._real = queue, flat, ema, real_type(dtype)
        self._back, self._decay = queue.upload(layout.back), queue.upload(decay.astype(dtype))
        weights = np.array([0, 0] if ema is None else [ema, 1 - ema], dtype)
        self._settings = queue.upload(np.concatenate([settings, weights]))
        self.moments = queue.upload(moments.astype(dtype).ravel())
        self._gradient = queue.zeros(self._n, dtype)
        self._total = queue.zeros(self._n if ema is not None else 1, dtype)
        self._blocks = min(THREADS, -(-self._n // THREADS))  # so few that one block adds their sums
        self._partials = queue.zeros(self._blocks, dtype)
        self._update = make_update(self._real, OPTIMIZERS.index(kind), ema is not None, THREADS)
        self._find = make_find_gradient(self._real, THREADS)

    def update(self, packed_gradient, sums, counters, n_targets: int, corrections) -> None:
        """Move the parameters, or nothing if the gradient is not finite.

        Parameters
        ----------
        packed_gradient : array
            Of the sum of losses.
        sums, counters : arrays
            Weights of the observed values in this batch, see `head.Losses`.
        n_targets : int
        corrections : array, (2,)
            Of Adam's moments, see `corrections_of`.
        """
        self._queue.launch(
            self._find,
            self._blocks,
            THREADS,
            *(packed_gradient, self._back, self._flat, self._decay, self._settings, sums, counters),
            *(self._gradient, self._partials, self._n, n_targets),
        )
        self._queue.launch(
            self._update,
            self._blocks,
            THREADS,
            *(self._gradient, self._partials, self._settings, corrections),
            *(self._flat, self.moments, self._total, self._n, self._blocks),
        )

    def average(self, n_updates: int, flat) -> None:
        """The average of the weights over so many updates, to `flat` (OUT); without bias towards the 0 that
        it started from (Kingma and Ba, 2015, section 3)."""
        assert self._ema is not None
        weight = self._settings.dtype.type(1 - self._ema**n_updates)
        self._queue.for_each(divide, self._n, self._total, weight, flat, self._n)


def corrections_of(settings: np.ndarray, first: int, n: int) -> np.ndarray:
    """Of the moments of Adam in `n` updates, from number `first` (1 is the first ever) on: shape (n, 2)."""
    numbers = range(first, first + n)
    return np.array([optimizers.adam_corrections(settings, k) for k in numbers], settings.dtype)


@cache
def make_find_gradient(real, threads: int) -> Any:
    block_sum, unit = make_block_sum(real, threads), 1 / UNIT

    @cuda_kernel(threads=threads)
    def find_gradient(
        packed_gradient, back, flat, decay, settings, sums, counters, gradient, partials, n, n_targets
    ):
        """That of the mean loss plus ``alpha / 2 * |w|^2``, in the order of the parameters; and the sum of
        squares of each block, to `partials`."""
        count, square = real(0), real(0)
        first = (2 * counters[1] + 1) * n_targets
        for k in range(n_targets):
            count += sums[first + k]
        scale = real(1) / count if count > real(0) else real(0)
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            g = packed_gradient[back[i]] * scale + settings[4] * decay[i] * flat[i]
            gradient[i] = g
            square += (g * real(unit)) * (g * real(unit))
        square = block_sum(square)
        if cuda.threadIdx.x == 0:
            partials[cuda.blockIdx.x] = square

    return find_gradient


@cache
def make_update(real, kind: int, averaged: bool, threads: int) -> Any:
    block_sum, step = make_block_sum(real, threads), _make_step(kind)

    @cuda_kernel(threads=threads)
    def update(gradient, partials, settings, corrections, flat, moments, total, n, n_partials):
        """Clip, and move what is to be moved; each block adds the partial sums of the norm for itself.

        settings: two more than on the CPU, what the average keeps and what it takes of the weights.
        """
        i = cuda.threadIdx.x
        norm = math.sqrt(block_sum(partials[i] if i < n_partials else real(0))) * real(UNIT)
        scale = settings[5] / norm if settings[5] > real(0) and norm > settings[5] else real(1)
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            if math.isfinite(norm):
                step(i, gradient[i] * scale, flat, moments, n, settings, corrections)
            if averaged:
                total[i] = settings[6] * total[i] + settings[7] * flat[i]

    return update


def _make_step(kind: int) -> Callable:
    """Return ``step(i, g, flat, moments, n, settings, corrections)``, which moves parameter i."""
    name = OPTIMIZERS[kind]
    one = device_function(getattr(optimizers, f"{name}_step"))

    if name == "sgd":

        @device_function
        def step(i, g, flat, moments, n, settings, corrections):
            flat[i], moments[i] = one(g, flat[i], moments[i], settings[0], settings[1])

    elif name == "rmsprop":

        @device_function
        def step(i, g, flat, moments, n, settings, corrections):
            flat[i], moments[n + i] = one(g, flat[i], moments[n + i], settings[0], settings[2], settings[3])

    else:

        @device_function
        def step(i, g, flat, moments, n, settings, corrections):
            rate, beta1, beta2, eps, correction1, correction2 = (
                settings[0],
                settings[1],
                settings[2],
                settings[3],
                corrections[0],
                corrections[1],
            )
            flat[i], moments[i], moments[n + i] = one(
                g, flat[i], moments[i], moments[n + i], rate, beta1, beta2, eps, correction1, correction2
            )

    return step


@cuda_kernel
def divide(total, weight, result, n):
    i = cuda.grid(1)
    if i < n:
        result[i] = total[i] / weight


def ptx_examples() -> Iterator[Example]:
    real, integers, counters = float32[::1], int32[::1], int64[::1]
    yield Example("pack", pack, (real, integers, integers, real, int64))
    signature = real, integers, real, real, real, real, counters, real, real, int64, int64
    yield Example("find_gradient", make_find_gradient(float32, 256), signature)
    for kind, name in enumerate(OPTIMIZERS):
        yield Example(f"update, {name}", make_update(float32, kind, True, 256), (*[real] * 7, int64, int64))
    yield Example("divide", divide, (real, float32, real, int64))
