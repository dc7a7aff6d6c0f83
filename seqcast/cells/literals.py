"""Detection of literal numbers in a cell's functions, which would promote its float32 loops to float64.

numba computes ``1 - z`` and ``0.5 * z`` in float64 for any type of ``z``. The results are correct, but the
loops are slower, which is easily overlooked. Floats are detected among the constants of a function and of the
objects that it uses. Integers among these constants may be indices or exponents, which are harmless. Other
integers are detected by a call of the function with numbers that raise an error when they are combined with
an integer.
"""

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from .contract import Cell


def check_literals(cell: Cell, name: str, *arguments: Any) -> None:
    """Check that the function `name` of `cell`, called with `arguments`, computes without literal numbers."""
    function = getattr(cell, name)
    if found := [*_floats(function, set()), *_integers(function, arguments)]:
        raise ValueError(
            f"'{name}' of cell {cell.name!r} must not compute with literal numbers, which turn its float32 "
            f"loops into float64. Got {found[0]}. Write it with the arguments alone: n + z * (h - n) for "
            f"(1 - z) * n + z * h, x + x for 2 * x, 0 or x - x for 0.0."
        )


def _floats(value: Any, seen: set[int]) -> Iterator[float]:
    """Yield the floats in a function, in the helpers that it calls, and under the names that either uses."""
    # A helper may be compiled by numba.
    value = getattr(value, "py_func", value)
    if isinstance(value, float):
        yield value
    elif isinstance(value, FunctionType | tuple) and id(value) not in seen:
        # Helpers may call each other.
        seen.add(id(value))
        for part in value if isinstance(value, tuple) else _find_named(value):
            yield from _floats(part, seen)


def _find_named(function: FunctionType) -> tuple:
    """Return a function's constants, and the values that it uses of its closure and its module."""
    names = inspect.getclosurevars(function)
    return (*function.__code__.co_consts, *names.nonlocals.values(), *names.globals.values())


def _integers(function: Callable, arguments: tuple) -> Iterator[int]:
    """Yield the first integer that `function` computes with, if there is one."""
    try:
        function(*map(_watch, arguments))
    except _IntegerFoundError as found:
        yield found.args[0]


def _watch(argument: Any) -> Any:
    """Return the argument with its numbers, or the results of a function, replaced by `_Watched` numbers."""
    if callable(argument):
        return lambda x: _Watched(argument(x))
    return _Watched(argument) if isinstance(argument, float | int) else tuple(map(_Watched, argument))


class _IntegerFoundError(Exception):
    """Raised at an operation of a `_Watched` number with an integer, which is its argument."""


class _Watched(float):
    """A float whose arithmetic returns `_Watched` numbers and raises an error for integers."""


def _make_method(name: str, integers: bool) -> Callable:
    operation = getattr(float, name)

    def method(self, *others):
        for other in others:
            # bool is allowed: numba keeps float32 there.
            if type(other) is int and not integers:
                raise _IntegerFoundError(other)
        result = operation(self, *others)
        return result if result is NotImplemented else _Watched(result)

    return method


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod")
for _name in (*_BINARY, *(f"r{name}" for name in _BINARY), "rpow"):
    setattr(_Watched, f"__{_name}__", _make_method(f"__{_name}__", integers=False))
# An integer exponent is a few products.
for _name in ("neg", "pos", "abs", "pow"):
    setattr(_Watched, f"__{_name}__", _make_method(f"__{_name}__", integers=True))
