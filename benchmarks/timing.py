"""Fair timing: the contestants take turns, so that a slow moment of the machine meets all of them."""

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np

SECONDS = 1.0  # measured for each contestant
TURN = 0.2  # seconds of one turn: calls that follow each other, as they do in a fit
PAUSE = 0.1  # seconds before each turn: so long may threads of the one before spin, OpenBLAS's longest of all


def interleaved_medians(contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of one call of each contestant, measured in turns."""
    for call in contestants.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.disable()
    try:
        while any(sum(measured) < SECONDS or len(measured) < 5 for measured in times.values()):
            for name, call in contestants.items():
                times[name] += _turn(call)
    finally:
        gc.enable()
    return {name: float(np.median(measured)) for name, measured in times.items()}


def _turn(call: Callable[[], object]) -> list[float]:
    """Seconds of single calls; at least one, however long."""
    time.sleep(PAUSE)
    call()
    begin, measured = time.perf_counter(), []
    while not measured or time.perf_counter() - begin < TURN:
        start = time.perf_counter()
        call()
        measured.append(time.perf_counter() - start)
    return measured
