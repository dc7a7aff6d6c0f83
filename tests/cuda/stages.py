"""A batch as the CPU's kernels and the GPU's see it, to run one stage on both and compare all numbers."""

from dataclasses import dataclass, field
from functools import cache, cached_property

import numba as nb
import numpy as np
from hypothesis import settings

from seqcast.cells import find_cell
from seqcast.kernels import jit
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window, plan_batch
from seqcast.kernels.cuda.layout import CudaLayout
from seqcast.kernels.cuda.space import make_space
from seqcast.kernels.layout import Layout

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
DTYPES = list(TOLERANCE)
few = settings(max_examples=15, deadline=None)


def close(actual, expected, scale=0.0):
    """Equal up to the rounding of the dtype; `scale`: of what was added up to make them."""
    tolerance = TOLERANCE[expected.dtype.name]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=scale * tolerance)


@cache
def on_cpu(stage):
    """A stage of the CPU, which other kernels call, for Python to call."""
    return nb.njit(lambda *arguments: stage(*arguments), **jit.FLAGS)


@dataclass
class Batch:
    """Ragged windows of random values, some of them missing."""

    dtype: str = "float64"
    lengths: tuple = (5, 5, 3, 1)
    hidden_size: int = 3
    n_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    n_outputs: int = 0
    distribution: str = "none"
    levels: tuple = ()
    cell: str = "lstm"
    window: dict = field(default_factory=dict)
    missing: float = 0.2
    seed: int = 0

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.n_rows, self.n_steps = len(self.lengths), max(self.lengths)
        self.window = Window(**{"n_steps": self.n_steps, "n_channels": 2} | self.window)
        cell = find_cell(self.cell)
        names = "hidden_size", "n_layers", "bidirectional", "n_outputs", "pooling", "distribution", "levels"
        numbers = (getattr(self, name) for name in names)
        self.architecture = compose(cell, self.window.input_size, *numbers)
        self.layout = Layout(self.architecture, np.dtype(self.dtype))
        self.cuda = CudaLayout(self.layout)
        self.plan = plan_batch(self.layout, self.window, self.n_rows, keep=False, outputs=True, d_input=True)
        self.net, self.layers = self.plan.network[0], self.plan.layers
        self.work = np.zeros(self.plan.size, self.dtype)

    @cached_property
    def block(self):
        """The windows overlap; rows are numbered in another order than they stand."""
        starts = self.rng.integers(0, 4, self.n_rows)
        targets = self.rng.permutation(self.n_rows) * max(1, self.n_outputs)
        numbers = self.rng.permutation(self.n_rows)
        return np.stack([starts, self.lengths, targets, numbers], axis=1).astype(np.int64)

    @cached_property
    def values(self):
        steps = 4 + self.n_steps * self.window.segment
        return self.draw(steps, self.window.n_channels, missing=self.missing)

    def draw(self, *shape, missing=0.0):
        drawn = self.rng.normal(size=shape) * 3 + 5
        drawn[self.rng.random(shape) < missing] = np.nan
        return drawn.astype(self.dtype)

    def walk(self, queue, direction=0, layer=None, fill=0):
        """Space of a walk of the top layer on the device, and its record on the CPU."""
        layer = self.n_layers - 1 if layer is None else layer
        space = make_space(queue, self.cuda, self.cuda.walk(layer, direction), self.n_rows, self.n_steps)
        for array in (space.rows, space.state):
            queue.copy(array, np.full(array.size, fill, self.dtype))
        return space, self.layers[self.layout.stack.position(layer, direction)]

    def set_states(self, queue, space, h):
        """Let these (T + 1, B, H) be the states before, and after, every step of a walk."""
        shape = self.n_steps + 1, self.n_rows
        layer = self.layers[self.layout.stack.position(space.walk.level, space.walk.reverse)]
        self.part(layer.hx, *shape, (self.hidden_size, layer.hx_stride))[:] = h
        rows = np.full((*shape, space.walk.row_width), np.nan, self.dtype)
        rows[..., : self.hidden_size] = h
        queue.copy(space.rows, rows.ravel())

    def part(self, offset, *shape):
        """A view into the CPU's work space; the last axis padded in all but its length: (size, stride)."""
        *outer, (size, stride) = shape
        n = int(np.prod(outer)) * stride
        return self.work[offset : offset + n].reshape(*outer, stride)[..., :size]
