"""A network's parameters, and calls of its kernels."""

import math
import weakref
from collections import deque
from typing import Any

import numpy as np

from ..kernels import parallel
from ..kernels.architecture import Architecture
from ..kernels.arguments import Arguments
from ..kernels.batch_plan import MAX_SHARDS, SHARD_SAMPLES, BatchPlan, Window, plan_batch
from ..kernels.layout import Layout
from ..kernels.registry import DISTRIBUTION_KERNELS, Kernel, get_kernel
from ..kernels.samples import LENGTH, NUMBER, TARGET
from .samples import SampleSource
from .workspaces import leave_workspaces, take_workspaces

# Largest number of samples in one call, which limits its workspace.
PREDICT_SAMPLES = 4096
# Largest number of products in one call, about 20 ms, since Ctrl-C takes effect between calls.
PREDICT_WORK = 2e9
# Steps of a chunk if no backward pass follows, so that the workspace stays in the cache.
CARRY_STEPS = 16
# Largest number of cached plans, for example of the full and the last batch, forward and backward.
KEPT_PLANS = 8
# Largest number of networks that keep their packed weights, twice the size of the weights.
KEPT_PACKED = 16
_recently_packed: deque[weakref.ref] = deque()


class Network:
    """Parameters of an architecture in one dtype, and calls of its kernels.

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
        Number of the GPU that the network is on, None on the CPU.
    """

    ordinal: int | None = None

    def __init__(self, architecture: Architecture, dtype: str | np.dtype = "float32") -> None:
        self.architecture = architecture
        self.dtype = np.dtype(dtype)
        self.layout = Layout(architecture, self.dtype)
        # The last element stays zero, see `layout`.
        self._padded = np.zeros(architecture.n_parameters + 1, self.dtype)
        self.flat = self._padded[:-1]
        self.weights = architecture.views(self.flat)
        self._plans: dict[tuple, BatchPlan] = {}
        # The parameters when they were last packed, and the packed ones.
        self._kept_packed: tuple[bytes, np.ndarray] | None = None

    def __getstate__(self) -> dict:
        return {"architecture": self.architecture, "dtype": self.dtype, "flat": self.flat.copy()}

    def __setstate__(self, state: dict) -> None:
        """Create the views again, because unpickled views would not share memory with `flat`."""
        self.__init__(state["architecture"], state["dtype"])  # type: ignore[misc]
        self.flat[:] = state["flat"]

    def initialize(self, rng: np.random.RandomState) -> None:
        """Draw every parameter from U(-1/sqrt(n), 1/sqrt(n)), as PyTorch does.

        n is the hidden size for recurrent layers, and the number of inputs for the readout.
        """
        for name, weight in self.weights.items():
            weight[...] = rng.uniform(-1, 1, weight.shape) / np.sqrt(self.architecture.fan_in(name))

    def packed(self) -> np.ndarray:
        """Return the parameters in the order that the kernels read, in a read-only array.

        The networks that were packed last keep it until a parameter changes, since packing takes a sixth of
        the time of a forecast of one row.
        """
        # Bytes, since -0.0 equals 0.0, and NaN does not equal itself.
        kept, parameters = self._kept_packed, self.flat.tobytes()
        if kept is not None and kept[0] == parameters:
            return kept[1]
        packed = np.empty(self.layout.index.size, self.dtype)
        self.run_common("pack", weights=packed, **self.packing())
        packed.flags.writeable = False
        self._kept_packed = parameters, packed
        _drop_old_packed(self)
        return packed

    def packing(self) -> dict[str, np.ndarray]:
        """Return the arrays that the kernel "pack" reads."""
        return {"flat": self._padded, "index": self.layout.index, "second": self.layout.second}

    def run_common(self, name: str, **arrays: np.ndarray) -> None:
        """Call a kernel that does not depend on the cell; arrays: by the names in `kernels.arguments`."""
        arguments = Arguments(self.dtype, None, **arrays)
        get_kernel(name, None, self.dtype).call(0, arguments.address)

    def kernel(self, name: str) -> Kernel:
        """Return the kernel `name`, see `kernels.registry`."""
        readout = self.architecture.readout
        if readout.distribution != "none" and f"{name}_distribution" in DISTRIBUTION_KERNELS:
            name = f"{name}_distribution"
        return get_kernel(name, self.architecture.stack.cell, self.dtype)

    def arguments(self, plan: BatchPlan, **arrays: np.ndarray) -> Arguments:
        """Return the arguments of a kernel call; arrays: by the names in `kernels.arguments`."""
        return Arguments(self.dtype, plan, **arrays)

    def run(self, name: str, plan: BatchPlan, n_jobs: int | None, **arrays: np.ndarray) -> None:
        """Call kernel `name` for every shard of a batch; arrays: see `arguments`.

        Without "workspaces" among them, those of an earlier call are used again if they fit.
        """
        n_threads = parallel.thread_count(n_jobs, plan.n_shards)
        if "workspaces" in arrays:
            parallel.run(self.kernel(name), self.arguments(plan, **arrays), n_threads)
            return
        workspaces = take_workspaces(plan, self.dtype, n_threads)
        arguments = self.arguments(plan, workspaces=workspaces, **arrays)
        parallel.run(self.kernel(name), arguments, n_threads)
        leave_workspaces(workspaces)

    def gradient(self, gradients: np.ndarray) -> dict[str, np.ndarray]:
        """Return the sum of the shards' packed gradients (overwritten), by the parameters' names."""
        gradient = np.empty_like(self.flat)
        arguments = Arguments(self.dtype, gradients=gradients, back=self.layout.back, gradient=gradient)
        arguments.set_numbers(n_shards=len(gradients))
        get_kernel("unpack_gradient", None, self.dtype).call(0, arguments.address)
        return self.architecture.views(gradient)

    def predict(self, source: SampleSource, samples: np.ndarray, n_jobs: int | None) -> np.ndarray:
        """Forecast each sample. n_jobs: see `kernels.parallel.thread_count`.

        Returns
        -------
        ndarray, shape (n_samples, n_outputs), or (n_samples, n_steps, n_outputs)
            The latter if the readout reads every step; zero after the end of a sample. In the dtype of the
            network and the order of `samples`. The outputs of a distribution are its parameters, in the order
            of `kernels.distributions`, for the values in their own unit.
        """
        predictions = np.zeros((len(samples), *self.forecast_shape(source.window)), self.dtype)
        packed, values = self.packed(), source.values.ravel()
        order = np.argsort(-samples[:, LENGTH], kind="stable")
        samples = samples[order]
        samples[:, TARGET] = order * math.prod(predictions.shape[1:])
        size, chunk = self._samples_per_call(source.window.n_steps), self.carry_steps(source.window)
        for first in range(0, len(samples), size):
            part = samples[first : first + size]
            plan = self.plan(source.window, len(part), chunk=chunk, keep=False)
            self.run(
                "predict", plan, n_jobs, samples=part, weights=packed, values=values, predictions=predictions
            )
        return predictions

    def forecast_shape(self, window: Window) -> tuple[int, ...]:
        """Return the shape of the forecasts of one sample."""
        readout = self.architecture.readout
        return (window.n_steps, readout.n_outputs) if readout.reads_every_step else (readout.n_outputs,)

    def outputs(self, source: SampleSource, samples: np.ndarray, n_jobs: int | None) -> np.ndarray:
        """Compute the top layer's state after each step of each sample. n_jobs: as in `predict`.

        Returns
        -------
        ndarray, shape (n_samples, n_steps, output_size)
            In the dtype of the network; zero after the end of a sample.
        """
        n_steps = source.window.n_steps
        order, size = np.argsort(-samples[:, LENGTH], kind="stable"), self._samples_per_call(n_steps)
        outputs = np.zeros((len(samples), n_steps, self.architecture.stack.output_size), self.dtype)
        for first in range(0, len(samples), size):
            part = samples[order[first : first + size]]
            part[:, NUMBER] = np.arange(len(part))
            self._forward(source, part, outputs[first : first + size], n_jobs)
        return outputs[np.argsort(order)]

    def _forward(
        self, source: SampleSource, samples: np.ndarray, outputs: np.ndarray, n_jobs: int | None
    ) -> None:
        """Run the layers from zero states, and write their `outputs` (OUT)."""
        stack, chunk = self.architecture.stack, self.carry_steps(source.window)
        plan = self.plan(source.window, len(samples), chunk=chunk, keep=False, outputs=True)
        states = np.zeros((stack.n_states, stack.n_unrolls, len(samples), stack.hidden_size), self.dtype)
        self.run(
            "forward",
            plan,
            n_jobs,
            samples=samples,
            weights=self.packed(),
            values=source.values.ravel(),
            outputs=outputs,
            states=states,
        )

    def _samples_per_call(self, n_steps: int) -> int:
        whole = PREDICT_WORK / (self.architecture.n_parameters * n_steps)
        return int(min(max(whole, MAX_SHARDS * SHARD_SAMPLES), PREDICT_SAMPLES))

    def plan(self, window: Window, n_samples: int, **options: Any) -> BatchPlan:
        """Return the plan of a batch, see `plan_batch`.

        Some plans are kept, since planning takes longer than a small pass.
        """
        key = window, n_samples, *sorted(options.items())
        plan = self._plans.get(key)
        if plan is None:
            plan = plan_batch(self.layout, window, n_samples, **options)
            if len(self._plans) >= KEPT_PLANS:
                # One call, since other threads may forecast at the same time.
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def carry_steps(self, window: Window) -> int:
        """Return the steps of a chunk if no backward pass follows: all steps if one direction is reverse."""
        return window.n_steps if self.architecture.stack.bidirectional else min(CARRY_STEPS, window.n_steps)


def _drop_old_packed(network: Network) -> None:
    """Drop the packed weights of the network that packed them first, if too many keep theirs."""
    _recently_packed.append(weakref.ref(network))
    if len(_recently_packed) > KEPT_PACKED:
        oldest = _recently_packed.popleft()()
        if oldest is not None and oldest is not network:
            oldest._kept_packed = None
