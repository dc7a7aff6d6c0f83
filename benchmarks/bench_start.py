"""Measure startup times: imports, the first fit, a fit in a later process, and the reaction to Ctrl-C."""

from functools import partial
from pathlib import Path

import numpy as np

from . import fresh_process

TITLE = "Startup"
TEXT = (
    "Times are medians over new processes, except for the grid search, which was run once, and Ctrl-C, "
    "for which the slowest of several runs is given. The first rows are measured with the wheel that `make"
    " wheel` builds, which brings compiled kernels, and with an empty kernel cache; all others with an "
    "installation from the sources, which compiles kernels. The first fit is that of a default "
    "`SeqForecaster` on 1,000 rows; its imports are not counted. In a later process, the "
    "same fit loads the kernels from disk; its imports are counted, and the import time of the "
    "dependencies is given for comparison. The grid search (4 candidates, 2 folds, `n_jobs=2`) starts "
    "with an empty cache and is then run again. The table gives the number of its processes that "
    "reported compiling, and the number of compiled kernels on disk afterwards. Ctrl-C is sent early in"
    " a very long fit of a GRU of 64 units on 50,000 rows with window 168. The time is measured until "
    "`fit` has kept the best weights and raised KeyboardInterrupt."
)
COLUMNS = ("measurement", "seconds")

WHEEL_PYTHON = fresh_process.TOP / "build" / "venv" / "bin" / "python"

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
# Measured with the wheel, minus the imports alone.
REGRESSOR = f"""
{QUIET}
{BASE}
{SERIES}
from seqcast import SeqRegressor
SeqRegressor(random_state=0).fit(y.reshape(-1, 1), y)
"""
WITHOUT_NUMBA = "import numpy, pandas, sklearn.base"
PICKLE = f"""
import sys, pickle
{QUIET}; {SERIES}
from seqcast import SeqForecaster
pickle.dump(SeqForecaster(random_state=0).fit(y), open(sys.argv[1], "wb"))
"""
FORECAST = f"{WITHOUT_NUMBA}; import sys, pickle; pickle.load(open(sys.argv[1], 'rb')).forecast()"
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
    # fills the kernel cache for the later process, and the file cache of the operating system
    fresh_process.run_python("-c", FIT)
    rows = [
        *_wheel(),
        *_times("import", {"import numpy": "import numpy", "import seqcast": "import seqcast"}),
        *_first_fit(),
        *_times("later", {BASE: BASE, "import seqcast, fit on 1,000 rows": FIT}),
        *_grid_search(),
        *_interrupt(),
    ]
    for row in rows:
        print(row, flush=True)
    return rows


def _wheel() -> list[dict]:
    """Measure the wheel that `make wheel` has installed; no rows if there is none."""
    if not WHEEL_PYTHON.exists():
        print("build/venv has no wheel; make wheel builds it")
        return []
    with fresh_process.empty_cache() as folder:
        model = str(folder / "model.pickle")
        codes = {BASE: BASE, "regressor": REGRESSOR, WITHOUT_NUMBA: WITHOUT_NUMBA, "forecast": FORECAST}
        options = {"python": str(WHEEL_PYTHON), "SEQCAST_CACHE_DIR": str(folder)}
        # -P: seqcast is not taken from the sources in the current directory
        fresh_process.run_python("-P", "-c", PICKLE, model, **options)
        calls = {
            what: partial(fresh_process.time_code, "-P", "-c", code, model, **options)
            for what, code in codes.items()
        }
        calls["fit"] = lambda: float(fresh_process.run_python("-P", "-c", TIMED_FIT, **options).stdout)
        seconds = fresh_process.medians(calls)
        assert not list(folder.glob("*.kernel"))
    measured = {
        "from the wheel: first fit ever, empty cache, without imports": seconds["fit"],
        f"from the wheel: import and fit of a SeqRegressor minus `{BASE}`": seconds["regressor"]
        - seconds[BASE],
        f"from the wheel: one forecast of an unpickled model minus `{WITHOUT_NUMBA}`": (
            seconds["forecast"] - seconds[WITHOUT_NUMBA]
        ),
    }
    return [{"group": "wheel", "what": what, "seconds": value} for what, value in measured.items()]


def _times(group: str, codes: dict[str, str]) -> list[dict]:
    seconds = fresh_process.medians(
        {what: partial(fresh_process.time_code, "-c", code) for what, code in codes.items()}
    )
    return [{"group": group, "what": what, "seconds": value} for what, value in seconds.items()]


def _first_fit() -> list[dict]:
    seconds, lines = zip(*[_fit_with_empty_cache() for _ in range(fresh_process.rounds())], strict=True)
    what = f"first fit, empty cache, without imports ({max(lines)} line printed)"
    return [{"group": "first", "what": what, "seconds": float(np.median(seconds))}]


def _fit_with_empty_cache() -> tuple[float, int]:
    """Return the seconds of the fit, and the number of lines that it printed."""
    with fresh_process.empty_cache() as folder:
        process = fresh_process.run_python("-c", TIMED_FIT, SEQCAST_CACHE_DIR=str(folder))
        return float(process.stdout), len(process.stderr.splitlines())


def _grid_search() -> list[dict]:
    with fresh_process.empty_cache() as folder:
        return [_run_search(which, folder) for which in ("empty cache", "second run")]


def _run_search(which: str, folder: Path) -> dict:
    # Warnings are ignored through the environment, because a filter in the code would not reach the workers.
    process = fresh_process.run_python("-c", GRID, SEQCAST_CACHE_DIR=str(folder), PYTHONWARNINGS="ignore")
    compiling = process.stderr.count("compiling")
    files = len(list(folder.glob("*.kernel")))
    what = f"grid search, {which}: {compiling} processes compiled, {files} kernels on disk"
    return {"group": "grid", "what": what, "seconds": float(process.stdout)}


def _interrupt() -> list[dict]:
    """Send Ctrl-C at different moments of an epoch, and return the slowest reaction."""
    codes = [INTERRUPTED.replace("SECONDS", f"{2 + 0.13 * k:.2f}") for k in range(fresh_process.rounds())]
    seconds = max(float(fresh_process.run_python("-c", code).stdout) for code in codes)
    return [{"group": "interrupt", "what": "Ctrl-C in a long fit, slowest reaction", "seconds": seconds}]


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    lines = [(row["what"], f"{row['seconds']:.2f}") for row in rows]
    differences = [
        ("`import seqcast` minus `import numpy`", _difference(rows, "import")),
        (f"import and fit minus `{BASE}`", _difference(rows, "later")),
    ]
    return lines + differences


def _difference(rows: list[dict], group: str) -> str:
    first, second = (row["seconds"] for row in rows if row["group"] == group)
    return f"{second - first:+.2f}"
