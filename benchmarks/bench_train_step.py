"""One training step (forward, backpropagation through time, Adam) beside PyTorch's and jax's."""

import numpy as np

from .comparisons import CELLS, SIZES, THREADS, Size, find_functions, training_flops
from .formatting import milliseconds, ratio
from .timing import interleaved_medians

TITLE = "One training step"
TEXT = (
    "Forward, backpropagation through time and Adam on one batch (rows x steps x inputs), one layer of H "
    "units, a linear head on the last state, squared loss, float32. Milliseconds, medians of calls that took "
    "turns. seqcast and PyTorch each with the better of one and two threads; jax (`jax.jit` over `lax.scan`) "
    "with as many as it takes, since its threads can not be limited from within a process. A ratio is the "
    "peer's time over seqcast's. GFLOP/s count the products only, and their share is of what NumPy reached, "
    "on all cores, in a 2048 x 2048 float32 product that took turns with them."
)
COLUMNS = (
    "cell",
    "batch",
    "seqcast, ms",
    "PyTorch, ms",
    "jax, ms",
    "PyTorch / seqcast",
    "jax / seqcast",
    "1 thread / 2 threads",
    "GFLOP/s",
    "share of sgemm",
)
FRONT_COLUMNS = 7  # of them on the front page
SGEMM = 2048


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        for size in SIZES:
            seconds = interleaved_medians(_contestants(cell, size))
            flops = training_flops(cell, size)
            rows.append({"cell": cell, "batch": str(size), "flops": flops, "seconds": seconds})
            print(rows[-1], flush=True)
    return rows


def _contestants(cell: str, size: Size) -> dict:
    threaded = find_functions("training_step", "seqcast", "PyTorch")
    steps = {f"{name} {n}": make(cell, size, n) for name, make in threaded.items() for n in THREADS}
    steps |= {name: make(cell, size) for name, make in find_functions("training_step", "jax").items()}
    a = np.random.RandomState(0).normal(size=(SGEMM, SGEMM)).astype(np.float32)
    return steps | {"sgemm": lambda: a @ a}


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    seconds = row["seconds"]
    seqcast, torch, jax = _best(seconds, "seqcast"), _best(seconds, "PyTorch"), seconds.get("jax")
    speed, sgemm = row["flops"] / seqcast, 2 * SGEMM**3 / seconds["sgemm"]
    return (
        row["cell"],
        row["batch"],
        *(milliseconds(value) for value in (seqcast, torch, jax)),
        ratio(torch, seqcast),
        ratio(jax, seqcast),
        ratio(seconds["seqcast 1"], seconds["seqcast 2"]),
        f"{speed / 1e9:.0f}",
        f"{speed / sgemm:.2f}",
    )


def _best(seconds: dict[str, float], name: str) -> float | None:
    return min((seconds[f"{name} {n}"] for n in THREADS if f"{name} {n}" in seconds), default=None)
