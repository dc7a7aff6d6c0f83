"""Costs apart from kernels: launches, the first fit, and whole fits of estimators on GPU and CPU."""

import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from . import fresh_process
from .comparisons import NETWORK_ALONE
from .gpu_timing import Contestant, measure

# Number of launches in a graph.
N_RECORDED = 100
TEXT = (
    "Costs apart from the kernels. The rates of the GPU are those used in the table above. A launch: time "
    "until the host continues after the launch of an empty kernel; in a graph: time from one empty kernel "
    "to the next. The first fit: a default `SeqForecaster` on 1,000 steps, without imports, in a new "
    "process with an empty cache of kernels, and then in a process that finds them on disk. Whole fits of "
    "three epochs, after compilation: a forecaster on 8,192 steps with window 96 and horizon 24, and a "
    "regressor on 8,192 sequences of 96 steps and 8 columns, with one layer of 64 or 128 units and batches "
    "of 128."
)
COLUMNS = ("what", "GPU", "CPU", "CPU / GPU")

FIRST_FIT = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas, numba, sklearn.base
from seqcast import SeqForecaster
y = np.sin(np.arange(1000) / 4) + np.random.RandomState(0).normal(size=1000)
begin = time.perf_counter()
SeqForecaster(device="cuda", random_state=0).fit(y)
print(time.perf_counter() - begin)
"""


def measure_rates(n_copied: int = 2**28, n_product: int = 8192) -> Iterator[dict]:
    """Yield a row with the GPU and the rates it reaches."""
    from .with_seqcast_cuda import describe_gpu, make_rate_contestants

    queue, products, contestants = make_rate_contestants(n_copied, n_product)
    seconds = {name: one["device"] for name, one in measure(contestants).items()}
    copied = 2 * 4 * n_copied / seconds["copy"]
    multiplied = 2 * n_product**3 / seconds["product"]
    reached = {"copy, bytes/s": copied, "product, FLOP/s": multiplied, "products": products}
    yield {"what": "GPU", **describe_gpu(queue), **reached}


def measure_launches() -> Iterator[dict]:
    from seqcast.kernels.cuda.queue import get_queue

    from .with_seqcast_cuda import make_stream, record_graph

    queue = get_queue()
    array = queue.zeros(1, np.float32)
    stream = make_stream(queue)
    launch = {n: partial(queue.for_each, kernel, 1, *[array] * n) for n, kernel in _make_kernels().items()}
    contestants = {f"launch, {n} arrays": Contestant(call, stream, most=500) for n, call in launch.items()}
    graph = record_graph(queue, lambda: [launch[4]() for _ in range(N_RECORDED)])
    contestants[f"launch in a graph of {N_RECORDED}"] = Contestant(graph, stream, parts=N_RECORDED)
    for what, seconds in measure(contestants).items():
        yield {"what": what, "seconds": {"seqcast": seconds}}


def _make_kernels() -> dict[int, Callable]:
    """Return empty kernels by their number of arrays."""
    from seqcast.kernels.cuda.compiler import cuda_kernel

    def one(a):
        pass

    def four(a, b, c, d):
        pass

    def twelve(a, b, c, d, e, f, g, h, i, j, k, m):
        pass

    return {1: cuda_kernel(one), 4: cuda_kernel(four), 12: cuda_kernel(twelve)}


def measure_first_fits() -> Iterator[dict]:
    with fresh_process.empty_cache() as folder:
        for what in ("first fit ever", "first fit of a later process"):
            process = fresh_process.run_python("-c", FIRST_FIT, SEQCAST_CACHE_DIR=str(folder))
            yield {"what": what, "seconds": {"cuda": float(process.stdout)}}


def measure_fits(hidden: int, n: int = 8192, window: int = 96) -> Iterator[dict]:
    for what, fit in _make_fits(hidden, n, window).items():
        contestants = {device: partial(_time_fit, fit, device) for device in ("cuda", "cpu")}
        for call in contestants.values():
            # The first call compiles.
            call()
        yield {"what": f"{what}, H {hidden}", "seconds": fresh_process.medians(contestants)}


def _make_fits(hidden: int, n: int, window: int) -> dict[str, Callable[[str], object]]:
    from seqcast import SeqForecaster, SeqRegressor

    rng = np.random.RandomState(0)
    series = np.sin(np.arange(n) / 4) + rng.normal(size=n)
    X = rng.normal(size=(n, window, 8))
    y = X[:, -10:, 0].sum(axis=1)
    fixed = {"max_iter": 3, "n_iter_no_change": 3, "early_stopping": False, "batch_size": 128}
    fixed |= {"cell": "lstm", "hidden_size": hidden, "random_state": 0}
    forecaster = partial(SeqForecaster, 24, window, **fixed, **NETWORK_ALONE)
    return {
        "SeqForecaster.fit": lambda device: forecaster(device=device).fit(series),
        "SeqRegressor.fit": lambda device: SeqRegressor(**fixed, device=device).fit(X, y),
    }


def _time_fit(fit: Callable[[str], object], device: str) -> float:
    begin = time.perf_counter()
    with warnings.catch_warnings():
        # The fits stop at max_iter.
        warnings.simplefilter("ignore")
        fit(device)
    return time.perf_counter() - begin


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    lines = []
    # The other rows are for one layer.
    for row in (row for row in rows if "cell" not in row):
        seconds = row.get("seconds", {})
        if "left out" in row:
            lines.append((row["what"], row["left out"][:60], "", ""))
        elif row["what"] == "GPU":
            lines += _describe_rates(row)
        elif row["what"].startswith("launch in"):
            lines.append((row["what"], f"{1e6 * seconds['seqcast']['device']:.2f} us", "", ""))
        elif row["what"].startswith("launch"):
            lines.append((row["what"], f"{1e6 * seconds['seqcast']['host']:.2f} us", "", ""))
        elif "cuda" in seconds:
            cpu = seconds.get("cpu")
            ratio = ("", "") if cpu is None else (f"{cpu:.2f} s", f"{cpu / seconds['cuda']:.2f}x")
            lines.append((row["what"], f"{seconds['cuda']:.2f} s", *ratio))
    return lines


def _describe_rates(row: dict) -> list[tuple[str, ...]]:
    return [
        (f"{row['name']}, a copy", f"{row['copy, bytes/s'] / 1e9:,.0f} GB/s", "", ""),
        (f"{row['name']}, a product in float32", f"{row['product, FLOP/s'] / 1e12:.1f} TFLOP/s", "", ""),
    ]
