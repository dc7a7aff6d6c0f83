"""Where every number lies: packed weights read back by a second, slow reading of the layout's description."""

import numpy as np
import pytest
from test_cells import MADE_UP

from seqcast.cells import BUILT_IN
from seqcast.kernels import matmul
from seqcast.kernels.layout import Architecture, Columns, Layout
from seqcast.kernels.matmul import padded, panel_width
from seqcast.learning.network import Network

CELLS = {cell.name: cell for cell in (*BUILT_IN, MADE_UP)}
FROM_X = {"both": "joint", "reset": "joint", "split": "input only", "input": "input only", "late": "late"}
FROM_H = {"both": "joint", "reset": "joint", "split": "state only", "state": "state only", "late": "late"}
GROUPS = ("input only", "late", "joint", "state only")
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True), (3, False)])
HIDDEN = (1, 7, 8, 9, 17)


@pytest.fixture(params=["16-float64", "32-float64", "64-float64", "64-float32"])
def dtype(request, monkeypatch):
    """A dtype on a machine with vectors of so many bytes: layouts are plain Python, whatever runs it."""
    bytes_, name = request.param.split("-")
    monkeypatch.setattr(matmul, "VECTOR_BYTES", int(bytes_))
    return name


def lay(cell, hidden, n_layers, bidirectional, dtype="float64", n_outputs=3):
    """A layout, the parameters as distinct whole numbers by name, and the packed weights."""
    layout = Layout(Architecture(cell, 3, hidden, n_layers, bidirectional, n_outputs), np.dtype(dtype))
    n = layout.architecture.n_parameters
    flat = np.append(np.random.default_rng(0).permutation(n) + 1.0, 0.0)
    packed = flat[layout.index]
    packed[: layout.second.size] += flat[layout.second]
    return layout, layout.architecture.views(flat[:-1]), packed


class WindowSource:
    """The columns of a cell as the docstring of layout draws them: by group, gates in order within one."""

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
        """Column block of each gate of weight_ih (FROM_X) or weight_hh (FROM_H), in the order of its rows."""
        gates = [gate for gate in self.cell.gates if gate.source in table]
        return [self.order.index((gate.name, table[gate.source])) for gate in gates]


def matrix(blocks, layout, weights, suffix, layer):
    """The matrix (H + F, blocks, H) that multiplies [h, x], block by block from the named weights."""
    net, H, hidden = layout.architecture, layout.hidden, layout.architecture.hidden_size
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
    hidden = layout.architecture.hidden_size
    full = np.zeros((len(blocks.order), layout.hidden))
    for name, table in (("ih", FROM_X), ("hh", FROM_H)):
        for k, block in enumerate(blocks.rows(table)):
            full[block, :hidden] += weights[f"bias_{name}_{suffix}"][k * hidden : (k + 1) * hidden]
    return full.ravel()


def read_panels(packed, start, depth, columns, dtype):
    """[columns / panel][depth][panel] -> (depth, columns); what pads the last panel must be zero."""
    panel = panel_width(dtype)
    n_panels = -(-columns // panel)
    whole = packed[start : start + n_panels * depth * panel].reshape(n_panels, depth, panel)
    full = np.concatenate(list(whole), axis=1) if n_panels else np.zeros((depth, 0))
    assert not full[:, columns:].any()
    return full[:, :columns]


def flat_columns(full, columns):
    """(rows, blocks, H) -> (rows, len(columns) * H)"""
    return full[:, columns].reshape(len(full), -1)


def record_of(layout, layer, direction):
    return layout.layers[layer * layout.architecture.n_directions + direction]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_units_are_padded_to_groups_of_eight(hidden):
    layout, _, _ = lay(CELLS["gru"], hidden, 1, False)
    assert layout.hidden % 8 == 0
    assert 0 <= layout.hidden - hidden < 8


@stacks
@cells
def test_packed_weights_hold_every_matrix(cell, n_layers, bidirectional, dtype):
    for hidden in HIDDEN:
        check_matrices(cell, hidden, n_layers, bidirectional, dtype)


def check_matrices(cell, hidden, n_layers, bidirectional, dtype):
    layout, weights, packed = lay(cell, hidden, n_layers, bidirectional, dtype)
    blocks, H = WindowSource(cell), layout.hidden
    x_only, late = blocks.columns("input only", "late"), blocks.columns("late")
    joint, own = blocks.columns("joint"), blocks.columns("state only")
    for layer, direction, suffix in layout.walks():
        name = f"l{layer}{suffix}"
        full, record = matrix(blocks, layout, weights, name, layer), record_of(layout, layer, direction)
        expected_bias = bias(blocks, layout, weights, name)
        np.testing.assert_array_equal(packed[record.p_bias :][: expected_bias.size], expected_bias)
        for start, expected in (
            (record.p_x, flat_columns(full[H:], x_only)),
            (record.p_late, flat_columns(full[:H], late)),
            (record.p_joint, flat_columns(full, joint)),
            (record.p_h, flat_columns(full[:H], own)),
            (record.q_late, flat_columns(full[:H], late).T),
            (record.q_h, flat_columns(full[:H], joint + own).T),
            (record.q_x, flat_columns(full[H:], x_only + joint).T),
        ):
            np.testing.assert_array_equal(read_panels(packed, start, *expected.shape, dtype), expected)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3, 17])
def test_packed_weights_hold_the_head(hidden, bidirectional, n_outputs, dtype):
    layout, weights, packed = lay(CELLS["gru"], hidden, 1, bidirectional, dtype, n_outputs)
    head = np.zeros((layout.architecture.n_directions, layout.hidden, n_outputs))
    for direction, part in enumerate(np.split(weights["head_weight"].T, len(head))):
        head[direction, :hidden] = part
    head, record = head.reshape(-1, n_outputs), layout.network[0]
    np.testing.assert_array_equal(packed[record.p_head_bias :][:n_outputs], weights["head_bias"])
    assert not packed[record.p_head_bias + n_outputs :][: padded(n_outputs, dtype) - n_outputs].any()
    np.testing.assert_array_equal(read_panels(packed, record.p_head, *head.shape, dtype), head)
    np.testing.assert_array_equal(read_panels(packed, record.q_head, *head.T.shape, dtype), head.T)


@stacks
@cells
def test_back_finds_the_gradient_of_every_parameter(cell, n_layers, bidirectional, dtype):
    """A packed gradient whose elements are those of named arrays comes back as these arrays."""
    for hidden in HIDDEN:
        check_back(cell, hidden, n_layers, bidirectional, dtype)


def check_back(cell, hidden, n_layers, bidirectional, dtype):
    layout, weights, _ = lay(cell, hidden, n_layers, bidirectional, dtype)
    blocks, H = WindowSource(cell), layout.hidden
    packed = np.full(layout.n_gradients, np.nan)

    def place(start, full):
        width = padded(full.shape[1], dtype)
        packed[start : start + len(full) * width].reshape(len(full), width)[:, : full.shape[1]] = full

    for layer, direction, suffix in layout.walks():
        name, record = f"l{layer}{suffix}", record_of(layout, layer, direction)
        full = matrix(blocks, layout, weights, name, layer)
        place(record.g_x, flat_columns(full[H:], blocks.columns("input only", "late")))
        place(record.g_late, flat_columns(full[:H], blocks.columns("late")))
        place(record.g_joint, flat_columns(full, blocks.columns("joint")))
        place(record.g_h, flat_columns(full[:H], blocks.columns("state only")))
        columns = np.arange(len(blocks.order) * H, dtype=float).reshape(
            -1, H
        )  # of the bias: both sides get the same
        packed[record.g_bias : record.g_bias + columns.size] = columns.ravel()
        for side, table in (("ih", FROM_X), ("hh", FROM_H)):
            weights[f"bias_{side}_{name}"][:] = columns[
                blocks.rows(table), : layout.architecture.hidden_size
            ].ravel()
    head = np.zeros((layout.architecture.n_directions, H, 3))
    for direction, part in enumerate(np.split(weights["head_weight"].T, len(head))):
        head[direction, : layout.architecture.hidden_size] = part
    place(layout.network[0].g_head, head.reshape(-1, 3))
    packed[layout.network[0].g_head_bias :][:3] = weights["head_bias"]
    found = layout.architecture.views(packed[layout.back])
    for name, expected in weights.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


@cells
def test_only_the_two_biases_of_a_gate_share_a_gradient(cell):
    layout, _, _ = lay(cell, 7, 2, True)
    places, counts = np.unique(layout.back, return_counts=True)
    in_both = sum(gate.source in ("both", "reset", "late") for gate in cell.gates)
    assert counts.max() == 2
    assert (counts == 2).sum() == in_both * 7 * 4  # units, layers times directions
    assert places.min() >= 0
    assert places.max() < layout.n_gradients


def test_columns_of_the_built_in_cells():
    """By hand, for the three kinds of products that they use."""
    lstm, gru, before = (Columns.of(CELLS[name]) for name in ("lstm", "gru", "gru_reset_before"))
    assert (lstm.input_only, lstm.late, lstm.joint, lstm.state_only) == (0, 0, 4, 0)
    assert lstm.step == lstm.from_x == lstm.from_h == (0, 1, 2, 3)
    assert (gru.input_only, gru.late, gru.joint, gru.state_only) == (1, 0, 2, 1)
    assert (gru.step, gru.from_x, gru.from_h) == ((1, 2, 0, 3), (1, 2, 0), (1, 2, 3))
    assert (before.input_only, before.late, before.joint, before.state_only) == (0, 1, 2, 0)
    assert (before.step, before.reset, before.from_x) == ((2, 0), (1,), (1, 2, 0))


@pytest.mark.nojit
@pytest.mark.parametrize("real", ["float32", "float64"])
@cells
def test_the_compiled_packing_is_the_indexed_one(cell, real):
    network = Network(Architecture(cell, 3, 9, 2, True, 2), real)
    network.initialize(np.random.RandomState(0))
    layout, flat = network.layout, np.append(network.flat, np.zeros(1, real))
    expected = flat[layout.index]
    expected[: layout.second.size] += flat[layout.second]
    np.testing.assert_array_equal(network.packed(), expected)


@pytest.mark.nojit
@pytest.mark.parametrize("n_shares", [1, 3])
def test_shares_of_a_gradient_are_added_and_brought_back(n_shares):
    network = Network(Architecture(CELLS["gru"], 3, 9, n_outputs=2), "float64")
    shares = np.random.default_rng(0).normal(size=(n_shares, network.layout.n_gradients))
    expected = network.architecture.views(shares.sum(axis=0)[network.layout.back])
    for name, found in network.gradient(shares.copy()).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-14, err_msg=name)
