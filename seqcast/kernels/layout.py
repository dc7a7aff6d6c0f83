"""Where every number of a network lies: the flat parameter vector, the packed weights, and the work space.

Letters used throughout the kernels::

    B rows of a batch    b rows of one block    T steps    F inputs of a layer
    H hidden units, padded to UNIT              G column blocks of a cell (4 for an LSTM)
    D directions (1 or 2)                       L layers

All parameters live in one flat vector, in PyTorch's shapes and order, so that optimisers, clipping and files
work on one array. The loops want another order: the rows [h, x] of one step times a matrix (H + F, G H) whose
columns are grouped by what they are multiplied with::

    columns   [ input only | late | joint | state only ]
    x part        x           x       x        .             product of x alone: the first two groups
    h part        .           u       h        h             h and x in one product: the joint group

Both orders are tied by index arrays made here once: packing the weights is ``packed = flat[index]``, and the
packed gradient is brought back in the same way. ``flat`` has one element more than there are parameters,
always zero: padding points to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..cells.contract import Cell
from .distributions import MAX_LEVELS, parameter_count
from .matmul import padded, panel_width

UNIT = 8  # hidden units are padded to groups of 8: one vector of AVX floats, the same on every machine
RING_ROWS = 128  # rows of gate gradients gathered before they are multiplied into the weight gradient
BLOCK_ROWS = 64  # at most so many rows walk through time together, ...
SHARD_ROWS = 16  # ... at least so many make a share of the batch worth a thread, ...
MAX_SHARDS = 16  # ... and a batch has at most so many shares, since each sums a gradient of its own
# (not where the work space is kept for a later backward pass: there, each block is a share)

# What the kernels know of a network and a batch; integers are sizes and offsets into the arrays named in the
# comment.
NETWORK = np.dtype(
    [(name, "i8") for name in (
        # sizes
        "hidden", "hidden_size", "columns", "z_stride", "d_stride", "n_layers", "n_directions", "n_states",
        "n_channels", "n_targets", "segment", "masked",  # what a window looks like
        "normalize", "scale", "n_normalized",  # and how it is read
        "n_rows", "shard_rows", "block_rows", "n_steps", "chunk",  # the batch
        # work space
        "vector", "ring", "z", "d_z", "d_state", "d_u", "d_x", "d_x_stride", "offsets", "scales",
        "sink_width", "d_sink",  # gradient of the top layer's outputs, in the work space; -1: there is none
        # linear head, in work space
        "n_outputs", "pooling", "pooled", "pooled_stride", "d_pooled", "peaks", "out", "out_stride",
        # and in packed weights (p, q) and gradients (g)
        "p_head_bias", "p_head", "q_head", "g_head_bias", "g_head",
        "loss", "distribution", "n_points",  # n_points: outputs for one parameter of each distribution
    )] + [("seed", "u4"), ("dropout", "f8"), ("levels", "f8", MAX_LEVELS)],
    align=True,
)  # fmt: skip

LAYER = np.dtype(
    [(name, "i8") for name in (
        "level", "reverse", "width", "is_top",  # width: F of this layer
        "source", "d_source", "sink", "d_sink", "sink_width",  # buffers between layers, in work space
        "rows", "row_stride", "others", "saved", "late",  # per step and row, in work space
        "state", "p_bias", "p_x", "p_late", "p_joint", "p_h", "q_h", "q_x", "q_late",  # packed weights
        "g_bias", "g_x", "g_late", "g_joint", "g_h",  # packed gradients
    )],
    align=True,
)  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """What a network is made of.

    Parameters
    ----------
    cell : Cell
    input_size, hidden_size, n_layers : int
    bidirectional : bool
    n_outputs : int
        Outputs of the linear head; 0 for none.
    pooling : {"last", "mean", "max"}
        What the head reads of the top layer's states.
    distribution : {"none", "quantile", "gaussian", "student_t", "negative_binomial"}
        What the outputs are the parameters of; "none" where they are forecasts themselves, or logits.
    levels : tuple of float
        Of the quantiles: ascending, 0.5 among them.
    """

    cell: Cell
    input_size: int
    hidden_size: int
    n_layers: int = 1
    bidirectional: bool = False
    n_outputs: int = 0
    pooling: str = "last"
    distribution: str = "none"
    levels: tuple[float, ...] = ()

    @property
    def n_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def n_walks(self) -> int:
        """Passes over time: layers times directions."""
        return self.n_layers * self.n_directions

    @property
    def n_points(self) -> int:
        """Outputs for one parameter of each distribution: steps of the horizon times targets."""
        return self.n_outputs // parameter_count(self.distribution, self.levels)

    @property
    def output_size(self) -> int:
        return self.n_directions * self.hidden_size

    def layer_input(self, layer: int) -> int:
        return self.input_size if layer == 0 else self.output_size

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter in order: PyTorch's names, then the head's."""
        hidden = self.hidden_size
        from_x = len(self.cell.gates_from("both", "split", "input", "reset", "late"))
        from_h = len(self.cell.gates_from("both", "split", "state", "reset", "late"))
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.n_layers):
            for suffix in ("", "_reverse")[: self.n_directions]:
                shapes[f"weight_ih_l{layer}{suffix}"] = (from_x * hidden, self.layer_input(layer))
                shapes[f"weight_hh_l{layer}{suffix}"] = (from_h * hidden, hidden)
                shapes[f"bias_ih_l{layer}{suffix}"] = (from_x * hidden,)
                shapes[f"bias_hh_l{layer}{suffix}"] = (from_h * hidden,)
        if self.n_outputs:
            shapes["head_weight"] = (self.n_outputs, self.output_size)
            shapes["head_bias"] = (self.n_outputs,)
        return shapes

    @cached_property
    def n_parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Each parameter by name, as a view into `flat`."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = flat[start:stop].reshape(shape)
            start = stop
        return views


@dataclass(frozen=True)
class Columns:
    """The column blocks of a cell's pre-activations, grouped by the products that fill them."""

    input_only: int
    late: int
    joint: int
    state_only: int
    step: tuple[int, ...]  # blocks that `Cell.step` reads, in the order of its z
    reset: tuple[int, ...]  # blocks that `Cell.reset` reads
    from_x: tuple[int, ...]  # block of each gate in the rows of weight_ih
    from_h: tuple[int, ...]  # block of each gate in the rows of weight_hh

    @property
    def total(self) -> int:
        return self.input_only + self.late + self.joint + self.state_only

    @classmethod
    def of(cls, cell: Cell) -> "Columns":
        parts = [(gate, part) for gate in cell.gates for part in _PARTS[gate.source]]
        # a stable sort: gates keep their order within a group
        order = sorted(parts, key=lambda item: _GROUPS.index(item[1]))
        block = {(gate.name, part): k for k, (gate, part) in enumerate(order)}
        count = {group: sum(part == group for _, part in parts) for group in _GROUPS}
        return cls(
            **count,
            step=tuple(block[gate.name, part] for gate, part in parts if gate.source != "reset"),
            reset=tuple(block[gate.name, part] for gate, part in parts if gate.source == "reset"),
            from_x=tuple(block[gate.name, part] for gate, part in parts if part != "state_only"),
            from_h=tuple(block[gate.name, part] for gate, part in parts if part != "input_only"),
        )


_GROUPS = ("input_only", "late", "joint", "state_only")
_PARTS = {
    "both": ("joint",),
    "reset": ("joint",),
    "late": ("late",),
    "input": ("input_only",),
    "state": ("state_only",),
    "split": ("input_only", "state_only"),
}


@dataclass
class Arena:
    """Hands out consecutive pieces of one flat array."""

    size: int = 0

    def take(self, size: int) -> int:
        start = self.size
        self.size += -(-size // 16) * 16  # every piece starts on a cache line
        return start


@dataclass
class Layout:
    """Index arrays and offsets of one architecture in one dtype; everything here is fixed when a network is
    made.

    Attributes
    ----------
    index : ndarray of int32, shape (n_packed,)
        ``packed = flat[index]``.
    second : ndarray of int32, shape (n_bias,)
        Added to the first ``n_bias`` elements: a gate fed by x and h has two biases.
    back : ndarray of int32, shape (n_parameters,)
        ``gradient = packed_gradient[back]``.
    """

    architecture: Architecture
    dtype: np.dtype
    index: np.ndarray = field(init=False)
    second: np.ndarray = field(init=False)
    back: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        net = self.architecture
        self.columns = Columns.of(net.cell)
        self.hidden = -(-net.hidden_size // UNIT) * UNIT
        self.zero = net.n_parameters  # the element of the flat vector that stays zero
        self.n_columns = self.columns.total * self.hidden
        self.layers = np.zeros(net.n_walks, LAYER).view(np.recarray)
        self.network = np.zeros(1, NETWORK).view(np.recarray)
        self._number = net.views(np.arange(net.n_parameters + 1, dtype=np.int32)[:-1])
        self._index: list[np.ndarray] = []
        self._n_packed = 0
        self._gradients = Arena()
        self.back = np.zeros(net.n_parameters, np.int32)
        self._lay_biases()
        self._lay_weights()
        self.index = np.concatenate(self._index)
        self.n_gradients = self._gradients.size

    def walk(self, layer: int, direction: int) -> int:
        return layer * self.architecture.n_directions + direction

    def row_width(self, layer: int) -> int:
        """F of a layer: its inputs, those from a layer below padded like that layer's units."""
        return self.architecture.input_size if layer == 0 else self.architecture.n_directions * self.hidden

    # -- biases first: they alone are sums of two parameters

    def _lay_biases(self) -> None:
        net, record = self.architecture, self.network[0]
        second = []
        for layer, direction, suffix in self.walks():
            columns = self.bias_columns(layer, suffix)
            record_ = self.layers[self.walk(layer, direction)]
            record_.p_bias, record_.g_bias = self._lay(columns[0], columns)
            second.append(self._filled(columns[1], self._index[-1].size))
        if net.n_outputs:
            bias = self._filled(self._number["head_bias"], padded(net.n_outputs, self.dtype))
            record.p_head_bias, record.g_head_bias = self._lay(bias, bias[None])
            second.append(np.full(self._index[-1].size, self.zero, np.int32))
        self.second = np.concatenate(second)

    def bias_columns(self, layer: int, suffix: str) -> np.ndarray:
        """Index of b_ih and of b_hh for each column, shape (2, G H)."""
        columns = np.full((2, self.columns.total, self.hidden), self.zero, np.int32)
        hidden = self.architecture.hidden_size
        for k, (side, blocks) in enumerate((("ih", self.columns.from_x), ("hh", self.columns.from_h))):
            numbers = self._number[f"bias_{side}_l{layer}{suffix}"].reshape(-1, hidden)
            for block, gate in zip(blocks, numbers, strict=True):
                columns[k, block, :hidden] = gate
        return columns.reshape(2, -1)

    def _lay(self, values: np.ndarray, sources: np.ndarray) -> tuple[int, int]:
        """Append one vector of indices; `sources` are the parameters that share its gradient."""
        start, gradient = self._append(values), self._gradients.take(values.size)
        for source in sources:
            self._link_back(source, gradient + np.arange(source.size))
        return start, gradient

    # -- weights

    def _lay_weights(self) -> None:
        net, groups, H = self.architecture, self.columns, self.hidden
        x_only = (groups.input_only + groups.late) * H
        joint = slice(x_only, x_only + groups.joint * H)
        late = slice(groups.input_only * H, x_only)
        for layer, direction, suffix in self.walks():
            index = self.weight_index(layer, suffix)
            record = self.layers[self.walk(layer, direction)]
            record.p_x, record.g_x = self._lay_matrix(index[H:, :x_only])
            record.p_late, record.g_late = self._lay_matrix(index[:H, late])
            record.p_joint, record.g_joint = self._lay_matrix(index[:, joint])
            record.p_h, record.g_h = self._lay_matrix(index[:H, joint.stop :])
            record.q_h = self._append(self._panels(index[:H, x_only:].T))
            record.q_x = self._append(self._panels(index[H:, : joint.stop].T))
            record.q_late = self._append(self._panels(index[:H, late].T))
        if net.n_outputs:
            by_unit = self._number["head_weight"].T.reshape(net.n_directions, net.hidden_size, -1)
            units = np.full((net.n_directions, H, net.n_outputs), self.zero, np.int32)
            units[:, : net.hidden_size] = by_unit
            head = units.reshape(-1, net.n_outputs)
            record = self.network[0]
            record.p_head, record.g_head = self._lay_matrix(head)
            record.q_head = self._append(self._panels(head.T))

    def weight_index(self, layer: int, suffix: str) -> np.ndarray:
        """The parameter behind each element of the matrix (H + F, G H) that multiplies [h, x]."""
        net, hidden, H = self.architecture, self.architecture.hidden_size, self.hidden
        index = np.full((H + self.row_width(layer), self.columns.total, H), self.zero, np.int32)
        w_hh = self._number[f"weight_hh_l{layer}{suffix}"].reshape(-1, hidden, hidden)
        w_ih = self._number[f"weight_ih_l{layer}{suffix}"].reshape(-1, hidden, net.layer_input(layer))
        x_rows = H + self.input_columns(layer)
        for block, gate in zip(self.columns.from_h, w_hh, strict=True):
            index[:hidden, block, :hidden] = gate.T
        for block, gate in zip(self.columns.from_x, w_ih, strict=True):
            index[x_rows, block, :hidden] = gate.T
        return index.reshape(index.shape[0], -1)

    def input_columns(self, layer: int) -> np.ndarray:
        """Where a layer's inputs stand in its padded input row."""
        net = self.architecture
        if layer == 0:
            return np.arange(net.input_size)
        return (np.arange(net.n_directions)[:, None] * self.hidden + np.arange(net.hidden_size)).ravel()

    def _lay_matrix(self, index: np.ndarray) -> tuple[int, int]:
        """Append a matrix as panels, and make room for its gradient (rows padded to whole vectors)."""
        depth, columns = index.shape
        start = self._append(self._panels(index))
        width = padded(columns, self.dtype)
        gradient = self._gradients.take(depth * width)
        positions = gradient + np.arange(depth)[:, None] * width + np.arange(columns)
        self._link_back(index.ravel(), positions.ravel())
        return start, gradient

    def _panels(self, index: np.ndarray) -> np.ndarray:
        """(depth, columns) -> panels [columns / panel][depth][panel], flat, padded with the zero element."""
        panel, (depth, columns) = panel_width(self.dtype), index.shape
        full = np.full((depth, -(-columns // panel) * panel), self.zero, np.int32)
        full[:, :columns] = index
        return full.reshape(depth, full.shape[1] // panel, panel).transpose(1, 0, 2).ravel()

    def _append(self, values: np.ndarray) -> int:
        start, size = self._n_packed, -(-values.size // 16) * 16
        self._index.append(self._filled(values, size))
        self._n_packed += size
        return start

    def _filled(self, values: np.ndarray, size: int) -> np.ndarray:
        full = np.full(size, self.zero, np.int32)
        full[: values.size] = values
        return full

    def _link_back(self, parameters: np.ndarray, positions: np.ndarray) -> None:
        real = parameters != self.zero
        self.back[parameters[real]] = positions[real]

    def walks(self) -> Iterator[tuple[int, int, str]]:
        """Layer, direction and name suffix of each pass over time."""
        for layer in range(self.architecture.n_layers):
            for direction, suffix in enumerate(("", "_reverse")[: self.architecture.n_directions]):
                yield layer, direction, suffix
