"""Launches of compiled kernels on the CPU, and reports of their mistakes."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.cuda import types
from numba.cuda.np import numpy_support

from .compilation import Program, compile_program
from .memory import DeviceArray, Memory
from .structures import GLOBAL, LOCAL, SEVERAL, SHARED, Launch, Range, Report

# Bytes of dynamic shared memory that need no permission.
DEFAULT_SHARED_LIMIT = 48 * 1024
# Largest number of reports of one launch.
MAX_REPORTS = 20
# Memories of a launch that are not arguments.
OWN_MEMORIES = "shared memory", "local memory", "the constants"
ORDERS: dict[str, Callable[[int, int], np.ndarray]] = {
    "ascending": lambda n, seed: np.arange(n),
    "descending": lambda n, seed: np.arange(n)[::-1].copy(),
    "shuffled": lambda n, seed: np.random.default_rng(seed).permutation(n),
}


class LaunchSize(NamedTuple):
    """Size of a launch; shared: bytes of dynamic shared memory."""

    grid: tuple[int, int, int]
    threads: int
    shared: int


class Emulator:
    """Runs launches one after the other, each with another order of threads and blocks."""

    def __init__(self) -> None:
        self._n_launches = self._interval = 0
        self._allowed: dict[Callable, int] = {}
        self._reports: dict[tuple, str] = {}

    def begin(self) -> None:
        """Start to count launches, which determine the orders, from zero."""
        self._n_launches = 0

    def allow(self, function: Callable, shared: int) -> None:
        """Allow a kernel a number of bytes of dynamic shared memory."""
        self._allowed[function] = shared

    def take_reports(self) -> list[str]:
        """Return the reports since the last call."""
        found = list(self._reports.values())
        self._reports = {}
        return found

    def launch(
        self, function: Callable, text: str, kinds: Sequence, values: Sequence, size: LaunchSize
    ) -> None:
        """Run the kernel of a function by its PTX; `kinds`: numba types of the arguments."""
        program = compile_program(text)
        name = function.__qualname__
        self._check(function, program, size)
        of_block = Memory(program.static_shared + size.shared)
        places = _list_ranges(function, values, of_block)
        number = self._n_launches
        order = list(ORDERS)[self._n_launches % len(ORDERS)]
        self._n_launches += 1
        orders = ORDERS[order](int(np.prod(size.grid)), number), ORDERS[order](size.threads, number)
        for report in self._run(program, list(places.values()), _to_slots(kinds, values), size.grid, orders):
            description = f"{name}: {_describe(report, places, program)}; launch {number}, {order}, {size}"
            self._reports.setdefault((function, report.what, report.line), description)

    def _check(self, function: Callable, program: Program, size: LaunchSize) -> None:
        """Raise the errors that the driver would report."""
        if size.threads > program.most_threads:
            raise RuntimeError(f"{function.__qualname__}: at most {program.most_threads} threads. Got {size}")
        if size.shared > self._allowed.get(function, DEFAULT_SHARED_LIMIT):
            raise RuntimeError(f"{function.__qualname__} has not asked for so much shared memory: {size}")

    def _run(
        self, program: Program, places: list[Range], slots: np.ndarray, grid: tuple, orders: tuple
    ) -> list[Report]:
        if slots.size != program.n_arguments:
            raise TypeError(f"{slots.size} numbers for {program.n_arguments} parameters")
        ranges = (Range * len(places))(*places)
        reports = (Report * MAX_REPORTS)()
        launch = Launch(
            ctypes.addressof(ranges),
            slots.ctypes.data,
            *(order.ctypes.data for order in orders),
            ctypes.addressof(reports),
            *(len(ranges), *(order.size for order in orders), 0, MAX_REPORTS),
            grid,
            self._interval,
        )
        program.run(ctypes.byref(launch))
        self._interval = launch.interval
        return reports[: launch.n_reports]


def _list_ranges(function: Callable, values: Sequence, of_block: Memory) -> dict[str, Range]:
    """Return all memory that a launch may access, by name."""
    own = of_block.range(SHARED), Range(space=LOCAL), Range(space=GLOBAL)
    named = zip(function.__code__.co_varnames[: len(values)], values, strict=True)
    arrays = {
        repr(name): value.memory.range(GLOBAL)
        for name, value in named
        if isinstance(value, DeviceArray) and value.memory
    }
    return dict(zip(OWN_MEMORIES, own, strict=True)) | arrays


def _to_slots(kinds: Sequence, values: Sequence) -> np.ndarray:
    """Return arguments as numba passes them, 64 bits for each number."""
    slots: list[int] = []
    for kind, value in zip(kinds, values, strict=True):
        slots += _list_array_fields(value) if isinstance(value, DeviceArray) else [_to_bits(kind, value)]
    return np.array(slots, np.uint64)


def _list_array_fields(array: DeviceArray) -> list[int]:
    """Return the fields of an array argument; the first two, for its owner, are 0."""
    return [0, 0, array.size, array.dtype.itemsize, array.numbers.ctypes.data, *array.shape, *array.strides]


def _to_bits(kind: types.Type, value: Any) -> int:
    if isinstance(kind, types.Array):
        raise TypeError("an array of the host is an argument of a kernel")
    return int.from_bytes(numpy_support.as_dtype(kind).type(value).tobytes(), "little")


def _describe(report: Report, places: dict[str, Range], program: Program) -> str:
    """Return the text of a report."""
    other = "several threads" if report.other == SEVERAL else f"thread {report.other}"
    what = report.what.decode().format(other + " of another block" * report.between_blocks)
    where = f" at byte {report.offset} of {list(places)[report.memory]}" if report.memory >= 0 else ""
    line = " ".join(program.lines[report.line - 1].rstrip(";").split())
    who = f"thread {report.thread} of block {report.block}"
    return f"{who} {what}{where}; line {report.line} of its PTX, {line}"
