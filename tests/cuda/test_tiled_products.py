"""Tiled products of whole numbers, which float32 represents exactly in any order, against NumPy."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from product_checks import ARGUMENTS, check_product, check_recording, download_matrix, upload_matrix

from seqcast.kernels.cuda import tiled_products
from seqcast.kernels.cuda.compiler import SIMULATED
from seqcast.kernels.cuda.tiled_products import TiledProducts, Tiling, plan_product


@settings(max_examples=40)
@given(**ARGUMENTS)
@example(shape=(1, 1, 1), dtype="float32", transposed="", add=False, offset=0, gap=0)
@example(shape=(7, 13, 40), dtype="float32", transposed="a", add=True, offset=3, gap=1)
@example(shape=(7, 7, 40), dtype="float32", transposed="a", add=False, offset=3, gap=1)
@example(shape=(5, 0, 3), dtype="float32", transposed="", add=False, offset=0, gap=0)
@example(shape=(5, 3, 0), dtype="float64", transposed="b", add=False, offset=0, gap=0)
@example(shape=(5, 3, 0), dtype="float64", transposed="", add=True, offset=0, gap=0)
def test_products_match_numpy(queue, shape, dtype, **options):
    check_product(TiledProducts(queue, dtype), queue, shape, dtype, **options)


def test_tiles_of_gpu_size_match_numpy(queue, monkeypatch):
    monkeypatch.setattr(tiled_products, "LARGE", Tiling(16, 4, 16))
    monkeypatch.setattr(tiled_products, "SMALL", Tiling(2, 2, 3))
    monkeypatch.setattr(tiled_products, "BLOCKS", 1)
    assert plan_product(20, 66, 17).tiling == (16, 4, 16)
    check_product(TiledProducts(queue, "float32"), queue, (20, 66, 17), transposed="a")


@given(m=st.integers(1, 2000), n=st.integers(1, 2000), depth=st.integers(0, 10**6))
@example(m=129, n=512, depth=10**6)
@example(m=10**6, n=512, depth=9)
@example(m=1, n=1, depth=10**7)
def test_plan_covers_every_element_once(m, n, depth):
    # The sizes that are used on a GPU.
    sizes = {"LARGE": Tiling(16, 4, 16), "SMALL": Tiling(16, 2, 32)}
    sizes |= {"BLOCKS": 264, "SHORTEST": 512, "LONGEST": 16384}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(tiled_products, name, value)
        plan = plan_product(m, n, depth)
    rows, columns = (count * plan.tiling.size for count in plan.tiles)
    assert rows - plan.tiling.size < m <= rows
    assert columns - plan.tiling.size < n <= columns
    assert (plan.parts - 1) * plan.part_depth < max(1, depth) <= max(1, plan.parts * plan.part_depth)
    assert plan.part_depth % plan.tiling.piece == 0
    assert plan.part_depth <= 16384
    # CUDA's limit for the second and third dimension of a grid.
    assert max(plan.tiles[1], plan.parts) < 2**16
    assert plan.parts * m * n <= max(m * n, 2 * 264 * 64**2, -(-depth // 16384) * m * n)


def test_long_depth_is_summed_in_parts(queue):
    depth = 400 if SIMULATED else 40_000
    assert plan_product(3, 4, depth).parts > 30
    assert plan_product(3, 4, 4).parts == 1
    check_product(TiledProducts(queue, "float32"), queue, (3, 4, depth), transposed="a", add=True)


def test_equal_sizes_give_identical_results(queue):
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(300, 5)).astype("float32"), draw.normal(size=(300, 7)).astype("float32")
    results = []
    for offset, gap in ((0, 0), (5, 3)):
        c = upload_matrix(queue, np.zeros((5, 7), "float32"))
        device_a, device_b = (upload_matrix(queue, one, offset, gap) for one in (a, b))
        TiledProducts(queue, "float32").multiply(device_a, device_b, c, (5, 7, 300), transposed="a")
        results.append(download_matrix(queue, c, 5, 7))
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], a.T.astype(float) @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [3, 400])
def test_products_are_recorded(queue, depth):
    check_recording(TiledProducts(queue, "float32"), queue, depth)


def test_larger_products_do_not_disturb_a_recorded_one(queue):
    """A graph keeps the addresses of the buffers for partial sums."""
    products = TiledProducts(queue, "float32")
    a, b = (upload_matrix(queue, np.ones(size, "float32")) for size in ((2, 400), (400, 3)))
    c = upload_matrix(queue, np.zeros((2, 3), "float32"))
    products.multiply(a, b, c, (2, 3, 400))
    with queue.record() as graph:
        products.multiply(a, b, c, (2, 3, 400))
    check_product(products, queue, (9, 9, 400))
    graph.replay()
    np.testing.assert_array_equal(download_matrix(queue, c, 2, 3), np.full((2, 3), 400))
