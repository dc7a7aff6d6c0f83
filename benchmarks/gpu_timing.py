"""Timing on a GPU: contestants take turns, timed by events on their streams and by the clock."""

import gc
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import timing

# Turns of each contestant; three if a turn is long.
ROUNDS = 5
# Seconds of a long turn.
LONG_TURN = 0.1
# Number of calls from which the calls of a turn are computed.
TRIAL_CALLS = 3
# Seconds of one turn with the default `--seconds`.
TURN_SECONDS = 0.02


class Stream(Protocol):
    """Marks and times on a stream."""

    def mark(self) -> Any:
        """Return a mark behind all work on the stream."""

    def seconds(self, first: Any, last: Any) -> float:
        """Return the seconds from one mark to another; waits for the second."""


class HostStream:
    """A stream whose calls return when their work is done: the simulator, or PyTorch without a GPU."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, first: float, last: float) -> float:
        return last - first


@dataclass(frozen=True)
class Contestant:
    """A call to be timed.

    Parameters
    ----------
    call : callable
        Puts work on the stream; need not wait for it.
    stream : Stream
    turn : callable
        Returns a context manager around each turn, whose own time is not measured.
    most : int
        Largest number of calls in a turn.
    parts : int
        Number of parts of the work in one call; times are those of one part.
    """

    call: Callable[[], object]
    stream: Stream
    turn: Callable[[], AbstractContextManager] = nullcontext
    most: int = 1000
    parts: int = 1


def measure(contestants: Mapping[str, Contestant]) -> dict[str, dict[str, float]]:
    """Return the seconds of one part of the work of each contestant, as medians over turns.

    ``device``: between events on the stream. ``wall``: by the clock, until all work is done. ``host``: until
    all work is launched. ``spread``: difference of the slowest and the fastest turn by events, divided by the
    median. ``calls``: number of calls in a turn.
    """
    calls = {name: _count_calls(contestant) for name, contestant in contestants.items()}
    turns: dict[str, list[np.ndarray]] = {name: [] for name in contestants}
    gc.disable()
    try:
        for number in range(ROUNDS):
            for name, contestant in contestants.items():
                if number < 3 or turns[name][0][1] < LONG_TURN:
                    turns[name].append(_time_turn(contestant, calls[name]))
    finally:
        gc.enable()
    return {name: _summarize(turns[name], calls[name], one.parts) for name, one in contestants.items()}


def _count_calls(contestant: Contestant) -> int:
    """Return how many calls fill a turn, measured after a first call, which may still allocate."""
    _time_turn(contestant, 1)
    n = min(TRIAL_CALLS, contestant.most)
    _, wall, _ = _time_turn(contestant, n)
    return int(np.clip(n * TURN_SECONDS * timing.SECONDS / wall, 1, contestant.most))


def _time_turn(contestant: Contestant, n: int) -> np.ndarray:
    """Return the seconds of `n` calls: by events, by the clock, and until the last one was launched."""
    stream = contestant.stream
    call = contestant.call
    with contestant.turn():
        begin = time.perf_counter()
        first = stream.mark()
        for _ in range(n):
            call()
        launched = time.perf_counter()
        last = stream.mark()
        device = stream.seconds(first, last)
        return np.array([device, time.perf_counter() - begin, launched - begin])


def _summarize(turns: list[np.ndarray], calls: int, parts: int) -> dict[str, float]:
    device, wall, host = (float(seconds) for seconds in np.median(turns, axis=0) / (calls * parts))
    spread = float(np.ptp([turn[0] for turn in turns]) / np.median([turn[0] for turn in turns]))
    return {"device": device, "wall": wall, "host": host, "spread": spread, "calls": calls}
