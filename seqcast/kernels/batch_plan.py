"""Tables of one kind of batch, and the layout of the workspace that its kernels need."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .distributions import DISTRIBUTIONS, output_probabilities
from .layout import PAD, Arena, Layout
from .modes import READOUT_MODES, SCALES

# Rows of gate gradients that are collected for one product with the states, the gradient of the weights.
PRODUCT_ROWS = 128
# Samples that are unrolled together. More would not fit into the cache.
BLOCK_SAMPLES = 64
# A thread costs more time than it saves for a shard of fewer samples.
SHARD_SAMPLES = 16
# Largest number of shards, since each has a gradient of its own. There may be more if a later backward pass
# needs the workspace, because each block is then a shard.
MAX_SHARDS = 16


@dataclass(frozen=True)
class Window:
    """Description of the window that is read for each sample from the series values.

    Parameters
    ----------
    n_steps : int
        Steps of the network over the longest sample.
    n_channels : int
        Columns of the values.
    n_targets : int
        Targets of each forecast step. Target k has the same unit as channel k.
    normalize : bool
        Whether each channel's last observed value is subtracted, and the target's is added to the forecast.
    scale : {"none", "deviation", "mean"}
        What each channel is divided by, and the target's forecast is multiplied by: the standard deviation of
        its observed values in the window, or, for counts, 1 plus their mean.
    n_normalized : int, optional
        Number of first channels, the targets' among them, to which `normalize` and `scale` apply. All of them
        if None.
    masked : bool
        Whether each channel gets a second one that is 1 where it was observed. Missing values are read as 0.
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

    @property
    def target_stride(self) -> int:
        """Numbers from the targets of one step of the network to those of the next."""
        return self.segment * self.n_targets


@dataclass
class BatchPlan:
    """Tables for batches of one size.

    Attributes
    ----------
    network, layers : recarray
        Tables that the kernels read, see `tables`.
    n_shards : int
        Shards of the batch that may run side by side. It depends on the number of samples only, never on the
        threads. Each shard sums its own gradient, and the gradients are added in order, so any number of
        threads gives the same bits.
    size : int
        Numbers in the workspace of each worker, which has room for one shard.
    """

    network: np.recarray
    layers: np.recarray
    n_shards: int
    size: int

    @cached_property
    def addresses(self) -> dict[str, int]:
        """Address and size of each table, cached since reading an address is slow."""
        return {
            "network": self.network.ctypes.data,
            "network_size": self.network.size,
            "layers": self.layers.ctypes.data,
            "layers_size": self.layers.size,
        }

    def allocate(self, dtype: np.dtype, n_workers: int | None = None) -> np.ndarray:
        """Return workspaces for `n_workers` workers, or for every shard if None: shape (n_workers, size).

        A worker uses the same workspace for all of its shards, so that the workspace stays in its cache (this
        saves 5 % of a training step of 64 x 48 x 8, H 64). Kernels read only what they wrote in the same
        pass, so workspaces can be used again.
        """
        return np.zeros(self.shape(n_workers), dtype)

    def shape(self, n_workers: int | None = None) -> tuple[int, int]:
        """Return the shape of the workspaces."""
        return min(n_workers or self.n_shards, self.n_shards), self.size

    def with_dropout(self, seed: np.uint32, rate: float) -> "BatchPlan":
        """Return a copy that drops outputs of layers."""
        network = self.network.copy()
        network[0].batch.seed = seed
        network[0].batch.dropout = rate
        return replace(self, network=network)


def plan_batch(
    layout: Layout,
    window: Window,
    n_samples: int,
    *,
    chunk: int | None = None,
    keep: bool = True,
    outputs: bool = False,
    d_input: bool = False,
) -> BatchPlan:
    """Lay out the workspace for batches of `n_samples` samples.

    Parameters
    ----------
    layout : Layout
    window : Window
    n_samples : int
    chunk : int, optional
        Steps of a chunk; the states are carried from chunk to chunk. All steps if None.
    keep : bool
        Whether each block of samples keeps a workspace of its own after the call, as a later backward pass
        needs it.
    outputs : bool
        Whether the gradient of the top layer's output at every step is needed.
    d_input : bool
        Whether the gradient of the inputs is needed.
    """
    block, shard, n_shards = _find_shards(n_samples, keep)
    steps = chunk or window.n_steps
    network, layers, arena = layout.network.copy(), layout.layers.copy(), Arena()
    net = network[0]
    net.batch.n_samples = n_samples
    net.batch.block_samples = block
    net.batch.shard_samples = shard
    net.batch.n_steps = window.n_steps
    net.batch.chunk_steps = steps
    _describe_window(net.window, window)
    _describe_stack(net.stack, layout)
    d_input_at = arena.take(steps * block * layout.architecture.stack.input_size) if d_input else -1
    _lay_buffers(net.stack, layers, layout, arena, steps * block, outputs, d_input_at)
    _lay_layers(layers, layout, arena, steps * block, block)
    _lay_stack(net.stack, layout, arena, block)
    net.window.offsets = arena.take(block * window.n_channels)
    net.window.scales = arena.take(block * window.n_channels)
    if layout.architecture.readout.n_outputs:
        _describe_readout(net.readout, layout, window)
        _lay_readout(net.readout, layout, arena, block)
    return BatchPlan(network, layers, n_shards, arena.size)


def _find_shards(n_samples: int, keep: bool) -> tuple[int, int, int]:
    """Return the samples of a block, the samples of a shard, and the number of shards."""
    n_shards = max(1, min(MAX_SHARDS, -(-n_samples // SHARD_SAMPLES)))
    shard = -(-n_samples // n_shards)
    block = min(shard, BLOCK_SAMPLES)
    if keep:
        shard = block
    return block, shard, max(1, -(-n_samples // shard))


def _describe_window(table: np.record, window: Window) -> None:
    table.n_channels = window.n_channels
    table.n_targets = window.n_targets
    table.segment = window.segment
    table.masked = window.masked
    table.normalize = window.normalize
    table.scale = SCALES.index(window.scale)
    table.n_normalized = window.n_channels if window.n_normalized is None else window.n_normalized


def _describe_stack(table: np.record, layout: Layout) -> None:
    stack, dtype = layout.architecture.stack, layout.dtype
    table.hidden = layout.stack.hidden
    table.hidden_size = stack.hidden_size
    table.n_columns = layout.stack.n_columns
    table.n_layers = stack.n_layers
    table.n_directions = stack.n_directions
    table.n_states = stack.n_states
    table.lanes = layout.target.lanes(dtype)
    # A product may end half a vector after its columns.
    table.z_stride = layout.target.skew(layout.stack.n_columns + PAD, layout.dtype)
    table.d_stride = layout.target.pad(layout.stack.hidden, dtype)


def _describe_readout(table: np.record, layout: Layout, window: Window) -> None:
    readout = layout.architecture.readout
    table.n_outputs = readout.n_outputs
    table.pooling = READOUT_MODES.index(readout.pooling)
    table.distribution = DISTRIBUTIONS.index(readout.distribution)
    table.n_points = readout.n_points
    table.target_stride = window.target_stride
    table.probabilities[: len(readout.probabilities)] = output_probabilities(readout.probabilities)


def _lay_buffers(
    table: np.record,
    layers: np.recarray,
    layout: Layout,
    arena: Arena,
    rows: int,
    outputs: bool,
    d_input: int,
) -> None:
    """Lay out the buffers between layers, in natural time: layer l reads what layer l - 1 wrote.

    The inputs of the lowest layer are gathered, and the outputs of the top layer scattered, without a buffer.
    """
    stack = layout.architecture.stack
    width = stack.n_directions * layout.stack.hidden
    between = [arena.take(rows * width) for _ in range(stack.n_layers - 1)]
    unused = stack.n_layers == 1 and not outputs
    gradients = (-1, -1) if unused else (arena.take(rows * width), arena.take(rows * width))
    table.d_outputs = gradients[stack.n_layers % 2] if outputs else -1
    table.output_width = width
    for layer, direction, _ in layout.stack.unrolls():
        record = layers[layout.stack.position(layer, direction)]
        top = layer == stack.n_layers - 1
        record.number = layer
        record.reverse = direction
        record.is_top = top
        record.width = layout.stack.row_width(layer)
        record.output_width = width
        record.inputs = between[layer - 1] if layer else -1
        record.d_inputs = gradients[layer % 2] if layer else d_input
        record.outputs = -1 if top else between[layer]
        record.d_outputs = table.d_outputs if top else gradients[(layer + 1) % 2]


def _lay_layers(layers: np.recarray, layout: Layout, arena: Arena, rows: int, block: int) -> None:
    """Lay out what each layer and direction keeps for the backward pass."""
    cell, H = layout.architecture.stack.cell, layout.stack.hidden
    n_states = len(cell.states)
    for record in layers:
        record.hx_stride = layout.target.skew(H + record.width, layout.dtype)
        record.hx = arena.take((rows + block) * record.hx_stride)
        record.aux_states = arena.take((rows + block) * (n_states - 1) * H)
        record.saved = arena.take(rows * (cell.n_saved + cell.n_reset_saved) * H)
        record.reset_state = arena.take(rows * H) if layout.stack.groups.after_reset else -1
        record.state = arena.take(n_states * block * H)


def _lay_stack(table: np.record, layout: Layout, arena: Arena, block: int) -> None:
    """Lay out what all layers use in turn."""
    n_layers = layout.architecture.stack.n_layers
    width = max(layout.stack.row_width(layer) for layer in range(n_layers))
    table.product_steps = max(1, PRODUCT_ROWS // block)
    table.z = arena.take(block * table.z_stride)
    table.d_z = arena.take(table.product_steps * block * table.z_stride)
    table.d_state = arena.take(table.n_states * block * table.d_stride)
    table.d_reset_state = arena.take(block * table.d_stride)
    table.d_x_stride = layout.target.pad(width, layout.dtype)
    table.d_x = arena.take(table.product_steps * block * table.d_x_stride)


def _lay_readout(table: np.record, layout: Layout, arena: Arena, block: int) -> None:
    width = layout.architecture.stack.n_directions * layout.stack.hidden
    table.pooled_stride = layout.target.skew(width, layout.dtype)
    table.pooled = arena.take(block * table.pooled_stride)
    table.d_pooled = arena.take(block * table.pooled_stride)
    table.argmax_step = arena.take(block * table.pooled_stride)
    table.out_stride = layout.target.skew(table.n_outputs, layout.dtype)
    table.out = arena.take(block * table.out_stride)
