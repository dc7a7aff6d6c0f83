"""Compare one training step (forward pass, backpropagation, Adam) with PyTorch and jax."""

import numpy as np

from .comparisons import CELLS, SGEMM, SIZES, THREADS, Size, find_functions, training_flops
from .formatting import milliseconds, ratio
from .timing import interleaved_medians

TITLE = "One training step"
TEXT = (
    "A training step is a forward pass, backpropagation through time and an Adam update on one batch. "
    "The network is one layer of H units with a linear head on the last state; the loss is squared, the"
    " dtype float32. Batches are given as batch size x steps x channels. Times are in milliseconds, as "
    "medians of calls that alternated. seqcast and PyTorch use one or two threads, whichever is faster."
    " jax (`jax.jit` over `lax.scan`) uses its default number of threads, because it cannot be limited "
    "within a process. Ratios are the time of the other library divided by the time of seqcast. GFLOP/s"
    " counts the matrix products only. The last column divides it by the rate of NumPy, on all cores, "
    "for a 2048 x 2048 product in float32 that alternated with the steps."
)
COLUMNS = (
    "cell",
    "CPU target",
    "batch",
    "seqcast, ms",
    "PyTorch, ms",
    "jax, ms",
    "PyTorch / seqcast",
    "jax / seqcast",
    "1 thread / 2 threads",
    "GFLOP/s",
    "fraction of sgemm",
)
# The first columns are also shown in the README of the repository.
FRONT_COLUMNS = 8
# Measured for each CPU target that the processor supports.
BY_TARGET = True


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
    with_threads = find_functions("training_step", "seqcast", "PyTorch")
    steps = {f"{name} {n}": make(cell, size, n) for name, make in with_threads.items() for n in THREADS}
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
        row["target"],
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
