"""Fit twice, predict, and print the seconds as JSON, for all scripts in this folder.

Each script runs in an environment of its library, and imports no other file of this repository.
"""

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

PREDICTIONS = 20


def job() -> dict:
    """Return the task given on the command line: CSV file, sizes, and numbers of rows."""
    return json.loads(sys.argv[1])


def measure(fit: Callable, predict: Callable, n_threads: int, *packages: str) -> None:
    """Print the seconds of a second fit, and the median seconds of predictions after a first one.

    Parameters
    ----------
    fit : callable
        ``fit(series, epochs, steps) -> model``; `steps` is the number of updates in all epochs.
    predict : callable
        ``predict(model)``: the forecast of the horizon after the last row.
    n_threads : int
        Number of threads that the library uses.
    packages : str
        Packages whose versions are reported.
    """
    warnings.simplefilter("ignore")
    task = job()
    series = pd.read_csv(task["csv"], parse_dates=["date"]).set_index("date")["OT"]
    fit(series[: task["warm_rows"]], 1, task["warm_steps"])
    fitted, model = _timed(lambda: fit(series[: task["rows"]], task["epochs"], task["steps"]))
    predict(model)
    predicted = statistics.median(_timed(lambda: predict(model))[0] for _ in range(PREDICTIONS))
    answer = {"fit": fitted, "predict": predicted, "threads": n_threads, "versions": _versions(packages)}
    print(json.dumps(answer))


def _timed(call: Callable) -> tuple[float, object]:
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # the package runs from its sources
            found[package] = __import__(package).__version__
    return found
