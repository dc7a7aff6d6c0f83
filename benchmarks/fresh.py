"""Measurements that need a process of their own: imports, empty caches, peak memory."""

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


def checked(*arguments: str, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess:
    """Run a Python process from the top of the repository; what it printed, as text."""
    command, everything = [python, *arguments], os.environ | environment
    process = subprocess.run(command, cwd=TOP, env=everything, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{process.stderr}")
    return process


def answer(*arguments: str, **options: str):
    """What a Python process prints as JSON on its last line."""
    return json.loads(checked(*arguments, **options).stdout.splitlines()[-1])


def seconds_of(code: str) -> float:
    """Wall time of a Python process that runs `code`, the interpreter's own start included."""
    begin = time.perf_counter()
    checked("-c", code)
    return time.perf_counter() - begin


@contextmanager
def empty_cache() -> Iterator[Path]:
    """A folder for compiled kernels with nothing in it; pass it on as SEQCAST_CACHE_DIR."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def rounds() -> int:
    """How often a measurement that takes seconds is repeated: 5 times with the default `--seconds`."""
    return max(1, round(5 * timing.SECONDS))


def medians(contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Median of what each contestant says it took, over rounds in which all take turns."""
    measured = [{name: call() for name, call in contestants.items()} for _ in range(rounds())]
    return {name: float(np.median([one[name] for one in measured])) for name in contestants}
