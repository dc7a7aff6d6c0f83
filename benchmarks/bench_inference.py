"""A layer's forward pass over a batch beside onnxruntime's."""

import numba
import numpy as np

from .comparisons import SIZES, Size, installed
from .formatting import milliseconds, ratio
from .timing import interleaved_medians
from .with_seqcast import layer

TITLE = "Inference on a batch"
TEXT = (
    "`Recurrent.forward`: outputs of all steps and final states, float32, both on two threads. onnxruntime "
    "runs one LSTM or GRU operator with the same weights and is handed the batch in the order that it wants "
    "(steps first); the outputs were compared, and differ by less than 1e-4. Medians of calls that took "
    "turns. The ratio is onnxruntime's time over seqcast's."
)
COLUMNS = ("cell", "batch", "seqcast, ms", "onnxruntime, ms", "ratio")
CELLS = ("lstm", "gru")


def run() -> list[dict]:
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))  # which a layer follows
    rows = []
    for cell in CELLS:
        for size in SIZES:
            seconds = interleaved_medians(_contestants(cell, size))
            rows.append({"cell": cell, "batch": str(size), "seconds": seconds})
            print(rows[-1], flush=True)
    return rows


def _contestants(cell: str, size: Size) -> dict:
    recurrent, x = layer(cell, size)
    calls = {"seqcast": lambda: recurrent.forward(x)}
    if installed("onnxruntime"):
        from .with_onnxruntime import session

        running = session(cell, recurrent.weights, n_threads=2)
        feed = {"X": np.ascontiguousarray(x.swapaxes(0, 1))}
        calls["onnxruntime"] = lambda: running.run(None, feed)
        theirs = calls["onnxruntime"]()[0][:, 0].swapaxes(0, 1)
        np.testing.assert_allclose(recurrent.forward(x)[0], theirs, rtol=0, atol=1e-4)
    return calls


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row["cell"], row["batch"], row["seconds"]) for row in rows]


def _line(cell: str, batch: str, seconds: dict[str, float]) -> tuple[str, ...]:
    seqcast, theirs = seconds["seqcast"], seconds.get("onnxruntime")
    return (cell, batch, milliseconds(seqcast), milliseconds(theirs), ratio(theirs, seqcast))
