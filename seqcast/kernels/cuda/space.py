"""What one walk keeps on the device, for its steps and for the way back.

Flat arrays, step after step in walk time (the reverse direction reads the input of step s at natural time
length - 1 - s); the B rows of a batch are sorted by length, the longest first::

    rows    (T + 1, B, W)    [h before step s, x of step s, 1]
    z       (T, B, C)        pre-activations; on the way back their gradients, 0 for rows that have ended
    others  (T + 1, B, n_others * H)    states but the first, before step s
    saved   (T, B, (n_saved + n_reset_saved) * H)
    late    (T, B, H)        u, what late gates are made of
    d_u     (B, H)
    state   (n_states, B, H) initial states (IN), final ones (OUT); their gradients on the way back

Rows that have ended hold their state. Where nothing is kept for a way back, others and late have room for one
step, and saved for none. Behind z there is room for some more rows, which a block of `registers` may read;
arrays that a cell does not need have one element.
"""

import math
from dataclasses import dataclass
from typing import Any

from .layout import CudaLayout, Walk
from .products import Matrix
from .queue import Queue
from .shapes import ROWS


@dataclass(frozen=True)
class Space:
    walk: Walk
    hidden: int
    n_columns: int
    n_rows: int
    n_steps: int
    keep: bool
    rows: Any
    z: Any
    others: Any
    saved: Any
    late: Any
    d_u: Any
    state: Any

    def h(self, step: int) -> Matrix:
        """The states before a step and, below them, before those that follow."""
        width = self.walk.row_width
        return Matrix(self.rows, step * self.n_rows * width, width)

    def x(self, step: int) -> Matrix:
        """The inputs of a step and of those that follow, each with the 1 behind it."""
        rows = self.h(step)
        return rows._replace(offset=rows.offset + self.hidden)

    def columns(self, step: int, first: int = 0) -> Matrix:
        """Pre-activations, or their gradients, from column `first` on."""
        return Matrix(self.z, step * self.n_rows * self.n_columns + first, self.n_columns)

    def u(self, step: int) -> Matrix:
        return Matrix(self.late, self.kept(step) * self.n_rows * self.hidden, self.hidden)

    def kept(self, step: int) -> int:
        """Where others and late of a step lie."""
        return step if self.keep else 0


def make_space(
    queue: Queue, layout: CudaLayout, walk: Walk, n_rows: int, n_steps: int, *, keep: bool = True
) -> Space:
    """Return arrays for a walk of so many rows and steps; keep: for a way back too."""
    dtype = layout.layout.dtype
    shapes = shapes_of_space(layout, walk, n_rows, n_steps, keep=keep)
    arrays = {name: queue.zeros(max(math.prod(shape), 1), dtype) for name, shape in shapes.items()}
    return Space(walk, layout.hidden, layout.n_columns, n_rows, n_steps, keep, **arrays)


def bytes_of_space(layout: CudaLayout, walk: Walk, n_rows: int, n_steps: int, *, keep: bool = True) -> int:
    """Memory that `make_space` takes."""
    shapes = shapes_of_space(layout, walk, n_rows, n_steps, keep=keep)
    return sum(math.prod(shape) for shape in shapes.values()) * layout.layout.dtype.itemsize


def shapes_of_space(
    layout: CudaLayout, walk: Walk, n_rows: int, n_steps: int, *, keep: bool = True
) -> dict[str, tuple[int, ...]]:
    cell, H = layout.architecture.stack.cell, layout.hidden
    late_rows = n_rows * bool(layout.columns.after_reset)
    return {
        "rows": (n_steps + 1, n_rows, walk.row_width),
        "z": (n_steps * n_rows + ROWS[-1], layout.n_columns),
        "others": (n_steps + 1 if keep else 1, n_rows, len(cell.states) - 1, H),
        "saved": (n_steps if keep else 0, n_rows, cell.n_saved + cell.n_reset_saved, H),
        "late": (n_steps if keep else 1, late_rows, H),
        "d_u": (late_rows, H),
        "state": (len(cell.states), n_rows, H),
    }
