"""Where every number lies on the device: packed weights, and their gradients in the same places.

Letters are those of `kernels.layout`, but nothing is padded: a GPU gives each unit a thread, and threads need
no whole vectors. Regions follow each other, each with its rows one after the other::

    of each walk   matrix (H + F + 1, C)    what multiplies the rows [h, x, 1]: the last row is the bias
                   late (H, late * H)       what multiplies u, if the cell has late gates
    head           (D * H + 1, n_outputs)   the last row is the bias

The columns C are grouped as on the CPU, [input only | late | joint | state only]. Where a matrix has no
weights (h does not feed the first two groups, x not the last) it is zero, so one product makes all columns
from the inputs of all steps, and one product all gradients.
"""

from dataclasses import dataclass

import numpy as np

from ..layout import Layout


@dataclass(frozen=True)
class Walk:
    """One pass over time, and where its weights lie in the packed ones.

    Parameters
    ----------
    level, reverse : int
        Layer, and direction.
    width, row_width : int
        F, the inputs of the layer; W = H + F + 1.
    matrix, late : int
        Offsets of the regions; -1 if the cell has no late gates.
    matrix_shape, late_shape : tuple of int
    """

    level: int
    reverse: int
    width: int
    row_width: int
    matrix: int
    late: int
    matrix_shape: tuple[int, int]
    late_shape: tuple[int, int]


class CudaLayout:
    """Index arrays and offsets of one architecture; everything here is fixed when a network is made.

    Parameters
    ----------
    layout : Layout
        The CPU's, which knows what each element of a walk's matrix is.

    Attributes
    ----------
    index, second : ndarray of int32, shape (n_packed,)
        ``packed = flat[index] + flat[second]``, where the last element of ``flat`` is zero.
    back : ndarray of int32, shape (n_parameters,)
        ``gradient = packed_gradient[back]``.
    walks : tuple of Walk
        In the order of ``layout.walks()``: by layer, then direction.
    head : int
        Offset of the head; -1 if there is none.
    """

    def __init__(self, layout: Layout):
        self.layout, self.architecture, self.columns = layout, layout.architecture, layout.stack.groups
        self.hidden = self.architecture.stack.hidden_size
        self.n_columns = self.columns.total * self.hidden
        self._pairs: list[np.ndarray] = []  # of each region: index above second, shape (2, size)
        self._size = 0
        self.walks = tuple(self._lay_walk(*walk) for walk in layout.stack.unrolls())
        self.head = self._lay_head() if self.architecture.readout.n_outputs else -1
        self.index, self.second = np.concatenate(self._pairs, axis=1)
        self.back = self._back()

    def walk(self, layer: int, direction: int) -> Walk:
        return self.walks[self.layout.stack.position(layer, direction)]

    def _lay_walk(self, layer: int, direction: int, suffix: str) -> Walk:
        late = slice(self.columns.input_only * self.hidden, self.n_x)
        weights = self._without_padding(self.layout.stack.weight_index(layer, suffix), layer)
        both = np.stack([weights, np.full_like(weights, self.layout.zero)])
        bias = self._without_padding(self.layout.stack.bias_columns(layer, suffix))
        of_u = both[:, : self.hidden, late].copy()
        both[:, : self.hidden, late] = self.layout.zero
        matrix = np.concatenate([both, bias[:, None]], axis=1)
        width = self.architecture.stack.layer_input(layer)
        return Walk(
            level=layer,
            reverse=direction,
            width=width,
            row_width=self.hidden + width + 1,
            matrix=self._append(matrix),
            late=self._append(of_u) if of_u.size else -1,
            matrix_shape=matrix.shape[1:],
            late_shape=of_u.shape[1:],
        )

    @property
    def n_x(self) -> int:
        """Columns that h does not feed: the first ones."""
        return (self.columns.input_only + self.columns.after_reset) * self.hidden

    def _without_padding(self, index: np.ndarray, layer: int | None = None) -> np.ndarray:
        """Take the real columns, and the real rows of a layer's matrix, out of the CPU's."""
        blocks = index.reshape(len(index), self.columns.total, self.layout.stack.hidden)[:, :, : self.hidden]
        if layer is not None:
            x = self.layout.stack.hidden + self.layout.stack.input_columns(layer)
            blocks = blocks[np.concatenate([np.arange(self.hidden), x])]
        return blocks.reshape(len(blocks), self.n_columns)

    def _lay_head(self) -> int:
        numbers = self.architecture.views(np.arange(self.layout.zero, dtype=np.int32))
        head = np.concatenate([numbers["head_weight"].T, numbers["head_bias"][None]])
        return self._append(np.stack([head, np.full_like(head, self.layout.zero)]))

    def _append(self, pair: np.ndarray) -> int:
        start, flat = self._size, pair.reshape(2, -1)
        self._pairs.append(flat)
        self._size += flat.shape[1]
        return start

    def _back(self) -> np.ndarray:
        back = np.zeros(self.layout.zero + 1, np.int32)
        for parameters in (self.index, self.second):
            back[parameters] = np.arange(self._size)
        return back[:-1]
