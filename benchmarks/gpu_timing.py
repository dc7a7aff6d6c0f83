"""Fair timing on a GPU: in turns as in `timing`, by events on each contestant's stream, and by the clock."""

import gc
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import timing

ROUNDS = 5  # turns of each contestant, ...
LONG = 0.1  # ... three where one takes longer than these seconds
TRIAL = 3  # calls that tell how many fill a turn
TURN = 0.02  # seconds of one turn with the default `--seconds`


class Stream(Protocol):
    def mark(self) -> Any:
        """A point behind all that was put on the stream."""

    def seconds(self, first: Any, last: Any) -> float:
        """From one mark to another, once the stream has come there."""


class HostStream:
    """Where a call returns when its work is done: the simulator, PyTorch without a GPU."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, first: float, last: float) -> float:
        return last - first


@dataclass(frozen=True)
class Contestant:
    """
    Parameters
    ----------
    call : callable
        Puts work on the stream; need not wait for it.
    stream : Stream
    turn : callable
        Returns what surrounds a turn, and is not measured.
    most : int
        Calls in a turn.
    parts : int
        Of the work in one call: times are those of a part.
    """

    call: Callable[[], object]
    stream: Stream
    turn: Callable[[], AbstractContextManager] = nullcontext
    most: int = 1000
    parts: int = 1


def measure(contestants: Mapping[str, Contestant]) -> dict[str, dict[str, float]]:
    """Of each contestant the seconds of one part of its work, as medians over turns.

    ``device`` between events on the stream; ``wall`` by the clock, until all is done; ``host`` until all is
    launched. ``spread``: slowest less quickest turn, over the median, by events. ``calls``: in a turn.
    """
    calls = {name: _calls(contestant) for name, contestant in contestants.items()}
    turns: dict[str, list[np.ndarray]] = {name: [] for name in contestants}
    gc.disable()
    try:
        for number in range(ROUNDS):
            for name, contestant in contestants.items():
                if number < 3 or turns[name][0][1] < LONG:
                    turns[name].append(_turn(contestant, calls[name]))
    finally:
        gc.enable()
    return {name: _summary(turns[name], calls[name], one.parts) for name, one in contestants.items()}


def _calls(contestant: Contestant) -> int:
    """As many as fill a turn, found after a first call that may still choose and allocate."""
    _turn(contestant, 1)
    n = min(TRIAL, contestant.most)
    _, wall, _ = _turn(contestant, n)
    return int(np.clip(n * TURN * timing.SECONDS / wall, 1, contestant.most))


def _turn(contestant: Contestant, n: int) -> np.ndarray:
    """Seconds of `n` calls: by events, by the clock, and until the last was launched."""
    stream, call = contestant.stream, contestant.call
    with contestant.turn():
        begin, first = time.perf_counter(), stream.mark()
        for _ in range(n):
            call()
        launched, last = time.perf_counter(), stream.mark()
        device = stream.seconds(first, last)
        return np.array([device, time.perf_counter() - begin, launched - begin])


def _summary(turns: list[np.ndarray], calls: int, parts: int) -> dict[str, float]:
    device, wall, host = (float(seconds) for seconds in np.median(turns, axis=0) / (calls * parts))
    spread = float(np.ptp([turn[0] for turn in turns]) / np.median([turn[0] for turn in turns]))
    return {"device": device, "wall": wall, "host": host, "spread": spread, "calls": calls}
