"""Run measurements in new Python processes: import times, empty caches, peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import timing

TOP = Path(__file__).parents[1]


def run_python(
    *arguments: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess:
    """Run a Python process in the root of the repository, and return it with its output as text."""
    command = [python, *arguments]
    environment = os.environ | environment
    process = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{process.stderr}")
    return process


def run_python_for_json(*arguments: str, **options: str):
    """Run a Python process, and return the JSON value that it prints on its last line."""
    return json.loads(run_python(*arguments, **options).stdout.splitlines()[-1])


def time_code(*arguments: str, **options: str) -> float:
    """Return the wall time in seconds of a Python process, including its startup; see `run_python`."""
    begin = time.perf_counter()
    run_python(*arguments, **options)
    return time.perf_counter() - begin


@contextmanager
def empty_cache() -> Iterator[Path]:
    """Create an empty folder for compiled kernels, to be passed as SEQCAST_CACHE_DIR."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def rounds() -> int:
    """Return the number of repetitions of a slow measurement: 5 with the default `--seconds`."""
    return max(1, round(5 * timing.SECONDS))


def medians(contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of the seconds that each contestant reports, over rounds in which they alternate."""
    measured = [{name: call() for name, call in contestants.items()} for _ in range(rounds())]
    return {name: float(np.median([one[name] for one in measured])) for name in contestants}
