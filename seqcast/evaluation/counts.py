"""Validation of parameters that are counts."""

from numbers import Integral
from typing import Any


def check_count(value: Any, name: str, owner: str, minimum: int = 1) -> int:
    """Return `value` as an int after checking that it is an integer of at least `minimum`.

    Parameters
    ----------
    value : object
        Value of the parameter.
    name : str
        Name of the parameter, for the error message.
    owner : str
        Function or class that has the parameter, for the error message.
    minimum : int, default=1
        Smallest allowed value.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `value` is not an integer, is a bool, or is less than `minimum`.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be an int of at least {minimum}. Got {value!r} instead."
        )
    return int(value)
