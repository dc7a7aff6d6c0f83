"""Arrays of the device in the host's memory, far apart, each with a record of its accesses."""

import ctypes
import mmap
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba.cuda import types
from numba.cuda.np import numpy_support

from .structures import Range, Word

# Unused bytes on both sides. The system allocates memory only when it is accessed.
GUARD = 1 << 24


class Memory:
    """A block of bytes between guard regions, with an access record for every four bytes."""

    def __init__(self, size: int):
        self.bytes = np.frombuffer(mmap.mmap(-1, GUARD + size + GUARD), np.uint8)[GUARD : GUARD + size]
        self._words = np.frombuffer(mmap.mmap(-1, (size // 4 + 1) * ctypes.sizeof(Word)), np.uint8)

    def range(self, space: int) -> Range:
        return Range(self.bytes.ctypes.data, self.bytes.size, self._words.ctypes.data, space)


class DeviceArray:
    """The used part of the interface of numba's device arrays."""

    def __init__(self, numbers: np.ndarray, memory: Memory | None = None):
        self.numbers = numbers
        self.memory = memory
        self.dtype = numbers.dtype
        self.shape = numbers.shape
        self.strides = numbers.strides
        self.size = numbers.size
        self.nbytes = numbers.nbytes

    @property
    def _numba_type_(self) -> types.Array:
        return types.Array(numpy_support.from_dtype(self.dtype), len(self.shape), "C")

    @property
    def __cuda_array_interface__(self) -> dict:
        return self.numbers.__array_interface__

    def __getitem__(self, part: Any) -> "DeviceArray":
        return DeviceArray(self.numbers[part], self.memory)

    def copy_to_device(self, source: Any, stream: Any = None) -> None:
        self.numbers[...] = source.numbers if isinstance(source, DeviceArray) else source

    def copy_to_host(self, stream: Any = None) -> np.ndarray:
        return self.numbers.copy()


def device_array(shape: Any, dtype: Any, stream: Any = None) -> DeviceArray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = Memory(size)
    # NaN for all floats.
    memory.bytes[:] = 0xFF
    return DeviceArray(memory.bytes.view(dtype).reshape(shape), memory)


def to_device(array: np.ndarray, stream: Any = None) -> DeviceArray:
    result = device_array(array.shape, array.dtype)
    result.copy_to_device(array)
    return result


def clear(array: DeviceArray, value: int, size: int, stream: Any = None) -> None:
    array.numbers.reshape(-1).view(np.uint8)[:size] = value


def as_cuda_array(array: Any) -> DeviceArray:
    """Return a view of an array of any library."""
    there = SimpleNamespace(__array_interface__=array.__cuda_array_interface__, base=array)
    return DeviceArray(np.asarray(there))
