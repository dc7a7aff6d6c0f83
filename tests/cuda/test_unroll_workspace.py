"""Memory of a workspace on the device."""

import numpy as np
import pytest

from seqcast.cells.gru import GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.kernels.architecture import compose
from seqcast.kernels.cuda.packed_layout import PackedLayout
from seqcast.kernels.cuda.unroll_workspace import count_workspace_bytes, make_workspace
from seqcast.kernels.layout import Layout

ARRAYS = ("operands", "z", "aux_states", "saved", "reset_h", "grad_reset_h", "state")


@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_BEFORE], ids=lambda cell: cell.name)
def test_bytes_are_those_allocated_and_fewer_without_backward(queue, cell):
    layout = PackedLayout(Layout(compose(cell, 3, 4), np.dtype("float64")))
    (direction,) = layout.directions
    sizes = []
    for keep in (True, False):
        workspace = make_workspace(queue, layout, direction, 2, 4, keep=keep)
        arrays = [getattr(workspace, name) for name in ARRAYS]
        # An array that is not needed has one element.
        allocated = sum(array.nbytes for array in arrays if array.size > 1)
        assert count_workspace_bytes(layout, direction, 2, 4, keep=keep) == allocated
        sizes.append(allocated)
    assert sizes[1] < sizes[0]


def test_matrices_begin_at_their_step(queue):
    layout = PackedLayout(Layout(compose(GRU_RESET_BEFORE, 3, 4), np.dtype("float64")))
    (direction,) = layout.directions
    workspace = make_workspace(queue, layout, direction, n_samples=2, n_steps=5)
    width = 4 + 3 + 1
    assert workspace.h_matrix(2)[1:] == (2 * 2 * width, width)
    assert workspace.x_matrix(2)[1:] == (2 * 2 * width + 4, width)
    assert workspace.z_matrix(3, first=4)[1:] == (3 * 2 * layout.n_columns + 4, layout.n_columns)
    assert workspace.reset_h_matrix(3)[1:] == (3 * 2 * 4, 4)
    forward_only = make_workspace(queue, layout, direction, n_samples=2, n_steps=5, keep=False)
    assert forward_only.reset_h_matrix(3)[1:] == (0, 4)
