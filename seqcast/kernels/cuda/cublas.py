"""Matrix products by cuBLAS, which comes with the extra "cuda"; called by ctypes.

cuBLAS counts by columns: what is (m, n) row by row, is (n, m) to it. So it is asked for C^T = B^T A^T: the
operands swapped, and transposed as they were. Its numbers are those of plain float32 and float64: no TF32,
which would keep ten bits of what is multiplied. It gives the same bits each time on one GPU, as long as it
has memory of its own to work in.
"""

import ctypes
import warnings
import weakref
from functools import cache
from typing import Any

import numpy as np

from .compiler import SIMULATED
from .products import Matrix, TiledProducts
from .queue import Queue

SUCCESS, DEFAULT_MATH = 0, 0
AS_IT_IS, TRANSPOSED = 0, 1
WORKSPACE = 32 << 20  # bytes; NVIDIA's advice for an H100, the most that it names
PREFIX = {"float32": ("cublasSgemm_v2", ctypes.c_float), "float64": ("cublasDgemm_v2", ctypes.c_double)}


class CublasError(RuntimeError):
    """The library reported an error."""


class CublasProducts:
    """Products by cuBLAS, on the queue's stream.

    Parameters
    ----------
    queue : Queue
    dtype : float32 or float64
    handle : Cublas
        The library, opened for this queue.
    """

    def __init__(self, queue: Queue, dtype, handle: "Cublas"):
        self._queue, self._handle = queue, handle
        self._name, self._scalar = PREFIX[np.dtype(dtype).name]
        self._tiled = TiledProducts(queue, dtype)

    def multiply(
        self,
        a: Matrix,
        b: Matrix,
        c: Matrix,
        shape: tuple[int, int, int],
        *,
        transposed: str = "",
        add: bool = False,
    ) -> None:
        m, n, depth = shape
        if 0 in shape:  # of which every BLAS has its own opinion
            self._tiled.multiply(a, b, c, shape, transposed=transposed, add=add)
            return
        arguments = (
            TRANSPOSED if transposed == "b" else AS_IT_IS,
            TRANSPOSED if transposed == "a" else AS_IT_IS,
            n,
            m,
            depth,
            ctypes.byref(self._scalar(1)),
            *_placed(b),
            *_placed(a),
            ctypes.byref(self._scalar(add)),
            *_placed(c),
        )
        queue, handle = self._queue, self._handle
        arrays = a.array, b.array, c.array
        queue.run(lambda: handle.launch(queue.stream_address, self._name, *arguments), arrays)


def _placed(matrix: Matrix) -> tuple[ctypes.c_void_p, int]:
    """Address of a matrix, and how far its columns, rows to us, lie apart."""
    first = address(matrix.array) + matrix.offset * matrix.array.dtype.itemsize
    return ctypes.c_void_p(first), matrix.stride


def address(array) -> int:
    """Where an array of the device lies."""
    return array.ctypes.data if SIMULATED else array.device_ctypes_pointer.value


class Cublas:
    """The library, opened for one queue's stream."""

    def __init__(self, library: Any, queue: Queue):
        self._library = library
        self._handle = ctypes.c_void_p()
        with queue.gpu:
            _check("cublasCreate_v2", library.cublasCreate_v2(ctypes.byref(self._handle)))
            weakref.finalize(self, _close, library, self._handle, queue.gpu).atexit = False
            self._workspace = queue.zeros(WORKSPACE, np.uint8)
            self._use(queue.stream_address)
            self.call("cublasSetMathMode", DEFAULT_MATH)

    def launch(self, stream: int, name: str, *arguments) -> None:
        """Call a function of the library that puts work on a stream."""
        if stream != self._stream:
            self._use(stream)
        self.call(name, *arguments)

    def call(self, name: str, *arguments) -> None:
        """Call a function of the library with its handle."""
        _check(name, getattr(self._library, name)(self._handle, *arguments))

    def _use(self, stream: int) -> None:
        self._stream = None  # unknown, should this end half-way
        self.call("cublasSetStream_v2", ctypes.c_void_p(stream))
        # Of its own accord it would take memory for each stream when it needs some, so while recording.
        memory = ctypes.c_void_p(address(self._workspace)), ctypes.c_size_t(WORKSPACE)
        self.call("cublasSetWorkspace_v2", *memory)
        self._stream = stream


def _check(name: str, status: int) -> None:
    if status != SUCCESS:
        raise CublasError(f"{name} failed with status {status}")


def _close(library: Any, handle: ctypes.c_void_p, gpu) -> None:
    with gpu:
        library.cublasDestroy_v2(handle)


_opened: weakref.WeakKeyDictionary[Queue, Cublas | None] = weakref.WeakKeyDictionary()


def open_cublas(queue: Queue) -> Cublas | None:
    """Return the library for a queue, always the same; None where it is not installed, or does not start."""
    with queue.lock:
        if queue not in _opened:
            _opened[queue] = _start(queue)
        return _opened[queue]


def _start(queue: Queue) -> Cublas | None:
    if (library := find_library()) is None:
        return None
    try:
        return Cublas(library, queue)
    except CublasError as error:
        text = f"cuBLAS is installed, but can not be used ({error}); products are slower."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None


@cache
def find_library() -> Any:
    """The shared library of the installed package, the CUDA toolkit or the system; None if there is none."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except (DynamicLibNotFoundError, OSError):
        return None
