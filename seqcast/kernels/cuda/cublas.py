"""Matrix products by cuBLAS, which comes with the extra "cuda" and is called through ctypes.

cuBLAS stores matrices by columns: a row-major (m, n) is an (n, m) to it. So the call computes C^T = B^T A^T,
with the operands swapped and transposed as before. Products are computed in plain float32 or float64, without
TF32, which would keep only ten bits of the operands. Results on one GPU are the same in every run, as long as
cuBLAS has a workspace of its own.
"""

import ctypes
import warnings
import weakref
from functools import cache
from typing import Any

import numpy as np

from .compiler import SIMULATED
from .products import Matrix, Products
from .queue import Queue
from .tiled_products import TiledProducts

SUCCESS = 0
DEFAULT_MATH = 0
NOT_TRANSPOSED, TRANSPOSED = 0, 1
# Bytes. NVIDIA recommends this size for an H100, its largest recommendation.
WORKSPACE_BYTES = 32 << 20
FUNCTIONS = {"float32": ("cublasSgemm_v2", ctypes.c_float), "float64": ("cublasDgemm_v2", ctypes.c_double)}


def make_products(queue: Queue, dtype: Any) -> Products:
    """Return products by cuBLAS where it is installed and works, and by `tiled_products` otherwise."""
    if not SIMULATED and (library := open_cublas(queue)) is not None:
        return CublasProducts(queue, dtype, library)
    return TiledProducts(queue, dtype)


class CublasError(RuntimeError):
    """An error that cuBLAS reported."""


class CublasProducts:
    """Matrix products by cuBLAS on the queue's stream.

    Parameters
    ----------
    queue : Queue
    dtype : float32 or float64
    library : Cublas
        The library, opened for this queue.
    """

    def __init__(self, queue: Queue, dtype: Any, library: "Cublas"):
        self._queue = queue
        self._library = library
        self._name, self._scalar = FUNCTIONS[np.dtype(dtype).name]
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
        """Multiply as `Products.multiply` describes."""
        m, n, depth = shape
        # BLAS implementations differ for empty matrices.
        if 0 in shape:
            self._tiled.multiply(a, b, c, shape, transposed=transposed, add=add)
            return
        arguments = (
            TRANSPOSED if transposed == "b" else NOT_TRANSPOSED,
            TRANSPOSED if transposed == "a" else NOT_TRANSPOSED,
            n,
            m,
            depth,
            ctypes.byref(self._scalar(1)),
            *_as_arguments(b),
            *_as_arguments(a),
            ctypes.byref(self._scalar(add)),
            *_as_arguments(c),
        )
        queue = self._queue
        library = self._library
        arrays = a.array, b.array, c.array
        queue.run(lambda: library.launch(queue.stream_address, self._name, *arguments), arrays)


def _as_arguments(matrix: Matrix) -> tuple[ctypes.c_void_p, int]:
    """Return the address of a matrix and the distance of its rows, which are columns to cuBLAS."""
    first = get_address(matrix.array) + matrix.offset * matrix.array.dtype.itemsize
    return ctypes.c_void_p(first), matrix.stride


def get_address(array: Any) -> int:
    """Return the address of a device array."""
    return array.ctypes.data if SIMULATED else array.device_ctypes_pointer.value


class Cublas:
    """The library, opened for one queue.

    Parameters
    ----------
    library : ctypes.CDLL
    queue : Queue
    """

    def __init__(self, library: Any, queue: Queue):
        self._library = library
        self._handle = ctypes.c_void_p()
        with queue.gpu:
            _check("cublasCreate_v2", library.cublasCreate_v2(ctypes.byref(self._handle)))
            weakref.finalize(self, _close, library, self._handle, queue.gpu).atexit = False
            self._workspace = queue.zeros(WORKSPACE_BYTES, np.uint8)
            self._use_stream(queue.stream_address)
            self.call("cublasSetMathMode", DEFAULT_MATH)

    def launch(self, stream: int, name: str, *arguments: Any) -> None:
        """Call a function of the library that puts work on a stream."""
        if stream != self._stream:
            self._use_stream(stream)
        self.call(name, *arguments)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library with its handle."""
        _check(name, getattr(self._library, name)(self._handle, *arguments))

    def _use_stream(self, stream: int) -> None:
        # The stream is unknown if one of the calls fails.
        self._stream: int | None = None
        self.call("cublasSetStream_v2", ctypes.c_void_p(stream))
        # Without a workspace, cuBLAS would allocate memory for each stream at its first product, even while
        # recording.
        workspace = ctypes.c_void_p(get_address(self._workspace)), ctypes.c_size_t(WORKSPACE_BYTES)
        self.call("cublasSetWorkspace_v2", *workspace)
        self._stream = stream


def _check(name: str, status: int) -> None:
    if status != SUCCESS:
        raise CublasError(f"{name} failed with status {status}")


def _close(library: Any, handle: ctypes.c_void_p, gpu: Any) -> None:
    with gpu:
        library.cublasDestroy_v2(handle)


_opened: weakref.WeakKeyDictionary[Queue, Cublas | None] = weakref.WeakKeyDictionary()


def open_cublas(queue: Queue) -> Cublas | None:
    """Return the library opened for a queue, or None if it is not installed or does not start.

    All calls for one queue return the same object.
    """
    with queue.lock:
        if queue not in _opened:
            _opened[queue] = _try_to_open(queue)
        return _opened[queue]


def _try_to_open(queue: Queue) -> Cublas | None:
    if (library := find_library()) is None:
        return None
    try:
        return Cublas(library, queue)
    except CublasError as error:
        text = f"cuBLAS is installed, but cannot be used ({error}). Matrix products will be slower."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None


@cache
def find_library() -> Any:
    """Return cuBLAS from the installed package, the CUDA toolkit or the system, or None if not found."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except (DynamicLibNotFoundError, OSError):
        return None
