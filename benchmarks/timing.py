"""Measure times of contestants that alternate, so that slow phases of the machine affect all of them."""

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np

# Measuring time per contestant, in seconds.
SECONDS = 1.0
# Seconds of one turn, in which calls follow each other as they do in a fit.
TURN = 0.2
# Seconds before each turn. Threads of the previous contestant may spin this long (OpenBLAS spins longest).
PAUSE = 0.1


def interleaved_medians(contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of one call of each contestant, measured in alternating turns."""
    for call in contestants.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.disable()
    try:
        while any(sum(measured) < SECONDS or len(measured) < 5 for measured in times.values()):
            for name, call in contestants.items():
                times[name] += turn(call)
    finally:
        gc.enable()
    return {name: float(np.median(measured)) for name, measured in times.items()}


def turn(call: Callable[[], object]) -> list[float]:
    """Return the seconds of each call of one turn, which has at least one call."""
    time.sleep(PAUSE)
    call()
    begin, measured = time.perf_counter(), []
    while not measured or time.perf_counter() - begin < TURN:
        start = time.perf_counter()
        call()
        measured.append(time.perf_counter() - start)
    return measured
