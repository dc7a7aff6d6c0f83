"""Networks that are more than one plain layer: does a unit of their work cost more?"""

from collections.abc import Callable

import numpy as np

from .comparisons import THREADS, Size, find_functions, training_flops
from .formatting import milliseconds, ratio
from .timing import interleaved_medians
from .with_seqcast import layer_pass, training_step

SIZE = Size(64, 48, 8, 64)
TITLE = "Variants"
TEXT = (
    f"A training step at {SIZE}, two threads, of networks that differ from the plain one in one thing. Work "
    "counts the products, as in the table of training steps; ragged lengths, drawn evenly from 1 to "
    f"{SIZE.steps}, count the steps that are there. The last but one column is a variant's time per unit of "
    "work over plain's: 1 is no slower. Ragged lengths are measured on the forward and backward pass of a "
    "`Recurrent` layer beside the same pass of full length, and beside PyTorch's over packed sequences with "
    "the better of one and two threads. float64 has vectors of half as many numbers, so 2 is its par. "
    "Medians of calls that took turns."
)
COLUMNS = ("cell", "variant", "ms", "work", "time", "time per unit of work", "PyTorch, packed / seqcast")
CELLS = ("lstm", "gru")
VARIANTS = {
    "plain": {},
    "bidirectional": {"bidirectional": True},
    "2 layers": {"n_layers": 2},
    "3 layers": {"n_layers": 3},
    "2 layers, dropout 0.2": {"n_layers": 2, "dropout": 0.2},
    "float64": {"dtype": "float64"},
}
NARROW = 50  # units: no multiple of a vector


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
    """Work of a network, in units of the plain one's."""
    n_directions = 2 if bidirectional else 1
    return training_flops(cell, SIZE, n_layers, n_directions) / training_flops(cell, SIZE)


def _ragged(cell: str) -> dict:
    lengths = np.random.RandomState(0).randint(1, SIZE.steps + 1, SIZE.batch)
    passes: dict[str, Callable] = {
        "full lengths": layer_pass(cell, SIZE),
        "ragged lengths": layer_pass(cell, SIZE, lengths),
    }
    for peer, make in find_functions("packed_pass", "PyTorch").items():
        passes |= {f"{peer} {n}": make(cell, SIZE, n, lengths) for n in THREADS}
    work = {"full lengths": 1.0, "ragged lengths": float(lengths.sum() / (SIZE.batch * SIZE.steps))}
    return {"cell": cell, "plain": "full lengths", "work": work, "seconds": interleaved_medians(passes)}


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row, name) for row in rows for name in row["work"]]


def _line(row: dict, name: str) -> tuple[str, ...]:
    seconds, work = row["seconds"][name], row["work"][name]
    time = seconds / row["seconds"][row["plain"]]
    beside = ratio(_packed(row["seconds"]), seconds) if name == "ragged lengths" else ""
    return (
        row["cell"],
        name,
        milliseconds(seconds),
        f"{work:.2f}",
        f"{time:.2f}",
        f"{time / work:.2f}",
        beside,
    )


def _packed(seconds: dict[str, float]) -> float | None:
    return min((seconds[f"PyTorch {n}"] for n in THREADS if f"PyTorch {n}" in seconds), default=None)
