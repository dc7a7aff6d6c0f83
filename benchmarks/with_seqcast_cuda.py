"""Work of seqcast on a GPU: the passes of a layer, its kernels, and the training step of a fit."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.cuda import batches, register_unroll
from seqcast.kernels.cuda.compiler import SIMULATED, cuda
from seqcast.kernels.cuda.cublas import make_products
from seqcast.kernels.cuda.driver import GPU_ERRORS, cuda_driver
from seqcast.kernels.cuda.epoch_batches import EpochBatches
from seqcast.kernels.cuda.kernel_shape import KernelShape
from seqcast.kernels.cuda.optimizers import list_adam_corrections
from seqcast.kernels.cuda.products import Matrix
from seqcast.kernels.cuda.queue import Queue, get_queue
from seqcast.kernels.samples import sample_table
from seqcast.learning.cuda import CudaNetwork, CudaTrainer
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import OptimizerState

from .comparisons import Size
from .gpu_timing import Contestant, HostStream, Stream

# Number of batches whose updates are compared.
N_CHECKED = 3
# Random numbers are repeated beyond this size, because drawing takes longer than a pass.
MAX_DRAWN = 1_000_003


class QueueStream:
    """Marks and times on the stream of a queue."""

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


def make_stream(queue: Queue) -> Stream:
    return HostStream() if SIMULATED else QueueStream(queue)


def list_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a size that does not fit, or of a kernel that does not compile."""
    return RuntimeError, MemoryError, NumbaError, *GPU_ERRORS


def free_memory() -> None:
    """Free memory that is no longer used."""
    gc.collect()
    if not SIMULATED:
        cuda.current_context().memory_manager.deallocations.clear()


def record_graph(queue: Queue, call: Callable[[], None]) -> Callable[[], None]:
    """Record a call as a graph and return its replay; the call runs once before to compile."""
    call()
    with queue.record() as graph:
        call()
    return graph.replay


def draw_numbers(n: int, seed: int) -> np.ndarray:
    return np.resize(np.random.default_rng(seed).normal(size=min(n, MAX_DRAWN)).astype(np.float32), n)


class Layer:
    """A pass of one layer on arrays of the device, forward or, with `keep`, forward and backward."""

    def __init__(self, cell: str, size: Size, keep: bool):
        self.size = size
        self._keep = keep
        self.network = CudaNetwork(compose(find_cell(cell), size.inputs, size.hidden))
        self.network.initialize(np.random.RandomState(0))
        self._model = model = self.network.model
        self.queue = queue = model.queue
        model.load(self.network.flat)
        n = size.batch * size.steps
        self.x = draw_numbers(n * size.inputs, 1).reshape(size.batch, size.steps, size.inputs)
        self.grad_outputs = draw_numbers(n * size.hidden, 2) if keep else None
        window = Window(size.steps, size.inputs)
        self._layers = batches.LayerStack(
            model, batches.BatchSpec(window, size.batch, keep, outputs=keep, grad_inputs=keep)
        )
        if keep:
            queue.copy(self._layers.grad_outputs, self.grad_outputs)
        rows = sample_table(np.arange(size.batch) * size.steps, np.full(size.batch, size.steps), 0)
        self._block = queue.upload(rows.ravel())
        self._values = queue.upload(self.x.ravel())
        self._seed = queue.zeros(1, np.uint32)
        self._gradient = queue.zeros(model.packer.size, model.dtype)

    def call(self) -> None:
        layers = self._layers
        packed = self._model.packed
        layers.clear_states()
        layers.forward(self._block, self._values, self._seed, packed)
        if self._keep:
            layers.clear_states()
            layers.backward(self._block, self._seed, packed, self._gradient)

    @cached_property
    def graph(self) -> Callable[[], None]:
        return record_graph(self.queue, self.call)

    def contestants(self) -> dict[str, Contestant]:
        calls = {"seqcast": self.graph, "seqcast, launches": self.call}
        return {name: Contestant(call, make_stream(self.queue)) for name, call in calls.items()}

    def results(self) -> dict[str, np.ndarray]:
        """Return the results of a replay of the graph: states (T, B, H) and gradients, by name."""
        self.graph()
        size = self.size
        workspace = self._layers.workspaces[0]
        operands = self.queue.download(workspace.operands).reshape(size.steps + 1, size.batch, -1)
        found = {"outputs": operands[1:, :, : size.hidden]}
        if self._keep:
            grad_x = self.queue.download(self._layers.grad_inputs)
            found["x"] = grad_x.reshape(size.steps, size.batch, size.inputs)
            flat = self.queue.download(self._gradient)[self._model.layout.back]
            found |= self.network.architecture.views(flat)
        return found

    # -- the recurrent part alone

    def recurrent_parts(self) -> Iterator[tuple[str, Contestant, Any, int]]:
        """Yield name, contestant, kernel or None, and shared memory in bytes of the recurrent part."""
        steps = batches.make_recurrent_unroll(self._model, self.size.batch)
        workspace = self._layers.workspaces[0]
        arrays = (workspace, self._block, self._model.packed)
        shape = find_kernel_shape(self.network, self.size.batch)
        calls = {
            "forward": lambda: steps.forward(*arrays),
            "backward": lambda: steps.backward(*arrays, self._layers.grad_outputs, 0),
        }
        kernels = {"forward": (None, 0), "backward": (None, 0)}
        if shape is not None:
            kernels["forward"] = register_unroll.make_forward(shape, True), shape.shared_forward
            kernels["backward"] = register_unroll.make_backward(shape), shape.shared_backward
        for name, call in calls.items():
            yield name, Contestant(record_graph(self.queue, call), make_stream(self.queue)), *kernels[name]


class Training:
    """Updates as a fit makes them.

    Windows are cut from a series. The network has one layer and a linear head on the last state. The loss is
    squared, gradients are clipped at 1, and the optimizer is Adam.
    """

    def __init__(self, cell: str, size: Size, horizon: int, n_batches: int):
        rng = np.random.RandomState(0)
        self.size = size
        self.n_batches = n_batches
        self.network = CudaNetwork(compose(find_cell(cell), size.inputs, size.hidden, n_outputs=horizon))
        self.network.initialize(rng)
        self.weights = {name: weight.copy() for name, weight in self.network.weights.items()}
        n = n_batches * size.batch
        self.series = draw_numbers(n + size.steps + horizon, 1)
        self.rows = sample_table(np.arange(n), np.full(n, size.steps), np.arange(n) + size.steps)
        self.rows[:, 3] %= size.batch
        series = SampleSource(self.series[:, None], self.series[:, None], Window(size.steps, 1))
        options = TrainingOptions(batch_size=size.batch)
        self.trainer = CudaTrainer(self.network, series, options, rng, OptimizerState(self.network))
        model = self.network.model
        self.queue = queue = model.queue
        self._epoch = EpochBatches(queue, model.dtype, n, n_batches, size.batch)
        self._sums = queue.zeros(2 * n_batches, model.dtype)
        self.call = self.trainer._training(size.batch, size.batch, self._epoch, self._sums)

    def rewind(self) -> None:
        """Return to the first batch."""
        n = self.n_batches
        corrections = list_adam_corrections(self.trainer.settings, 1, n)
        self._epoch.begin(self.rows, np.zeros(n, np.uint32), corrections)
        self.queue.synchronize()

    @contextmanager
    def turn(self) -> Iterator[None]:
        self.rewind()
        yield

    @cached_property
    def graph(self) -> Callable[[], None]:
        return record_graph(self.queue, self.call)

    def contestants(self) -> dict[str, Contestant]:
        stream = make_stream(self.queue)
        most = self.n_batches
        calls = {"seqcast": self.graph, "seqcast, launches": self.call}
        return {name: Contestant(call, stream, self.turn, most) for name, call in calls.items()}

    def epochs(self) -> dict[str, Contestant]:
        """Return contestants for whole epochs, with the work of the host before and after the batches."""
        stream = make_stream(self.queue)
        call = partial(self.trainer.run_epoch, self.rows)
        return {"seqcast": Contestant(call, stream, most=1, parts=self.n_batches)}

    def results(self) -> dict[str, np.ndarray]:
        """Return the losses of the first batches and the weights after them; call it first and once."""
        self.rewind()
        for _ in range(N_CHECKED - 1):
            # The recording of the graph trained the first batch.
            self.graph()
        weights = self.queue.download(self.network.model.flat)[:-1]
        losses, counts = self.queue.download(self._sums).reshape(self.n_batches, 2)[:N_CHECKED].T
        return {"loss": losses / counts} | self.network.architecture.views(weights)


def find_kernel_shape(network: CudaNetwork, n_samples: int) -> KernelShape | None:
    """Return the shape of the kernels that keep weights in registers, or None for stepwise kernels."""
    return getattr(batches.make_recurrent_unroll(network.model, n_samples), "shape", None)


# -- the GPU and its rates


def describe_gpu(queue: Queue) -> dict[str, Any]:
    """Return the name and the sizes of a GPU; in the simulator those of an H100."""
    if SIMULATED:
        h100 = {"processors": 132, "clock": 1.98e9, "registers": 65536, "threads": 2048, "blocks": 32}
        return {"name": "simulator", **h100, "shared": 233472}
    gpu: Any = queue.gpu
    return {
        "name": gpu.name.decode() if isinstance(gpu.name, bytes) else gpu.name,
        "capability": list(gpu.compute_capability),
        "driver": list(cuda_driver().get_version()),
        "processors": gpu.MULTIPROCESSOR_COUNT,
        # The highest clock rate, in Hz.
        "clock": 1e3 * gpu.CLOCK_RATE,
        "registers": gpu.MAX_REGISTERS_PER_MULTIPROCESSOR,
        "threads": gpu.MAX_THREADS_PER_MULTIPROCESSOR,
        "blocks": gpu.MAX_BLOCKS_PER_MULTIPROCESSOR,
        "shared": gpu.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
    }


def make_rate_contestants(n_copied: int, n_product: int) -> tuple[Queue, str, dict[str, Contestant]]:
    """Return a copy and a matrix product as contestants, with the queue and the name of the products."""
    queue = get_queue()
    products = make_products(queue, np.float32)
    n = n_product
    source = queue.upload(draw_numbers(n_copied, 1))
    to = queue.zeros(n_copied, np.float32)
    a, b, c = (Matrix(queue.upload(draw_numbers(n * n, seed)), 0, n) for seed in range(3))
    calls = {
        "copy": lambda: queue.copy(to, source),
        "product": lambda: products.multiply(a, b, c, (n, n, n)),
    }
    contestants = {name: Contestant(call, make_stream(queue)) for name, call in calls.items()}
    return queue, type(products).__name__, contestants


def describe_compiled(kernel: Any) -> dict[str, int]:
    """Return the resources of a compiled kernel, as the driver reports them; nothing in the simulator."""
    if SIMULATED:
        return {}
    one = next(iter(kernel.overloads.values()))
    return {"registers": one.regs_per_thread, "local": one.local_mem_per_thread}
