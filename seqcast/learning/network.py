"""A network's parameters, and running its kernels over rows of windows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.training_windows import subsample
from ..kernels import cpu, parallel
from ..kernels.cuda.devices import find_device
from ..kernels.layout import MAX_SHARDS, SHARD_ROWS, Architecture, Layout
from ..kernels.optimizers import pack, unpack_gradient
from ..kernels.workspace import Window, Workspace, plan

PREDICT_ROWS = 4096  # rows in one call at most, to keep its work space small, ...
PREDICT_WORK = 2e9  # ... and so many products, some 20 ms: Ctrl-C is heard between calls
CARRY_STEPS = (
    32  # steps walked at a time where nothing is kept for a way back: the work space then stays in the cache
)
KEPT_SPACES = 8  # such as those of full and last batch, forward and backward


@dataclass(frozen=True)
class Windows:
    """What rows are cut from.

    Parameters
    ----------
    values : ndarray, shape (n, n_channels), or flat
    targets : ndarray, shape (n, n_targets), or flat
        Where each row's targets begin is the third column of its table. A class is its number.
    window : Window
    weights : ndarray, shape (n,), optional
        What each step of the targets counts in the loss; 1 if left out.
    """

    values: np.ndarray
    targets: np.ndarray
    window: Window
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Rows:
    """Rows whose table is made part by part: that of 10 million rows would take 320 MB.

    ``rows[which]``, with a slice or an array of numbers, is a table as of `row_table`.

    Parameters
    ----------
    starts : ndarray of int, shape (n,)
    lengths : int, or ndarray of int, shape (n,)
    targets_of : callable
        From starts and lengths to where the targets begin in the flat targets.
    """

    starts: np.ndarray
    lengths: int | np.ndarray
    targets_of: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.starts)

    def subsample(self, n: int) -> "Rows":
        """At most `n` of these, from the first to the last at equal distances."""
        which = subsample(np.arange(len(self)), n)
        lengths = self.lengths[which] if isinstance(self.lengths, np.ndarray) else self.lengths
        return Rows(self.starts[which], lengths, self.targets_of)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        starts = self.starts[which]
        if isinstance(self.lengths, np.ndarray):
            lengths = self.lengths[which]
        else:
            lengths = np.full(len(starts), self.lengths)
        return row_table(starts, lengths, self.targets_of(starts, lengths))


def row_table(starts: np.ndarray, lengths: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The table of rows that kernels read, shape (n, 4): start, length, first target, number in the batch."""
    table = np.empty((len(starts), 4), np.int64)
    table[:, 0], table[:, 1], table[:, 2], table[:, 3] = starts, lengths, targets, np.arange(len(starts))
    return table


def make_network(architecture: Architecture, dtype: str | np.dtype, ordinal: int | None) -> "Network":
    """On the CPU if `ordinal` is None, else on the GPU of that number."""
    if ordinal is None:
        return Network(architecture, dtype)
    from .cuda import CudaNetwork  # which imports numba.cuda

    return CudaNetwork(architecture, dtype, ordinal)


def to_device(network: "Network", ordinal: int | None) -> "Network":
    """The same weights there; the network itself if it is there already."""
    if network.ordinal == ordinal:
        return network
    moved = make_network(network.architecture, network.dtype, ordinal)
    moved.flat[:] = network.flat
    return moved


def restore(architecture: Architecture, dtype: np.dtype, ordinal: int, flat: np.ndarray) -> "Network":
    """From a copy or a file: on the GPU of that number, or on another one, or, where there is none, on the
    CPU."""
    try:
        found = find_device(f"cuda:{ordinal}")
    except (ImportError, RuntimeError, ValueError):
        found = find_device("auto")
    network = make_network(architecture, dtype, found)
    network.flat[:] = flat
    return network


class Network:
    """Parameters of an architecture in one dtype, and the calls into its kernels.

    Parameters
    ----------
    architecture : Architecture
    dtype : str or dtype
        float32 or float64.

    Attributes
    ----------
    flat : ndarray, shape (n_parameters,)
        All parameters.
    weights : dict of ndarray
        Views into `flat` by PyTorch's names, with PyTorch's shapes.
    ordinal : int or None
        Number of the GPU that it is on, None on the CPU.
    """

    ordinal: int | None = None

    def __init__(self, architecture: Architecture, dtype: str | np.dtype = "float32") -> None:
        self.architecture, self.dtype = architecture, np.dtype(dtype)
        self.layout = Layout(architecture, self.dtype)
        self._padded = np.zeros(
            architecture.n_parameters + 1, self.dtype
        )  # the last stays zero, see `layout`
        self.flat = self._padded[:-1]
        self.weights = architecture.views(self.flat)
        self._spaces: dict[tuple, Workspace] = {}
        self._idle: dict[tuple[int, int], np.ndarray] = {}  # work space that nobody needs any more, by shape

    def __getstate__(self) -> dict:
        return {"architecture": self.architecture, "dtype": self.dtype, "flat": self.flat.copy()}

    def __setstate__(self, state: dict) -> None:
        """Build the views anew: pickled as they are, they would come back as copies that no longer share
        memory."""
        self.__init__(state["architecture"], state["dtype"])  # type: ignore[misc]
        self.flat[:] = state["flat"]

    def initialize(self, rng: np.random.RandomState) -> None:
        """Draw every parameter from U(-1/sqrt(n), 1/sqrt(n)), n the hidden size (the inputs, for the head):
        PyTorch's."""
        for name, weight in self.weights.items():
            fan = self.architecture.output_size if name.startswith("head") else self.architecture.hidden_size
            weight[...] = rng.uniform(-1, 1, weight.shape) / np.sqrt(fan)

    def packed(self) -> np.ndarray:
        """The parameters in the order that the kernels read."""
        packed = np.empty(self.layout.index.size, self.dtype)
        pack(self._padded, self.layout.index, self.layout.second, packed)
        return packed

    def run(self, name: str, space: Workspace, arrays: tuple, n_threads: int) -> None:
        """Call kernel `name` for every share of a batch; `arrays` from `rows` on, in the order that `cpu`
        gives."""
        if self.architecture.distribution != "none" and f"{name}_distribution" in cpu.DISTRIBUTION_KERNELS:
            name = f"{name}_distribution"
        kernel = cpu.compiled(name, self.architecture.cell, self.dtype)
        parallel.run(kernel, space.n_shards, self.dtype, (space.network, space.layers, *arrays), n_threads)

    def gradient(self, shares: np.ndarray) -> dict[str, np.ndarray]:
        """The sum of the shares' packed gradients (overwritten), by the parameters' names."""
        gradient = np.empty_like(self.flat)
        unpack_gradient(shares, self.layout.back, gradient)
        return self.architecture.views(gradient)

    def predict(self, windows: Windows, rows: np.ndarray, n_threads: int) -> np.ndarray:
        """Forecast each row.

        Returns
        -------
        ndarray, shape (len(rows), n_outputs)
            In the dtype of the network; row k of the table gives row k. Of distributions their parameters, in
            the order of `kernels.distributions`, for the values in their own unit.
        """
        predictions = np.empty((len(rows), self.architecture.n_outputs), self.dtype)
        rows, packed, none = rows.copy(), self.packed(), np.empty(0, self.dtype)
        rows[:, 2] = np.arange(len(rows)) * self.architecture.n_outputs
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        sums, gradients = np.empty((0, 0, 0)), np.empty((0, 0), self.dtype)
        size = self._rows_per_call(windows.window.n_steps)
        for first in range(0, len(rows), size):
            part = np.ascontiguousarray(rows[first : first + size])
            space = self.space(windows.window, len(part), chunk=self.carry_steps(windows.window), keep=False)
            work, values = space.arrays(self.dtype, n_threads), windows.values.ravel()
            self.run(
                "predict",
                space,
                (part, packed, values, predictions.ravel(), none, work, gradients, sums),
                n_threads,
            )
        return predictions

    def outputs(self, windows: Windows, rows: np.ndarray, n_threads: int) -> np.ndarray:
        """The top layer's state after each step of each row.

        Returns
        -------
        ndarray, shape (len(rows), n_steps, output_size)
            In the dtype of the network; zero past a row's end.
        """
        n_steps = windows.window.n_steps
        order, size = np.argsort(-rows[:, 1], kind="stable"), self._rows_per_call(n_steps)
        outputs = np.zeros((len(rows), n_steps, self.architecture.output_size), self.dtype)
        for first in range(0, len(rows), size):
            part = rows[order[first : first + size]]
            part[:, 3] = np.arange(len(part))
            self._forward(windows, part, outputs[first : first + size], n_threads)
        return outputs[np.argsort(order)]

    def _forward(self, windows: Windows, rows: np.ndarray, outputs: np.ndarray, n_threads: int) -> None:
        """From zero states, to `outputs` (OUT)."""
        net, chunk = self.architecture, self.carry_steps(windows.window)
        space = self.space(windows.window, len(rows), chunk=chunk, keep=False, outputs=True)
        states = np.zeros(len(net.cell.states) * net.n_walks * len(rows) * net.hidden_size, self.dtype)
        inputs, work = windows.values.ravel(), space.arrays(self.dtype, n_threads)
        gradients, sums = np.empty((0, 0), self.dtype), np.empty((0, 0, 0))
        arrays = (rows, self.packed(), inputs, outputs.ravel(), states, work, gradients, sums)
        self.run("forward", space, arrays, n_threads)

    def _rows_per_call(self, n_steps: int) -> int:
        whole = PREDICT_WORK / (self.architecture.n_parameters * n_steps)
        return int(min(max(whole, MAX_SHARDS * SHARD_ROWS), PREDICT_ROWS))

    def space(self, window: Window, n_rows: int, **options: Any) -> Workspace:
        """What `plan` makes of these; some are kept, since planning takes longer than a small pass."""
        key = window, n_rows, *sorted(options.items())
        space = self._spaces.get(key)
        if space is None:
            space = plan(self.layout, window, n_rows, **options)
            if len(self._spaces) >= KEPT_SPACES:
                self._spaces.clear()  # in one step: other threads may forecast at the same time
            self._spaces[key] = space
        return space

    def take_work(self, space: Workspace, n_workers: int | None) -> np.ndarray:
        """Work space that was left, if it fits.

        New memory costs as much time as a small pass. Popped, so that two Python threads never get the same.
        """
        work = self._idle.pop(space.shape(n_workers), None)
        self._idle.clear()
        return space.arrays(self.dtype, n_workers) if work is None else work

    def leave_work(self, work: np.ndarray) -> None:
        """For the next one to take."""
        self._idle[work.shape] = work

    def carry_steps(self, window: Window) -> int:
        """Steps walked at a time where nothing is kept: all of them if one direction comes from the end."""
        return window.n_steps if self.architecture.bidirectional else min(CARRY_STEPS, window.n_steps)
