"""Compare the forward pass of a layer on a batch with onnxruntime."""

import numba
import numpy as np

from .comparisons import SGEMM, SIZES, Size, forward_flops, installed
from .formatting import milliseconds, ratio
from .timing import interleaved_medians
from .with_seqcast import layer

TITLE = "Inference on a batch"
TEXT = (
    "`Recurrent.forward` computes the outputs of all steps and the final states, in float32 on two "
    "threads. onnxruntime runs one LSTM or GRU operator with the same weights on two threads, and "
    "receives the batch in the layout that it needs (steps first). The outputs differ by less than "
    "1e-4. Times are medians of calls that alternated. The ratio is the time of onnxruntime divided by "
    "the time of seqcast. The last column divides the rate of the matrix products by the rate of NumPy, on "
    "all cores, for a 2048 x 2048 product in float32 that alternated with the calls."
)
COLUMNS = ("cell", "CPU target", "batch", "seqcast, ms", "onnxruntime, ms", "ratio", "fraction of sgemm")
CELLS = ("lstm", "gru")
# Measured for each CPU target that the processor supports.
BY_TARGET = True


def run() -> list[dict]:
    # the number of threads that a layer uses
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    rows = []
    for cell in CELLS:
        for size in SIZES:
            seconds = interleaved_medians(_contestants(cell, size))
            flops = forward_flops(cell, size)
            rows.append({"cell": cell, "batch": str(size), "flops": flops, "seconds": seconds})
            print(rows[-1], flush=True)
    return rows


def _contestants(cell: str, size: Size) -> dict:
    recurrent, x = layer(cell, size)
    calls = {"seqcast": lambda: recurrent.forward(x)}
    if installed("onnxruntime"):
        from .with_onnxruntime import session

        onnx_session = session(cell, recurrent.weights, n_threads=2)
        inputs = {"X": np.ascontiguousarray(x.swapaxes(0, 1))}
        calls["onnxruntime"] = lambda: onnx_session.run(None, inputs)
        expected = calls["onnxruntime"]()[0][:, 0].swapaxes(0, 1)
        np.testing.assert_allclose(recurrent.forward(x)[0], expected, rtol=0, atol=1e-4)
    a = np.random.RandomState(0).normal(size=(SGEMM, SGEMM)).astype(np.float32)
    return calls | {"sgemm": lambda: a @ a}


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    seconds = row["seconds"]
    seqcast, onnxruntime, sgemm = seconds["seqcast"], seconds.get("onnxruntime"), seconds["sgemm"]
    share = row["flops"] / seqcast / (2 * SGEMM**3 / sgemm)
    times = milliseconds(seqcast), milliseconds(onnxruntime), ratio(onnxruntime, seqcast)
    return (row["cell"], row["target"], row["batch"], *times, f"{share:.2f}")
