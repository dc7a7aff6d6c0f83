"""Products of whole numbers, which are exact in float32 whatever the order, beside NumPy's."""

import ctypes
import types

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqcast.kernels.cuda import cublas, products
from seqcast.kernels.cuda.compiler import SIMULATED
from seqcast.kernels.cuda.cublas import Cublas, CublasProducts, open_cublas
from seqcast.kernels.cuda.products import Matrix, TiledProducts, Tiling, plan, products_for
from seqcast.kernels.cuda.queue import Queue

GUARD = 7777  # stands where nothing may be written
fake = pytest.mark.skipif(not SIMULATED, reason="a fake of cuBLAS reads memory of the host")


class FakeCublas:
    """The library's functions for memory of the host, in columns as the library counts, in float64."""

    _dtypes = types.MappingProxyType({"cublasSgemm_v2": np.float32, "cublasDgemm_v2": np.float64})

    def __init__(self, **statuses):
        self.calls, self._statuses = [], statuses

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
        kept = beta._obj.value * c if beta._obj.value else 0
        c[...] = alpha._obj.value * product + kept
        return 0

    def _columns(self, dtype, at, ld, m, n):
        pointer = ctypes.cast(at, ctypes.POINTER(np.ctypeslib.as_ctypes_type(dtype)))
        return np.lib.stride_tricks.as_strided(
            np.ctypeslib.as_array(pointer, (1,)), (m, n), np.array([1, ld]) * np.dtype(dtype).itemsize
        )


@pytest.fixture(scope="module", params=["tiled", "cuBLAS"])
def make(request, queue):
    if request.param == "tiled":
        return lambda dtype: TiledProducts(queue, dtype)
    handle = Cublas(FakeCublas(), queue) if SIMULATED else open_cublas(queue)
    assert handle is not None
    return lambda dtype: CublasProducts(queue, dtype, handle)


def to_device(queue, numbers, offset, gap):
    """A matrix somewhere in a larger array."""
    m, n = numbers.shape
    array = np.full(offset + m * (n + gap) + 3, GUARD, numbers.dtype)
    rows = array[offset : offset + m * (n + gap)].reshape(m, n + gap)
    rows[:, :n] = numbers
    return Matrix(queue.upload(array), offset, n + gap)


def read(queue, matrix, m, n):
    array = queue.download(matrix.array)
    rows = array[matrix.offset : matrix.offset + m * matrix.stride].reshape(m, matrix.stride)
    assert (rows[:, n:] == GUARD).all()
    assert (array[: matrix.offset] == GUARD).all()
    assert (array[-3:] == GUARD).all()
    return rows[:, :n]


def check(products, queue, m, n, depth, dtype="float32", transposed="", add=False, offset=0, gap=0, seed=0):
    draw = np.random.default_rng(seed)
    a, b, c = (draw.integers(-9, 10, shape).astype(dtype) for shape in ((m, depth), (depth, n), (m, n)))
    if not add:
        c[:] = np.nan
    a_there = to_device(queue, a.T if transposed == "a" else a, offset, gap)
    b_there = to_device(queue, b.T if transposed == "b" else b, 2 * offset, 0)
    c_there = to_device(queue, c, 3 * offset, 2 * gap)
    products.multiply(a_there, b_there, c_there, (m, n, depth), transposed=transposed, add=add)
    expected = a.astype(float) @ b.astype(float) + (c if add else 0)
    np.testing.assert_array_equal(read(queue, c_there, m, n), expected)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(0, 13)] * 2, st.integers(0, 40)),
    dtype=st.sampled_from(["float32", "float64"]),
    transposed=st.sampled_from(["", "a", "b"]),
    add=st.booleans(),
    offset=st.integers(0, 5),
    gap=st.integers(0, 3),
    seed=st.integers(0, 9),
)
@example(shape=(1, 1, 1), dtype="float32", transposed="", add=False, offset=0, gap=0, seed=0)
@example(shape=(7, 13, 40), dtype="float32", transposed="a", add=True, offset=3, gap=1, seed=0)
@example(shape=(7, 7, 40), dtype="float32", transposed="a", add=False, offset=3, gap=1, seed=0)
@example(shape=(5, 0, 3), dtype="float32", transposed="", add=False, offset=0, gap=0, seed=0)
@example(shape=(5, 3, 0), dtype="float64", transposed="b", add=False, offset=0, gap=0, seed=0)
@example(shape=(5, 3, 0), dtype="float64", transposed="", add=True, offset=0, gap=0, seed=0)
def test_products_are_those_of_numpy(make, queue, shape, dtype, transposed, add, offset, gap, seed):
    check(make(dtype), queue, *shape, dtype, transposed, add, offset, gap, seed)


@pytest.mark.parametrize("transposed", ["", "a", "b"])
def test_tiles_of_the_size_that_a_gpu_has(queue, monkeypatch, transposed):
    monkeypatch.setattr(products, "LARGE", Tiling(16, 4, 16))
    monkeypatch.setattr(products, "SMALL", Tiling(2, 2, 3))
    monkeypatch.setattr(products, "BLOCKS", 1)
    assert plan(20, 66, 17).tiling == (16, 4, 16)
    check(TiledProducts(queue, "float32"), queue, 20, 66, 17, transposed=transposed)


@given(m=st.integers(1, 2000), n=st.integers(1, 2000), depth=st.integers(0, 10**6))
@example(m=129, n=512, depth=10**6)
@example(m=10**6, n=512, depth=9)
@example(m=1, n=1, depth=10**7)
def test_every_number_is_in_one_part_of_one_tile(m, n, depth):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "LARGE", Tiling(16, 4, 16))  # as on a GPU
        patch.setattr(products, "SMALL", Tiling(16, 2, 32))
        patch.setattr(products, "BLOCKS", 264)
        patch.setattr(products, "SHORTEST", 512)
        patch.setattr(products, "LONGEST", 16384)
        cut = plan(m, n, depth)
    rows, columns = (count * cut.tiling.size for count in cut.tiles)
    assert rows - cut.tiling.size < m <= rows
    assert columns - cut.tiling.size < n <= columns
    assert (cut.parts - 1) * cut.part_depth < max(1, depth) <= max(1, cut.parts * cut.part_depth)
    assert cut.part_depth % cut.tiling.piece == 0
    assert cut.part_depth <= 16384
    assert cut.tiles[1] < 2**16  # the most of blocks in the second and third direction
    assert cut.parts < 2**16
    assert cut.parts * m * n <= max(m * n, 2 * 264 * 64**2, -(-depth // 16384) * m * n)


def test_long_depths_are_summed_in_parts(queue):
    depth = 400 if SIMULATED else 40_000
    assert plan(3, 4, depth).parts > 30
    assert plan(3, 4, 4).parts == 1
    check(TiledProducts(queue, "float32"), queue, 3, 4, depth, transposed="a", add=True)


def test_the_same_sizes_give_the_same_bits(queue):
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(300, 5)).astype("float32"), draw.normal(size=(300, 7)).astype("float32")
    results = []
    for offset, gap in ((0, 0), (5, 3)):
        c = to_device(queue, np.zeros((5, 7), "float32"), 0, 0)
        a_there, b_there = to_device(queue, a, offset, gap), to_device(queue, b, offset, gap)
        TiledProducts(queue, "float32").multiply(a_there, b_there, c, (5, 7, 300), transposed="a")
        results.append(read(queue, c, 5, 7))
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], a.T.astype(float) @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [3, 400])
def test_products_are_recorded(make, queue, depth):
    a, b = (to_device(queue, np.ones(shape, "float32"), 0, 0) for shape in ((2, depth), (depth, 3)))
    c, products = to_device(queue, np.zeros((2, 3), "float32"), 0, 0), make("float32")
    products.multiply(a, b, c, (2, 3, depth))
    with queue.captured() as graph:
        products.multiply(a, b, c, (2, 3, depth), add=True)
    graph.replay()
    graph.replay()
    np.testing.assert_array_equal(read(queue, c, 2, 3), np.full((2, 3), 3 * depth))


def test_what_a_graph_sums_in_stays_where_it_is(queue):
    products = TiledProducts(queue, "float32")
    first = products._sums_of(100)
    products._sums_of(1000)
    assert products._sums_of(65) is first


def test_cublas_is_taken_where_there_is_a_gpu(queue):
    kind = TiledProducts if SIMULATED else CublasProducts
    assert isinstance(products_for(queue, "float32"), kind)


@fake
def test_cublas_is_told_of_the_stream_first_then_of_its_memory(queue):
    library = FakeCublas()
    handle = Cublas(library, queue)
    names = [name for name, _ in library.calls]
    assert names == ["cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasSetMathMode"]
    assert library.calls[2][1][1].value == 32 * 2**20
    assert library.calls[3][1] == (0,)
    del handle
    assert library.calls[4][0] == "cublasDestroy_v2"


@fake
def test_cublas_goes_to_the_stream_that_the_queue_is_on(queue, monkeypatch):
    library = FakeCublas()
    products = CublasProducts(queue, "float32", Cublas(library, queue))
    one = to_device(queue, np.ones((2, 2), "float32"), 0, 0)
    del library.calls[:]
    for stream in (0, 5, 5):
        monkeypatch.setattr(Queue, "stream_address", stream)
        products.multiply(one, one, one, (2, 2, 2))
    names = [name.removesuffix("_v2").removeprefix("cublas") for name, _ in library.calls]
    assert names == ["Sgemm", "SetStream", "SetWorkspace", "Sgemm", "Sgemm"]
    assert library.calls[1][1][0].value == 5


@fake
def test_where_cublas_did_not_take_a_stream_it_is_told_the_next_one(queue, monkeypatch):
    library = FakeCublas()
    products = CublasProducts(queue, "float32", Cublas(library, queue))
    one = to_device(queue, np.ones((2, 2), "float32"), 0, 0)
    monkeypatch.setattr(Queue, "stream_address", 5)
    monkeypatch.setitem(library._statuses, "cublasSetWorkspace_v2", 1)
    with pytest.raises(cublas.CublasError, match="cublasSetWorkspace_v2"):
        products.multiply(one, one, one, (2, 2, 2))
    monkeypatch.undo()
    del library.calls[:]
    products.multiply(one, one, one, (2, 2, 2))
    assert library.calls[0][0] == "cublasSetStream_v2"


@fake
def test_cublas_is_opened_once_for_a_queue(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", FakeCublas)
    monkeypatch.setattr(cublas, "_opened", {})
    assert open_cublas(queue) is open_cublas(queue)
    assert isinstance(open_cublas(queue), Cublas)


def test_without_cublas_there_is_none(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", lambda: None)
    monkeypatch.setattr(cublas, "_opened", {})
    assert open_cublas(queue) is None


@fake
def test_cublas_that_does_not_start_is_told_of(queue, monkeypatch):
    monkeypatch.setattr(cublas, "find_library", lambda: FakeCublas(cublasCreate_v2=1))
    monkeypatch.setattr(cublas, "_opened", {})
    with pytest.warns(RuntimeWarning, match=r"can not be used \(cublasCreate_v2 failed with status 1\)"):
        assert open_cublas(queue) is None


@fake
def test_what_cublas_reports_is_raised(queue):
    products = CublasProducts(queue, "float32", Cublas(FakeCublas(), queue))
    a = to_device(queue, np.ones((2, 2), "float32"), 0, 0)
    with pytest.raises(cublas.CublasError, match="cublasSgemm_v2 failed with status 7"):
        products.multiply(a._replace(stride=1), a, a, (2, 2, 2))
