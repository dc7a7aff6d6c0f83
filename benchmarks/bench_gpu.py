"""The CUDA kernels beside PyTorch's cuDNN: passes of a layer, training steps, and the limit of each kernel.

    python -m benchmarks gpu                  # all sizes, in less than ten minutes
    python -m benchmarks gpu --seconds 0.1    # the most important sizes, within a minute

It needs an NVIDIA GPU; seqcast's packages numba-cuda with the compiler of the CUDA toolkit, and cuBLAS, from
`pip install "seqcast[cuda]"` or an installed toolkit; and PyTorch built for CUDA, without which seqcast is
timed alone. Nothing is downloaded. The file of results is written after each row, the most important rows
first. A row says so if its size does not fit, fails, or is not reached in time.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from . import gpu_costs, gpu_limits, timing
from .comparisons import Size, installed, training_flops
from .formatting import MISSING, microseconds, ratio
from .gpu_timing import Contestant, measure

# Seconds of the whole run with the default `--seconds`.
BUDGET = 480.0
# Largest relative difference from PyTorch, in norm.
TOLERANCE = 1e-3
STEPS, INPUTS, HORIZON = 96, 16, 24
CELLS = ("lstm", "gru")
HIDDEN = (32, 64, 128, 256, 512)
BATCHES = (32, 128, 512, 4096)
# Operations of an epoch, which has few batches if they are large.
EPOCH_FLOPS = 2e12
PYTORCH = ("PyTorch", "PyTorch, TF32", "PyTorch, graph", "PyTorch, graph, TF32")

TITLE = "On a GPU"
TEXT = (
    "A pass of a layer (T = 96 steps of 16 inputs; all states, and with backward the gradients of weights "
    "and inputs) and a training step (windows of 96 steps cut on the device from one series, one layer, a "
    "linear head of 24 outputs on the last state, squared loss, clipping at 1, Adam), in float32, with all "
    "data on the device. Times are microseconds between CUDA events, medians of turns; for an epoch, wall "
    "time per step, including the random order of samples and the download of losses and weights. seqcast "
    "is timed as a CUDA graph, as in its fits, and as single launches. PyTorch (nn.LSTM and nn.GRU by "
    "cuDNN, fused Adam) is timed both ways too, with products in float32 and in TF32, its default for such "
    "layers. Before timing, the results of both in float32 are compared; they differ by less than 0.1 % in "
    "norm. Ratios are the best time of PyTorch divided by that of seqcast."
)
COLUMNS = (
    "what",
    "cell",
    "H",
    "batch",
    "seqcast, us",
    "launches, us",
    *(f"{name}, us" for name in PYTORCH),
    "PyTorch / seqcast",
    "PyTorch with TF32 / seqcast",
    "GB/s",
    "TFLOP/s",
)
# Further tables of the same rows.
MORE = (gpu_limits, gpu_costs)


def run() -> Iterator[dict]:
    from seqcast.kernels.cuda.driver import gpu_capabilities

    from .with_seqcast_cuda import free_memory, list_errors

    # This raises an error if something is missing.
    gpu_capabilities()
    end = time.perf_counter() + BUDGET * min(1.0, timing.SECONDS)
    for label, make_rows in list_tasks():
        if time.perf_counter() > end:
            yield _print_row(label | {"left out": "the time was up"})
            continue
        try:
            yield from map(_print_row, make_rows())
        except list_errors() as error:
            yield _print_row(label | {"left out": f"{type(error).__name__}: {error}"})
        free_memory()
        if (torch := find_pytorch()) is not None:
            torch.free_memory()


def _print_row(row: dict) -> dict:
    print(row, flush=True)
    return row


def list_tasks() -> Iterator[tuple[dict, Callable[[], Iterator[dict]]]]:
    """Yield the measurements, the most important first, each with the row that replaces it if it fails."""
    yield {"what": "GPU"}, gpu_costs.measure_rates
    yield {"what": "PyTorch"}, describe_pytorch
    sizes = list(product(HIDDEN, BATCHES))
    targets = [(H, B) for H, B in sizes if H <= 128 and B <= 512]
    yield from _list_sizes(targets)
    yield {"what": "launches"}, gpu_costs.measure_launches
    yield from _list_sizes([(H, B) for H, B in sizes if H > 128 and B <= 512])
    yield {"what": "first fits"}, gpu_costs.measure_first_fits
    yield from _list_sizes([(H, B) for H, B in sizes if B > 512])
    for hidden in (64, 128):
        yield {"what": f"whole fits, H {hidden}"}, partial(gpu_costs.measure_fits, hidden)


def _list_sizes(sizes: list[tuple[int, int]]) -> Iterator[tuple[dict, Callable[[], Iterator[dict]]]]:
    kinds = {
        "training step": (measure_training, 1),
        "forward, backward": (partial(measure_layer, keep=True), INPUTS),
        "forward": (partial(measure_layer, keep=False), INPUTS),
    }
    for (hidden, batch), (what, (rows, inputs)), cell in product(sizes, kinds.items(), CELLS):
        size = Size(batch, STEPS, inputs, hidden)
        yield _label(what, cell, size), partial(rows, cell, size)


def _label(what: str, cell: str, size: Size) -> dict[str, Any]:
    return {"what": what, "cell": cell, "hidden": size.hidden, "batch": size.batch, "steps": size.steps}


def find_pytorch() -> Any:
    """Return PyTorch's side of the benchmark, or None if PyTorch is missing or cannot use the GPU."""
    if not installed("PyTorch"):
        return None
    from seqcast.kernels.cuda.compiler import SIMULATED

    from . import with_torch_cuda

    return with_torch_cuda if SIMULATED or with_torch_cuda.DEVICE == "cuda" else None


def describe_pytorch() -> Iterator[dict]:
    torch = find_pytorch()
    yield {"what": "PyTorch", "found": torch is not None} | (torch.versions() if torch else {})


# -- rows


def measure_layer(cell: str, size: Size, keep: bool) -> Iterator[dict]:
    """Yield a row for a pass of a layer (with `keep` both ways), and rows for its recurrent part."""
    from .with_seqcast_cuda import Layer, find_kernel_shape

    layer = Layer(cell, size, keep)
    torch = find_pytorch()
    theirs = None
    weights = layer.network.weights
    if torch is not None:
        theirs = torch.Layer(cell, size, weights, layer.x, layer.grad_outputs)
    differences = compare(layer.results(), theirs and theirs.results())
    in_registers = find_kernel_shape(layer.network, size.batch) is not None
    cost = gpu_limits.forward(cell, size, keep, in_registers)
    if keep:
        back = gpu_limits.backward(cell, size, True, in_registers)
        cost = gpu_limits.Cost(cost.flops + back.flops, cost.bytes + back.bytes)
    label = _label("forward, backward" if keep else "forward", cell, size)
    measured, _ = _measure(layer.contestants(), theirs)
    yield label | differences | measured | cost._asdict()
    if keep:
        yield from measure_recurrent(cell, size, layer)


def measure_recurrent(cell: str, size: Size, layer: Any) -> Iterator[dict]:
    from .with_seqcast_cuda import describe_compiled, describe_gpu, find_kernel_shape

    shape = find_kernel_shape(layer.network, size.batch)
    gpu = describe_gpu(layer.queue)
    costs = {
        "forward": gpu_limits.recurrent_forward(cell, size, True, shape is not None),
        "backward": gpu_limits.recurrent_backward(cell, size, True, shape is not None),
    }
    for name, contestant, kernel, shared in layer.recurrent_parts():
        row = _label(f"recurrent {name}", cell, size) | costs[name]._asdict()
        if kernel is not None:
            row["kernel"] = gpu_limits.describe_kernel(shape, shared, size, describe_compiled(kernel), gpu)
        yield row | {"seconds": measure({"seqcast": contestant})}


def measure_training(cell: str, size: Size, horizon: int = HORIZON) -> Iterator[dict]:
    """Yield a row for a training step on the device, and one for the wall time of a step in an epoch."""
    from .with_seqcast_cuda import N_CHECKED, Training, find_kernel_shape

    n_batches = int(np.clip(EPOCH_FLOPS / training_flops(cell, size), N_CHECKED + 1, 32))
    training = Training(cell, size, horizon, n_batches)
    torch = find_pytorch()
    theirs = None
    expected = None
    if torch is not None:
        starts = training.rows[:, 0].reshape(n_batches, size.batch)
        theirs = torch.Training(cell, size, training.weights, training.series, starts)
        expected = theirs.results(N_CHECKED)
    differences = compare(training.results(), expected)
    cost = gpu_limits.training(cell, size, find_kernel_shape(training.network, size.batch) is not None)
    measured, theirs_in_turns = _measure(training.contestants(), theirs)
    yield _label("training step", cell, size) | differences | measured | cost._asdict()
    epochs = training.epochs() | (theirs.epochs(theirs_in_turns) if theirs else {})
    yield _label("epoch, a step", cell, size) | {"batches": n_batches, "seconds": measure(epochs)}


def compare(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray] | None) -> dict:
    """Return the largest relative difference of all arrays, in norm; a large one raises a RuntimeError."""
    if expected is None:
        return {}
    if found.keys() != expected.keys():
        raise RuntimeError(f"{sorted(found)} can not be compared with {sorted(expected)}")
    norms = {
        name: np.linalg.norm(found[name] - array) / np.linalg.norm(array) for name, array in expected.items()
    }
    name = max(norms, key=lambda name: np.nan_to_num(norms[name], nan=np.inf))
    if not norms[name] < TOLERANCE:
        raise RuntimeError(f"{name} differs from PyTorch's by {norms[name]:.2g}")
    return {"difference": float(norms[name])}


def _measure(mine: dict[str, Contestant], theirs: Any) -> tuple[dict, dict[str, Contestant]]:
    """Return a row with the times and failures of all contestants, and PyTorch's contestants."""
    from .with_seqcast_cuda import list_errors

    contestants = {}
    failed = {}
    for name, make in (theirs.makers() if theirs else {}).items():
        try:
            contestants[name] = make()
        except list_errors() as error:
            failed[name] = f"{type(error).__name__}: {error}"
    row: dict[str, Any] = {"seconds": measure(mine | contestants)}
    return row | ({"failed": failed} if failed else {}), contestants


# -- the table


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    kinds = ("training step", "epoch, a step", "forward, backward", "forward")
    found = [row for kind in kinds for row in rows if row["what"] == kind]
    here = {"what": "PyTorch", "found": False} not in rows
    return [_format_row(row, "" if here else MISSING) for row in found]


def _format_row(row: dict, absent: str) -> tuple[str, ...]:
    """Return a line of the table; absent: text in place of PyTorch's times where there are none."""
    label = row["what"], row["cell"], str(row["hidden"]), str(row["batch"])
    if "left out" in row:
        return *label, row["left out"][:60], *[""] * (len(COLUMNS) - len(label) - 1)
    clock = "wall" if row["what"].startswith("epoch") else "device"
    seconds = {name: times[clock] for name, times in row["seconds"].items()}
    return (
        *label,
        *(_format_time(row, seconds, name, "") for name in ("seqcast", "seqcast, launches")),
        *(_format_time(row, seconds, name, absent) for name in PYTORCH),
        _format_ratio(seconds, ("PyTorch", "PyTorch, graph")),
        _format_ratio(seconds, PYTORCH),
        *(_format_rate(row, seconds["seqcast"], *of) for of in (("bytes", 1e9), ("flops", 1e12))),
    )


def _format_time(row: dict, seconds: dict[str, float], name: str, absent: str) -> str:
    if name in seconds:
        return microseconds(seconds[name])
    return "failed" if name in row.get("failed", ()) else absent


def _format_ratio(seconds: dict[str, float], names: tuple[str, ...]) -> str:
    best = min((seconds[name] for name in names if name in seconds), default=None)
    return "" if best is None else ratio(best, seconds["seqcast"])


def _format_rate(row: dict, seconds: float, name: str, unit: float) -> str:
    return f"{row[name] / seconds / unit:.3g}" if name in row else ""
