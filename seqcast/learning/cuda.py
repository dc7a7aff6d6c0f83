"""Networks on a GPU: the same surface as `network` and `training`, with everything between two epochs on the
device."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..kernels.cuda.batches import (
    BatchSpec,
    DeviceModel,
    DeviceSeries,
    Evaluation,
    Prediction,
    StackPass,
    Training,
    count_sample_bytes,
)
from ..kernels.cuda.epoch_batches import EpochBatches
from ..kernels.cuda.optimizers import Optimizer, list_adam_corrections
from ..kernels.cuda.queue import Graph, get_queue
from ..kernels.layout import Architecture
from ..kernels.workspace import Window
from .network import Network, Rows, Windows, restore
from .passes import LayerPass
from .training import OptimizerState, Trainer, TrainingOptions, mean_losses

CALL_BYTES = 2**30  # of work space in one call, at most
CALL_ROWS = 8192
KEPT_BATCHES = 4  # sizes whose buffers wait for the next batch, ...
KEPT_BYTES = 2**26  # ... if they take no more than this


class CudaNetwork(Network):
    """A `Network` whose windows are read, and whose forecasts are made, on a GPU.

    Threads may share it: each call holds the lock of the GPU's queue.

    Parameters
    ----------
    architecture : Architecture
    dtype : str or dtype
    ordinal : int
        Number of the GPU.
    """

    def __init__(
        self, architecture: Architecture, dtype: str | np.dtype = "float32", ordinal: int = 0
    ) -> None:
        super().__init__(architecture, dtype)
        self.ordinal: int = ordinal
        self._kept: dict[Any, Any] = {}
        self._model: DeviceModel | None = None

    @property
    def model(self) -> DeviceModel:
        """What lies on the device; made when it is first needed, once for all threads."""
        queue = get_queue(self.ordinal)
        with queue.lock:
            if self._model is None:
                self._model = DeviceModel(queue, self.layout)
            return self._model

    def predict(self, windows: Windows, rows: np.ndarray, n_threads: int) -> np.ndarray:
        with self._loaded() as model:
            queue, n_outputs = model.queue, self.architecture.n_outputs
            rows = rows.copy()
            rows[:, 2] = np.arange(len(rows)) * n_outputs
            values = queue.upload(windows.values.ravel())
            predictions = queue.zeros(len(rows) * n_outputs, self.dtype)
            for size, part in self._parts(rows, windows.window):
                with self.buffers(Prediction, size) as batch:
                    batch.run(queue.upload(part.ravel()), values, predictions)
            return queue.download(predictions).reshape(len(rows), n_outputs)

    def outputs(self, windows: Windows, rows: np.ndarray, n_threads: int) -> np.ndarray:
        shape = windows.window.n_steps, self.architecture.output_size
        with self._loaded() as model:
            rows = rows.copy()
            rows[:, 3] = np.arange(len(rows))
            values, outputs = model.queue.upload(windows.values.ravel()), []
            for size, part in self._parts(rows, windows.window):
                found = self._outputs_of(size, part - [0, 0, 0, part[:, 3].min()], values)
                outputs.append(found.reshape(len(part), *shape))
        return np.concatenate(outputs)

    def _outputs_of(self, size: BatchSpec, rows: np.ndarray, values: Any) -> np.ndarray:
        queue, net, n = self.model.queue, self.architecture, len(rows)
        states = queue.zeros(len(net.cell.states) * net.n_walks * n * net.hidden_size, self.dtype)
        outputs = queue.zeros(n * size.window.n_steps * net.output_size, self.dtype)
        block, seed = queue.upload(rows.ravel()), queue.zeros(1, np.uint32)
        with self.buffers(StackPass, size) as batch:
            batch.forward(block, seed, values, states, outputs)
        return queue.download(outputs)

    def _parts(self, rows: np.ndarray, window: Window) -> Iterator[tuple[BatchSpec, np.ndarray]]:
        """Tables of as many rows as fit into memory, in each the longest first."""
        most = max(1, min(rows_per_call(self.model, window.n_steps), len(rows)))
        for first in range(0, len(rows), most):
            part = rows[first : first + most]
            yield (
                BatchSpec(window, len(part), usual_samples=most),
                part[np.argsort(-part[:, 1], kind="stable")],
            )

    @contextmanager
    def _loaded(self) -> Iterator[DeviceModel]:
        """What lies on the device, with the weights as they are now, for one thread."""
        with self.model.queue.lock:
            self.model.load(self.flat)
            yield self.model

    @contextmanager
    def buffers(self, kind: type, size: BatchSpec) -> Iterator[Any]:
        """An object of this kind and size for the time of a batch: that of an earlier one, if it was left."""
        made = self.take(kind, size)
        yield made
        self.leave(made, size)

    def take(self, kind: type, size: BatchSpec) -> Any:
        """One that nobody uses: of the last batches, or a new one."""
        return self._kept.pop((kind, size), None) or kind(self.model, size)

    def leave(self, made: Any, size: BatchSpec) -> None:
        """For the next batch of its size; large ones give their memory back."""
        if len(self._kept) >= KEPT_BATCHES:
            self._kept.clear()
        if (
            size.n_samples * count_sample_bytes(self.model.layout, size.window.n_steps, size.keep)
            <= KEPT_BYTES
        ):
            self._kept[type(made), size] = made

    def __reduce__(self) -> tuple:
        """Without what lies on the device."""
        return restore, (self.architecture, self.dtype, self.ordinal, self.flat.copy())


class CudaPass(LayerPass):
    """A pass on a GPU; keeps its weights, since the network's may have changed before the way back."""

    network: CudaNetwork

    def __init__(self, network: CudaNetwork, *arguments: Any) -> None:
        super().__init__(network, *arguments)
        self._flat, self._queue = network.flat.copy(), network.model.queue
        self._kept: StackPass | None = None  # the way back uses it up

    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        queue, size = self._queue, self._size(keep)
        with self._loaded() as network:
            made = network.take(StackPass, size)
            values, states = queue.upload(self.x.ravel()), queue.upload(self.states.ravel())
            output = queue.upload(self._empty_output().ravel())
            made.forward(*self._batch(), values, states, output)
            shape = *self.x.shape[:2], network.architecture.output_size
            found = queue.download(output).reshape(shape), queue.download(states).reshape(self.states.shape)
            if keep:
                self._kept = made
            else:
                network.leave(made, size)
        return found

    def backward(
        self, d_output: np.ndarray, d_states: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if self._kept is None:
            self.forward(keep=True)
        assert self._kept is not None  # by the line above
        queue, model = self._queue, self.network.model
        with self._loaded() as network:
            d_x, gradient = (queue.zeros(n, model.dtype) for n in (self.x.size, model.packer.size))
            of_outputs, of_states = queue.upload(d_output.ravel()), queue.upload(d_states.ravel())
            self._kept.backward(*self._batch(), of_outputs, of_states, d_x, gradient)
            d_states[...] = queue.download(of_states).reshape(d_states.shape)
            flat = queue.download(gradient)[model.layout.back]
            found = queue.download(d_x).reshape(self.x.shape)
            network.leave(self._kept, self._size(keep=True))
            self._kept = None
        return found, network.architecture.views(flat)

    def _size(self, keep: bool) -> BatchSpec:
        how = {"outputs": keep, "grad_inputs": keep}
        return BatchSpec(self.window, len(self.x), keep, dropout=self.dropout, **how)

    def _batch(self) -> tuple[Any, Any]:
        """Table of the rows, and seed of the masks."""
        return self._queue.upload(self.rows.ravel()), self._queue.upload(np.array([self.seed], np.uint32))

    @contextmanager
    def _loaded(self) -> Iterator[CudaNetwork]:
        """The network with the weights of this pass on the device, for one thread."""
        with self._queue.lock:
            self.network.model.load(self._flat)
            yield self.network


def rows_per_call(model: DeviceModel, n_steps: int) -> int:
    """As many as fit into `CALL_BYTES`."""
    return max(1, min(CALL_ROWS, CALL_BYTES // count_sample_bytes(model.layout, n_steps, keep=False)))


class CudaTrainer(Trainer):
    """Runs epochs on the device, where series, parameters and the optimiser's state stay in between.

    All that an epoch needs of the host, the order of its rows, seeds and corrections, is uploaded before its
    first batch, and what it has learned is downloaded after its last.
    """

    def __init__(
        self,
        network: CudaNetwork,
        windows: Windows,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ):
        super().__init__(network, windows, options, rng, state)
        self._model, self._queue = network.model, network.model.queue
        self._rounds: dict[str, Rounds] = {}
        self._n_updates = 0  # of this fit, which the average is of
        with self._queue.lock:  # another thread may be recording
            self._upload()

    def _upload(self) -> None:
        """All that stays on the device."""
        queue, model, ema = self._queue, self._model, self.options.ema
        self._series = DeviceSeries(queue, self.windows.values, self.windows.targets, self.weights)
        model.load(self.network.flat)
        self._optimizer = Optimizer(
            queue,
            model.layout,
            self.options.optimizer,
            model.flat,
            self.settings,
            self.decay,
            self.state.moments,
            ema,
        )
        self._judged, self._judged_packed = self.network, model.packed
        if ema is not None:
            self._judged = copy.copy(self.network)
            self._judged_packed = queue.zeros(model.packer.size, model.dtype)
            self._average = queue.zeros(self.network.flat.size + 1, model.dtype)

    def run_epoch(self, rows: Rows | np.ndarray) -> np.ndarray:
        batches = list(self._batches(rows))
        with self._queue.lock:
            return self._train(batches)

    def _train(self, batches: list[np.ndarray]) -> np.ndarray:
        n, state = len(batches), self.state
        seeds = np.array([self._draw_seed() for _ in batches], np.uint32)
        corrections = list_adam_corrections(self.settings, state.n_updates + 1, n)
        totals = self._rounds_of("training", batches, self._training).run(batches, seeds, corrections)
        state.n_updates += n
        self._n_updates += n
        self._download()
        return mean_losses(totals)

    def _download(self) -> None:
        """What a fit that ends now would keep."""
        moments = self.state.moments
        moments[:] = self._queue.download(self._optimizer.moments).reshape(moments.shape)
        self.network.flat[:] = self._queue.download(self._model.flat)[:-1]
        if self._judged is not self.network:
            self._optimizer.average(self._n_updates, self._average)
            self._model.packer.pack(self._average, self._judged_packed)
            self._judged.flat[:] = self._queue.download(self._average)[:-1]

    @property
    def judged(self) -> Network:
        return self._judged

    def losses(self, rows: Rows | np.ndarray) -> np.ndarray:
        size = rows_per_call(self._model, self.windows.window.n_steps)
        batches = [rows[first : first + size] for first in range(0, len(rows), size)]
        batches = [batch[np.argsort(-batch[:, 1], kind="stable")] for batch in batches]
        none = np.zeros(len(batches), np.uint32), np.zeros((len(batches), 2), self._model.dtype)
        with self._queue.lock:
            return mean_losses(self._rounds_of("validation", batches, self._evaluation).run(batches, *none))

    def _rounds_of(
        self,
        name: str,
        batches: list[np.ndarray],
        make: Callable[[int, int, EpochBatches, Any], Callable[[], None]],
    ) -> "Rounds":
        """Those of the last epoch, if this one has batches of the same sizes."""
        sizes = [len(batch) for batch in batches]
        if name not in self._rounds or self._rounds[name].sizes != sizes:
            self._rounds[name] = Rounds(self._model, sizes, self.windows.window.n_targets, make)
        return self._rounds[name]

    def _training(
        self, n_rows: int, usual_samples: int, epoch: EpochBatches, sums: Any
    ) -> Callable[[], None]:
        window, options = self.windows.window, self.options
        begin, every_step = window.n_steps - self._chunk(), self._model.architecture.pooling != "last"
        size = BatchSpec(
            window,
            n_rows,
            keep=True,
            begin=begin,
            dropout=options.dropout,
            outputs=every_step,
            usual_samples=usual_samples,
        )
        training = Training(self._model, size, options.loss)
        return partial(training.update, epoch, self._series, self._optimizer, sums)

    def _evaluation(
        self, n_rows: int, usual_samples: int, epoch: EpochBatches, sums: Any
    ) -> Callable[[], None]:
        size = BatchSpec(self.windows.window, n_rows, usual_samples=usual_samples)
        evaluation = Evaluation(self._model, size, self.options.loss)
        return partial(evaluation.evaluate, epoch, self._series, self._judged_packed, sums)


class Rounds:
    """The same batches, but for the order of their rows, again and again.

    Parameters
    ----------
    model : Model
    sizes : list of int
        Rows of each batch.
    n_targets : int
    make : callable
        From a number of rows, that of the largest batch, the epoch and the array of sums to what handles the
        next batch of that size.
    """

    def __init__(
        self,
        model: DeviceModel,
        sizes: list[int],
        n_targets: int,
        make: Callable[[int, int, EpochBatches, Any], Callable[[], None]],
    ):
        self.sizes, self._queue, self._shape = sizes, model.queue, (len(sizes), 2, n_targets)
        self._epoch = EpochBatches(model.queue, model.dtype, sum(sizes), len(sizes), max(sizes))
        self._sums = model.queue.zeros(int(np.prod(self._shape)), model.dtype)
        self._launches = {n: make(n, max(sizes), self._epoch, self._sums) for n in set(sizes)}
        self._graphs: dict[int, Graph] = {}
        self._seen: set[int] = set()

    def run(self, batches: list[np.ndarray], seeds: np.ndarray, corrections: np.ndarray) -> np.ndarray:
        """Handle all batches; returns the sums of losses and weights, shape (2, n_targets)."""
        self._epoch.begin(np.concatenate(batches), seeds, corrections)
        for batch in batches:
            self._next(len(batch))
        return self._queue.download(self._sums).reshape(self._shape).sum(axis=0, dtype=np.float64)

    def _next(self, n_rows: int) -> None:
        """The first batch of a size compiles the kernels, the second is recorded, the others are replayed."""
        if n_rows not in self._seen:
            self._seen.add(n_rows)
            self._launches[n_rows]()
            return
        if n_rows not in self._graphs:
            with self._queue.record() as graph:
                self._launches[n_rows]()
            self._graphs[n_rows] = graph
        self._graphs[n_rows].replay()
