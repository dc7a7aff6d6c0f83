"""Conversion and validation of the arguments of metrics."""

from typing import Any

import numpy as np
import pandas as pd


def select_observed(owner: str, y: Any, **forecasts: Any) -> list[np.ndarray]:
    """Return truth and forecasts where the truth is known.

    Parameters
    ----------
    owner : str
        Name of the metric, for error messages.
    y : array-like, Series or DataFrame
        Truth.
    **forecasts : array-like, Series or DataFrame of the shape of `y`
        Forecasts, by the name of their parameter.

    Returns
    -------
    list of ndarray, shape (n_observed,)
        The truth, then the forecasts.
    """
    truth = to_floats(y, "y", owner)
    arrays = [truth]
    for name, forecast in forecasts.items():
        _check_labels(y, forecast, name, owner)
        arrays.append(to_floats(forecast, name, owner))
        if arrays[-1].shape != truth.shape:
            raise ValueError(
                f"The 'y' and {name!r} parameters of {owner} must have the same shape. "
                f"Got {np.shape(y)} and {np.shape(forecast)} instead."
            )
    known = _find_observed(truth, owner)
    return [array[known] for array in arrays]


def select_observed_members(
    owner: str, y: Any, y_hat: Any, kind: str, count: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and forecasts of several members where the truth is known.

    Parameters
    ----------
    owner : str
        Name of the metric, for error messages.
    y : array-like, Series or DataFrame
        Truth.
    y_hat : array-like, Series or DataFrame
        Forecasts, with one more axis than `y` for the members. A single member needs no axis.
    kind : str
        What the members are, for error messages.
    count : int, optional
        Required number of members.

    Returns
    -------
    truth : ndarray, shape (n_observed, 1)
    members : ndarray, shape (n_observed, n_members)
    """
    truth = to_floats(y, "y", owner)
    members = to_floats(y_hat, "y_hat", owner)
    # The name of a single column is not compared with the labels of the members.
    series = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and truth.ndim == 1 else y
    _check_labels(series, y_hat, "y_hat", owner)
    if members.shape == truth.shape:
        members = members[..., np.newaxis]
    if members.shape[:-1] != truth.shape or count not in (None, members.shape[-1]):
        shape = ", ".join(str(size) for size in (*truth.shape, "m" if count is None else count))
        raise ValueError(
            f"The 'y_hat' parameter of {owner} must have the shape of 'y' and one more axis for the {kind}: "
            f"({shape}). Got {np.shape(y_hat)} instead."
        )
    known = _find_observed(truth, owner)
    return truth[known][:, np.newaxis], members[known]


def to_floats(values: Any, name: str, owner: str) -> np.ndarray:
    """Return values as an array of float64, of shape (n,) if they have shape (n, 1)."""
    if isinstance(values, pd.Series | pd.DataFrame):
        values = values.to_numpy(dtype=np.float64, na_value=np.nan)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold at least one value, in shape (n,) or (n, k). "
            f"Got shape {array.shape} instead."
        )
    return array[:, 0] if array.ndim > 1 and array.shape[1] == 1 else array


def _find_observed(truth: np.ndarray, owner: str) -> np.ndarray:
    """Return a mask of the observed elements, of which there must be one."""
    known = ~np.isnan(truth)
    if not known.any():
        raise ValueError(
            f"The 'y' parameter of {owner} must hold at least one observed value. "
            f"Got {truth.size} values, all of them NaN, instead."
        )
    return known


def _check_labels(y: Any, forecast: Any, name: str, owner: str) -> None:
    """Check that pandas objects have equal labels.

    Elements are compared by position, which would give a wrong error for rows of different times.
    """
    axes = zip(getattr(y, "axes", ()), getattr(forecast, "axes", ()), strict=False)
    for kind, (one, other) in zip(("index", "columns"), axes, strict=False):
        if len(one) == len(other) and not (one == other).all():
            position = int(np.argmin(one == other))
            raise ValueError(
                f"The 'y' and {name!r} parameters of {owner} must have the same {kind}. Got {one[position]} "
                f"and {other[position]} at position {position} instead. Align them with "
                f"{name}.reindex_like(y), or pass arrays."
            )
