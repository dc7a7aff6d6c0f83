"""Measure how the cost grows with the number of steps and units, the batch size and the series length."""

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
NAMES = {"steps": "steps T", "hidden": "units H", "batch": "batch size B", "rows": "series length"}
CELLS = ("lstm", "gru")

TITLE = "Scaling"
TEXT = (
    f"A training step on two threads, in which one of T, H and B is varied from {PLAIN}; and one epoch "
    "of a `SeqForecaster` (window 24, horizon 1, 32 units, batches of 128) on series of different "
    "lengths, including input checks and scaling. Work counts the matrix products, or for "
    "series their length. The last column is the time per unit of work, relative to the last row of its"
    " group; values of 1 mean that the cost is proportional to the work. The figure has logarithmic "
    "axes. Dotted lines are proportional to the work and pass through the last point."
)
COLUMNS = ("cell", "quantity", "value", "ms", "time per unit of work")


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
    """Return the series lengths. `--seconds` below 1 leaves out the longest."""
    return [n for n in ROWS if n <= max(ROWS) * timing.SECONDS] or [*ROWS[:2]]


def _row(cell: str, what: str, value: int, seconds: float) -> dict:
    work = value if what == "rows" else training_flops(cell, PLAIN.replace(**{what: value}))
    return {"cell": cell, "what": what, "value": value, "work": work, "seconds": seconds}


def _epoch_seconds(cell: str, n_rows: int) -> float:
    """Return the seconds of the fastest of three fits of one epoch."""
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
        # one epoch is not meant to converge
        warnings.simplefilter("ignore")
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
    """Draw one panel for each quantity, with one line for each cell."""
    from matplotlib.figure import Figure

    chart = Figure(figsize=(9, 6.5), layout="constrained")
    for axes, what in zip(chart.subplots(2, 2).flat, NAMES, strict=True):
        for cell in CELLS:
            points = [row for row in rows if (row["cell"], row["what"]) == (cell, what)]
            _draw(axes, cell, points)
        axes.set(xscale="log", yscale="log", xlabel=NAMES[what], ylabel="ms")
        values = sorted({row["value"] for row in rows if row["what"] == what})
        axes.set_xticks(values, minor=False)
        axes.set_xticklabels([f"{value:,}" for value in values])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(frameon=False)
    return chart


def _draw(axes, cell: str, points: list[dict]) -> None:
    values = [row["value"] for row in points]
    times = np.array([1e3 * row["seconds"] for row in points])
    work = np.array([row["work"] for row in points])
    (line,) = axes.plot(values, times, "o-", label=cell)
    axes.plot(values, times[-1] * work / work[-1], ":", color=line.get_color())
