"""What each kernel takes to compile, so that a change that doubles it is seen."""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from . import fresh_process

TITLE = "Compile times"
TEXT = (
    "Seconds to compile each kernel for float32 into an empty cache, in the order of the columns, in one "
    "fresh process for each cell; medians over processes. What kernels share is compiled with the first "
    "that needs it: the walk over time and back with `train`, `numba`'s own start too. The drivers call a "
    "kernel for each share of a batch; `optimizers` packs weights, adds gradients and makes the update. "
    "They do not depend on the cell."
)
KERNELS = ("train", "predict", "forward", "backward")
SHARED = ("serial driver", "parallel driver", "optimizers")
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
    """Seconds to compile everything that networks of one cell use, in this process."""
    from seqcast.cells import find_cell
    from seqcast.kernels import cpu, parallel

    dtype, seconds = np.dtype("float32"), {}
    for name in KERNELS:
        seconds[name] = _seconds(lambda name=name: cpu.compiled(name, find_cell(cell), dtype))
    for name in ("serial", "parallel"):
        driver = _seconds(lambda name=name: parallel._compiled_driver(dtype, name == "parallel"))
        seconds[f"{name} driver"] = driver
    return seconds | {"optimizers": _seconds(_one_update(cell))}


def _one_update(cell: str) -> Callable[[], object]:
    """A training step: what it still has to compile after the kernels and the drivers."""
    from .comparisons import Size
    from .with_seqcast import training_step

    return training_step(cell, Size(2, 3, 1, 4), n_threads=1)


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
