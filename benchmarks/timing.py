"""Fair timing: the contestants take turns, so that a slow moment of the machine meets all of them."""

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np

WARM_UP = 3
SECONDS = 1.0  # measured for each contestant


def interleaved_medians(contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of one call of each contestant, measured in turns."""
    for call in contestants.values():
        for _ in range(WARM_UP):
            call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.disable()
    try:
        while sum(map(sum, times.values())) < SECONDS * len(contestants) or min(map(len, times.values())) < 5:
            for name, call in contestants.items():
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return {name: float(np.median(measured)) for name, measured in times.items()}
