"""Compare training steps with the kernels of the wheel and with kernels that this machine has compiled."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from seqcast.kernels.cpu_target import HOST

from .bench_start import WHEEL_PYTHON
from .comparisons import CELLS, SIZES
from .formatting import milliseconds, ratio
from .fresh_process import TOP, rounds

TITLE = "Shipped and compiled kernels"
TEXT = (
    "A training step as in the first table, on two threads, with the kernels that the wheel brings, and "
    "with kernels compiled on this machine for the same CPU target. Two processes took turns. Times are "
    "medians in milliseconds; the ratio is the median of the ratios of each pair of turns, the time of the "
    "compiled kernels divided by that of the shipped ones."
)
COLUMNS = ("cell", "batch", "shipped, ms", "compiled, ms", "ratio")
# Both processes import `benchmarks` from the sources, and seqcast from where it is installed.
WORKER = f"""
import sys
import seqcast
sys.path.append({str(TOP)!r})
import json
import numpy as np
from benchmarks.comparisons import SIZES
from benchmarks.timing import turn
from benchmarks.with_seqcast import training_step
from seqcast.kernels.cpu_target import HOST
from seqcast.kernels.registry import get_kernel
from seqcast.cells import find_cell
steps = {{}}
for line in sys.stdin:
    cell, size = line.split()
    if line not in steps:
        steps[line] = training_step(cell, SIZES[int(size)], 2)
    origin = get_kernel("train", find_cell(cell), np.dtype("float32")).origin
    print(json.dumps([origin, HOST.name, float(np.median(turn(steps[line])))]), flush=True)
"""


def run() -> list[dict]:
    if not WHEEL_PYTHON.exists():
        raise FileNotFoundError("build/venv has no wheel; make wheel builds it")
    with _start(WHEEL_PYTHON) as shipped, _start(Path(sys.executable)) as compiled:
        workers = {"shipped": shipped, "compiled": compiled}
        return [_measure(workers, cell, number) for cell in CELLS for number in range(len(SIZES))]


def _measure(workers: dict[str, subprocess.Popen], cell: str, number: int) -> dict:
    turns = [_take_turns(workers, f"{cell} {number}") for _ in range(rounds())]
    seconds = {name: float(np.median([turn[name] for turn in turns])) for name in workers}
    pairs = float(np.median([turn["compiled"] / turn["shipped"] for turn in turns]))
    row = {"cell": cell, "batch": str(SIZES[number]), "seconds": seconds, "ratio": pairs}
    print(row, flush=True)
    return row


@contextmanager
def _start(python: Path) -> Iterator[subprocess.Popen]:
    command = [str(python), "-P", "-c", WORKER]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def _take_turns(workers: dict[str, subprocess.Popen], task: str) -> dict[str, float]:
    """Return the seconds of a step in each process; the first call of a process prepares the step."""
    return {name: _ask(name, worker, task) for name, worker in workers.items()}


def _ask(name: str, worker: subprocess.Popen, task: str) -> float:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(task + "\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"The process with {name} kernels ended.")
    origin, target, seconds = json.loads(line)
    assert (origin, target) == (name, HOST.name)
    return seconds


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    times = milliseconds(row["seconds"]["shipped"]), milliseconds(row["seconds"]["compiled"])
    return (row["cell"], row["batch"], *times, ratio(row["ratio"], 1.0))
