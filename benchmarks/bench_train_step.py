"""One training step (forward, backpropagation through time, Adam) beside PyTorch's, on one and on two
threads."""

from .comparisons import CELLS, PEERS, SIZES
from .timing import interleaved_medians

TITLE = "One training step"
TEXT = (
    "Forward, backpropagation through time and Adam on one batch (rows x steps x inputs), one layer of H "
    "units, a linear head "
    "on the last state, squared loss, float32. Milliseconds, medians of calls that took turns, each with the "
    "better of one "
    "and two threads. The ratio is PyTorch's time over seqcast's."
)
COLUMNS = ("cell", "batch", "seqcast", "PyTorch", "ratio", "seqcast, 1 thread over 2")
THREADS = (1, 2)


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        for size in SIZES:
            steps = {f"{name} {n}": make(cell, size, n) for name, make in PEERS.items() for n in THREADS}
            seconds = interleaved_medians(steps)
            rows.append({"cell": cell, "batch": str(size), "seconds": seconds})
            print(rows[-1], flush=True)
    return rows


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row["cell"], row["batch"], row["seconds"]) for row in rows]


def _line(cell: str, batch: str, seconds: dict[str, float]) -> tuple[str, ...]:
    best = {name: min(seconds[f"{name} {n}"] for n in THREADS) for name in PEERS}
    scaling = seconds["seqcast 1"] / seconds["seqcast 2"]
    milliseconds = [f"{1e3 * best[name]:.3g}" for name in PEERS]
    return (cell, batch, *milliseconds, f"{best['PyTorch'] / best['seqcast']:.1f}x", f"{scaling:.2f}x")
