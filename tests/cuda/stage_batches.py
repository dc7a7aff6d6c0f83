"""Batches for the kernels of both backends, to run one stage on both and compare all numbers."""

from dataclasses import dataclass, field
from functools import cache, cached_property

import numba as nb
import numpy as np
from hypothesis import settings

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window, plan_batch
from seqcast.kernels.cpu import jit
from seqcast.kernels.cuda.packed_layout import PackedLayout
from seqcast.kernels.cuda.unroll_workspace import make_workspace
from seqcast.kernels.layout import Layout

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
DTYPES = list(TOLERANCE)
few = settings(max_examples=10)


def assert_close(actual, expected, scale=0.0):
    """Check equality up to the rounding of the dtype; `scale`: size of the summands."""
    tolerance = TOLERANCE[expected.dtype.name]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=scale * tolerance)


@cache
def on_cpu(stage):
    """Return a stage of the CPU as a function that Python can call."""
    return nb.njit(lambda *arguments: stage(*arguments), **jit.FLAGS)


@dataclass
class Batch:
    """Ragged windows of random values with missing ones."""

    dtype: str = "float64"
    lengths: tuple = (5, 5, 3, 1)
    hidden_size: int = 3
    n_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    n_outputs: int = 0
    distribution: str = "none"
    probabilities: tuple = ()
    cell: str = "lstm"
    window: dict = field(default_factory=dict)
    missing: float = 0.2
    seed: int = 0

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.n_samples = len(self.lengths)
        self.n_steps = max(self.lengths)
        self.window = Window(**{"n_steps": self.n_steps, "n_channels": 2} | self.window)
        cell = find_cell(self.cell)
        names = (
            "hidden_size",
            "n_layers",
            "bidirectional",
            "n_outputs",
            "pooling",
            "distribution",
            "probabilities",
        )
        numbers = (getattr(self, name) for name in names)
        self.architecture = compose(cell, self.window.input_size, *numbers)
        self.layout = Layout(self.architecture, np.dtype(self.dtype))
        self.packed_layout = PackedLayout(self.layout)
        plans = plan_batch(self.layout, self.window, self.n_samples, keep=False, outputs=True, d_input=True)
        self.net = plans.network[0]
        self.layers = plans.layers
        self.work = np.zeros(plans.size, self.dtype)

    @cached_property
    def batch_table(self):
        """Start, length, target and number of each sample; windows overlap, and numbers are shuffled."""
        starts = self.rng.integers(0, 4, self.n_samples)
        targets = self.rng.permutation(self.n_samples) * max(1, self.n_outputs)
        numbers = self.rng.permutation(self.n_samples)
        return np.stack([starts, self.lengths, targets, numbers], axis=1).astype(np.int64)

    @cached_property
    def values(self):
        steps = 4 + self.n_steps * self.window.segment
        return self.draw(steps, self.window.n_channels, missing=self.missing)

    def draw(self, *shape, missing=0.0):
        drawn = self.rng.normal(size=shape) * 3 + 5
        drawn[self.rng.random(shape) < missing] = np.nan
        return drawn.astype(self.dtype)

    def make_workspace(self, queue, direction=0, layer=None, fill=0):
        """Return a workspace on the device, by default of the top layer, and the CPU's record of it."""
        layer = self.n_layers - 1 if layer is None else layer
        layout = self.packed_layout.direction(layer, direction)
        workspace = make_workspace(queue, self.packed_layout, layout, self.n_samples, self.n_steps)
        for array in (workspace.operands, workspace.state):
            queue.copy(array, np.full(array.size, fill, self.dtype))
        return workspace, self.layers[self.layout.stack.position(layer, direction)]

    def set_states(self, queue, workspace, h):
        """Set the states (T + 1, B, H) before and after every step, on the device and on the CPU."""
        shape = self.n_steps + 1, self.n_samples
        layer = self.layers[self.layout.stack.position(workspace.layout.layer, workspace.layout.direction)]
        self.part(layer.hx, *shape, (self.hidden_size, layer.hx_stride))[:] = h
        operands = np.full((*shape, workspace.layout.operand_width), np.nan, self.dtype)
        operands[..., : self.hidden_size] = h
        queue.copy(workspace.operands, operands.ravel())

    def part(self, offset, *shape):
        """Return a view of the CPU's work space; the last item of `shape` is a pair (size, padded size)."""
        *outer, (size, stride) = shape
        n = int(np.prod(outer)) * stride
        return self.work[offset : offset + n].reshape(*outer, stride)[..., :size]
