"""Matrix products by cuBLAS; without a GPU, by a substitute that computes on the host."""

import ctypes
import types

import numpy as np
import pytest
from hypothesis import given, settings
from product_checks import ARGUMENTS, check_product, check_recording, upload_matrix

from seqcast.kernels.cuda import cublas
from seqcast.kernels.cuda.compiler import SIMULATED
from seqcast.kernels.cuda.cublas import Cublas, CublasProducts, make_products, open_cublas
from seqcast.kernels.cuda.queue import Queue
from seqcast.kernels.cuda.tiled_products import TiledProducts

substitute = pytest.mark.skipif(not SIMULATED, reason="the substitute of cuBLAS reads memory of the host")


class FakeCublas:
    """Functions of cuBLAS for memory of the host; matrices are stored by columns."""

    _dtypes = types.MappingProxyType({"cublasSgemm_v2": np.float32, "cublasDgemm_v2": np.float64})

    def __init__(self, statuses=None):
        self.calls = []
        self._statuses = {} if statuses is None else statuses

    def __getattr__(self, name):
        def call(handle, *arguments):
            self.calls.append((name, arguments))
            if name in self._dtypes:
                return self._gemm(self._dtypes[name], *arguments)
            return self._statuses.get(name, 0)

        return call

    def _gemm(self, dtype, a_op, b_op, m, n, k, alpha, a, a_ld, b, b_ld, beta, c, c_ld):
        if min(m, n, k) < 1 or a_ld < (k if a_op else m) or b_ld < (n if b_op else k) or c_ld < m:
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        a = self._columns(dtype, a, a_ld, *((k, m) if a_op else (m, k)))
        b = self._columns(dtype, b, b_ld, *((n, k) if b_op else (k, n)))
        c = self._columns(dtype, c, c_ld, m, n)
        product = (a.T if a_op else a).astype(float) @ (b.T if b_op else b).astype(float)
        old = beta._obj.value * c if beta._obj.value else 0
        c[...] = alpha._obj.value * product + old
        return 0

    def _columns(self, dtype, at, ld, m, n):
        pointer = ctypes.cast(at, ctypes.POINTER(np.ctypeslib.as_ctypes_type(dtype)))
        return np.lib.stride_tricks.as_strided(
            np.ctypeslib.as_array(pointer, (1,)), (m, n), np.array([1, ld]) * np.dtype(dtype).itemsize
        )


@pytest.fixture(scope="module")
def library(queue):
    return Cublas(FakeCublas(), queue) if SIMULATED else open_cublas(queue)


@settings(max_examples=40)
@given(**ARGUMENTS)
def test_products_match_numpy(queue, library, shape, dtype, **options):
    check_product(CublasProducts(queue, dtype, library), queue, shape, dtype, **options)


@pytest.mark.parametrize("depth", [3, 400])
def test_products_are_recorded(queue, library, depth):
    check_recording(CublasProducts(queue, "float32", library), queue, depth)


def test_cublas_is_used_on_a_gpu(queue):
    kind = TiledProducts if SIMULATED else CublasProducts
    assert isinstance(make_products(queue, "float32"), kind)


@substitute
def test_stream_is_set_before_workspace(queue):
    library = FakeCublas()
    handle = Cublas(library, queue)
    names = [name for name, _ in library.calls]
    assert names == ["cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasSetMathMode"]
    assert library.calls[2][1][1].value == 32 * 2**20
    assert library.calls[3][1] == (0,)
    del handle
    assert library.calls[4][0] == "cublasDestroy_v2"


@substitute
def test_stream_follows_the_queue(queue, monkeypatch):
    library = FakeCublas()
    products = CublasProducts(queue, "float32", Cublas(library, queue))
    one = upload_matrix(queue, np.ones((2, 2), "float32"))
    del library.calls[:]
    for stream in (0, 5, 5):
        monkeypatch.setattr(Queue, "stream_address", stream)
        products.multiply(one, one, one, (2, 2, 2))
    names = [name.removesuffix("_v2").removeprefix("cublas") for name, _ in library.calls]
    assert names == ["Sgemm", "SetStream", "SetWorkspace", "Sgemm", "Sgemm"]
    assert library.calls[1][1][0].value == 5


@substitute
def test_stream_is_set_again_after_an_error(queue, monkeypatch):
    statuses = {}
    library = FakeCublas(statuses)
    products = CublasProducts(queue, "float32", Cublas(library, queue))
    one = upload_matrix(queue, np.ones((2, 2), "float32"))
    statuses["cublasSetWorkspace_v2"] = 1
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "stream_address", 5)
        with pytest.raises(cublas.CublasError, match="cublasSetWorkspace_v2"):
            products.multiply(one, one, one, (2, 2, 2))
    statuses.clear()
    del library.calls[:]
    products.multiply(one, one, one, (2, 2, 2))
    assert library.calls[0][0] == "cublasSetStream_v2"


@substitute
def test_cublas_is_opened_once_for_a_queue(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", FakeCublas)
    monkeypatch.setattr(cublas, "_opened", {})
    assert open_cublas(queue) is open_cublas(queue)
    assert isinstance(open_cublas(queue), Cublas)


def test_missing_cublas_gives_none(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", lambda: None)
    monkeypatch.setattr(cublas, "_opened", {})
    assert open_cublas(queue) is None


@substitute
def test_cublas_that_does_not_start_is_reported(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", lambda: FakeCublas({"cublasCreate_v2": 1}))
    monkeypatch.setattr(cublas, "_opened", {})
    with pytest.warns(RuntimeWarning, match=r"cannot be used \(cublasCreate_v2 failed with status 1\)"):
        assert open_cublas(queue) is None


@substitute
def test_errors_of_cublas_are_raised(queue):
    products = CublasProducts(queue, "float32", Cublas(FakeCublas(), queue))
    a = upload_matrix(queue, np.ones((2, 2), "float32"))
    with pytest.raises(cublas.CublasError, match="cublasSgemm_v2 failed with status 7"):
        products.multiply(a._replace(stride=1), a, a, (2, 2, 2))
