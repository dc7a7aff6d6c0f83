"""Measure the compile time of each kernel, to detect changes that increase it."""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from . import fresh_process

TITLE = "Compile times"
TEXT = (
    "Seconds to compile each kernel for float32 into an empty cache, in the order of the columns, in "
    "one new process per cell; medians over processes. Code that kernels share is compiled with the "
    "first kernel that needs it: the recurrence and its backward pass with `train`, which also includes"
    " the startup of numba. The loop of a worker calls a kernel for its shards. The common kernels pack "
    "weights, add gradients, update weights and measure losses. Both do not depend on the cell."
)
KERNELS = ("train", "predict", "forward", "backward")
SHARED = ("loop of a worker", "common kernels")
COLUMNS = ("cell", *KERNELS, *SHARED, "sum")
CELLS = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        measured = [_in_fresh_process(cell) for _ in range(fresh_process.rounds())]
        seconds = {name: float(np.median([one[name] for one in measured])) for name in measured[0]}
        rows.append({"cell": cell, "seconds": seconds})
        print(rows[-1], flush=True)
    return rows


def _in_fresh_process(cell: str) -> dict[str, float]:
    with fresh_process.empty_cache() as folder:
        return fresh_process.run_python_for_json("-m", __name__, cell, SEQCAST_CACHE_DIR=str(folder))


def compile_times(cell: str) -> dict[str, float]:
    """Return the seconds to compile everything that networks of one cell use, in this process."""
    from seqcast.cells import find_cell
    from seqcast.kernels.cpu.kernels import compile_kernel
    from seqcast.kernels.cpu.workers import compile_worker

    dtype, seconds = np.dtype("float32"), {}
    for name in KERNELS:
        seconds[name] = _seconds(lambda name=name: compile_kernel(name, find_cell(cell), dtype))
    seconds["loop of a worker"] = _seconds(compile_worker)
    return seconds | {"common kernels": _seconds(_compile_common)}


def _compile_common() -> None:
    """Compile the kernels that do not depend on the cell."""
    from seqcast.kernels.cpu.kernels import compile_kernel
    from seqcast.kernels.registry import COMMON_KERNELS

    for name in COMMON_KERNELS:
        compile_kernel(name, None, np.dtype("float32"))


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row["cell"], row["seconds"]) for row in rows]


def _line(cell: str, seconds: dict[str, float]) -> tuple[str, ...]:
    times = [seconds[name] for name in (*KERNELS, *SHARED)]
    return (cell, *(f"{value:.2f}" for value in (*times, sum(times))))


if __name__ == "__main__":
    print(json.dumps(compile_times(sys.argv[1])))
