"""Literal numbers in a cell's functions, which would make its float32 loops compute in float64.

``1 - z`` and ``0.5 * z`` are float64 to numba whatever ``z`` is: the results stay right and only the speed is
lost, so nobody would notice. Floats are looked for where Python keeps them, among the constants of
a function and of what it names. Integers stand there too as indices and exponents, which do no harm; they
are caught in the act, by numbers that do not let themselves be combined with one.
"""

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from .contract import Cell


def check_literals(cell: Cell, name: str, *arguments: Any) -> None:
    """Refuse literal numbers in the function `name` of `cell`; it is called with `arguments`."""
    function = getattr(cell, name)
    if found := [*_floats(function, set()), *_integers(function, arguments)]:
        raise ValueError(
            f"'{name}' of cell {cell.name!r} must not compute with literal numbers, which turn its float32 "
            f"loops into float64. Got {found[0]}. Write it with the arguments alone: n + z * (h - n) for "
            f"(1 - z) * n + z * h, x + x for 2 * x, 0 or x - x for 0.0."
        )


def _floats(value: Any, seen: set[int]) -> Iterator[float]:
    """Floats that stand in a function, in a helper that it calls, or under a name that either uses."""
    value = getattr(value, "py_func", value)  # a helper that numba has compiled
    if isinstance(value, float):
        yield value
    elif isinstance(value, FunctionType | tuple) and id(value) not in seen:
        seen.add(id(value))  # helpers may call each other
        for part in value if isinstance(value, tuple) else _named_in(value):
            yield from _floats(part, seen)


def _named_in(function: FunctionType) -> tuple:
    """A function's constants, and what it takes from its closure and its module."""
    names = inspect.getclosurevars(function)
    return (*function.__code__.co_consts, *names.nonlocals.values(), *names.globals.values())


def _integers(function: Callable, arguments: tuple) -> Iterator[int]:
    """The first integer that `function` computes with, if there is one."""
    try:
        function(*map(_watched, arguments))
    except _IntegerMetError as met:
        yield met.args[0]


def _watched(argument: Any) -> Any:
    """A number, several, or a function's results, as numbers that watch what they are combined with."""
    if callable(argument):
        return lambda x: _Watched(argument(x))
    return _Watched(argument) if isinstance(argument, float | int) else tuple(map(_Watched, argument))


class _IntegerMetError(Exception):
    """Carries the integer that a `_Watched` number was combined with."""


class _Watched(float):
    """A float whose arithmetic gives others of its kind, and stops at an integer."""


def _watching(name: str, integers: bool) -> Callable:
    operation = getattr(float, name)

    def method(self, *others):
        for other in others:
            if type(other) is int and not integers:  # not bool: numba keeps float32 there
                raise _IntegerMetError(other)
        result = operation(self, *others)
        return result if result is NotImplemented else _Watched(result)

    return method


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod")
for _name in (*_BINARY, *(f"r{name}" for name in _BINARY), "rpow"):
    setattr(_Watched, f"__{_name}__", _watching(f"__{_name}__", integers=False))
for _name in ("neg", "pos", "abs", "pow"):  # an integer exponent is a few products
    setattr(_Watched, f"__{_name}__", _watching(f"__{_name}__", integers=True))
