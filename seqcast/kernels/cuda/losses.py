"""Losses of a batch and their gradients, by the CPU's scalar functions."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from numba import float32, float64, int64

from ..batch_plan import Window
from ..cpu import distributions
from ..cpu import losses as cpu_losses
from ..distributions import DISTRIBUTIONS, output_probabilities
from ..losses import LOSSES, POINT_LOSSES
from ..samples import LENGTH, TARGET
from .compiler import Example, cuda, cuda_kernel, device_function, real_type
from .device_math import divide, make_block_sum
from .packed_layout import PackedLayout
from .queue import THREADS, Queue
from .window_reader import WindowReader

# Largest number of blocks that sum the losses of one target; one thread adds their partial sums.
MAX_BLOCKS = 64

weight_of = device_function(cpu_losses.weight_of)


class Losses:
    """The loss of batches of one size and its gradient.

    Partial sums of blocks are added in order, so the result is the same in every run.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    window : Window
    loss : str
        Name of the loss.
    n_samples : int
    """

    def __init__(self, queue: Queue, layout: PackedLayout, window: Window, loss: str, n_samples: int):
        net = layout.architecture.readout
        dtype = layout.layout.dtype
        self._queue = queue
        self._n_targets = window.n_targets
        self._n_outputs = net.n_outputs
        self._n_channels = window.n_channels
        self._n_samples = n_samples
        self._n_readings = n_samples * (window.n_steps if net.reads_every_step else 1)
        self._target_stride = window.target_stride
        self._n_points = 1 if loss == "cross_entropy" else net.n_points
        self._kernel = make_losses(real_type(dtype), loss, THREADS, net.reads_every_step)
        self._probabilities = queue.upload(output_probabilities(net.probabilities).astype(dtype))
        self._blocks = min(MAX_BLOCKS, -(-self._n_readings * self._n_points // (self._n_targets * THREADS)))
        self._partials = queue.zeros(self._blocks * self._n_targets * 2, dtype)

    def backward(
        self,
        batch_table: Any,
        out: Any,
        reader: WindowReader,
        targets: Any,
        weights: Any,
        counters: Any,
        sums: Any,
    ) -> None:
        """Replace outputs by the gradient of the sum of losses; the optimizer divides it by the weights.

        Parameters
        ----------
        batch_table : array of int64, (n_samples, 4), flat
        out : array, (n_readings, n_outputs), flat (IN and OUT)
            A reading for each sample, or for each step and sample.
        reader : WindowReader
            Its offsets and scales are the unit of the outputs.
        targets : array, flat
            NaN where missing.
        weights : array
            Weight of each step of the targets, or empty.
        counters : array of int64
            The second element is the number of the batch, see `EpochBatches`.
        sums : array, (n_batches, 2, n_targets), flat (OUT)
            At the number of the batch: the loss of each target, and the weight of its observed values.
        """
        arrays = batch_table, out, targets, weights, reader.offsets, reader.scales
        sizes = self._n_readings, self._n_samples, self._target_stride, self._n_outputs, self._n_points
        n = 2 * self._n_targets
        self._queue.launch(
            self._kernel,
            self._blocks * self._n_targets,
            THREADS,
            *arrays,
            self._probabilities,
            self._partials,
            *sizes,
            self._n_channels,
            self._n_targets,
        )
        add = make_add_partials(real_type(sums.dtype))
        self._queue.for_each(add, n, self._partials, counters, sums, n, self._blocks)


@cache
def make_losses(real, loss: str, threads: int, every_step: bool) -> Any:
    """Return the kernel of one loss; every_step: whether there is a reading for each step and sample."""
    block_sum = make_block_sum(real, threads)
    loss_backward = _make_loss_backward(real, loss)

    @cuda_kernel(threads=threads)
    def losses(
        batch_table, out, targets, weights, offsets, scales, probabilities, partials,
        n_readings, n_samples, target_stride, n_outputs, n_points, n_channels, n_targets,
    ):  # fmt: skip
        """Sum the losses of one target over some readings and steps of the horizon in each block.

        The outputs of reading q for point j (a step and target) are every n_points-th one, from the j-th on.
        """
        group, k = divide(cuda.blockIdx.x, n_targets)
        n_steps = n_points // n_targets
        n_groups = cuda.gridDim.x // n_targets
        total = real(0)
        count = real(0)
        for i in range(group * threads + cuda.threadIdx.x, n_readings * n_steps, n_groups * threads):
            q, step = divide(i, n_steps)
            j = step * n_targets + k
            p = out[q * n_outputs + j : (q + 1) * n_outputs : n_points]
            r = q
            y = real(math.nan)
            first = int64(0)
            if every_step:
                t, r = divide(q, n_samples)
                first = batch_table[4 * r + TARGET] + t * target_stride
                if t < batch_table[4 * r + LENGTH]:
                    y = targets[first + j]
            else:
                first = batch_table[4 * r + TARGET]
                y = targets[first + j]
            if math.isnan(y):
                for m in range(p.size):
                    p[m] = 0
                continue
            weight = weight_of(weights, (first + j) // n_targets)
            channel = r * n_channels + k
            one = loss_backward(probabilities, p, y, offsets[channel], scales[channel])
            for m in range(p.size):
                p[m] *= weight
            total += weight * one
            count += weight
        total = block_sum(total)
        count = block_sum(count)
        if cuda.threadIdx.x == 0:
            to = 2 * (group * n_targets + k)
            partials[to] = total
            partials[to + 1] = count

    return losses


def _make_loss_backward(real, loss: str) -> Callable:
    """Return ``loss_backward(probabilities, p, y, offset, scale)``.

    It returns the loss of the outputs p for one value y and replaces the outputs by their derivatives.
    """
    if loss == "cross_entropy":
        cross_entropy = device_function(cpu_losses.cross_entropy)

        @device_function
        def loss_backward(probabilities, p, y, offset, scale):
            return cross_entropy(p, int64(y))

    elif loss in POINT_LOSSES:
        kind = LOSSES.index(loss)
        point_loss = device_function(cpu_losses.point_loss)

        @device_function
        def loss_backward(probabilities, p, y, offset, scale):
            one, slope = point_loss(kind, p[0] * scale - (y - offset), real(0.5))
            p[0] = slope * scale
            return one

    else:
        kind = DISTRIBUTIONS.index(loss)
        to_parameters = device_function(distributions.to_parameters)
        distribution_loss = device_function(distributions.distribution_loss)

        @device_function
        def loss_backward(probabilities, p, y, offset, scale):
            to_parameters(kind, probabilities, p)
            return real(distribution_loss(kind, probabilities, p, float64(scale), float64(y) - offset))

    return loss_backward


@cache
def make_add_partials(real) -> Any:
    """Return the kernel that adds the partial sums of all blocks."""

    @cuda_kernel
    def add_partials(partials, counters, sums, n, n_groups):
        """Add the partial sums of one of the 2 * n_targets sums of the batch."""
        i = cuda.grid(1)
        if i < n:
            total = real(0)
            which, k = divide(i, n // 2)
            for group in range(n_groups):
                total += partials[group * n + 2 * k + which]
            sums[counters[1] * n + i] = total

    return add_partials


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    real, integers = float32[::1], int64[::1]
    signature = integers, *[real] * 7, *[int64] * 7
    for every_step in (False, True):
        mode = ", every step" if every_step else ""
        for loss in LOSSES:
            kernel = make_losses(float32, loss, THREADS, every_step)
            is_distribution = loss in DISTRIBUTIONS
            yield Example(f"losses, {loss}{mode}", kernel, signature, distributions=is_distribution)
    yield Example("add_partials", make_add_partials(float32), (real, integers, real, int64, int64))
