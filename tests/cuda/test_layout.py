"""Packed weights read back by the contract's description, in terms of PyTorch's named arrays."""

import numpy as np
import pytest
from example_cells import MADE_UP

from seqcast.cells import BUILT_IN
from seqcast.kernels.architecture import compose
from seqcast.kernels.cuda.layout import CudaLayout
from seqcast.kernels.layout import Layout

CELLS = {cell.name: cell for cell in (*BUILT_IN, MADE_UP)}
# The blocks of columns, each named by its gate, with the sides that feed it; u feeds what is late.
BLOCKS = {
    "rnn": [("a", "xh")],
    "rnn_relu": [("a", "xh")],
    "lstm": [("i", "xh"), ("f", "xh"), ("g", "xh"), ("o", "xh")],
    "gru": [("n", "x"), ("r", "xh"), ("z", "xh"), ("n", "h")],
    "gru_reset_before": [("n", "xu"), ("r", "xh"), ("z", "xh")],
    "made_up": [
        ("a", "x"), ("s", "x"), ("n", "xu"), ("p", "xh"), ("i", "xh"), ("q", "xh"), ("o", "h"), ("s", "h"),
    ],
}  # fmt: skip
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True), (3, False)])


def lay(cell, hidden, n_layers, bidirectional):
    """A layout, and distinct whole numbers as parameters: flat and by name."""
    net = compose(cell, 3, hidden, n_layers, bidirectional, n_outputs=2)
    flat = np.append(np.random.default_rng(0).permutation(net.n_parameters) + 1.0, 0.0)
    return CudaLayout(Layout(net, np.dtype("float64"))), flat, net.views(flat[:-1])


def pieces(cell, weights, suffix, hidden):
    """Of each block (weights of x, of h, of u, bias), zero where it has none."""
    rows = {
        "ih": [gate.name for gate in cell.gates if gate.source != "state"],
        "hh": [gate.name for gate in cell.gates if gate.source != "input"],
    }

    def part(name, side, gate):
        first = rows[side].index(gate) * hidden
        return weights[f"{name}_{side}_{suffix}"][first : first + hidden].T

    for gate, sides in BLOCKS[cell.name]:
        x, h = "x" in sides, "h" in sides or "u" in sides
        zero_x = np.zeros((weights[f"weight_ih_{suffix}"].shape[1], hidden))
        of_h = part("weight", "hh", gate) if h else np.zeros((hidden, hidden))
        yield (
            part("weight", "ih", gate) if x else zero_x,
            of_h * ("u" not in sides),
            of_h * ("u" in sides),
            (part("bias", "ih", gate) if x else 0) + (part("bias", "hh", gate) if h else 0),
        )


def regions(cell, weights, suffix, hidden):
    """A walk's matrix and late matrix, from the named weights."""
    of_x, of_h, of_u, bias = (
        np.concatenate(part, axis=-1) for part in zip(*pieces(cell, weights, suffix, hidden), strict=True)
    )
    late = [k for k, (_, sides) in enumerate(BLOCKS[cell.name]) if "u" in sides]
    of_u = of_u.reshape(hidden, -1, hidden)[:, late].reshape(hidden, -1)
    return np.concatenate([of_h, of_x, bias[None]]), of_u


@stacks
@cells
@pytest.mark.parametrize("hidden", [1, 5, 8])
def test_packed_weights_are_the_matrices_of_the_named_ones(cell, hidden, n_layers, bidirectional):
    layout, flat, weights = lay(cell, hidden, n_layers, bidirectional)
    packed = flat[layout.index] + flat[layout.second]
    for walk, (layer, direction, suffix) in zip(layout.walks, layout.layout.stack.unrolls(), strict=True):
        assert (walk.level, walk.reverse, walk.row_width) == (layer, direction, hidden + walk.width + 1)
        matrix, late = regions(cell, weights, f"l{layer}{suffix}", hidden)
        assert walk.matrix_shape == matrix.shape
        np.testing.assert_array_equal(packed[walk.matrix :][: matrix.size].reshape(matrix.shape), matrix)
        if late.size:
            assert walk.late_shape == late.shape
            np.testing.assert_array_equal(packed[walk.late :][: late.size].reshape(late.shape), late)
        else:
            assert walk.late == -1


@stacks
def test_the_head_comes_last_with_its_bias_below(n_layers, bidirectional):
    layout, flat, weights = lay(CELLS["gru"], 5, n_layers, bidirectional)
    packed = flat[layout.index] + flat[layout.second]
    head = np.vstack([weights["head_weight"].T, weights["head_bias"]])
    np.testing.assert_array_equal(packed[layout.head :].reshape(-1, 2), head)


@stacks
@cells
def test_each_parameter_finds_its_own_gradient(cell, n_layers, bidirectional):
    """Of a linear function of the packed weights, gradients by the layout and by moving each parameter."""
    layout, flat, _ = lay(cell, 5, n_layers, bidirectional)
    slopes = np.random.default_rng(1).normal(size=layout.index.size)
    expected = np.zeros(flat.size)
    np.add.at(expected, layout.index, slopes)
    np.add.at(expected, layout.second, slopes)
    assert np.array_equal(slopes[layout.back], expected[:-1])


@cells
def test_arrays_are_int32_and_cover_every_parameter(cell):
    layout, flat, _ = lay(cell, 5, 2, True)
    assert {layout.index.dtype, layout.second.dtype, layout.back.dtype} == {np.dtype("int32")}
    assert set(layout.index) | set(layout.second) == set(range(flat.size))


def test_without_outputs_there_is_no_head():
    net = compose(CELLS["lstm"], 3, 4)
    layout = CudaLayout(Layout(net, np.dtype("float32")))
    assert layout.head == -1
    assert layout.index.size == (4 + 3 + 1) * 16
