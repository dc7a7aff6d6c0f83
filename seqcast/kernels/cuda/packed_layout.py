"""Positions of all packed weights on the device; gradients of packed weights have the same positions.

Letters are those of `kernels.layout`, but nothing is padded: a GPU computes each unit in a thread of its own
and needs no whole vectors. Regions follow each other, each row-major::

    for each layer and direction:
        matrix     (H + F + 1, C)          multiplies the operands [h, x, 1]; its last row is the bias
        candidate  (H, n_candidate * H)    multiplies the state after the reset, if the cell has one
    head           (D * H + 1, n_outputs)  its last row is the bias

The columns C are grouped as on the CPU: gates fed by the input only, candidates after the reset, gates fed by
both, gates fed by the state only. Where a gate has no weights (h does not feed the first two groups, x does
not feed the last one), the matrix is zero. Therefore one product computes all columns from the inputs of all
steps, and one product computes all gradients.
"""

from dataclasses import dataclass

import numpy as np

from ..layout import Layout


@dataclass(frozen=True)
class DirectionLayout:
    """Sizes and offsets of the packed weights of one layer and direction.

    Parameters
    ----------
    layer, direction : int
        Direction 0 is forward, 1 is reverse.
    input_size : int
        F, the number of inputs of the layer.
    operand_width : int
        W = H + F + 1.
    matrix_offset, candidate_offset : int
        Offsets of the regions. `candidate_offset` is -1 if the cell has no reset before its candidate.
    matrix_shape, candidate_shape : tuple of int
    """

    layer: int
    direction: int
    input_size: int
    operand_width: int
    matrix_offset: int
    candidate_offset: int
    matrix_shape: tuple[int, int]
    candidate_shape: tuple[int, int]


class PackedLayout:
    """Index arrays and offsets of one architecture, fixed when a network is made.

    Parameters
    ----------
    layout : Layout
        The CPU's layout, which knows the parameter behind each element of a matrix.

    Attributes
    ----------
    index, second : ndarray of int32, shape (n_packed,)
        ``packed = flat[index] + flat[second]``, where the last element of ``flat`` is zero.
    back : ndarray of int32, shape (n_parameters,)
        ``gradient = packed_gradient[back]``.
    directions : tuple of DirectionLayout
        By layer, then by direction.
    head : int
        Offset of the head, or -1 if there is none.
    """

    def __init__(self, layout: Layout):
        self.layout = layout
        self.architecture = layout.architecture
        self.columns = layout.stack.groups
        self.hidden = self.architecture.stack.hidden_size
        self.n_columns = self.columns.total * self.hidden
        # For each region the two index arrays below each other, shape (2, size).
        self._pairs: list[np.ndarray] = []
        self._size = 0
        self.directions = tuple(self._append_direction(*unroll) for unroll in layout.stack.unrolls())
        self.head = self._append_head() if self.architecture.readout.n_outputs else -1
        self.index, self.second = np.concatenate(self._pairs, axis=1)
        self.back = self._invert_index()

    def direction(self, layer: int, direction: int) -> DirectionLayout:
        """Return the layout of one layer and direction."""
        return self.directions[self.layout.stack.position(layer, direction)]

    @property
    def n_input_columns(self) -> int:
        """Number of leading columns that h does not feed."""
        return (self.columns.input_only + self.columns.after_reset) * self.hidden

    def _append_direction(self, layer: int, direction: int, suffix: str) -> DirectionLayout:
        candidate = slice(self.columns.input_only * self.hidden, self.n_input_columns)
        weights = self._drop_padding(self.layout.stack.weight_index(layer, suffix), layer)
        pair = np.stack([weights, np.full_like(weights, self.layout.zero)])
        bias = self._drop_padding(self.layout.stack.bias_columns(layer, suffix))
        candidate_weights = pair[:, : self.hidden, candidate].copy()
        pair[:, : self.hidden, candidate] = self.layout.zero
        matrix = np.concatenate([pair, bias[:, None]], axis=1)
        input_size = self.architecture.stack.layer_input(layer)
        return DirectionLayout(
            layer=layer,
            direction=direction,
            input_size=input_size,
            operand_width=self.hidden + input_size + 1,
            matrix_offset=self._append(matrix),
            candidate_offset=self._append(candidate_weights) if candidate_weights.size else -1,
            matrix_shape=matrix.shape[1:],
            candidate_shape=candidate_weights.shape[1:],
        )

    def _drop_padding(self, index: np.ndarray, layer: int | None = None) -> np.ndarray:
        """Return the real columns and, for the matrix of a layer, the real rows of a padded CPU array."""
        columns = index.reshape(len(index), self.columns.total, self.layout.stack.hidden)[:, :, : self.hidden]
        if layer is not None:
            x = self.layout.stack.hidden + self.layout.stack.input_columns(layer)
            columns = columns[np.concatenate([np.arange(self.hidden), x])]
        return columns.reshape(len(columns), self.n_columns)

    def _append_head(self) -> int:
        numbers = self.architecture.views(np.arange(self.layout.zero, dtype=np.int32))
        head = np.concatenate([numbers["head_weight"].T, numbers["head_bias"][None]])
        return self._append(np.stack([head, np.full_like(head, self.layout.zero)]))

    def _append(self, pair: np.ndarray) -> int:
        """Append a region and return its offset."""
        start = self._size
        flat = pair.reshape(2, -1)
        self._pairs.append(flat)
        self._size += flat.shape[1]
        return start

    def _invert_index(self) -> np.ndarray:
        back = np.zeros(self.layout.zero + 1, np.int32)
        for parameters in (self.index, self.second):
            back[parameters] = np.arange(self._size)
        return back[:-1]
