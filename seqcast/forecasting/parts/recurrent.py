"""The recurrent part: a network that reads a window segment by segment, and forecasts the whole horizon."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from ...kernels.architecture import Architecture
from ...kernels.batch_plan import Window
from ...learning.fitting import (
    FittedNetwork,
    Monitor,
    NetworkOptions,
    TrainingSet,
    check_same_network,
    fit,
    fit_epoch,
    loss_units,
    new_network,
)
from ...learning.network import Network
from ...learning.samples import SampleIndex, SampleSource
from ...learning.slopes import window_slopes
from ...learning.trainer import OptimizerState
from ..distributions import Distribution
from ..examples import Examples
from ..fit_callbacks import FitCallbacks
from ..prepared_panel import PreparedPanel
from ..sensitivity import Chain
from ..window_source import WindowSource, join_targets
from .part import PartForecast

# The default segment divides a window into this many steps of the network.
SEGMENTS = 14


@dataclass(frozen=True)
class RecurrentOptions:
    """The parameters of an estimator that concern its networks, under the same names.

    Attributes
    ----------
    network : NetworkOptions
    distribution : Distribution or None
        The distribution that the network forecasts for each step; None for a single number.
    """

    network: NetworkOptions
    n_models: int
    segment: int | None
    normalization: str
    distribution: Distribution | None

    def count_segment_steps(self, window: int) -> int:
        """Return how many steps of a window the network reads at one of its steps."""
        return min(self.segment or max(1, window // SEGMENTS), window)


@dataclass(frozen=True)
class RecurrentPart:
    """One or several networks, whose forecasts are averaged.

    Attributes
    ----------
    members : tuple of FittedNetwork
    reading : Window
        How the networks read a window.
    window, horizon : int
    reads_past_covariates : bool
        Whether the networks read covariates of which only the past is known.
    distribution : Distribution or None
        The distribution that the networks forecast for each step; None for a single number.
    n_jobs : int or None
        The number of threads.
    """

    members: tuple[FittedNetwork, ...]
    reading: Window
    window: int
    horizon: int
    reads_past_covariates: bool
    distribution: Distribution | None
    n_jobs: int | None

    # -- training

    @classmethod
    def fit(
        cls,
        examples: Examples,
        options: RecurrentOptions,
        reads_past_covariates: bool,
        previous: RecurrentPart | None,
        rng: np.random.RandomState,
        callbacks: FitCallbacks[RecurrentPart],
    ) -> RecurrentPart:
        """Train the networks one after the other.

        Parameters
        ----------
        examples : Examples
        options : RecurrentOptions
        reads_past_covariates : bool
            Whether the networks read covariates of which only the past is known.
        previous : RecurrentPart or None
            The part from whose weights training continues; None to start from random weights.
        rng : RandomState
        callbacks : FitCallbacks
            `keep` is called after each network, with the part that has the networks trained so far.
        """
        part = cls._make_empty(examples, options, reads_past_covariates)
        source = part._read(examples.source)
        data = part._make_training_set(examples, options, source)
        for number in range(options.n_models):
            start = part._start(options, previous, number, source, rng)
            own = callbacks.convert(part._add_member)
            part = part._add_member(fit(options.network, start, data, rng, own.monitor, own.keep))
        return part

    @classmethod
    def _make_empty(
        cls, examples: Examples, options: RecurrentOptions, reads_past_covariates: bool
    ) -> RecurrentPart:
        """Return a part without networks."""
        lengths, segment = examples.lengths, options.count_segment_steps(examples.lengths.window)
        source = examples.source if reads_past_covariates else examples.source.drop_past()
        scale = "deviation" if options.normalization == "instance" else "none"
        counts = options.network.loss == "negative_binomial"
        reading = Window(
            lengths.window // segment,
            source.n_columns,
            source.n_targets,
            normalize=options.normalization != "none",
            masked=_has_gaps(source, examples),
            segment=segment,
            scale="mean" if counts else scale,
            n_normalized=source.n_relative,
        )
        threads = options.network.n_jobs
        shape = lengths.window, lengths.horizon
        return cls((), reading, *shape, reads_past_covariates, options.distribution, threads)

    def _make_training_set(
        self, examples: Examples, options: RecurrentOptions, source: WindowSource
    ) -> TrainingSet:
        """Return the samples that each network is trained on and validated on."""
        train = self._index_samples(source, examples.train)
        validation = self._index_samples(source, examples.validation) if len(examples.validation) else None
        if validation is not None:
            validation = validation.subsample(options.network.max_samples or len(validation))
        n_drawn = min(len(train), options.network.max_samples or len(train))
        windows = self._make_windows(source, np.dtype(options.network.dtype))
        return TrainingSet(windows, train, validation, _choose_loss_units(examples.prepared), n_drawn)

    def _add_member(self, member: FittedNetwork) -> RecurrentPart:
        """Return the part with one more network."""
        return replace(self, members=(*self.members, member))

    def fit_further(
        self,
        options: RecurrentOptions,
        prepared: PreparedPanel,
        cutoffs: np.ndarray,
        monitor: Monitor[FittedNetwork],
    ) -> RecurrentPart:
        """Train each network by one pass over the samples at these cutoffs."""
        source = self._read(prepared.source)
        architecture = self._make_architecture(options, source)
        train = self._index_samples(source, cutoffs)
        n_drawn = min(len(train), options.network.max_samples or len(train))
        windows = self._make_windows(source, np.dtype(options.network.dtype))
        data = TrainingSet(windows, train, None, _choose_loss_units(prepared), n_drawn)
        members = copy.deepcopy(self.members)
        rng, losses, trained = members[-1].rng, members[-1].history.loss, []
        for member in members:
            check_same_network(
                member, architecture, options.network.dtype, f"{options.network.owner}.partial_fit"
            )
            start = member.network, member.optimizer_state
            trained.append(fit_epoch(options.network, start, losses, data, rng, monitor))
        return replace(self, members=tuple(trained))

    def _start(
        self,
        options: RecurrentOptions,
        previous: RecurrentPart | None,
        number: int,
        source: WindowSource,
        rng: np.random.RandomState,
    ) -> tuple[Network, OptimizerState]:
        """Return the initial weights of the network with this number, and the state of its optimizer."""
        architecture = self._make_architecture(options, source)
        if previous is None or number >= len(previous.members):
            return new_network(architecture, options.network.dtype, rng)
        caller = f"{options.network.owner}.fit with warm_start=True"
        check_same_network(previous.members[-1], architecture, options.network.dtype, caller)
        member = previous.members[number]
        # A copy, so that a fit that fails does not change the last one.
        return copy.deepcopy((member.network, member.optimizer_state))

    def _make_architecture(self, options: RecurrentOptions, source: WindowSource) -> Architecture:
        n_outputs = self.horizon * source.n_targets
        architecture = options.network.architecture(self.reading.input_size, n_outputs)
        if self.distribution is None:
            return architecture
        return architecture.with_readout(
            n_outputs=n_outputs * self.distribution.n_parameters,
            distribution=self.distribution.name,
            probabilities=self.distribution.probabilities,
        )

    # -- what the networks read

    def _read(self, source: WindowSource) -> WindowSource:
        return source if self.reads_past_covariates else source.drop_past()

    def _make_windows(self, source: WindowSource, dtype: np.dtype) -> SampleSource:
        values = np.ascontiguousarray(source.values.reshape(-1, source.n_columns), dtype)
        targets = np.ascontiguousarray(values[:, : source.n_targets])
        weights = None if source.weights is None else np.tile(source.weights, len(source)).astype(dtype)
        return SampleSource(values, targets, self.reading, weights)

    def _index_samples(self, source: WindowSource, cutoffs: np.ndarray) -> SampleIndex:
        segment, n_targets = self.reading.segment, source.n_targets
        n_read = self.reading.n_steps * segment
        return SampleIndex(
            source.to_flat_rows(cutoffs - n_read),
            self.reading.n_steps,
            lambda starts, lengths: (starts + lengths * segment) * n_targets,
        )

    # -- forecasts

    def forecast(self, prepared: PreparedPanel, cutoffs: np.ndarray) -> PartForecast:
        """Forecast the horizon after each cutoff by the mean of the networks."""
        source = self._read(prepared.source)
        # Only rows that a window reads are converted.
        first = (cutoffs - self.window).min()
        outputs = self._predict_outputs(source.drop_before(first), cutoffs - first)
        center = prepared.integrate(outputs[:, 0], cutoffs)
        return PartForecast(center, self.distribution, None if self.distribution is None else outputs)

    def _predict_outputs(self, source: WindowSource, cutoffs: np.ndarray) -> np.ndarray:
        """Return the mean of the networks' outputs, (n_cutoffs, n_parameters, horizon, n_targets)."""
        networks = [member.network for member in self.members]
        rows = self._index_samples(source, cutoffs)[:]
        windows = self._make_windows(source, networks[0].dtype)
        outputs = [network.predict(windows, rows, self.n_jobs) for network in networks]
        mean = outputs[0] if len(outputs) == 1 else np.mean(outputs, axis=0, dtype=np.float64)
        by_parameter = mean.reshape(len(rows), -1, self.horizon, source.n_targets).swapaxes(0, 1)
        return np.stack([join_targets(part, len(source)) for part in by_parameter], axis=1)

    def gradient(self, chain: Chain) -> np.ndarray:
        """Return the mean of the networks' derivatives; see `Part.gradient`."""
        source = self._read(chain.source)
        networks = [member.network for member in self.members]
        starts = self._index_samples(source, np.array([chain.cutoff])).starts
        windows = self._make_windows(source, networks[0].dtype)
        gradients = [window_slopes(network, windows, starts, self.n_jobs) for network in networks]
        return chain.differentiate_part(np.mean(gradients, axis=0), self.reads_past_covariates)


def _choose_loss_units(prepared: PreparedPanel) -> np.ndarray:
    """Return the unit of reported losses: the unit of the target if there is only one, else 1."""
    scales, preparation = prepared.preparation.target_scaler.scale, prepared.preparation
    one_unit = len(prepared.source) == len(scales) == 1 and preparation.is_linear
    return loss_units(scales[0] if one_unit else np.ones(1))


def _has_gaps(source: WindowSource, examples: Examples) -> bool:
    """Return whether a value is missing in a training or validation window, or in the last of a series."""
    window = examples.lengths.window
    counts = np.zeros(source.n_rows + 1, np.int64)
    for cutoffs in examples.train, examples.validation:
        np.add.at(counts, cutoffs - window, 1)
        np.subtract.at(counts, cutoffs, 1)
    learned = np.cumsum(counts[:-1]) > 0
    last = np.zeros_like(learned)
    for end in examples.prepared.scaled.ends:
        last[max(0, end - window) : end] = True
    values, n = source.values, source.n_relative
    return bool(np.isnan(values[:, learned]).any() or np.isnan(values[:, last, :n]).any())
