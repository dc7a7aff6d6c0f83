"""How the kernels of `registers` are cut for a layer, a batch and a GPU."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...cells.contract import Cell
from ..column_groups import ColumnGroups

FOUR = 4  # numbers that are read from shared memory at once
ROWS = (1, 2, 3, 4)  # of the batch in a block: eight need so many registers that fewer rows run at once
MOST_THREADS = 1024  # of a block


@dataclass(frozen=True)
class Shape:
    """What the kernels of one size of layer are compiled for.

    Parameters
    ----------
    cell : Cell
    dtype : dtype
    hidden : int
    n_rows : int
        Rows of the batch that a block takes.
    n_own : int
        Weights that each thread keeps in registers, a multiple of 4; the others lie in shared memory.
    """

    cell: Cell
    dtype: np.dtype
    hidden: int
    n_rows: int
    n_own: int

    @cached_property
    def columns(self) -> ColumnGroups:
        return ColumnGroups.of(self.cell)

    @property
    def n_groups(self) -> int:
        """Blocks of columns that h feeds."""
        return self.columns.joint + self.columns.state_only

    @property
    def threads(self) -> int:
        return self.n_groups * self.hidden

    @property
    def n_pairs(self) -> int:
        """Rows of which each thread calculates one unit."""
        return -(-self.n_rows // self.n_groups)

    @property
    def all_rows(self) -> int:
        """Rows that shared memory has room for: pairs of row and unit for every thread."""
        return self.n_pairs * self.n_groups

    @property
    def depth(self) -> int:
        """H, rounded up to numbers that are read at once; weights of the rest are zero."""
        return -(-self.hidden // FOUR) * FOUR

    @property
    def n_shared_weights(self) -> int:
        return (self.depth - self.n_own) * self.threads

    @property
    def shared_forward(self) -> int:
        """Bytes of shared memory."""
        return self.dtype.itemsize * (self.all_rows * (self.depth + self.threads) + self.n_shared_weights)

    @property
    def shared_backward(self) -> int:
        gradients = self.all_rows * self.n_groups * self.depth
        return self.dtype.itemsize * (gradients + self.all_rows * self.threads + self.n_shared_weights)


class Gpu(NamedTuple):
    """What limits a launch; if not told, as an H100 is."""

    processors: int
    shared: int  # bytes of a block
    registers: int = 65536  # of a processor, as all below
    threads: int = 2048
    blocks: int = 32
    shared_of_all: int = 228 * 1024  # bytes of all blocks together
    shared_reserved: int = 1024  # bytes that the driver adds to those of each block, since sm_80


def choose_shape(cell: Cell, dtype: np.dtype, hidden: int, n_rows: int, gpu: Gpu) -> Shape | None:
    """Return how a batch of `n_rows` rows is walked quickest, None if only step by step.

    Few rows in a block make short steps, as long as all blocks run at the same time.
    """
    shapes = [shape for n in ROWS if (shape := _shape(cell, dtype, hidden, n, gpu))]
    together = [shape for shape in shapes if _rows_at_once(shape, gpu) >= n_rows]
    return together[0] if together else max(shapes, key=lambda shape: _rows_at_once(shape, gpu), default=None)


def _shape(cell: Cell, dtype: np.dtype, hidden: int, n_rows: int, gpu: Gpu) -> Shape | None:
    """As many weights in registers as there is room; None if the others do not fit in shared memory."""
    if cell.reset is not None or not (whole := Shape(cell, dtype, hidden, n_rows, 0)).n_groups:
        return None
    if whole.n_pairs > 1 and whole.all_rows > n_rows:
        return None  # a step of two pairs a thread, of which the second is missing for some
    room = (_most_registers(whole.threads, gpu) - _other_registers(whole)) // (dtype.itemsize // 4)
    shape = replace(whole, n_own=min(room // FOUR * FOUR, whole.depth))
    fits = shape.n_own > 0 and shape.threads <= MOST_THREADS and shape.shared_backward <= gpu.shared
    return shape if fits else None


def _other_registers(shape: Shape) -> int:
    """What a thread needs beside weights, as found in the machine code: for indices; for each row a number
    read ahead and two sums; for each pair what it carries, and that of the next step."""
    pair = 2 * (shape.cell.n_saved + len(shape.cell.states) + 1) + 4
    return 32 + shape.dtype.itemsize // 4 * (3 * shape.n_rows + pair * shape.n_pairs)


def _most_registers(threads: int, gpu: Gpu) -> int:
    """Of each thread, so that a block fits: the assembler counts in four warps and in groups of 8."""
    return min(255, gpu.registers // (-(-threads // 128) * 128) // 8 * 8)


def _rows_at_once(shape: Shape, gpu: Gpu) -> int:
    """Rows of a batch that all blocks together walk, if it is large enough."""
    words = shape.dtype.itemsize // 4
    registers = min(shape.n_own * words + _other_registers(shape), _most_registers(shape.threads, gpu))
    threads = -(-shape.threads // 32) * 32
    resident = min(
        gpu.registers // (threads * -(-registers // 8) * 8),
        gpu.shared_of_all // (shape.shared_backward + gpu.shared_reserved),
        gpu.threads // threads,
        gpu.blocks,
    )
    return gpu.processors * resident * shape.n_rows
