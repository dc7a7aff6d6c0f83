"""Measure predictions for one sample: `predict`, the compiled call within it, and other libraries."""

import warnings
from collections.abc import Callable

import numpy as np

from seqcast import SeqRegressor
from seqcast.kernels import parallel
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.network import Network

from .comparisons import Size, installed
from .formatting import microseconds, ratio
from .timing import interleaved_medians

SIZE = Size(1, 24, 1, 32)
TITLE = "Prediction for one sample"
TEXT = (
    f"The prediction of a fitted network of {SIZE.hidden} units with a linear head for one sample of "
    f"{SIZE.steps} steps, in float32. `SeqRegressor.predict` validates and scales its input. The "
    "compiled call is the kernel alone, with all arrays prepared. It is comparable to onnxruntime's "
    "`session.run` and to PyTorch's modules in inference mode, which are measured with the same weights"
    " on one thread. All predictions agree within 1e-4. Times are in microseconds, as medians of calls "
    "that alternated. Ratios are relative to the compiled call."
)
COLUMNS = (
    "cell",
    "CPU target",
    "`SeqRegressor.predict`, us",
    "compiled call, us",
    "onnxruntime, us",
    "PyTorch, us",
    "onnxruntime / compiled call",
    "PyTorch / compiled call",
)
CELLS = ("lstm", "gru")
# Measured for each CPU target that the processor supports.
BY_TARGET = True


def run() -> list[dict]:
    rows = []
    for cell in CELLS:
        rows.append({"cell": cell, "batch": str(SIZE), "seconds": interleaved_medians(_contestants(cell))})
        print(rows[-1], flush=True)
    return rows


def _contestants(cell: str) -> dict[str, Callable]:
    rng = np.random.RandomState(0)
    X = rng.normal(size=(64, SIZE.steps))
    model = SeqRegressor(cell, SIZE.hidden, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        # one epoch is not meant to converge
        warnings.simplefilter("ignore")
        model.fit(X, X[:, -1])
    x = X[:1].reshape(1, SIZE.steps, SIZE.inputs).astype(np.float32)
    calls = {"compiled call": compiled_call(model.fitted_.network, x), **_peers(cell, model.weights_, x)}
    for name, call in calls.items():
        np.testing.assert_allclose(call(), calls["compiled call"](), rtol=0, atol=1e-4, err_msg=name)
    return {"predict": lambda: model.predict(X[:1]), **calls}


def compiled_call(network: Network, x: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a function that runs the predict kernel on one sample, with all its arrays prepared."""
    window = Window(*x.shape[1:])
    plan = network.plan(window, 1, chunk=network.carry_steps(window), keep=False)
    samples, prediction = sample_table(*np.array([[0], [window.n_steps], [0]])), np.empty((1, 1), x.dtype)
    kernel, arguments = (
        network.kernel("predict"),
        network.arguments(
            plan,
            samples=samples,
            weights=network.packed(),
            values=x,
            predictions=prediction,
            workspaces=plan.allocate(x.dtype),
        ),
    )

    def call():
        parallel.run(kernel, arguments, 1)
        return prediction

    return call


def _peers(cell: str, weights: dict[str, np.ndarray], x: np.ndarray) -> dict[str, Callable]:
    calls = {}
    if installed("onnxruntime"):
        from .with_onnxruntime import session

        onnx_session = session(cell, weights, n_threads=1)
        inputs = {"X": np.ascontiguousarray(x.swapaxes(0, 1))}
        calls["onnxruntime"] = lambda: onnx_session.run(None, inputs)[0]
    if installed("PyTorch"):
        from .with_torch import one_row

        calls["PyTorch"] = one_row(cell, weights, x)
    return calls


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row["cell"], row["target"], row["seconds"]) for row in rows]


def _line(cell: str, target: str, seconds: dict[str, float]) -> tuple[str, ...]:
    call, peers = seconds["compiled call"], [seconds.get("onnxruntime"), seconds.get("PyTorch")]
    times = [seconds["predict"], call, *peers]
    return (cell, target, *map(microseconds, times), *(ratio(peer, call) for peer in peers))
