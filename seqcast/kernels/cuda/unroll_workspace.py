"""Arrays that one layer and direction keeps on the device, for its steps and for the backward pass.

Arrays are flat and ordered by step. Steps are counted in the order of the direction: the reverse direction
reads the input of step s at time ``length - 1 - s``. The B samples of a batch are sorted by length, longest
first::

    operands    (T + 1, B, W)           [h before step s, x of step s, 1] z           (T, B, C)
    pre-activations; in the backward pass their gradients, 0 past the end aux_states  (T + 1, B, n_aux * H)
    all states but h, before step s saved       (T, B, (n_saved + n_reset_saved) * H)   intermediate results
    for the backward pass reset_h     (T, B, H)               h after the reset, from which the candidate is
    computed grad_reset_h (B, H) state       (n_states, B, H)        initial states (IN), final states (OUT);
    gradients in the backward pass

A sample whose sequence has ended keeps its state. Without a backward pass, `aux_states` and `reset_h` have
room for one step and `saved` for none. `z` has a few more rows at its end, which a block of `register_unroll`
may read. An array that a cell does not need has one element.
"""

import math
from dataclasses import dataclass
from typing import Any

from .kernel_shape import BLOCK_SAMPLES
from .packed_layout import DirectionLayout, PackedLayout
from .products import Matrix
from .queue import Queue


@dataclass(frozen=True)
class UnrollWorkspace:
    """Arrays of one layer and direction, and their views as matrices."""

    layout: DirectionLayout
    hidden: int
    n_columns: int
    n_samples: int
    n_steps: int
    keep: bool
    operands: Any
    z: Any
    aux_states: Any
    saved: Any
    reset_h: Any
    grad_reset_h: Any
    state: Any

    def h_matrix(self, step: int) -> Matrix:
        """Return the operands from h on, beginning at a step; the following steps come below."""
        width = self.layout.operand_width
        return Matrix(self.operands, step * self.n_samples * width, width)

    def x_matrix(self, step: int) -> Matrix:
        """Return the operands from x on, beginning at a step; the following steps come below."""
        h = self.h_matrix(step)
        return h._replace(offset=h.offset + self.hidden)

    def z_matrix(self, step: int, first: int = 0) -> Matrix:
        """Return pre-activations, or their gradients, from a step and from column `first` on."""
        return Matrix(self.z, step * self.n_samples * self.n_columns + first, self.n_columns)

    def reset_h_matrix(self, step: int) -> Matrix:
        """Return h after the reset of a step; the following steps come below."""
        return Matrix(self.reset_h, self.kept_step(step) * self.n_samples * self.hidden, self.hidden)

    def kept_step(self, step: int) -> int:
        """Return the index of a step in `aux_states` and `reset_h`."""
        return step if self.keep else 0


def make_workspace(
    queue: Queue,
    layout: PackedLayout,
    direction: DirectionLayout,
    n_samples: int,
    n_steps: int,
    *,
    keep: bool = True,
) -> UnrollWorkspace:
    """Allocate the arrays of one layer and direction; `keep` says whether a backward pass follows."""
    dtype = layout.layout.dtype
    shapes = list_workspace_shapes(layout, direction, n_samples, n_steps, keep=keep)
    arrays = {name: queue.zeros(max(math.prod(shape), 1), dtype) for name, shape in shapes.items()}
    return UnrollWorkspace(direction, layout.hidden, layout.n_columns, n_samples, n_steps, keep, **arrays)


def count_workspace_bytes(
    layout: PackedLayout, direction: DirectionLayout, n_samples: int, n_steps: int, *, keep: bool = True
) -> int:
    """Return the number of bytes that `make_workspace` allocates."""
    shapes = list_workspace_shapes(layout, direction, n_samples, n_steps, keep=keep)
    return sum(math.prod(shape) for shape in shapes.values()) * layout.layout.dtype.itemsize


def list_workspace_shapes(
    layout: PackedLayout, direction: DirectionLayout, n_samples: int, n_steps: int, *, keep: bool = True
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a workspace, by its name."""
    cell = layout.architecture.stack.cell
    H = layout.hidden
    n_reset = n_samples * bool(layout.columns.after_reset)
    return {
        "operands": (n_steps + 1, n_samples, direction.operand_width),
        "z": (n_steps * n_samples + BLOCK_SAMPLES[-1], layout.n_columns),
        "aux_states": (n_steps + 1 if keep else 1, n_samples, len(cell.states) - 1, H),
        "saved": (n_steps if keep else 0, n_samples, cell.n_saved + cell.n_reset_saved, H),
        "reset_h": (n_steps if keep else 1, n_reset, H),
        "grad_reset_h": (n_reset, H),
        "state": (len(cell.states), n_samples, H),
    }
