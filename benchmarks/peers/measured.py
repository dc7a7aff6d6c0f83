"""What every script in this folder does: fit twice, predict, and print the seconds as JSON.

The scripts run alone, each in an environment of its library, and import nothing but this file.
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
    """The task from the command line: CSV file, its columns, sizes, and numbers of rows."""
    return json.loads(sys.argv[1])


def measure(fit: Callable, predict: Callable, n_threads: int, *packages: str) -> None:
    """Print seconds of a second fit, and the median of predictions after a first one.

    Parameters
    ----------
    fit : callable
        ``fit(series, epochs, steps) -> model``: so many epochs, which are so many updates.
    predict : callable
        ``predict(model)``: the forecast of the horizon after the last row.
    n_threads : int
        How many threads the library uses.
    packages : str
        Whose versions are told.
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
        except PackageNotFoundError:  # runs from its sources
            found[package] = __import__(package).__version__
    return found
