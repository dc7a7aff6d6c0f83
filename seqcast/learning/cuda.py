"""Networks, passes and trainers on a GPU: the counterparts of `network`, `passes` and `trainer`.

Everything between two epochs of training happens on the device.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..kernels.architecture import Architecture
from ..kernels.batch_plan import Window
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
from ..kernels.samples import LENGTH, NUMBER, TARGET
from .losses import mean_losses
from .network import Network
from .options import TrainingOptions
from .passes import LayerPass
from .samples import AnySamples, SampleSource
from .trainer import OptimizerState, Trainer

# Largest size of the buffers of one call, in bytes.
CALL_BYTES = 2**30
CALL_SAMPLES = 8192
# Largest number of batch sizes whose buffers are kept for the next batch.
KEPT_BATCHES = 4
# Largest size of buffers that are kept, in bytes.
KEPT_BYTES = 2**26


class CudaNetwork(Network):
    """A `Network` that reads windows and makes forecasts on a GPU.

    Threads may share it, because each call holds the lock of the GPU's queue. `devices` creates such networks
    and defines how they are copied and pickled.

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
        """The network on the device, created when it is first needed, once for all threads."""
        queue = get_queue(self.ordinal)
        with queue.lock:
            if self._model is None:
                self._model = DeviceModel(queue, self.layout)
            return self._model

    def predict(self, source: SampleSource, samples: np.ndarray, n_jobs: int | None) -> np.ndarray:
        shape = self.forecast_shape(source.window)
        with self._loaded() as model:
            queue, n = model.queue, int(np.prod(shape))
            samples = samples.copy()
            samples[:, TARGET] = np.arange(len(samples)) * n
            values = queue.upload(source.values.ravel())
            predictions = queue.zeros(len(samples) * n, self.dtype)
            for size, part in self._parts(samples, source.window):
                with self.buffers(Prediction, size) as batch:
                    batch.run(queue.upload(part.ravel()), values, predictions)
            return queue.download(predictions).reshape(len(samples), *shape)

    def outputs(self, source: SampleSource, samples: np.ndarray, n_jobs: int | None) -> np.ndarray:
        shape = source.window.n_steps, self.architecture.stack.output_size
        with self._loaded() as model:
            samples = samples.copy()
            samples[:, NUMBER] = np.arange(len(samples))
            values, outputs = model.queue.upload(source.values.ravel()), []
            for size, part in self._parts(samples, source.window):
                found = self._outputs_of(size, part - [0, 0, 0, part[:, NUMBER].min()], values)
                outputs.append(found.reshape(len(part), *shape))
        return np.concatenate(outputs)

    def _outputs_of(self, size: BatchSpec, samples: np.ndarray, values: Any) -> np.ndarray:
        queue, stack, n = self.model.queue, self.architecture.stack, len(samples)
        states = queue.zeros(stack.n_states * stack.n_unrolls * n * stack.hidden_size, self.dtype)
        outputs = queue.zeros(n * size.window.n_steps * stack.output_size, self.dtype)
        block, seed = queue.upload(samples.ravel()), queue.zeros(1, np.uint32)
        with self.buffers(StackPass, size) as batch:
            batch.forward(block, seed, values, states, outputs)
        return queue.download(outputs)

    def _parts(self, samples: np.ndarray, window: Window) -> Iterator[tuple[BatchSpec, np.ndarray]]:
        """Yield tables of as many samples as fit into memory, in each the longest first."""
        most = max(1, min(samples_per_call(self.model, window.n_steps), len(samples)))
        for first in range(0, len(samples), most):
            part = samples[first : first + most]
            order = np.argsort(-part[:, LENGTH], kind="stable")
            yield BatchSpec(window, len(part), usual_samples=most), part[order]

    @contextmanager
    def _loaded(self) -> Iterator[DeviceModel]:
        """Yield the network on the device, with the present weights, for one thread."""
        with self.model.queue.lock:
            self.model.load(self.flat)
            yield self.model

    @contextmanager
    def buffers(self, kind: type, size: BatchSpec) -> Iterator[Any]:
        """Yield buffers of this kind and size for one batch: kept ones or new ones."""
        made = self.take(kind, size)
        yield made
        self.leave(made, size)

    def take(self, kind: type, size: BatchSpec) -> Any:
        """Return buffers that are not in use: kept ones or new ones."""
        return self._kept.pop((kind, size), None) or kind(self.model, size)

    def leave(self, made: Any, size: BatchSpec) -> None:
        """Keep buffers for the next batch of their size; the memory of large ones is released."""
        if len(self._kept) >= KEPT_BATCHES:
            self._kept.clear()
        if (
            size.n_samples * count_sample_bytes(self.model.layout, size.window.n_steps, size.keep)
            <= KEPT_BYTES
        ):
            self._kept[type(made), size] = made


class CudaPass(LayerPass):
    """A pass on a GPU.

    It keeps its weights, since those of the network may have changed before the backward pass.
    """

    network: CudaNetwork

    def __init__(self, network: CudaNetwork, *arguments: Any) -> None:
        super().__init__(network, *arguments)
        self._flat = network.flat.copy()
        self._queue = network.model.queue
        # Used by one backward pass.
        self._kept: StackPass | None = None

    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        queue, size = self._queue, self._size(keep)
        with self._loaded() as network:
            made = network.take(StackPass, size)
            values, states = queue.upload(self.x.ravel()), queue.upload(self.states.ravel())
            output = queue.upload(self._empty_output().ravel())
            made.forward(*self._batch(), values, states, output)
            shape = *self.x.shape[:2], network.architecture.stack.output_size
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
        # `forward` has set it.
        assert self._kept is not None
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
        """Return the table of the samples, and the seed of the masks."""
        return self._queue.upload(self.samples.ravel()), self._queue.upload(np.array([self.seed], np.uint32))

    @contextmanager
    def _loaded(self) -> Iterator[CudaNetwork]:
        """Yield the network with the weights of this pass on the device, for one thread."""
        with self._queue.lock:
            self.network.model.load(self._flat)
            yield self.network


def samples_per_call(model: DeviceModel, n_steps: int) -> int:
    """Return how many samples fit into `CALL_BYTES`."""
    return max(1, min(CALL_SAMPLES, CALL_BYTES // count_sample_bytes(model.layout, n_steps, keep=False)))


class CudaTrainer(Trainer):
    """A trainer on a GPU, where series, parameters and the optimizer's state stay between epochs.

    The order of an epoch's samples, its seeds and corrections are uploaded before its first batch. The
    weights and the losses are downloaded after its last batch.
    """

    def __init__(
        self,
        network: CudaNetwork,
        source: SampleSource,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ) -> None:
        super().__init__(network, source, options, rng, state)
        if network.architecture.readout.reads_every_step and self._chunk_steps() < source.window.n_steps:
            raise ValueError(
                f"The 'bptt_steps' parameter must be None for a readout at every step on a GPU. Got "
                f"{options.bptt_steps} instead. Set device='cpu' to train on the CPU, or bptt_steps=None."
            )
        self._model = network.model
        self._queue = network.model.queue
        self._rounds: dict[str, Rounds] = {}
        # Updates of this fit, over which the average is taken.
        self._n_updates = 0
        # Another thread may be recording a graph.
        with self._queue.lock:
            self._upload()

    def _upload(self) -> None:
        """Upload the arrays that stay on the device."""
        queue, model, ema = self._queue, self._model, self.options.ema
        self._series = DeviceSeries(queue, self.source.values, self.source.targets, self.weights)
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
        self._evaluated = self.network
        self._evaluated_packed = model.packed
        if ema is not None:
            self._evaluated = copy.copy(self.network)
            self._evaluated_packed = queue.zeros(model.packer.size, model.dtype)
            self._average = queue.zeros(self.network.flat.size + 1, model.dtype)

    def run_epoch(self, samples: AnySamples) -> np.ndarray:
        batches = list(self._batches(samples))
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
        """Download the moments and weights, and compute the averaged weights."""
        moments = self.state.moments
        moments[:] = self._queue.download(self._optimizer.moments).reshape(moments.shape)
        self.network.flat[:] = self._queue.download(self._model.flat)[:-1]
        if self._evaluated is not self.network:
            self._optimizer.average(self._n_updates, self._average)
            self._model.packer.pack(self._average, self._evaluated_packed)
            self._evaluated.flat[:] = self._queue.download(self._average)[:-1]

    @property
    def evaluated(self) -> Network:
        return self._evaluated

    def losses(self, samples: AnySamples) -> np.ndarray:
        size = samples_per_call(self._model, self.source.window.n_steps)
        batches = [samples[first : first + size] for first in range(0, len(samples), size)]
        batches = [batch[np.argsort(-batch[:, LENGTH], kind="stable")] for batch in batches]
        none = np.zeros(len(batches), np.uint32), np.zeros((len(batches), 2), self._model.dtype)
        with self._queue.lock:
            return mean_losses(self._rounds_of("validation", batches, self._evaluation).run(batches, *none))

    def _rounds_of(
        self,
        name: str,
        batches: list[np.ndarray],
        make: Callable[[int, int, EpochBatches, Any], Callable[[], None]],
    ) -> "Rounds":
        """Return the rounds of the last epoch if this one has batches of the same sizes, or new ones."""
        sizes = [len(batch) for batch in batches]
        if name not in self._rounds or self._rounds[name].sizes != sizes:
            self._rounds[name] = Rounds(self._model, sizes, self.source.window.n_targets, make)
        return self._rounds[name]

    def _training(
        self, n_samples: int, usual_samples: int, epoch: EpochBatches, sums: Any
    ) -> Callable[[], None]:
        window, options = self.source.window, self.options
        size = BatchSpec(
            window,
            n_samples,
            keep=True,
            begin=window.n_steps - self._chunk_steps(),
            dropout=options.dropout,
            outputs=self._needs_output_gradients(),
            usual_samples=usual_samples,
        )
        training = Training(self._model, size, options.loss)
        return partial(training.update, epoch, self._series, self._optimizer, sums)

    def _evaluation(
        self, n_samples: int, usual_samples: int, epoch: EpochBatches, sums: Any
    ) -> Callable[[], None]:
        size = BatchSpec(self.source.window, n_samples, usual_samples=usual_samples)
        evaluation = Evaluation(self._model, size, self.options.loss)
        return partial(evaluation.evaluate, epoch, self._series, self._evaluated_packed, sums)


class Rounds:
    """Batches of fixed sizes, which run once in each epoch with samples in another order.

    Parameters
    ----------
    model : DeviceModel
    sizes : list of int
        Samples of each batch.
    n_targets : int
    make : callable
        Returns a function that handles the next batch of one size, given this size, that of the largest
        batch, the epoch and the array of sums.
    """

    def __init__(
        self,
        model: DeviceModel,
        sizes: list[int],
        n_targets: int,
        make: Callable[[int, int, EpochBatches, Any], Callable[[], None]],
    ) -> None:
        self.sizes = sizes
        self._queue = model.queue
        self._shape = len(sizes), 2, n_targets
        self._epoch = EpochBatches(model.queue, model.dtype, sum(sizes), len(sizes), max(sizes))
        self._sums = model.queue.zeros(int(np.prod(self._shape)), model.dtype)
        self._launches = {n: make(n, max(sizes), self._epoch, self._sums) for n in set(sizes)}
        self._graphs: dict[int, Graph] = {}
        self._seen: set[int] = set()

    def run(self, batches: list[np.ndarray], seeds: np.ndarray, corrections: np.ndarray) -> np.ndarray:
        """Handle all batches; return the sums of losses and weights, shape (2, n_targets)."""
        self._epoch.begin(np.concatenate(batches), seeds, corrections)
        for batch in batches:
            self._next(len(batch))
        return self._queue.download(self._sums).reshape(self._shape).sum(axis=0, dtype=np.float64)

    def _next(self, n_samples: int) -> None:
        """Run the next batch.

        The first batch of a size compiles the kernels, the second is recorded, the others are replayed.
        """
        if n_samples not in self._seen:
            self._seen.add(n_samples)
            self._launches[n_samples]()
            return
        if n_samples not in self._graphs:
            with self._queue.record() as graph:
                self._launches[n_samples]()
            self._graphs[n_samples] = graph
        self._graphs[n_samples].replay()
