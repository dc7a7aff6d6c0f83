"""Layout of packed weights, read back by a second implementation of its description."""

import numpy as np
import pytest
from example_cells import MADE_UP

from seqcast.cells import BUILT_IN
from seqcast.kernels.architecture import compose
from seqcast.kernels.cpu_target import HOST, CpuTarget
from seqcast.kernels.layout import Layout
from seqcast.learning.network import Network

CELLS = {cell.name: cell for cell in (*BUILT_IN, MADE_UP)}
FROM_X = {
    "both": "joint",
    "reset": "joint",
    "split": "input only",
    "input": "input only",
    "after_reset": "after reset",
}
FROM_H = {
    "both": "joint",
    "reset": "joint",
    "split": "state only",
    "state": "state only",
    "after_reset": "after reset",
}
GROUPS = ("input only", "after reset", "joint", "state only")
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True), (3, False)])
HIDDEN = (1, 7, 8, 9, 17)


# A target, and a dtype: layouts are plain Python, whatever machine runs them.
targets = pytest.mark.parametrize(
    ("target", "dtype"),
    [
        (CpuTarget(16), "float64"),
        (CpuTarget(32), "float64"),
        (CpuTarget(64), "float64"),
        (CpuTarget(64), "float32"),
    ],
    ids=["16-float64", "32-float64", "64-float64", "64-float32"],
)


def lay(cell, hidden, n_layers, bidirectional, target=HOST, dtype="float64", n_outputs=3):
    """Return a layout, distinct whole numbers as parameters by name, and the packed weights."""
    architecture = compose(cell, 3, hidden, n_layers, bidirectional, n_outputs)
    layout = Layout(architecture, np.dtype(dtype), target)
    flat = np.append(np.random.default_rng(0).permutation(architecture.n_parameters) + 1.0, 0.0)
    packed = flat[layout.index]
    packed[: layout.second.size] += flat[layout.second]
    return layout, architecture.views(flat[:-1]), packed


class Blocks:
    """The columns of a cell as the docstring of layout describes them: by group, then by gate."""

    def __init__(self, cell):
        parts = {
            (gate.name, table[gate.source])
            for gate in cell.gates
            for table in (FROM_X, FROM_H)
            if gate.source in table
        }
        names = [gate.name for gate in cell.gates]
        self.order = sorted(parts, key=lambda part: (GROUPS.index(part[1]), names.index(part[0])))
        self.cell = cell

    def columns(self, *groups):
        return [k for k, (_, group) in enumerate(self.order) if group in groups]

    def rows(self, table):
        """Return the column block of each gate of weight_ih (FROM_X) or weight_hh (FROM_H)."""
        gates = [gate for gate in self.cell.gates if gate.source in table]
        return [self.order.index((gate.name, table[gate.source])) for gate in gates]


def matrix(blocks, layout, weights, suffix, layer):
    """Return the matrix (H + F, blocks, H) that multiplies [h, x], from the named weights."""
    net, H = layout.architecture.stack, layout.stack.hidden
    hidden = net.hidden_size
    width = net.input_size if layer == 0 else net.n_directions * H
    full = np.zeros((H + width, len(blocks.order), H))
    for k, block in enumerate(blocks.rows(FROM_H)):
        full[:hidden, block, :hidden] = weights[f"weight_hh_{suffix}"][k * hidden : (k + 1) * hidden].T
    for k, block in enumerate(blocks.rows(FROM_X)):
        part = weights[f"weight_ih_{suffix}"][k * hidden : (k + 1) * hidden].T
        if layer == 0:
            full[H:, block, :hidden] = part
        else:
            for direction in range(net.n_directions):  # the layer below stands there padded
                first = H + direction * H
                full[first : first + hidden, block, :hidden] = part[
                    direction * hidden : (direction + 1) * hidden
                ]
    return full


def bias(blocks, layout, weights, suffix):
    hidden = layout.architecture.stack.hidden_size
    full = np.zeros((len(blocks.order), layout.stack.hidden))
    for name, table in (("ih", FROM_X), ("hh", FROM_H)):
        for k, block in enumerate(blocks.rows(table)):
            full[block, :hidden] += weights[f"bias_{name}_{suffix}"][k * hidden : (k + 1) * hidden]
    return full.ravel()


def read_panels(packed, start, depth, columns, target, dtype):
    """Turn [columns / panel][depth][panel] into (depth, columns); the padding must be zero."""
    panel = target.panel_width(dtype)
    n_panels = -(-columns // panel)
    whole = packed[start : start + n_panels * depth * panel].reshape(n_panels, depth, panel)
    full = np.concatenate(list(whole), axis=1) if n_panels else np.zeros((depth, 0))
    assert not full[:, columns:].any()
    return full[:, :columns]


def flat_columns(full, columns):
    """Turn the shape (rows, blocks, H) into (rows, len(columns) * H)."""
    return full[:, columns].reshape(len(full), -1)


def record_of(layout, layer, direction):
    return layout.layers[layer * layout.architecture.stack.n_directions + direction]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_units_are_padded_to_groups_of_eight(hidden):
    layout, _, _ = lay(CELLS["gru"], hidden, 1, False)
    assert layout.stack.hidden % 8 == 0
    assert 0 <= layout.stack.hidden - hidden < 8


@targets
@stacks
@cells
def test_packed_weights_hold_every_matrix(cell, n_layers, bidirectional, target, dtype):
    for hidden in HIDDEN:
        check_matrices(cell, hidden, n_layers, bidirectional, target, dtype)


def check_matrices(cell, hidden, n_layers, bidirectional, target, dtype):
    layout, weights, packed = lay(cell, hidden, n_layers, bidirectional, target, dtype)
    blocks, H = Blocks(cell), layout.stack.hidden
    x_only, late = blocks.columns("input only", "after reset"), blocks.columns("after reset")
    joint, own = blocks.columns("joint"), blocks.columns("state only")
    for layer, direction, suffix in layout.stack.unrolls():
        name = f"l{layer}{suffix}"
        full, record = matrix(blocks, layout, weights, name, layer), record_of(layout, layer, direction)
        expected_bias = bias(blocks, layout, weights, name)
        np.testing.assert_array_equal(packed[record.w_bias :][: expected_bias.size], expected_bias)
        for start, expected in (
            (record.w_x, flat_columns(full[H:], x_only)),
            (record.w_after_reset, flat_columns(full[:H], late)),
            (record.w_joint, flat_columns(full, joint)),
            (record.w_h, flat_columns(full[:H], own)),
            (record.wT_after_reset, flat_columns(full[:H], late).T),
            (record.wT_h, flat_columns(full[:H], joint + own).T),
            (record.wT_x, flat_columns(full[H:], x_only + joint).T),
        ):
            np.testing.assert_array_equal(
                read_panels(packed, start, *expected.shape, target, dtype), expected
            )


@targets
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3, 17])
def test_packed_weights_hold_the_readout(hidden, bidirectional, n_outputs, target, dtype):
    layout, weights, packed = lay(CELLS["gru"], hidden, 1, bidirectional, target, dtype, n_outputs)
    head = np.zeros((layout.architecture.stack.n_directions, layout.stack.hidden, n_outputs))
    for direction, part in enumerate(np.split(weights["head_weight"].T, len(head))):
        head[direction, :hidden] = part
    head, record = head.reshape(-1, n_outputs), layout.network[0].readout
    np.testing.assert_array_equal(packed[record.w_bias :][:n_outputs], weights["head_bias"])
    assert not packed[record.w_bias + n_outputs :][: target.pad(n_outputs, dtype) - n_outputs].any()
    np.testing.assert_array_equal(read_panels(packed, record.w, *head.shape, target, dtype), head)
    np.testing.assert_array_equal(read_panels(packed, record.wT, *head.T.shape, target, dtype), head.T)


@targets
@stacks
@cells
def test_unpacked_gradients_contain_every_parameter(cell, n_layers, bidirectional, target, dtype):
    """A packed gradient that holds the elements of named arrays is unpacked to these arrays."""
    for hidden in HIDDEN:
        check_back(cell, hidden, n_layers, bidirectional, target, dtype)


def check_back(cell, hidden, n_layers, bidirectional, target, dtype):
    layout, weights, _ = lay(cell, hidden, n_layers, bidirectional, target, dtype)
    blocks, H = Blocks(cell), layout.stack.hidden
    packed = np.full(layout.n_gradients, np.nan)

    def place(start, full):
        width = target.skew(full.shape[1], dtype)
        packed[start : start + len(full) * width].reshape(len(full), width)[:, : full.shape[1]] = full

    for layer, direction, suffix in layout.stack.unrolls():
        name, record = f"l{layer}{suffix}", record_of(layout, layer, direction)
        full = matrix(blocks, layout, weights, name, layer)
        place(record.grad_x, flat_columns(full[H:], blocks.columns("input only", "after reset")))
        place(record.grad_after_reset, flat_columns(full[:H], blocks.columns("after reset")))
        place(record.grad_joint, flat_columns(full, blocks.columns("joint")))
        place(record.grad_h, flat_columns(full[:H], blocks.columns("state only")))
        columns = np.arange(len(blocks.order) * H, dtype=float).reshape(
            -1, H
        )  # of the bias: both sides get the same
        packed[record.grad_bias : record.grad_bias + columns.size] = columns.ravel()
        for side, table in (("ih", FROM_X), ("hh", FROM_H)):
            weights[f"bias_{side}_{name}"][:] = columns[
                blocks.rows(table), : layout.architecture.stack.hidden_size
            ].ravel()
    head = np.zeros((layout.architecture.stack.n_directions, H, 3))
    for direction, part in enumerate(np.split(weights["head_weight"].T, len(head))):
        head[direction, : layout.architecture.stack.hidden_size] = part
    place(layout.network[0].readout.grad_w, head.reshape(-1, 3))
    packed[layout.network[0].readout.grad_bias :][:3] = weights["head_bias"]
    found = layout.architecture.views(packed[layout.back])
    for name, expected in weights.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


@cells
def test_only_the_two_biases_of_a_gate_share_a_gradient(cell):
    layout, _, _ = lay(cell, 7, 2, True)
    places, counts = np.unique(layout.back, return_counts=True)
    in_both = sum(gate.source in ("both", "reset", "after_reset") for gate in cell.gates)
    assert counts.max() == 2
    assert (counts == 2).sum() == in_both * 7 * 4  # units, layers times directions
    assert places.min() >= 0
    assert places.max() < layout.n_gradients


@pytest.mark.nojit
@pytest.mark.parametrize("real", ["float32", "float64"])
@cells
def test_compiled_packing_equals_indexing(cell, real):
    network = Network(compose(cell, 3, 9, 2, True, 2), real)
    network.initialize(np.random.RandomState(0))
    layout, flat = network.layout, np.append(network.flat, np.zeros(1, real))
    expected = flat[layout.index]
    expected[: layout.second.size] += flat[layout.second]
    np.testing.assert_array_equal(network.packed(), expected)


@pytest.mark.nojit
@pytest.mark.parametrize("n_shards", [1, 3])
def test_gradients_of_shards_are_added_and_brought_back(n_shards):
    network = Network(compose(CELLS["gru"], 3, 9, n_outputs=2), "float64")
    gradients = np.random.default_rng(0).normal(size=(n_shards, network.layout.n_gradients))
    expected = network.architecture.views(gradients.sum(axis=0)[network.layout.back])
    for name, found in network.gradient(gradients.copy()).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-14, err_msg=name)
