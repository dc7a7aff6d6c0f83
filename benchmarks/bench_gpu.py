"""The CUDA path beside PyTorch's cuDNN: passes of a layer, training steps, and what each kernel is held by.

    python -m benchmarks gpu                  # all, in less than ten minutes
    python -m benchmarks gpu --seconds 0.1    # what comes first, within a minute

Needs a GPU of NVIDIA's; seqcast's own packages, numba-cuda with the CUDA toolkit's compiler, and cuBLAS, from
`pip install "seqcast[cuda]"` or an installed toolkit; and PyTorch built for CUDA, without which seqcast alone
is measured. Nothing is downloaded. The file of results is written after each row, and the rows that matter
most come first; what does not fit, fails or is not reached before the time is up, says so in its row.
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

BUDGET = 480.0  # seconds, with the default `--seconds`
TOLERANCE = 1e-3  # of the difference from PyTorch, by the norm
STEPS, INPUTS, HORIZON = 96, 16, 24
CELLS = ("lstm", "gru")
HIDDEN = (32, 64, 128, 256, 512)
BATCHES = (32, 128, 512, 4096)
EPOCH_FLOPS = 2e12  # few batches an epoch, where each is large
PYTORCH = ("PyTorch", "PyTorch, TF32", "PyTorch, graph", "PyTorch, graph, TF32")

TITLE = "On a GPU"
TEXT = (
    "A layer's pass (T = 96 steps of 16 inputs; all states, and with backward the gradients of weights and "
    "inputs) and a training step (windows of 96 steps cut on the device from one series, one layer, a "
    "linear head of 24 outputs on the last state, squared loss, clipping at 1, Adam), float32, all data on "
    "the device. Microseconds between CUDA events, medians of turns; of an epoch the wall clock for each of "
    "its steps, with the order of rows drawn, losses and weights brought back. seqcast replays a CUDA graph, "
    "as its fits do, beside which the same launched one by one; PyTorch (nn.LSTM and nn.GRU by cuDNN, fused "
    "Adam) both ways too, with products in float32 and in TF32, its default for such layers. Each row first "
    "compared the numbers of both in float32, which differ by less than 0.1 % by their norm. Ratios are of "
    "PyTorch's better time over seqcast's."
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
MORE = (gpu_limits, gpu_costs)  # further tables of the same rows


def run() -> Iterator[dict]:
    from seqcast.kernels.cuda.driver import gpu_capabilities

    from .with_seqcast_cuda import errors, free_memory

    gpu_capabilities()  # or an error that says what is missing
    end = time.perf_counter() + BUDGET * min(1.0, timing.SECONDS)
    for label, make_rows in tasks():
        if time.perf_counter() > end:
            yield _told(label | {"left out": "the time was up"})
            continue
        try:
            yield from map(_told, make_rows())
        except errors() as error:
            yield _told(label | {"left out": f"{type(error).__name__}: {error}"})
        free_memory()
        if (torch := pytorch()) is not None:
            torch.free_memory()


def _told(row: dict) -> dict:
    print(row, flush=True)
    return row


def tasks() -> Iterator[tuple[dict, Callable[[], Iterator[dict]]]]:
    """What to measure, the most important first; each with what its row says if nothing comes of it."""
    yield {"what": "GPU"}, gpu_costs.limits
    yield {"what": "PyTorch"}, which_pytorch
    sizes = list(product(HIDDEN, BATCHES))
    targets = [(H, B) for H, B in sizes if H <= 128 and B <= 512]
    yield from _of_sizes(targets)
    yield {"what": "launches"}, gpu_costs.launches
    yield from _of_sizes([(H, B) for H, B in sizes if H > 128 and B <= 512])
    yield {"what": "first fits"}, gpu_costs.first_fits
    yield from _of_sizes([(H, B) for H, B in sizes if B > 512])
    for hidden in (64, 128):
        yield {"what": f"whole fits, H {hidden}"}, partial(gpu_costs.whole_fits, hidden)


def _of_sizes(sizes: list[tuple[int, int]]) -> Iterator[tuple[dict, Callable[[], Iterator[dict]]]]:
    kinds = {
        "training step": (training_rows, 1),
        "forward, backward": (partial(layer_rows, keep=True), INPUTS),
        "forward": (partial(layer_rows, keep=False), INPUTS),
    }
    for (hidden, batch), (what, (rows, inputs)), cell in product(sizes, kinds.items(), CELLS):
        size = Size(batch, STEPS, inputs, hidden)
        yield _label(what, cell, size), partial(rows, cell, size)


def _label(what: str, cell: str, size: Size) -> dict[str, Any]:
    return {"what": what, "cell": cell, "hidden": size.hidden, "batch": size.batch, "steps": size.steps}


def pytorch() -> Any:
    """What is asked of PyTorch; None if it is not here, or can not reach the GPU."""
    if not installed("PyTorch"):
        return None
    from seqcast.kernels.cuda.compiler import SIMULATED

    from . import with_torch_cuda

    return with_torch_cuda if SIMULATED or with_torch_cuda.DEVICE == "cuda" else None


def which_pytorch() -> Iterator[dict]:
    torch = pytorch()
    yield {"what": "PyTorch", "found": torch is not None} | (torch.versions() if torch else {})


# -- rows


def layer_rows(cell: str, size: Size, keep: bool) -> Iterator[dict]:
    """A pass of a layer, forward or, with `keep`, forward and backward; then its walks."""
    from .with_seqcast_cuda import Layer, shape_of

    layer, torch, theirs = Layer(cell, size, keep), pytorch(), None
    weights = layer.network.weights
    if torch is not None:
        theirs = torch.Layer(cell, size, weights, layer.x, layer.d_outputs)
    differing = difference(layer.results(), theirs and theirs.results())
    in_registers = shape_of(layer.network, size.batch) is not None
    cost = gpu_limits.forward(cell, size, keep, in_registers)
    if keep:
        back = gpu_limits.backward(cell, size, True, in_registers)
        cost = gpu_limits.Cost(cost.flops + back.flops, cost.bytes + back.bytes)
    label = _label("forward, backward" if keep else "forward", cell, size)
    measured, _ = _measured(layer.contestants(), theirs)
    yield label | differing | measured | cost._asdict()
    if keep:
        yield from walk_rows(cell, size, layer)


def walk_rows(cell: str, size: Size, layer: Any) -> Iterator[dict]:
    from .with_seqcast_cuda import compiled, gpu_of, shape_of

    shape, gpu = shape_of(layer.network, size.batch), gpu_of(layer.queue)
    costs = {
        "forward": gpu_limits.walk_forward(cell, size, True, shape is not None),
        "backward": gpu_limits.walk_backward(cell, size, True, shape is not None),
    }
    for name, contestant, kernel, shared in layer.walks():
        row = _label(f"walk {name}", cell, size) | costs[name]._asdict()
        if kernel is not None:
            row["kernel"] = gpu_limits.kernel(shape, shared, size, compiled(kernel), gpu)
        yield row | {"seconds": measure({"seqcast": contestant})}


def training_rows(cell: str, size: Size, horizon: int = HORIZON) -> Iterator[dict]:
    """A training step on the device; then the same by the clock, as a part of an epoch."""
    from .with_seqcast_cuda import CHECKED, Training, shape_of

    n_batches = int(np.clip(EPOCH_FLOPS / training_flops(cell, size), CHECKED + 1, 32))
    training, torch, theirs = Training(cell, size, horizon, n_batches), pytorch(), None
    expected = None
    if torch is not None:
        starts = training.rows[:, 0].reshape(n_batches, size.batch)
        theirs = torch.Training(cell, size, training.weights, training.series, starts)
        expected = theirs.results(CHECKED)
    differing = difference(training.results(), expected)
    cost = gpu_limits.training(cell, size, shape_of(training.network, size.batch) is not None)
    measured, theirs_in_turns = _measured(training.contestants(), theirs)
    yield _label("training step", cell, size) | differing | measured | cost._asdict()
    epochs = training.epochs() | (theirs.epochs(theirs_in_turns) if theirs else {})
    yield _label("epoch, a step", cell, size) | {"batches": n_batches, "seconds": measure(epochs)}


def difference(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray] | None) -> dict:
    """The largest relative one of all arrays, by their norm; RuntimeError if it is not small."""
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


def _measured(mine: dict[str, Contestant], theirs: Any) -> tuple[dict, dict[str, Contestant]]:
    """What a row says of all contestants, and PyTorch's among them; a way that failed is told."""
    from .with_seqcast_cuda import errors

    contestants, failed = {}, {}
    for name, make in (theirs.makers() if theirs else {}).items():
        try:
            contestants[name] = make()
        except errors() as error:
            failed[name] = f"{type(error).__name__}: {error}"
    row: dict[str, Any] = {"seconds": measure(mine | contestants)}
    return row | ({"failed": failed} if failed else {}), contestants


# -- the table


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    kinds = ("training step", "epoch, a step", "forward, backward", "forward")
    found = [row for kind in kinds for row in rows if row["what"] == kind]
    here = {"what": "PyTorch", "found": False} not in rows
    return [_line(row, "" if here else MISSING) for row in found]


def _line(row: dict, absent: str) -> tuple[str, ...]:
    """absent: what stands for PyTorch's times where there are none."""
    label = row["what"], row["cell"], str(row["hidden"]), str(row["batch"])
    if "left out" in row:
        return *label, row["left out"][:60], *[""] * (len(COLUMNS) - len(label) - 1)
    clock = "wall" if row["what"].startswith("epoch") else "device"
    seconds = {name: times[clock] for name, times in row["seconds"].items()}
    return (
        *label,
        *(_shown(row, seconds, name, "") for name in ("seqcast", "seqcast, launches")),
        *(_shown(row, seconds, name, absent) for name in PYTORCH),
        _ratio(seconds, ("PyTorch", "PyTorch, graph")),
        _ratio(seconds, PYTORCH),
        *(_rate(row, seconds["seqcast"], *of) for of in (("bytes", 1e9), ("flops", 1e12))),
    )


def _shown(row: dict, seconds: dict[str, float], name: str, absent: str) -> str:
    if name in seconds:
        return microseconds(seconds[name])
    return "failed" if name in row.get("failed", ()) else absent


def _ratio(seconds: dict[str, float], names: tuple[str, ...]) -> str:
    best = min((seconds[name] for name in names if name in seconds), default=None)
    return "" if best is None else ratio(best, seconds["seqcast"])


def _rate(row: dict, seconds: float, name: str, unit: float) -> str:
    return f"{row[name] / seconds / unit:.3g}" if name in row else ""
