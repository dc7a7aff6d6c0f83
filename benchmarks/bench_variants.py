"""Measure variants of a network, and compare their cost with the amount of work."""

from collections.abc import Callable

import numpy as np

from .comparisons import THREADS, Size, find_functions, training_flops
from .formatting import milliseconds, ratio
from .timing import interleaved_medians
from .with_seqcast import layer_pass, training_step

SIZE = Size(64, 48, 8, 64)
TITLE = "Variants of a network"
TEXT = (
    f"A training step with {SIZE} on two threads. Each variant differs from the plain network in one "
    "property. Work counts the matrix products, as in the table of training steps, relative to the "
    f"plain network. Sequences of different lengths (drawn uniformly from 1 to {SIZE.steps}) are "
    "measured with the forward and backward pass of a `Recurrent` layer, and compared with the same "
    "pass at full length and with PyTorch's packed sequences on one or two threads, whichever is "
    "faster; their work counts the existing steps. A time per unit of work of 1 means that the variant "
    "is as efficient as the plain network. float64 has half as many numbers per vector, so its ideal "
    "value is 2. Times are medians of calls that alternated."
)
COLUMNS = (
    "cell",
    "variant",
    "ms",
    "work / plain",
    "time / plain",
    "time per unit of work",
    "PyTorch, packed / seqcast",
)
CELLS = ("lstm", "gru")
VARIANTS = {
    "plain": {},
    "bidirectional": {"bidirectional": True},
    "2 layers": {"n_layers": 2},
    "3 layers": {"n_layers": 3},
    "2 layers, dropout 0.2": {"n_layers": 2, "dropout": 0.2},
    "float64": {"dtype": "float64"},
}
# Number of units that is not a multiple of the vector width.
NARROW = 50


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        rows += [_networks(cell), _ragged(cell)]
        print(*rows[-2:], sep="\n", flush=True)
    return rows


def _networks(cell: str) -> dict:
    steps = {name: training_step(cell, SIZE, 2, **options) for name, options in VARIANTS.items()}
    work = {name: _work(cell, **options) for name, options in VARIANTS.items()}
    narrow = SIZE.replace(hidden=NARROW)
    steps[f"H {NARROW}"] = training_step(cell, narrow, 2)
    work[f"H {NARROW}"] = training_flops(cell, narrow) / training_flops(cell, SIZE)
    return {"cell": cell, "plain": "plain", "work": work, "seconds": interleaved_medians(steps)}


def _work(cell: str, n_layers: int = 1, bidirectional: bool = False, **_) -> float:
    """Return the work of a network relative to the plain network."""
    n_directions = 2 if bidirectional else 1
    return training_flops(cell, SIZE, n_layers, n_directions) / training_flops(cell, SIZE)


def _ragged(cell: str) -> dict:
    lengths = np.random.RandomState(0).randint(1, SIZE.steps + 1, SIZE.batch)
    passes: dict[str, Callable] = {
        "full lengths": layer_pass(cell, SIZE),
        "different lengths": layer_pass(cell, SIZE, lengths),
    }
    for peer, make in find_functions("packed_pass", "PyTorch").items():
        passes |= {f"{peer} {n}": make(cell, SIZE, n, lengths) for n in THREADS}
    work = {"full lengths": 1.0, "different lengths": float(lengths.sum() / (SIZE.batch * SIZE.steps))}
    return {"cell": cell, "plain": "full lengths", "work": work, "seconds": interleaved_medians(passes)}


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row, name) for row in rows for name in row["work"]]


def _line(row: dict, name: str) -> tuple[str, ...]:
    seconds, work = row["seconds"][name], row["work"][name]
    time = seconds / row["seconds"][row["plain"]]
    is_ragged = name == "different lengths"
    torch_ratio = ratio(_packed(row["seconds"]), seconds) if is_ragged else ""
    return (
        row["cell"],
        name,
        milliseconds(seconds),
        f"{work:.2f}",
        f"{time:.2f}",
        f"{time / work:.2f}",
        torch_ratio,
    )


def _packed(seconds: dict[str, float]) -> float | None:
    return min((seconds[f"PyTorch {n}"] for n in THREADS if f"PyTorch {n}" in seconds), default=None)
