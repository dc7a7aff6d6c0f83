"""Compare fitting and forecasting of a whole forecaster with other forecasting libraries.

Each library runs in a separate process and environment. The environment variables below hold the path of
the Python of each environment, and of the file ETTh1.csv of the ETT data set
(https://github.com/zhouhaoyi/ETDataset).
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from . import fresh_process, timing
from .formatting import MISSING, milliseconds, ratio

DATA = "SEQCAST_BENCH_ETT"
PYTHONS = {
    "seqcast": None,  # the Python that runs this file
    "neuralforecast": "SEQCAST_BENCH_NEURALFORECAST",
    "darts": "SEQCAST_BENCH_DARTS",
}
TASK = {"window": 168, "horizon": 24, "batch": 128, "hidden": 64, "epochs": 5}
STEPS, WARM_STEPS = 500, 10

TITLE = "Complete fits and forecasts"
TEXT = (
    f"A GRU of {TASK['hidden']} units on the hourly oil temperature of ETTh1, with window "
    f"{TASK['window']} and horizon {TASK['horizon']}: a fit of {STEPS} updates with batches of "
    f"{TASK['batch']} windows, and the forecast after the last row. Each library runs in a separate "
    f"environment and process, one after the other. A first fit of {WARM_STEPS} updates and a first "
    "forecast are not counted. Times are medians over rounds, with 20 forecasts in each. All libraries "
    "use their default number of threads, which is given. Ratios are the time of a library divided by "
    "the time of seqcast."
)
COLUMNS = ("library", "threads", "fit, s", "forecast, ms", "fit / seqcast", "forecast / seqcast", "versions")


def run() -> list[dict]:
    if DATA not in os.environ:
        return [{"library": name, "missing": f"{DATA} not set"} for name in PYTHONS]
    pythons = {name: _python(name) for name in PYTHONS}
    found = [name for name, python in pythons.items() if python]
    rounds = [{name: _measure(name, pythons[name]) for name in found} for _ in range(_rounds())]
    rows = [_medians(name, [one[name] for one in rounds]) for name in found]
    rows += [{"library": name, "missing": MISSING} for name, python in pythons.items() if not python]
    print(*rows, sep="\n", flush=True)
    return rows


def _rounds() -> int:
    return max(1, round(3 * min(1, timing.SECONDS)))


def _python(name: str) -> str | None:
    variable = PYTHONS[name]
    return sys.executable if variable is None else os.environ.get(variable)


def _measure(name: str, python: str) -> dict:
    script = Path(__file__).parent / "peers" / f"{name}_gru.py"
    # seqcast may not be installed, so its sources are added to the path
    paths = {"PYTHONPATH": str(fresh_process.TOP)} if name == "seqcast" else {}
    return fresh_process.run_python_for_json(str(script), json.dumps(_task()), python=python, **paths)


def _task() -> dict:
    """Return the sizes, with numbers of rows that give full batches. `--seconds` below 1 reduces them."""
    per_epoch = max(1, round(STEPS * min(1, timing.SECONDS) / TASK["epochs"]))
    sizes = {"steps": TASK["epochs"] * per_epoch, "rows": _rows(per_epoch)}
    warm = {"warm_steps": WARM_STEPS, "warm_rows": _rows(WARM_STEPS)}
    return TASK | sizes | warm | {"csv": os.path.abspath(os.environ[DATA])}


def _rows(batches: int) -> int:
    """Return the length of a series that has `batches` full batches of windows."""
    return batches * TASK["batch"] + TASK["window"] + TASK["horizon"] - 1


def _medians(name: str, answers: list[dict]) -> dict:
    seconds = {what: float(np.median([one[what] for one in answers])) for what in ("fit", "predict")}
    return {"library": name, "threads": answers[0]["threads"], "versions": answers[0]["versions"], **seconds}


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    first = rows[0]
    return [_missing(row) if "missing" in row else _line(row, first) for row in rows]


def _missing(row: dict) -> tuple[str, ...]:
    return (row["library"], row["missing"], *[""] * (len(COLUMNS) - 2))


def _line(row: dict, first: dict) -> tuple[str, ...]:
    ratios = ("", "") if row is first else (ratio(row[what], first[what]) for what in ("fit", "predict"))
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    return (
        row["library"],
        str(row["threads"]),
        f"{row['fit']:.2f}",
        milliseconds(row["predict"]),
        *ratios,
        versions,
    )
