"""Layout of the parameters of a network: the flat vector, the packed weights and the packed gradients.

Letters used throughout the kernels::

    B samples of a batch    b samples of one block    T steps    F inputs of a layer
    H hidden units, padded to PAD                     G column blocks of a cell (4 for an LSTM)
    D directions (1 or 2)                             L layers

The flat vector holds all parameters in PyTorch's shapes and order, see `architecture`. The loops need another
order. They multiply the rows [h, x] of one step by a matrix (H + F, G H) whose columns are grouped by the
operands of their products::

    columns   [ input only | after reset | joint | state only ]
    x part        x              x           x        .          product of x alone: the first two groups
    h part        .              u           h        h          h and x in one product: the joint group

u is the state after the reset. Index arrays, made once, connect the two orders: packing the weights is
``packed = flat[index]``, and ``gradient = packed_gradient[back]``. ``flat`` has one element more than there
are parameters, which is always 0; padding points to it.
"""

from collections.abc import Iterator

import numpy as np

from .architecture import Architecture, Readout, Stack
from .column_groups import ColumnGroups
from .cpu_target import HOST, CpuTarget
from .tables import LAYER, NETWORK

# Hidden units are padded to multiples of 8, one AVX vector of float32, on every machine.
PAD = 8


class Arena:
    """Offsets of consecutive parts of one flat array."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> int:
        """Return the offset of a new part; every part starts on a cache line."""
        start = self.size
        self.size += -(-size // 16) * 16
        return start


class Packing:
    """Index arrays between the flat vector and the packed weights and gradients, while they are made.

    Vectors come first, then matrices: see `Layout.second`.

    Parameters
    ----------
    n_parameters : int
    dtype : dtype
    target : CpuTarget

    Attributes
    ----------
    zero : int
        The element of the flat vector that is always 0.
    """

    def __init__(self, n_parameters: int, dtype: np.dtype, target: CpuTarget) -> None:
        self.zero = n_parameters
        self.back = np.zeros(n_parameters, np.int32)
        self.gradients = Arena()
        self._dtype = dtype
        self._target = target
        self._index: list[np.ndarray] = []
        self._second: list[np.ndarray] = []
        self._n_packed = 0

    @property
    def index(self) -> np.ndarray:
        return np.concatenate(self._index)

    @property
    def second(self) -> np.ndarray:
        return np.concatenate(self._second)

    def lay_vector(self, sources: np.ndarray) -> tuple[int, int]:
        """Append a vector; return the offsets of its weights and of its gradient.

        sources (1 or 2, n): indices of the parameters whose sum each element is.
        """
        start, gradient = self._append(sources[0]), self.gradients.take(sources.shape[1])
        second = sources[1] if len(sources) > 1 else np.empty(0, np.int32)
        self._second.append(self._fill(second, self._index[-1].size))
        for source in sources:
            self._link_back(source, gradient + np.arange(source.size))
        return start, gradient

    def lay_matrix(self, index: np.ndarray) -> tuple[int, int]:
        """Append a matrix as panels; return the offsets of its weights and of its gradient.

        The gradient is a matrix row by row, its rows padded, see `CpuTarget.skew`.
        """
        depth, columns = index.shape
        start = self.lay_panels(index)
        width = self._target.skew(columns, self._dtype)
        gradient = self.gradients.take(depth * width)
        positions = gradient + np.arange(depth)[:, None] * width + np.arange(columns)
        self._link_back(index.ravel(), positions.ravel())
        return start, gradient

    def lay_panels(self, index: np.ndarray) -> int:
        """Append a matrix (depth, columns) as panels [columns / panel][depth][panel]; return its offset."""
        panel, (depth, columns) = self._target.panel_width(self._dtype), index.shape
        full = np.full((depth, -(-columns // panel) * panel), self.zero, np.int32)
        full[:, :columns] = index
        return self._append(full.reshape(depth, full.shape[1] // panel, panel).transpose(1, 0, 2).ravel())

    def _append(self, values: np.ndarray) -> int:
        start, size = self._n_packed, -(-values.size // 16) * 16
        self._index.append(self._fill(values, size))
        self._n_packed += size
        return start

    def _fill(self, values: np.ndarray, size: int) -> np.ndarray:
        full = np.full(size, self.zero, np.int32)
        full[: values.size] = values
        return full

    def _link_back(self, parameters: np.ndarray, positions: np.ndarray) -> None:
        real = parameters != self.zero
        self.back[parameters[real]] = positions[real]


class StackLayout:
    """Layout of the parameters of a stack.

    Parameters
    ----------
    stack : Stack
    numbers : dict of ndarray
        Position of each parameter in the flat vector, by name.
    zero : int
        Position of the element that is always 0.

    Attributes
    ----------
    hidden : int
        Units of a layer and direction, padded.
    layers : recarray of LAYER
        Table of each layer and direction.
    """

    def __init__(self, stack: Stack, numbers: dict[str, np.ndarray], zero: int) -> None:
        self.stack = stack
        self.groups = ColumnGroups.of(stack.cell)
        self.hidden = -(-stack.hidden_size // PAD) * PAD
        self.n_columns = self.groups.total * self.hidden
        self.layers = np.zeros(stack.n_unrolls, LAYER).view(np.recarray)
        self._numbers = numbers
        self._zero = zero

    def unrolls(self) -> Iterator[tuple[int, int, str]]:
        """Yield layer, direction and suffix of the parameters' names of each pair."""
        for layer in range(self.stack.n_layers):
            for direction, suffix in enumerate(("", "_reverse")[: self.stack.n_directions]):
                yield layer, direction, suffix

    def position(self, layer: int, direction: int) -> int:
        """Return the position of a layer and direction in the order of `unrolls`."""
        return layer * self.stack.n_directions + direction

    def row_width(self, layer: int) -> int:
        """Return the number of inputs F of a layer; inputs from a layer below are padded like its units."""
        return self.stack.input_size if layer == 0 else self.stack.n_directions * self.hidden

    def lay_biases(self, packing: Packing) -> None:
        """Append the biases of all layers."""
        for layer, direction, suffix in self.unrolls():
            record = self.layers[self.position(layer, direction)]
            record.w_bias, record.grad_bias = packing.lay_vector(self.bias_columns(layer, suffix))

    def lay_weights(self, packing: Packing) -> None:
        """Append the matrices of all layers, and the transposed ones that gradients are multiplied by."""
        groups, H = self.groups, self.hidden
        x_only = (groups.input_only + groups.after_reset) * H
        joint = slice(x_only, x_only + groups.joint * H)
        after_reset = slice(groups.input_only * H, x_only)
        for layer, direction, suffix in self.unrolls():
            index = self.weight_index(layer, suffix)
            record = self.layers[self.position(layer, direction)]
            record.w_x, record.grad_x = packing.lay_matrix(index[H:, :x_only])
            record.w_after_reset, record.grad_after_reset = packing.lay_matrix(index[:H, after_reset])
            record.w_joint, record.grad_joint = packing.lay_matrix(index[:, joint])
            record.w_h, record.grad_h = packing.lay_matrix(index[:H, joint.stop :])
            record.wT_h = packing.lay_panels(index[:H, x_only:].T)
            record.wT_x = packing.lay_panels(index[H:, : joint.stop].T)
            record.wT_after_reset = packing.lay_panels(index[:H, after_reset].T)

    def bias_columns(self, layer: int, suffix: str) -> np.ndarray:
        """Return the positions of b_ih and of b_hh of each column, shape (2, G H)."""
        columns = np.full((2, self.groups.total, self.hidden), self._zero, np.int32)
        hidden = self.stack.hidden_size
        for k, (side, blocks) in enumerate((("ih", self.groups.from_x), ("hh", self.groups.from_h))):
            numbers = self._numbers[f"bias_{side}_l{layer}{suffix}"].reshape(-1, hidden)
            for block, gate in zip(blocks, numbers, strict=True):
                columns[k, block, :hidden] = gate
        return columns.reshape(2, -1)

    def weight_index(self, layer: int, suffix: str) -> np.ndarray:
        """Return the parameter behind each element of the matrix (H + F, G H) that multiplies [h, x]."""
        stack, hidden, H = self.stack, self.stack.hidden_size, self.hidden
        index = np.full((H + self.row_width(layer), self.groups.total, H), self._zero, np.int32)
        w_hh = self._numbers[f"weight_hh_l{layer}{suffix}"].reshape(-1, hidden, hidden)
        w_ih = self._numbers[f"weight_ih_l{layer}{suffix}"].reshape(-1, hidden, stack.layer_input(layer))
        x_rows = H + self.input_columns(layer)
        for block, gate in zip(self.groups.from_h, w_hh, strict=True):
            index[:hidden, block, :hidden] = gate.T
        for block, gate in zip(self.groups.from_x, w_ih, strict=True):
            index[x_rows, block, :hidden] = gate.T
        return index.reshape(index.shape[0], -1)

    def input_columns(self, layer: int) -> np.ndarray:
        """Return the places of a layer's inputs in its padded row of inputs."""
        stack = self.stack
        if layer == 0:
            return np.arange(stack.input_size)
        return (np.arange(stack.n_directions)[:, None] * self.hidden + np.arange(stack.hidden_size)).ravel()


class ReadoutLayout:
    """Layout of the parameters of a readout.

    Parameters
    ----------
    readout : Readout
    stack : StackLayout
    numbers : dict of ndarray
        Position of each parameter in the flat vector, by name.
    zero : int
        Position of the element that is always 0.
    """

    def __init__(
        self, readout: Readout, stack: StackLayout, numbers: dict[str, np.ndarray], zero: int
    ) -> None:
        self.readout = readout
        self._stack = stack
        self._numbers = numbers
        self._zero = zero

    def lay_bias(self, packing: Packing, table: np.record) -> None:
        """Append the bias, and write its offsets to the readout's table."""
        table.w_bias, table.grad_bias = packing.lay_vector(self._numbers["head_bias"][None])

    def lay_weights(self, packing: Packing, table: np.record) -> None:
        """Append the matrix, plain and transposed, and write its offsets to the readout's table."""
        index = self.weight_index()
        table.w, table.grad_w = packing.lay_matrix(index)
        table.wT = packing.lay_panels(index.T)

    def weight_index(self) -> np.ndarray:
        """Return the parameter behind each element of the matrix (D * H, n_outputs)."""
        stack = self._stack.stack
        weights = self._numbers["head_weight"].T.reshape(stack.n_directions, stack.hidden_size, -1)
        shape = stack.n_directions, self._stack.hidden, self.readout.n_outputs
        index = np.full(shape, self._zero, np.int32)
        index[:, : stack.hidden_size] = weights
        return index.reshape(-1, self.readout.n_outputs)


class Layout:
    """Index arrays and tables of one architecture in one dtype, for one target.

    Parameters
    ----------
    architecture : Architecture
    dtype : dtype
    target : CpuTarget

    Attributes
    ----------
    index : ndarray of int32, shape (n_packed,)
        ``packed = flat[index]``.
    second : ndarray of int32, shape (n_bias,)
        Added to the first ``n_bias`` elements: a gate that reads x and h has two biases.
    back : ndarray of int32, shape (n_parameters,)
        ``gradient = packed_gradient[back]``.
    zero : int
        The element of the flat vector that is always 0.
    network, layers : recarray of NETWORK, of LAYER
        Tables with the offsets of weights and gradients; the rest of them belongs to a batch.
    """

    def __init__(self, architecture: Architecture, dtype: np.dtype, target: CpuTarget = HOST) -> None:
        self.architecture = architecture
        self.dtype = dtype
        self.target = target
        self.zero = architecture.n_parameters
        numbers = architecture.views(np.arange(self.zero, dtype=np.int32))
        self.stack = StackLayout(architecture.stack, numbers, self.zero)
        self.network = np.zeros(1, NETWORK).view(np.recarray)
        self.readout = ReadoutLayout(architecture.readout, self.stack, numbers, self.zero)
        self._pack()

    @property
    def layers(self) -> np.recarray:
        return self.stack.layers

    def _pack(self) -> None:
        packing, table = Packing(self.zero, self.dtype, self.target), self.network[0].readout
        self.stack.lay_biases(packing)
        if self.architecture.readout.n_outputs:
            self.readout.lay_bias(packing, table)
        self.stack.lay_weights(packing)
        if self.architecture.readout.n_outputs:
            self.readout.lay_weights(packing, table)
        self.index = packing.index
        self.second = packing.second
        self.back = packing.back
        self.n_gradients = packing.gradients.size
