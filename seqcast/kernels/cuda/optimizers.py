"""Updates of the parameters, in three launches: gradient and its norm, update, packed weights.

The formulas are those of `kernels.optimizers`. Sums are computed in blocks and added in order, so results are
the same in every run.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, int32, int64

from ..cpu import optimizers
from ..modes import OPTIMIZERS
from .compiler import Example, cuda, cuda_kernel, device_function, real_type
from .device_math import make_block_sum
from .packed_layout import PackedLayout
from .queue import THREADS, Queue

# The gradient is divided by this before it is squared. Without it, the float32 norm of a diverging network
# would be infinite from 2e19 on, where the gradient can still be clipped. A norm below 1e-10 may be computed
# as 0.
NORM_SCALE = 2.0**40


class WeightPacker:
    """Copies the flat parameters (n_parameters + 1 numbers, the last one 0) to packed weights.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout

    Attributes
    ----------
    size : int
        Number of packed weights.
    """

    def __init__(self, queue: Queue, layout: PackedLayout):
        self._queue = queue
        self.size = layout.index.size
        self._index = queue.upload(layout.index)
        self._second = queue.upload(layout.second)

    def pack(self, flat: Any, packed: Any) -> None:
        """Compute ``packed = flat[index] + flat[second]``."""
        self._queue.for_each(pack, self.size, flat, self._index, self._second, packed, self.size)


@cuda_kernel
def pack(flat, index, second, packed, n):
    i = cuda.grid(1)
    if i < n:
        packed[i] = flat[index[i]] + flat[second[i]]


class Optimizer:
    """Optimizer of the parameters of one network.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    kind : {"sgd", "rmsprop", "adam"}
    flat : array, (n_parameters + 1,)
        Parameters, updated in place.
    settings : ndarray, shape (6,)
        See `kernels.optimizers.train_update`.
    decay : ndarray, shape (n_parameters,)
        1 for parameters with an L2 penalty, 0 for the others.
    moments : ndarray, shape (2, n_parameters)
        Initial moments.
    ema : float, optional
        Decay of an exponential moving average of the weights over the updates.

    Attributes
    ----------
    moments : array, (2, n_parameters), flat
    """

    def __init__(
        self,
        queue: Queue,
        layout: PackedLayout,
        kind: str,
        flat: Any,
        settings: np.ndarray,
        decay: np.ndarray,
        moments: np.ndarray,
        ema: float | None = None,
    ):
        dtype = settings.dtype
        real = real_type(dtype)
        self._n = layout.back.size
        self._queue = queue
        self._flat = flat
        self._ema = ema
        self._back = queue.upload(layout.back)
        self._decay = queue.upload(decay.astype(dtype))
        average_weights = np.array([0, 0] if ema is None else [ema, 1 - ema], dtype)
        self._settings = queue.upload(np.concatenate([settings, average_weights]))
        self.moments = queue.upload(moments.astype(dtype).ravel())
        self._gradient = queue.zeros(self._n, dtype)
        self._total = queue.zeros(self._n if ema is not None else 1, dtype)
        # At most as many blocks as a block has threads, because one block adds their sums.
        self._blocks = min(THREADS, -(-self._n // THREADS))
        self._partials = queue.zeros(self._blocks, dtype)
        self._find_gradient = make_find_gradient(real, THREADS)
        self._update = make_update(real, OPTIMIZERS.index(kind), ema is not None, THREADS)

    def update(
        self, packed_gradient: Any, sums: Any, counters: Any, n_targets: int, corrections: Any
    ) -> None:
        """Update the parameters; a gradient that is not finite changes nothing.

        Parameters
        ----------
        packed_gradient : array
            Gradient of the sum of losses.
        sums, counters : arrays
            Weights of the observed values in this batch, see `losses.Losses`.
        n_targets : int
        corrections : array, (2,)
            Bias corrections of Adam's moments, see `list_adam_corrections`.
        """
        self._queue.launch(
            self._find_gradient,
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

    def average(self, n_updates: int, flat: Any) -> None:
        """Compute the average of the weights over `n_updates` updates in `flat` (OUT).

        It is corrected for the bias towards the initial 0 (Kingma and Ba, 2015, section 3).
        """
        assert self._ema is not None
        weight = self._settings.dtype.type(1 - self._ema**n_updates)
        self._queue.for_each(divide_by, self._n, self._total, weight, flat, self._n)


def list_adam_corrections(settings: np.ndarray, first: int, n: int) -> np.ndarray:
    """Return the bias corrections of Adam's moments in `n` updates from number `first` on, shape (n, 2).

    The first update of all has number 1.
    """
    numbers = range(first, first + n)
    return np.array([optimizers.adam_corrections(settings, k) for k in numbers], settings.dtype)


@cache
def make_find_gradient(real, threads: int) -> Any:
    """Return the kernel that computes the gradient of the mean loss with its L2 penalty."""
    block_sum = make_block_sum(real, threads)
    scale_of_square = 1 / NORM_SCALE

    @cuda_kernel(threads=threads)
    def find_gradient(
        packed_gradient, back, flat, decay, settings, sums, counters, gradient, partials, n, n_targets
    ):
        """Compute the gradient of the mean loss plus ``alpha / 2 * |w|^2``, in the order of the parameters.

        The sum of squares of each block goes to `partials`.
        """
        count = real(0)
        square = real(0)
        first = (2 * counters[1] + 1) * n_targets
        for k in range(n_targets):
            count += sums[first + k]
        scale = real(1) / count if count > real(0) else real(0)
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            g = packed_gradient[back[i]] * scale + settings[4] * decay[i] * flat[i]
            gradient[i] = g
            square += (g * real(scale_of_square)) * (g * real(scale_of_square))
        square = block_sum(square)
        if cuda.threadIdx.x == 0:
            partials[cuda.blockIdx.x] = square

    return find_gradient


@cache
def make_update(real, kind: int, averaged: bool, threads: int) -> Any:
    """Return the kernel that clips the gradient and updates parameters, moments and their average."""
    block_sum = make_block_sum(real, threads)
    step = _make_step(kind)

    @cuda_kernel(threads=threads)
    def update(gradient, partials, settings, corrections, flat, moments, total, n, n_partials):
        """Update all parameters; each block adds the partial sums of the norm for itself.

        settings: those of the CPU, followed by the weights of the old average and of the parameters in the
        new average.
        """
        i = cuda.threadIdx.x
        norm = math.sqrt(block_sum(partials[i] if i < n_partials else real(0))) * real(NORM_SCALE)
        scale = settings[5] / norm if settings[5] > real(0) and norm > settings[5] else real(1)
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            if math.isfinite(norm):
                step(i, gradient[i] * scale, flat, moments, n, settings, corrections)
            if averaged:
                total[i] = settings[6] * total[i] + settings[7] * flat[i]

    return update


def _make_step(kind: int) -> Callable:
    """Return ``step(i, g, flat, moments, n, settings, corrections)``, which updates parameter i."""
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
            rate, beta1, beta2, eps = settings[0], settings[1], settings[2], settings[3]
            correction1, correction2 = corrections[0], corrections[1]
            flat[i], moments[i], moments[n + i] = one(
                g, flat[i], moments[i], moments[n + i], rate, beta1, beta2, eps, correction1, correction2
            )

    return step


@cuda_kernel
def divide_by(total, weight, result, n):
    i = cuda.grid(1)
    if i < n:
        result[i] = total[i] / weight


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    real, integers, counters = float32[::1], int32[::1], int64[::1]
    yield Example("pack", pack, (real, integers, integers, real, int64))
    signature = real, integers, real, real, real, real, counters, real, real, int64, int64
    yield Example("find_gradient", make_find_gradient(float32, 256), signature)
    for kind, name in enumerate(OPTIMIZERS):
        yield Example(f"update, {name}", make_update(float32, kind, True, 256), (*[real] * 7, int64, int64))
    yield Example("divide_by", divide_by, (real, float32, real, int64))
