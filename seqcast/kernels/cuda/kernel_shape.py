"""Choice of samples per block and weights per thread for the kernels of `register_unroll`."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...cells.contract import Cell
from ..column_groups import ColumnGroups

# Numbers that are read from shared memory at once.
FOUR = 4
# Samples of a batch in one block. Eight would need so many registers that fewer samples run at once.
BLOCK_SAMPLES = (1, 2, 3, 4)
# Largest number of threads of a block.
MAX_THREADS = 1024


@dataclass(frozen=True)
class KernelShape:
    """Sizes for which the kernels of one layer are compiled.

    Parameters
    ----------
    cell : Cell
    dtype : dtype
    hidden : int
    n_samples : int
        Samples of the batch that a block takes.
    n_own : int
        Weights that each thread keeps in registers, a multiple of 4; the others lie in shared memory.
    """

    cell: Cell
    dtype: np.dtype
    hidden: int
    n_samples: int
    n_own: int

    @cached_property
    def columns(self) -> ColumnGroups:
        return ColumnGroups.of(self.cell)

    @property
    def n_gates(self) -> int:
        """Number of gates that h feeds."""
        return self.columns.joint + self.columns.state_only

    @property
    def threads(self) -> int:
        """Number of threads of a block: one for each gate and unit."""
        return self.n_gates * self.hidden

    @property
    def samples_per_thread(self) -> int:
        """Number of samples of which a thread computes one unit."""
        return -(-self.n_samples // self.n_gates)

    @property
    def padded_samples(self) -> int:
        """Number of samples for which shared memory has room: some for every thread."""
        return self.samples_per_thread * self.n_gates

    @property
    def depth(self) -> int:
        """H, rounded up to a multiple of the numbers that are read at once; the added weights are zero."""
        return -(-self.hidden // FOUR) * FOUR

    @property
    def n_shared_weights(self) -> int:
        """Number of weights in shared memory."""
        return (self.depth - self.n_own) * self.threads

    @property
    def shared_forward(self) -> int:
        """Bytes of shared memory of a block of the forward kernel."""
        n_states = self.padded_samples * (self.depth + self.threads)
        return self.dtype.itemsize * (n_states + self.n_shared_weights)

    @property
    def shared_backward(self) -> int:
        """Bytes of shared memory of a block of the backward kernel."""
        n_gradients = self.padded_samples * (self.n_gates * self.depth + self.threads)
        return self.dtype.itemsize * (n_gradients + self.n_shared_weights)


class GpuLimits(NamedTuple):
    """Limits of a GPU on launches; the defaults are those of an H100.

    Parameters
    ----------
    processors : int
        Number of multiprocessors.
    shared : int
        Bytes of shared memory of one block.
    registers, threads, blocks : int
        Limits of one multiprocessor.
    shared_total : int
        Bytes of shared memory of all blocks of a multiprocessor together.
    shared_reserved : int
        Bytes that the driver adds to the shared memory of each block, since sm_80.
    """

    processors: int
    shared: int
    registers: int = 65536
    threads: int = 2048
    blocks: int = 32
    shared_total: int = 228 * 1024
    shared_reserved: int = 1024


def choose_shape(
    cell: Cell, dtype: np.dtype, hidden: int, n_samples: int, gpu: GpuLimits
) -> KernelShape | None:
    """Return the fastest shape for a batch of `n_samples` samples, or None if no shape fits.

    A step is shorter with fewer samples in a block, as long as all blocks run at the same time.
    """
    shapes = [shape for n in BLOCK_SAMPLES if (shape := _make_shape(cell, dtype, hidden, n, gpu))]
    for shape in shapes:
        if _count_concurrent_samples(shape, gpu) >= n_samples:
            return shape
    return max(shapes, key=lambda shape: _count_concurrent_samples(shape, gpu), default=None)


def _make_shape(
    cell: Cell, dtype: np.dtype, hidden: int, n_samples: int, gpu: GpuLimits
) -> KernelShape | None:
    """Return the shape with most weights in registers, or None if the others exceed shared memory."""
    if cell.reset is not None or not (whole := KernelShape(cell, dtype, hidden, n_samples, 0)).n_gates:
        return None
    # A step would take as long as with all threads computing two samples.
    if whole.samples_per_thread > 1 and whole.padded_samples > n_samples:
        return None
    room = (_count_available_registers(whole.threads, gpu) - _count_other_registers(whole)) // (
        dtype.itemsize // 4
    )
    shape = replace(whole, n_own=min(room // FOUR * FOUR, whole.depth))
    fits = shape.n_own > 0 and shape.threads <= MAX_THREADS and shape.shared_backward <= gpu.shared
    return shape if fits else None


def _count_other_registers(shape: KernelShape) -> int:
    """Return the registers that a thread needs beside weights, as found in the machine code.

    They hold indices; for each sample of the block a number read ahead and two sums; and for each sample of
    the thread its values of this step and of the next one.
    """
    per_sample = 2 * (shape.cell.n_saved + len(shape.cell.states) + 1) + 4
    return 32 + shape.dtype.itemsize // 4 * (3 * shape.n_samples + per_sample * shape.samples_per_thread)


def _count_available_registers(threads: int, gpu: GpuLimits) -> int:
    """Return the registers of each thread with which a block fits.

    The assembler allocates for four warps at once and in groups of 8 registers.
    """
    return min(255, gpu.registers // (-(-threads // 128) * 128) // 8 * 8)


def _count_concurrent_samples(shape: KernelShape, gpu: GpuLimits) -> int:
    """Return the number of samples that all multiprocessors process at once, if the batch is large enough."""
    words = shape.dtype.itemsize // 4
    registers = min(
        shape.n_own * words + _count_other_registers(shape), _count_available_registers(shape.threads, gpu)
    )
    threads = -(-shape.threads // 32) * 32
    blocks = min(
        gpu.registers // (threads * -(-registers // 8) * 8),
        gpu.shared_total // (shape.shared_backward + gpu.shared_reserved),
        gpu.threads // threads,
        gpu.blocks,
    )
    return gpu.processors * blocks * shape.n_samples
