"""What a user waits for: imports, the first fit ever, a fit in a later process, and Ctrl-C in a long one."""

from functools import partial
from pathlib import Path

import numpy as np

from . import fresh_process

TITLE = "The start"
TEXT = (
    "Medians over fresh processes, but for the grid search, which is run once, and Ctrl-C, the slowest of "
    "several. The first fit ever is that of a default `SeqForecaster` "
    "on 1,000 rows with an empty cache of kernels, its imports not counted; in a later process the same fit "
    "finds the kernels on disk, and is given with its imports, beside the imports of what seqcast stands on. "
    "The grid search (4 candidates, 2 folds, `n_jobs=2`) begins with an empty cache and is run again; with "
    "each, how many of its processes said that they compile, and the compiled kernels on disk after it. "
    "Ctrl-C comes early in an endless fit of a GRU of 64 units on 50,000 rows, window 168; the time is that "
    "until `fit` has raised KeyboardInterrupt with the best weights kept."
)
COLUMNS = ("what", "seconds")

SERIES = "import numpy as np; y = np.sin(np.arange(1000) / 4) + np.random.RandomState(0).normal(size=1000)"
QUIET = "import warnings; warnings.simplefilter('ignore')"
BASE = "import sklearn.base, pandas, numba"
FIT = f"{QUIET}; import seqcast; {SERIES}; seqcast.SeqForecaster(random_state=0).fit(y)"
TIMED_FIT = f"""
import time
{QUIET}; {SERIES}
{BASE}
from seqcast import SeqForecaster
begin = time.perf_counter()
SeqForecaster(random_state=0).fit(y)
print(time.perf_counter() - begin)
"""
GRID = f"""
import time
{SERIES}
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from seqcast import SeqForecaster
grid = {{"cell": ["gru", "lstm"], "hidden_size": [8, 16]}}
search = GridSearchCV(SeqForecaster(max_iter=5, random_state=0), grid, n_jobs=2, cv=TimeSeriesSplit(2))
begin = time.perf_counter()
search.fit(y)
assert np.isfinite(search.cv_results_["mean_test_score"]).all()
print(time.perf_counter() - begin)
"""
INTERRUPTED = f"""
import os, signal, threading, time
import numpy as np
{QUIET}
from seqcast import SeqForecaster
y = np.sin(np.arange(50_000) / 4)
SeqForecaster(24, 168, max_iter=1, max_samples=256).fit(y)
sent = []
def interrupt():
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(SECONDS, interrupt).start()
model = SeqForecaster(24, 168, hidden_size=64, max_iter=10**9, n_iter_no_change=10**9, max_samples=2560)
try:
    model.fit(y)
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
assert np.isfinite(model.forecast()).all().all()
"""


def run() -> list[dict]:
    fresh_process.run_python("-c", FIT)  # the cache of the later process, and the files of all imports in memory
    rows = [
        *_times("import", {"import numpy": "import numpy", "import seqcast": "import seqcast"}),
        *_first_fit(),
        *_times("later", {BASE: BASE, "import seqcast, fit on 1,000 rows": FIT}),
        *_grid_search(),
        *_interrupted(),
    ]
    for row in rows:
        print(row, flush=True)
    return rows


def _times(group: str, codes: dict[str, str]) -> list[dict]:
    seconds = fresh_process.medians({what: partial(fresh_process.time_code, code) for what, code in codes.items()})
    return [{"group": group, "what": what, "seconds": value} for what, value in seconds.items()]


def _first_fit() -> list[dict]:
    seconds, lines = zip(*[_fit_with_empty_cache() for _ in range(fresh_process.rounds())], strict=True)
    what = f"first fit ever, beyond the imports ({max(lines)} line printed)"
    return [{"group": "first", "what": what, "seconds": float(np.median(seconds))}]


def _fit_with_empty_cache() -> tuple[float, int]:
    """Seconds of the fit, and how many lines it wrote."""
    with fresh_process.empty_cache() as folder:
        process = fresh_process.run_python("-c", TIMED_FIT, SEQCAST_CACHE_DIR=str(folder))
        return float(process.stdout), len(process.stderr.splitlines())


def _grid_search() -> list[dict]:
    with fresh_process.empty_cache() as folder:
        return [_searched(which, folder) for which in ("empty cache", "second run")]


def _searched(which: str, folder: Path) -> dict:
    # in the environment, since a filter set here would not reach the workers
    process = fresh_process.run_python("-c", GRID, SEQCAST_CACHE_DIR=str(folder), PYTHONWARNINGS="ignore")
    compiling = process.stderr.count("compiling")
    files = len(list(folder.glob("*.kernel")))
    what = f"grid search, {which}: {compiling} processes compiled, {files} kernels on disk"
    return {"group": "grid", "what": what, "seconds": float(process.stdout)}


def _interrupted() -> list[dict]:
    """Ctrl-C at different moments of an epoch."""
    codes = [INTERRUPTED.replace("SECONDS", f"{2 + 0.13 * k:.2f}") for k in range(fresh_process.rounds())]
    seconds = max(float(fresh_process.run_python("-c", code).stdout) for code in codes)
    return [{"group": "interrupt", "what": "Ctrl-C in a long fit, the slowest answer", "seconds": seconds}]


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    lines = [(row["what"], f"{row['seconds']:.2f}") for row in rows]
    differences = [
        ("`import seqcast` over `import numpy`", _difference(rows, "import")),
        (f"import and fit over `{BASE}`", _difference(rows, "later")),
    ]
    return lines + differences


def _difference(rows: list[dict], group: str) -> str:
    first, second = (row["seconds"] for row in rows if row["group"] == group)
    return f"{second - first:+.2f}"
