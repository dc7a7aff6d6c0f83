"""How the cost grows with the work: steps, units, rows of a batch, and rows of a series."""

import time
import warnings

import numpy as np

from seqcast import SeqForecaster

from . import timing
from .comparisons import NETWORK_ALONE, Size, training_flops
from .formatting import milliseconds
from .timing import interleaved_medians
from .with_seqcast import training_step

PLAIN = Size(64, 48, 8, 64)
SERIES = {
    "steps": (12, 24, 48, 96, 192, 384),
    "hidden": (8, 16, 32, 64, 128, 256),
    "batch": (8, 16, 32, 64, 128, 256, 512),
}
ROWS = (1_000, 3_000, 10_000, 30_000, 100_000)
NAMES = {"steps": "steps T", "hidden": "units H", "batch": "rows of a batch B", "rows": "rows of a series"}
CELLS = ("lstm", "gru")

TITLE = "Cost as work grows"
TEXT = (
    f"A training step on two threads where one of T, H and B moves away from {PLAIN}, and one epoch of a "
    "`SeqForecaster` (window 24, horizon 1, hidden 32, batches of 128) over a series of so many rows, the "
    "checks and the scaling included. Work counts the products (for a series, its rows); the last column is "
    "time per unit of work over that of the group's last line: 1 all along is straight. The picture has both "
    "axes in logarithms; dotted is the work, through the last point."
)
COLUMNS = ("cell", "what grows", "to", "ms", "time per unit of work")


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        for what, values in SERIES.items():
            sizes = {value: PLAIN.replace(**{what: value}) for value in values}
            seconds = interleaved_medians({v: training_step(cell, size, 2) for v, size in sizes.items()})
            rows += [_row(cell, what, value, measured) for value, measured in seconds.items()]
        rows += [_row(cell, "rows", n, _epoch_seconds(cell, n)) for n in _series_lengths()]
        print(*rows, sep="\n", flush=True)
    return rows


def _series_lengths() -> list[int]:
    """Shorter ones only where `--seconds` asks for less."""
    return [n for n in ROWS if n <= max(ROWS) * timing.SECONDS] or [*ROWS[:2]]


def _row(cell: str, what: str, value: int, seconds: float) -> dict:
    work = value if what == "rows" else training_flops(cell, PLAIN.replace(**{what: value}))
    return {"cell": cell, "what": what, "value": value, "work": work, "seconds": seconds}


def _epoch_seconds(cell: str, n_rows: int) -> float:
    """The quickest of three fits of one epoch."""
    y = np.sin(np.arange(n_rows) / 4) + np.random.RandomState(0).normal(size=n_rows)
    model = SeqForecaster(
        1,
        24,
        cell,
        32,
        batch_size=128,
        max_iter=1,
        early_stopping=False,
        n_jobs=2,
        random_state=0,
        **NETWORK_ALONE,
    )
    seconds = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one epoch, which is not meant to converge
        for _ in range(3):
            begin = time.perf_counter()
            model.fit(y)
            seconds.append(time.perf_counter() - begin)
    return min(seconds)


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    last = {(row["cell"], row["what"]): row for row in rows}
    return [_line(row, last[row["cell"], row["what"]]) for row in rows]


def _line(row: dict, last: dict) -> tuple[str, ...]:
    per_work = (row["seconds"] / row["work"]) / (last["seconds"] / last["work"])
    return (
        row["cell"],
        NAMES[row["what"]],
        f"{row['value']:,}",
        milliseconds(row["seconds"]),
        f"{per_work:.2f}",
    )


def figure(rows: list[dict]):
    """One panel for each thing that grows, a line for each cell."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 6.5), layout="constrained")
    for axes, what in zip(picture.subplots(2, 2).flat, NAMES, strict=True):
        for cell in CELLS:
            points = [row for row in rows if (row["cell"], row["what"]) == (cell, what)]
            _draw(axes, cell, points)
        axes.set(xscale="log", yscale="log", xlabel=NAMES[what], ylabel="ms")
        axes.set_xticks(values := sorted({row["value"] for row in rows if row["what"] == what}), minor=False)
        axes.set_xticklabels([f"{value:,}" for value in values])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(frameon=False)
    return picture


def _draw(axes, cell: str, points: list[dict]) -> None:
    values = [row["value"] for row in points]
    times = np.array([1e3 * row["seconds"] for row in points])
    work = np.array([row["work"] for row in points])
    (line,) = axes.plot(values, times, "o-", label=cell)
    axes.plot(values, times[-1] * work / work[-1], ":", color=line.get_color())
