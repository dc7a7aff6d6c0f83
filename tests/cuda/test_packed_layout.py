"""Packed weights against matrices built from PyTorch's named arrays."""

import numpy as np
import pytest
from example_cells import MADE_UP

from seqcast.cells import BUILT_IN
from seqcast.kernels.architecture import compose
from seqcast.kernels.cuda.packed_layout import PackedLayout
from seqcast.kernels.layout import Layout

CELLS = {cell.name: cell for cell in (*BUILT_IN, MADE_UP)}


# The gates of the columns, each with what feeds it: input x, state h, or u, the state after the reset.
GATES = {
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


def make_layout(cell, hidden, n_layers, bidirectional):
    """Return a layout, and distinct whole numbers as parameters, flat and by name."""
    net = compose(cell, 3, hidden, n_layers, bidirectional, n_outputs=2)
    flat = np.append(np.random.default_rng(0).permutation(net.n_parameters) + 1.0, 0.0)
    return PackedLayout(Layout(net, np.dtype("float64"))), flat, net.views(flat[:-1])


def list_gate_weights(cell, weights, suffix, hidden):
    """Yield the weights of x, of h and of u, and the bias of each gate; a gate that lacks some has zeros."""
    rows = {
        "ih": [gate.name for gate in cell.gates if gate.source != "state"],
        "hh": [gate.name for gate in cell.gates if gate.source != "input"],
    }

    def part(name, side, gate):
        first = rows[side].index(gate) * hidden
        return weights[f"{name}_{side}_{suffix}"][first : first + hidden].T

    for gate, sides in GATES[cell.name]:
        x, h = "x" in sides, "h" in sides or "u" in sides
        zero_x = np.zeros((weights[f"weight_ih_{suffix}"].shape[1], hidden))
        recurrent_weights = part("weight", "hh", gate) if h else np.zeros((hidden, hidden))
        yield (
            part("weight", "ih", gate) if x else zero_x,
            recurrent_weights * ("u" not in sides),
            recurrent_weights * ("u" in sides),
            (part("bias", "ih", gate) if x else 0) + (part("bias", "hh", gate) if h else 0),
        )


def build_regions(cell, weights, suffix, hidden):
    """Return the matrix and the candidate matrix of one layer and direction, from the named weights."""
    input_weights, recurrent_weights, candidate_weights, bias = (
        np.concatenate(part, axis=-1)
        for part in zip(*list_gate_weights(cell, weights, suffix, hidden), strict=True)
    )
    candidate = [k for k, (_, sides) in enumerate(GATES[cell.name]) if "u" in sides]
    candidate_weights = candidate_weights.reshape(hidden, -1, hidden)[:, candidate].reshape(hidden, -1)
    return np.concatenate([recurrent_weights, input_weights, bias[None]]), candidate_weights


@stacks
@cells
@pytest.mark.parametrize("hidden", [1, 5, 8])
def test_packed_weights_are_matrices_of_named_weights(cell, hidden, n_layers, bidirectional):
    layout, flat, weights = make_layout(cell, hidden, n_layers, bidirectional)
    packed = flat[layout.index] + flat[layout.second]
    for found, (layer, direction, suffix) in zip(
        layout.directions, layout.layout.stack.unrolls(), strict=True
    ):
        assert (found.layer, found.direction) == (layer, direction)
        assert found.operand_width == hidden + found.input_size + 1
        matrix, candidate = build_regions(cell, weights, f"l{layer}{suffix}", hidden)
        assert found.matrix_shape == matrix.shape
        np.testing.assert_array_equal(
            packed[found.matrix_offset :][: matrix.size].reshape(matrix.shape), matrix
        )
        if candidate.size:
            assert found.candidate_shape == candidate.shape
            np.testing.assert_array_equal(
                packed[found.candidate_offset :][: candidate.size].reshape(candidate.shape), candidate
            )
        else:
            assert found.candidate_offset == -1


@stacks
def test_head_is_last_with_its_bias_below(n_layers, bidirectional):
    layout, flat, weights = make_layout(CELLS["gru"], 5, n_layers, bidirectional)
    packed = flat[layout.index] + flat[layout.second]
    head = np.vstack([weights["head_weight"].T, weights["head_bias"]])
    np.testing.assert_array_equal(packed[layout.head :].reshape(-1, 2), head)


@stacks
@cells
def test_gradients_return_to_their_parameters(cell, n_layers, bidirectional):
    """Compare the gradient of a linear function of the packed weights with its definition."""
    layout, flat, _ = make_layout(cell, 5, n_layers, bidirectional)
    slopes = np.random.default_rng(1).normal(size=layout.index.size)
    expected = np.zeros(flat.size)
    np.add.at(expected, layout.index, slopes)
    np.add.at(expected, layout.second, slopes)
    assert np.array_equal(slopes[layout.back], expected[:-1])


@cells
def test_index_arrays_are_int32_and_cover_all_parameters(cell):
    layout, flat, _ = make_layout(cell, 5, 2, True)
    assert {layout.index.dtype, layout.second.dtype, layout.back.dtype} == {np.dtype("int32")}
    assert set(layout.index) | set(layout.second) == set(range(flat.size))


def test_layout_without_outputs_has_no_head():
    net = compose(CELLS["lstm"], 3, 4)
    layout = PackedLayout(Layout(net, np.dtype("float32")))
    assert layout.head == -1
    assert layout.index.size == (4 + 3 + 1) * 16
