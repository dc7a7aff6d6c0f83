"""Trainers: epochs over one network, batch after batch."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..data.training_windows import subsample
from ..kernels import parallel
from ..kernels.arguments import Arguments
from ..kernels.losses import LOSSES
from ..kernels.modes import OPTIMIZERS
from ..kernels.registry import Kernel, get_kernel
from ..kernels.samples import LENGTH, NUMBER
from .losses import check_loss, mean_losses, split_samples, validation_losses
from .network import Network
from .options import TrainingOptions
from .samples import AnySamples, SampleSource


class OptimizerState:
    """The moments of the optimizer, which ``warm_start`` keeps between fits."""

    def __init__(self, network: Network) -> None:
        self.moments = np.zeros((2, network.flat.size), network.dtype)
        self.n_updates = 0


class Trainer(ABC):
    """Runs epochs over one network.

    Parameters
    ----------
    network : Network
    source : SampleSource
    options : TrainingOptions
    rng : RandomState
        Order of the samples, and dropout masks.
    state : OptimizerState
    """

    def __init__(
        self,
        network: Network,
        source: SampleSource,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ) -> None:
        check_loss(network, source.window, options.loss)
        self.network = network
        self.source = source
        self.options = options
        self.rng = rng
        self.state = state
        self.settings = options.settings(network.dtype)
        self.decay = decay_mask(network)
        self.weights = source.flat_weights(network.dtype)

    @abstractmethod
    def run_epoch(self, samples: AnySamples) -> np.ndarray:
        """Train once on `samples`, or on some of them, in random order.

        Returns each target's mean loss, shape (n_targets,).
        """

    @property
    @abstractmethod
    def evaluated(self) -> Network:
        """The network that losses are evaluated with; it has the averaged weights if `ema` is set."""

    @abstractmethod
    def losses(self, samples: AnySamples) -> np.ndarray:
        """Return each target's mean loss over `samples` with the present weights, shape (n_targets,)."""

    def forecasts_are_finite(self, samples: AnySamples) -> bool:
        """Return whether forecasts of (some of) the samples, and their squares, are finite."""
        samples = samples[subsample(np.arange(len(samples)), self.options.max_samples)]
        with np.errstate(over="ignore", invalid="ignore"):
            return all(
                np.isfinite(np.square(self.network.predict(self.source, part, self.options.n_threads))).all()
                for part in split_samples(samples)
            )

    def _batches(self, samples: AnySamples) -> Iterator[np.ndarray]:
        order = self.rng.permutation(len(samples))[: self.options.max_samples]
        size = self.options.batch_size
        for first in range(0, len(order), size):
            batch = samples[order[first : first + size]]
            lengths = batch[:, LENGTH]
            if (lengths != lengths[0]).any():
                # The kernels need the longest samples first.
                batch = batch[np.argsort(-lengths, kind="stable")]
            batch[:, NUMBER] = np.arange(len(batch))
            yield batch

    def _chunk_steps(self) -> int:
        """Return the steps that the gradient passes through, counted from the end of a window."""
        n_steps = self.source.window.n_steps
        return min(self.options.bptt_steps or n_steps, n_steps)

    def _needs_output_gradients(self) -> bool:
        """Return whether the backward pass begins at the output of every step."""
        return self.network.architecture.readout.pooling != "last"

    def _draw_seed(self) -> np.uint32:
        """Draw the seed of one batch's dropout masks."""
        return self.rng.randint(2**32, dtype=np.uint32) if self.options.dropout else np.uint32(0)


class _Kernels(NamedTuple):
    """The kernels of an update, in the order of their calls."""

    pack: Kernel
    train: Kernel
    update: Kernel

    @classmethod
    def of(cls, network: Network) -> "_Kernels":
        pack, update = (get_kernel(name, None, network.dtype) for name in ("pack", "update"))
        return cls(pack, network.kernel("train"), update)


@dataclass
class _Batch:
    """The arrays for batches of one size."""

    # A view of the seed in the table. Finding the field in a record array takes 5 us.
    seed: np.ndarray
    arguments: Arguments
    gradients: np.ndarray
    sums: np.ndarray


class CpuTrainer(Trainer):
    """A trainer on the CPU: the shards of a batch on threads, then the optimizer."""

    def __init__(
        self,
        network: Network,
        source: SampleSource,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ) -> None:
        super().__init__(network, source, options, rng, state)
        self.gradient = np.empty_like(network.flat)
        self._average = None if options.ema is None else WeightAverage(options.ema, network.flat.size)
        self._evaluated = network if options.ema is None else copy.copy(network)
        self._kernels = _Kernels.of(network)
        self._packed = np.empty(network.layout.index.size, network.dtype)
        # An epoch has two sizes: that of full batches and that of the last batch.
        self._by_size: dict[int, _Batch] = {}

    def run_epoch(self, samples: AnySamples) -> np.ndarray:
        totals = np.zeros((2, self.source.window.n_targets))
        for batch in self._batches(samples):
            totals += self.train_batch(batch)
        return mean_losses(totals)

    @property
    def evaluated(self) -> Network:
        if self._average is not None and self._average.weight:
            self._evaluated.flat[:] = self._average.weights()
        return self._evaluated

    def losses(self, samples: AnySamples) -> np.ndarray:
        return validation_losses(self.evaluated, self.source, samples, self.options)

    def train_batch(self, samples: np.ndarray) -> np.ndarray:
        """Update the weights once; return the losses and weights of the targets, shape (2, n_targets)."""
        options, state = self.options, self.state
        batch = self._batch(len(samples))
        batch.seed[0] = self._draw_seed()
        batch.arguments.set(samples=samples)
        self._kernels.pack.call(0, batch.arguments.address)
        parallel.run(self._kernels.train, batch.arguments, options.n_threads)
        state.n_updates += 1
        batch.arguments.set_numbers(n_updates=state.n_updates)
        self._kernels.update.call(0, batch.arguments.address)
        if self._average is not None:
            self._average.add(self.network.flat)
        return batch.sums.sum(axis=0)

    def _batch(self, n_samples: int) -> _Batch:
        if n_samples not in self._by_size:
            self._by_size[n_samples] = self._make_batch(n_samples)
        return self._by_size[n_samples]

    def _make_batch(self, n_samples: int) -> _Batch:
        network, source = self.network, self.source
        plan = network.plan(
            source.window,
            n_samples,
            chunk=self._chunk_steps(),
            keep=False,
            outputs=self._needs_output_gradients(),
        ).with_dropout(np.uint32(0), self.options.dropout)
        plan.network[0].readout.loss = LOSSES.index(self.options.loss)
        gradients = np.empty((plan.n_shards, network.layout.n_gradients), network.dtype)
        sums = np.empty((plan.n_shards, 2, source.window.n_targets))
        arguments = network.arguments(
            plan,
            values=source.values.ravel(),
            targets=source.targets.ravel(),
            target_weights=self.weights,
            workspaces=plan.allocate(network.dtype, self.options.n_threads),
            gradients=gradients,
            loss_sums=sums,
            weights=self._packed,
            back=network.layout.back,
            gradient=self.gradient,
            decay=self.decay,
            moments=self.state.moments,
            settings=self.settings,
            **network.packing(),
        )
        arguments.set_numbers(optimizer=OPTIMIZERS.index(self.options.optimizer))
        return _Batch(plan.network["batch"]["seed"], arguments, gradients, sums)


class WeightAverage:
    """The exponential moving average of the weights over the updates.

    The bias towards the initial value 0 is corrected (Kingma and Ba, 2015, section 3).

    Parameters
    ----------
    decay : float
    n : int
        Number of weights.
    """

    def __init__(self, decay: float, n: int) -> None:
        self.decay = decay
        self.total = np.zeros(n)
        self.weight = 0.0

    def add(self, flat: np.ndarray) -> None:
        """Add the weights after one update to the average."""
        self.total *= self.decay
        self.total += (1 - self.decay) * flat
        self.weight = self.decay * self.weight + 1 - self.decay

    def weights(self) -> np.ndarray:
        """Return the average."""
        return self.total / self.weight


def decay_mask(network: Network) -> np.ndarray:
    """Return 1 for weights, and 0 for biases, to which L2 does not apply."""
    mask = np.zeros_like(network.flat)
    for name, view in network.architecture.views(mask).items():
        view[...] = 0 if "bias" in name else 1
    return mask
