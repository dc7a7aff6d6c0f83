"""What seqcast is asked for on a GPU: a layer's pass, its kernels, and the training step of a fit."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.cuda import batches, registers
from seqcast.kernels.cuda.compiler import SIMULATED, cuda
from seqcast.kernels.cuda.driver import GPU_ERRORS, cuda_driver
from seqcast.kernels.cuda.optimizers import corrections_of
from seqcast.kernels.cuda.products import Matrix, products_for
from seqcast.kernels.cuda.queue import Queue, queue_of
from seqcast.kernels.cuda.shapes import Shape
from seqcast.kernels.cuda.windows import Epoch
from seqcast.kernels.samples import sample_table
from seqcast.learning.cuda import CudaNetwork, CudaTrainer
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import OptimizerState

from .comparisons import Size
from .gpu_timing import Contestant, HostStream, Stream

CHECKED = 3  # batches whose updates are compared
REPEATED = 1_000_003  # random numbers, repeated where more are wanted: drawing takes longer than a pass


class QueueStream:
    def __init__(self, queue: Queue):
        self._queue = queue

    def mark(self) -> Any:
        with self._queue.gpu:
            event = cuda.event()
            event.record(self._queue.stream)
        return event

    def seconds(self, first: Any, last: Any) -> float:
        with self._queue.gpu:
            last.synchronize()
            return first.elapsed_time(last) / 1e3


def stream_of(queue: Queue) -> Stream:
    return HostStream() if SIMULATED else QueueStream(queue)


def errors() -> tuple[type[Exception], ...]:
    """What a size that does not fit, or a kernel that does not compile, may raise."""
    return RuntimeError, MemoryError, NumbaError, *GPU_ERRORS


def free_memory() -> None:
    """Give back what was let go."""
    gc.collect()
    if not SIMULATED:
        cuda.current_context().memory_manager.deallocations.clear()


def recorded(queue: Queue, call: Callable[[], None]) -> Callable[[], None]:
    """The same as a graph; called once before, since kernels compile then."""
    call()
    with queue.captured() as graph:
        call()
    return graph.replay


def numbers(n: int, seed: int) -> np.ndarray:
    return np.resize(np.random.default_rng(seed).normal(size=min(n, REPEATED)).astype(np.float32), n)


class Layer:
    """All steps of one layer, on arrays of the device: from inputs to states; with `keep`, on to the
    gradients of weights and inputs."""

    def __init__(self, cell: str, size: Size, keep: bool):
        self.size, self._keep = size, keep
        self.network = CudaNetwork(compose(find_cell(cell), size.inputs, size.hidden))
        self.network.initialize(np.random.RandomState(0))
        self._model = model = self.network.model
        self.queue = queue = model.queue
        model.load(self.network.flat)
        n = size.batch * size.steps
        self.x = numbers(n * size.inputs, 1).reshape(size.batch, size.steps, size.inputs)
        self.d_outputs = numbers(n * size.hidden, 2) if keep else None
        window = Window(size.steps, size.inputs)
        self._layers = batches.Layers(
            model, batches.Size(window, size.batch, keep, outputs=keep, d_input=keep)
        )
        if keep:
            queue.copy(self._layers.d_outputs, self.d_outputs)
        rows = sample_table(np.arange(size.batch) * size.steps, np.full(size.batch, size.steps), 0)
        self._block, self._values = queue.upload(rows.ravel()), queue.upload(self.x.ravel())
        self._seed = queue.zeros(1, np.uint32)
        self._gradient = queue.zeros(model.packing.size, model.dtype)

    def call(self) -> None:
        layers, packed = self._layers, self._model.packed
        layers.clear_states()
        layers.forward(self._block, self._values, self._seed, packed)
        if self._keep:
            layers.clear_states()
            layers.backward(self._block, self._seed, packed, self._gradient)

    @cached_property
    def graph(self) -> Callable[[], None]:
        return recorded(self.queue, self.call)

    def contestants(self) -> dict[str, Contestant]:
        calls = {"seqcast": self.graph, "seqcast, launches": self.call}
        return {name: Contestant(call, stream_of(self.queue)) for name, call in calls.items()}

    def results(self) -> dict[str, np.ndarray]:
        """What a replay of the graph leaves: states (T, B, H) and gradients, by name."""
        self.graph()
        size, space = self.size, self._layers.spaces[0]
        rows = self.queue.download(space.rows).reshape(size.steps + 1, size.batch, -1)
        found = {"outputs": rows[1:, :, : size.hidden]}
        if self._keep:
            d_x = self.queue.download(self._layers.d_inputs)
            found["x"] = d_x.reshape(size.steps, size.batch, size.inputs)
            flat = self.queue.download(self._gradient)[self._model.layout.back]
            found |= self.network.architecture.views(flat)
        return found

    # -- its walks alone

    def walks(self) -> Iterator[tuple[str, Contestant, Any, int]]:
        """Of each: its name, itself, and, if one kernel does it, that and its bytes of shared memory."""
        steps, space = batches.steps_for(self._model, self.size.batch), self._layers.spaces[0]
        arrays, shape = (space, self._block, self._model.packed), shape_of(self.network, self.size.batch)
        calls = {
            "forward": lambda: steps.forward(*arrays),
            "backward": lambda: steps.backward(*arrays, self._layers.d_outputs, 0),
        }
        kernels = {"forward": (None, 0), "backward": (None, 0)}
        if shape is not None:
            kernels["forward"] = registers.make_forward(shape, True), shape.shared_forward
            kernels["backward"] = registers.make_backward(shape), shape.shared_backward
        for name, call in calls.items():
            yield name, Contestant(recorded(self.queue, call), stream_of(self.queue)), *kernels[name]


class Training:
    """Updates as a fit makes them: windows out of a series, one layer, a linear head on the last state,
    squared loss, clipping at 1, Adam."""

    def __init__(self, cell: str, size: Size, horizon: int, n_batches: int):
        rng = np.random.RandomState(0)
        self.size, self.n_batches = size, n_batches
        self.network = CudaNetwork(compose(find_cell(cell), size.inputs, size.hidden, n_outputs=horizon))
        self.network.initialize(rng)
        self.weights = {name: weight.copy() for name, weight in self.network.weights.items()}
        n = n_batches * size.batch
        self.series = numbers(n + size.steps + horizon, 1)
        self.rows = sample_table(np.arange(n), np.full(n, size.steps), np.arange(n) + size.steps)
        self.rows[:, 3] %= size.batch
        series = SampleSource(self.series[:, None], self.series[:, None], Window(size.steps, 1))
        options = TrainingOptions(batch_size=size.batch)
        self.trainer = CudaTrainer(self.network, series, options, rng, OptimizerState(self.network))
        model = self.network.model
        self.queue = queue = model.queue
        self._epoch = Epoch(queue, model.dtype, n, n_batches, size.batch)
        self._sums = queue.zeros(2 * n_batches, model.dtype)
        self.call = self.trainer._training(size.batch, size.batch, self._epoch, self._sums)

    def rewind(self) -> None:
        """To the first batch."""
        n = self.n_batches
        corrections = corrections_of(self.trainer.settings, 1, n)
        self._epoch.begin(self.rows, np.zeros(n, np.uint32), corrections)
        self.queue.synchronize()

    @contextmanager
    def turn(self) -> Iterator[None]:
        self.rewind()
        yield

    @cached_property
    def graph(self) -> Callable[[], None]:
        return recorded(self.queue, self.call)

    def contestants(self) -> dict[str, Contestant]:
        stream, most = stream_of(self.queue), self.n_batches
        calls = {"seqcast": self.graph, "seqcast, launches": self.call}
        return {name: Contestant(call, stream, self.turn, most) for name, call in calls.items()}

    def epochs(self) -> dict[str, Contestant]:
        """With all that the host does before and after the batches."""
        call, stream = lambda: self.trainer.run_epoch(self.rows), stream_of(self.queue)
        return {"seqcast": Contestant(call, stream, most=1, parts=self.n_batches)}

    def results(self) -> dict[str, np.ndarray]:
        """Losses of the first batches, and the weights after them. To be called first, and once."""
        self.rewind()
        for _ in range(CHECKED - 1):
            self.graph()  # whose recording trained the first batch
        weights = self.queue.download(self.network.model.flat)[:-1]
        losses, counts = self.queue.download(self._sums).reshape(self.n_batches, 2)[:CHECKED].T
        return {"loss": losses / counts} | self.network.architecture.views(weights)


def shape_of(network: CudaNetwork, n_rows: int) -> Shape | None:
    """How the kernels that keep weights in registers are cut; None if it walks step by step."""
    return getattr(batches.steps_for(network.model, n_rows), "_shape", None)


# -- the GPU, and what it reaches


def gpu_of(queue: Queue) -> dict[str, Any]:
    """Name and sizes of a processor; in the simulator those of an H100."""
    if SIMULATED:
        h100 = {"processors": 132, "clock": 1.98e9, "registers": 65536, "threads": 2048, "blocks": 32}
        return {"name": "simulator", **h100, "shared": 233472}
    gpu: Any = queue.gpu
    return {
        "name": gpu.name.decode() if isinstance(gpu.name, bytes) else gpu.name,
        "capability": list(gpu.compute_capability),
        "driver": list(cuda_driver().get_version()),
        "processors": gpu.MULTIPROCESSOR_COUNT,
        "clock": 1e3 * gpu.CLOCK_RATE,  # Hz, the highest
        "registers": gpu.MAX_REGISTERS_PER_MULTIPROCESSOR,
        "threads": gpu.MAX_THREADS_PER_MULTIPROCESSOR,
        "blocks": gpu.MAX_BLOCKS_PER_MULTIPROCESSOR,
        "shared": gpu.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
    }


def rates(n_copied: int, n_product: int) -> tuple[Queue, str, dict[str, Contestant]]:
    """A copy of so many numbers, a product of square matrices, and what makes the product."""
    queue = queue_of()
    products, n = products_for(queue, np.float32), n_product
    source, to = queue.upload(numbers(n_copied, 1)), queue.zeros(n_copied, np.float32)
    a, b, c = (Matrix(queue.upload(numbers(n * n, seed)), 0, n) for seed in range(3))
    calls = {
        "copy": lambda: queue.copy(to, source),
        "product": lambda: products.multiply(a, b, c, (n, n, n)),
    }
    contestants = {name: Contestant(call, stream_of(queue)) for name, call in calls.items()}
    return queue, type(products).__name__, contestants


def compiled(kernel: Any) -> dict[str, int]:
    """What the driver says of a kernel that has run; nothing in the simulator."""
    if SIMULATED:
        return {}
    one = next(iter(kernel.overloads.values()))
    return {"registers": one.regs_per_thread, "local": one.local_mem_per_thread}
