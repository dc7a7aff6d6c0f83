"""The tables and the work space of one kind of batch: how many rows and steps, what is kept, what is wanted
back."""

from dataclasses import dataclass, replace

import numpy as np

from .distributions import DISTRIBUTIONS, output_levels
from .layout import BLOCK_ROWS, MAX_SHARDS, RING_ROWS, SHARD_ROWS, UNIT, Arena, Layout
from .matmul import lanes, padded
from .pooling import POOLINGS
from .windows import SCALES


@dataclass(frozen=True)
class Window:
    """What one row of a batch is cut from the values as.

    Parameters
    ----------
    n_steps : int
        Steps of the network over the longest row.
    n_channels : int
        Columns of the values.
    n_targets : int
        Targets of each forecast step; target k has the same unit as channel k.
    normalize : bool
        Subtract each channel's last observed value, and add the target's to the forecast.
    scale : {"none", "deviation", "mean"}
        What each channel is divided by, and the target's forecast multiplied: the standard deviation of its
        observed values in the window, or, for counts, 1 plus their mean.
    n_normalized : int, optional
        Only so many first channels, the targets' among them, are subtracted from and divided; the others are
        read as they are. All of them if None.
    masked : bool
        Missing values are read as 0, and each channel gets a second one that says where it was observed.
    segment : int
        Rows of the values that one step of the network reads.
    """

    n_steps: int
    n_channels: int
    n_targets: int = 1
    normalize: bool = False
    masked: bool = False
    segment: int = 1
    scale: str = "none"
    n_normalized: int | None = None

    @property
    def input_size(self) -> int:
        return self.n_channels * (2 if self.masked else 1) * self.segment


@dataclass
class Workspace:
    """Tables for one batch size.

    Attributes
    ----------
    network, layers : recarray
        What the kernels read.
    n_shards : int
        Shares of the batch that may run side by side. It depends on the number of rows only, never on the
        threads: each share sums its own gradient, and the shares are added in order, so any number of threads
        gives the same bits.
    size : int
        Numbers of work space that each worker needs: one share's.
    """

    network: np.recarray
    layers: np.recarray
    n_shards: int
    size: int

    def arrays(self, dtype: np.dtype, n_workers: int | None = None) -> np.ndarray:
        """Work space for so many workers, for every share its own if None: shape (n_workers, size).

        A worker takes one share after the other through the same space, which so stays in its cache (5 % of
        a training step of 64 x 48 x 8, H 64). Zeroed: what is not written yet must not be NaN in a product.
        """
        return np.zeros(self.shape(n_workers), dtype)

    def shape(self, n_workers: int | None = None) -> tuple[int, int]:
        """Of `arrays`."""
        return min(n_workers or self.n_shards, self.n_shards), self.size

    def with_dropout(self, seed: np.uint32, rate: float) -> "Workspace":
        """A copy that drops units."""
        network = self.network.copy()
        network[0].seed, network[0].dropout = seed, rate
        return replace(self, network=network)


def plan(
    layout: Layout,
    window: Window,
    n_rows: int,
    *,
    chunk: int | None = None,
    keep: bool = True,
    outputs: bool = False,
    d_input: bool = False,
) -> Workspace:
    """Lay out the work space for `n_rows` rows.

    Parameters
    ----------
    layout : Layout
    window : Window
    n_rows : int
    chunk : int, optional
        Steps walked at a time, the state carried from chunk to chunk; all of them if None.
    keep : bool
        Each block of rows keeps a work space of its own after the call, as a later backward pass needs it.
    outputs : bool
        The top layer's output at every step is wanted.
    d_input : bool
        The gradient with respect to the inputs is wanted.
    """
    block, shard, n_shards = _shares(n_rows, keep)
    steps = chunk or window.n_steps
    network, layers, arena = layout.network.copy(), layout.layers.copy(), Arena()
    net = network[0]
    _describe(net, layout, window)
    net.n_rows, net.block_rows, net.shard_rows = n_rows, block, shard
    net.n_steps, net.chunk = window.n_steps, steps
    d_input_at = arena.take(steps * block * layout.architecture.input_size) if d_input else -1
    _lay_sources(net, layers, layout, arena, steps * block, outputs, d_input_at)
    _lay_walks(net, layers, layout, arena, steps * block, block)
    _lay_shared(net, layout, arena, block)
    return Workspace(network, layers, n_shards, arena.size)


def _shares(n_rows: int, keep: bool) -> tuple[int, int, int]:
    """Rows of a block, rows of a share, number of shares."""
    n_shards = max(1, min(MAX_SHARDS, -(-n_rows // SHARD_ROWS)))
    shard = -(-n_rows // n_shards)
    block = min(shard, BLOCK_ROWS)
    if keep:
        shard = block
    return block, shard, max(1, -(-n_rows // shard))


def _describe(net, layout: Layout, window: Window) -> None:
    architecture = layout.architecture
    net.hidden, net.hidden_size, net.columns = layout.hidden, architecture.hidden_size, layout.n_columns
    net.z_stride = _skewed(
        layout.n_columns + UNIT, layout.dtype
    )  # a product may end half a vector past its columns
    net.d_stride = padded(layout.hidden, layout.dtype)
    net.n_layers, net.n_directions = architecture.n_layers, architecture.n_directions
    net.n_states, net.n_outputs = len(architecture.cell.states), architecture.n_outputs
    net.n_channels, net.n_targets = window.n_channels, window.n_targets
    net.segment = window.segment
    net.normalize, net.masked, net.scale = window.normalize, window.masked, SCALES.index(window.scale)
    net.n_normalized = window.n_channels if window.n_normalized is None else window.n_normalized
    net.pooling = POOLINGS.index(architecture.pooling)
    net.distribution, net.n_points = DISTRIBUTIONS.index(architecture.distribution), architecture.n_points
    net.levels[: len(architecture.levels)] = output_levels(architecture.levels)


def _lay_sources(net, layers, layout: Layout, arena: Arena, rows: int, outputs: bool, d_input: int) -> None:
    """Buffers between layers, in natural time: what layer l reads is what layer l - 1 wrote.

    The lowest layer's inputs are gathered, and the top layer's outputs scattered, straight from its walks.
    """
    architecture = layout.architecture
    width = architecture.n_directions * layout.hidden
    between = [arena.take(rows * width) for _ in range(architecture.n_layers - 1)]
    unused = architecture.n_layers == 1 and not outputs
    d_wide = (-1, -1) if unused else (arena.take(rows * width), arena.take(rows * width))
    net.d_sink, net.sink_width = d_wide[architecture.n_layers % 2] if outputs else -1, width
    for layer, direction, _ in layout.walks():
        record = layers[layout.walk(layer, direction)]
        top = layer == architecture.n_layers - 1
        record.level, record.reverse, record.is_top = layer, direction, top
        record.width, record.sink_width = layout.row_width(layer), width
        record.source, record.d_source = (between[layer - 1], d_wide[layer % 2]) if layer else (-1, d_input)
        record.sink, record.d_sink = (-1, net.d_sink) if top else (between[layer], d_wide[(layer + 1) % 2])


def _lay_walks(net, layers, layout: Layout, arena: Arena, rows: int, block: int) -> None:
    """What each walk over time keeps for the way back: rows [h, x], other states, saved scalars, late
    operands."""
    cell, H = layout.architecture.cell, layout.hidden
    for record in layers:
        record.row_stride = _skewed(H + record.width, layout.dtype)
        record.rows = arena.take((rows + block) * record.row_stride)
        record.others = arena.take((rows + block) * (net.n_states - 1) * H)
        record.saved = arena.take(rows * (cell.n_saved + cell.n_reset_saved) * H)
        record.late = arena.take(rows * H) if layout.columns.late else -1
        record.state = arena.take(net.n_states * block * H)


def _lay_shared(net, layout: Layout, arena: Arena, block: int) -> None:
    dtype = layout.dtype
    net.vector, net.ring = lanes(dtype), max(1, RING_ROWS // block)
    net.z = arena.take(block * net.z_stride)
    net.d_z = arena.take(net.ring * block * net.z_stride)
    net.d_state = arena.take(net.n_states * block * net.d_stride)
    net.d_u = arena.take(block * net.d_stride)
    net.d_x_stride = padded(max(layout.row_width(layer) for layer in range(net.n_layers)), dtype)
    net.d_x = arena.take(net.ring * block * net.d_x_stride)
    net.offsets, net.scales = (arena.take(block * net.n_channels) for _ in range(2))
    net.pooled_stride = _skewed(net.n_directions * layout.hidden, dtype)
    net.pooled, net.d_pooled, net.peaks = (arena.take(block * net.pooled_stride) for _ in range(3))
    net.out_stride = _skewed(max(1, net.n_outputs), dtype)
    net.out = arena.take(block * net.out_stride)


def _skewed(columns: int, dtype) -> int:
    """Row length of an odd number of vectors: rows at a power of two apart would all fall into the same few
    cache sets (130 instead of 250 GFLOP/s in the weight gradient at H = 256)."""
    vectors = padded(columns, dtype) // lanes(dtype)
    return (vectors + 1 - vectors % 2) * lanes(dtype)
