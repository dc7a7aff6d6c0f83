"""What every metric takes: truth and forecasts of the same times, numbers all."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd


def observed(owner: str, y: Any, **forecasts: Any) -> list[np.ndarray]:
    """Truth and forecasts of its shape, all of shape (n_observed,), where the truth is known."""
    truth = floats(y, "y", owner)
    arrays = [truth]
    for name, forecast in forecasts.items():
        _check_labels(y, forecast, name, owner)
        arrays.append(floats(forecast, name, owner))
        if arrays[-1].shape != truth.shape:
            raise ValueError(
                f"The 'y' and {name!r} parameters of {owner} must have one shape. "
                f"Got {np.shape(y)} and {np.shape(forecast)} instead."
            )
    known = _known(truth, owner)
    return [array[known] for array in arrays]


def observed_members(
    owner: str, y: Any, y_hat: Any, kind: str, count: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Truth (n_observed, 1) and forecasts (n_observed, m) of several members, where the truth is known.

    `count` is the number of members, where it is settled; one member needs no axis. `kind` says in messages
    what they are.
    """
    truth, members = floats(y, "y", owner), floats(y_hat, "y_hat", owner)
    # The column of a single series has no counterpart among the members: its name is not compared.
    series = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and truth.ndim == 1 else y
    _check_labels(series, y_hat, "y_hat", owner)
    if members.shape == truth.shape:
        members = members[..., np.newaxis]
    if members.shape[:-1] != truth.shape or count not in (None, members.shape[-1]):
        shape = ", ".join(str(size) for size in (*truth.shape, "m" if count is None else count))
        raise ValueError(
            f"The 'y_hat' parameter of {owner} must have the shape of 'y' and one axis more for the {kind}: "
            f"({shape}). Got {np.shape(y_hat)} instead."
        )
    known = _known(truth, owner)
    return truth[known][:, np.newaxis], members[known]


def _known(truth: np.ndarray, owner: str) -> np.ndarray:
    known = ~np.isnan(truth)
    if not known.any():
        raise ValueError(
            f"The 'y' parameter of {owner} must hold at least one observed value. "
            f"Got {truth.size} values, all of them NaN, instead."
        )
    return known


def _check_labels(y: Any, forecast: Any, name: str, owner: str) -> None:
    # Compared by position, rows of other times would give a number, and a wrong one.
    axes = zip(getattr(y, "axes", ()), getattr(forecast, "axes", ()), strict=False)
    for kind, (one, other) in zip(("index", "columns"), axes, strict=False):
        if len(one) == len(other) and not (one == other).all():
            place = int(np.argmin(one == other))
            raise ValueError(
                f"The 'y' and {name!r} parameters of {owner} must have the same {kind}. Got {one[place]} and "
                f"{other[place]} at position {place} instead. Align them with {name}.reindex_like(y), or "
                f"pass arrays."
            )


def floats(values: Any, name: str, owner: str) -> np.ndarray:
    """Float64 of the shape that came, but (n,) instead of (n, 1)."""
    if isinstance(values, pd.Series | pd.DataFrame):
        values = values.to_numpy(dtype=np.float64, na_value=np.nan)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold one value or more in shape (n,) or (n, k). "
            f"Got shape {array.shape} instead."
        )
    return array[:, 0] if array.ndim > 1 and array.shape[1] == 1 else array


def positive(value: int, name: str, owner: str) -> int:
    """A count that is one."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be an int of at least 1. Got {value!r} instead."
        )
    return int(value)
