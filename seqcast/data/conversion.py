"""Conversion of data of other libraries to pandas and NumPy, once, where the data enter seqcast.

Frames and series of Polars, PyArrow and Modin become those of pandas. Arrays in the memory of a GPU become
arrays of NumPy. All other modules of this package rely on it: they see pandas, NumPy and plain Python objects
only.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

# The libraries whose frames and series are read with narwhals, by the root of their modules' names.
NARWHALS_LIBRARIES = ("modin", "polars", "pyarrow")
# Those of them whose frames have no index.
UNINDEXED_LIBRARIES = ("polars", "pyarrow")


def convert_input(data: Any) -> Any:
    """Convert data of other libraries to objects of pandas or NumPy.

    Parameters
    ----------
    data : any

    Returns
    -------
    any
        A frame or series of Polars, PyArrow or Modin as one of pandas. An array on a GPU as one of NumPy. Any
        other object is returned as it is. The names and the kinds of columns stay: dates become timestamps,
        time zones are kept, enumerations become ordered categories. Missing entries become NaN, NaT or, among
        booleans, NA. Lazy frames are collected.

    Raises
    ------
    ImportError
        If narwhals, which reads all of these libraries, is not installed.
    """
    if is_on_gpu(data):
        return to_host(data)
    if _library(data) not in NARWHALS_LIBRARIES:
        return data
    nw = _import_narwhals(data)
    read = nw.from_native(data, pass_through=True, allow_series=True)
    if isinstance(read, nw.LazyFrame):
        read = read.collect()
    if isinstance(read, nw.Series):
        return _to_pandas(read, nw).rename(read.name or None)
    return _to_pandas(read, nw) if isinstance(read, nw.DataFrame) else data


def has_index(data: Any) -> bool:
    """Return whether `data` comes from a library whose frames have an index."""
    return _library(data) not in UNINDEXED_LIBRARIES


def is_on_gpu(x: object) -> bool:
    """Return whether `x` is an array in the memory of a GPU, of any library."""
    return hasattr(x, "__cuda_array_interface__")


def to_host(x: Any) -> np.ndarray:
    """Return an array as one of NumPy: a copy if `x` lies on a GPU (CuPy, PyTorch, numba)."""
    if not is_on_gpu(x):
        return np.asarray(x)
    # Imported here because it loads the CUDA driver.
    from ..kernels.cuda.driver import view_device_array

    return view_device_array(x).copy_to_host()


def _library(data: Any) -> str:
    return type(data).__module__.partition(".")[0]


def _import_narwhals(data: Any) -> ModuleType:
    try:
        import narwhals.stable.v2 as nw
    except ImportError as error:
        raise ImportError(
            f"A {type(data).__name__} of {_library(data)} is read with narwhals, which comes with "
            f"scikit-learn 1.9: run `pip install narwhals`, or convert it with .to_pandas()."
        ) from error
    return nw


def _to_pandas(data: Any, nw: Any) -> Any:
    """Convert a frame or a series of narwhals by columns, since Polars' own conversion needs PyArrow."""
    if data.implementation.is_pandas_like():
        return data.to_pandas()
    if isinstance(data, nw.Series):
        return pd.Series(_to_pandas_values(data, nw))
    columns = {name: _to_pandas_values(data[name], nw) for name in data.columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(data)))


def _to_pandas_values(column: Any, nw: Any) -> Any:
    """Return values from which pandas makes a column of the same dtype."""
    dtype = column.dtype
    if isinstance(dtype, nw.Enum | nw.Categorical):
        # As text, since narwhals 2.29 takes a missing entry of PyArrow's dictionaries for the last category.
        order = list(dtype.categories) if isinstance(dtype, nw.Enum) else None
        text = column.cast(nw.String).to_numpy()
        return pd.Categorical(text, categories=order, ordered=order is not None)
    values = column.to_numpy()
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(dtype.time_zone)
    if isinstance(dtype, nw.Boolean) and values.dtype.kind == "O":
        return pd.array(values, dtype="boolean")
    if isinstance(dtype, nw.Unknown) and column.null_count() == len(column):
        return np.full(len(column), np.nan)
    return values
