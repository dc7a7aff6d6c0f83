"""Matrix products by kernels of this package: tiles in shared memory, split over a long depth.

C (m, n) = A (m, depth) @ B (depth, n). A block of threads computes one tile of C. It loads pieces of A and B
along the depth into shared memory. After each load, every thread updates the few elements of C that it holds
in registers. If C has few tiles but the depth is long, as for gradients of weights over all steps of a batch,
the depth is split into parts. Each part gets blocks of its own, and the partial sums are added in order
afterwards. The order of all additions depends on the sizes only, so results are reproducible bit by bit.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float32, float64, uint32

from .compiler import ALIGNMENT, SIMULATED, Example, cuda, cuda_kernel, device_function, real_type
from .products import TRANSPOSITIONS, Matrix
from .queue import Queue


class Tiling(NamedTuple):
    """Sizes of a tile.

    It has ``side**2`` threads, each with ``each**2`` elements of C, and takes `piece` of the depth at once.
    """

    side: int
    each: int
    piece: int

    @property
    def size(self) -> int:
        """Rows and columns of a tile."""
        return self.side * self.each


# Large tiles read A and B less often. Small tiles keep more of the GPU busy.
LARGE, SMALL = (Tiling(2, 3, 2), Tiling(2, 2, 3)) if SIMULATED else (Tiling(16, 4, 16), Tiling(16, 2, 32))
# Two blocks for each multiprocessor of an H100.
BLOCKS = 6 if SIMULATED else 264
# Depth of a part. A block with less work takes longer to start than to run; longer float32 sums lose digits.
SHORTEST, LONGEST = (5, 12) if SIMULATED else (512, 16384)


class Plan(NamedTuple):
    """Division of one product into tiles and parts of the depth."""

    tiling: Tiling
    tiles: tuple[int, int]
    parts: int
    part_depth: int


def plan_product(m: int, n: int, depth: int) -> Plan:
    """Return how a product is divided; the plan depends on the sizes only."""
    shortest_parts = -(-depth // SHORTEST)
    n_large = math.prod(_count_tiles(m, n, LARGE))
    is_large = min(m, n) > SMALL.size and n_large * shortest_parts >= BLOCKS
    tiling = LARGE if is_large else SMALL
    tiles = _count_tiles(m, n, tiling)
    parts = max(1, -(-depth // LONGEST), min(shortest_parts, -(-BLOCKS // math.prod(tiles))))
    pieces = -(-depth // (parts * tiling.piece))
    part_depth = max(1, pieces) * tiling.piece
    return Plan(tiling, tiles, max(1, -(-depth // part_depth)), part_depth)


def _count_tiles(m: int, n: int, tiling: Tiling) -> tuple[int, int]:
    return -(-m // tiling.size), -(-n // tiling.size)


class TiledProducts:
    """Matrix products by the kernels of this module.

    Parameters
    ----------
    queue : Queue
    dtype : float32 or float64
    """

    def __init__(self, queue: Queue, dtype):
        self.queue = queue
        self.dtype = np.dtype(dtype)
        # Buffers for partial sums, by size. None is ever freed, because graphs keep their addresses.
        self._buffers: dict[int, Any] = {}

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
        if m == 0 or n == 0:
            return
        plan = plan_product(m, n, depth)
        kernel = make_product(real_type(self.dtype), plan.tiling, transposed)
        if plan.parts == 1:
            self._launch(kernel, plan, (a, b, c), shape, add)
            return
        sums = Matrix(self._find_buffer(plan.parts * m * n), 0, n)
        self._launch(kernel, plan, (a, b, sums), shape, False)
        add_parts = make_add_parts(real_type(self.dtype))
        sizes = uint32(m), uint32(n)
        self.queue.for_each(add_parts, m * n, sums.array, uint32(plan.parts), *_as_arguments(c), *sizes, add)

    def _launch(self, kernel, plan: Plan, matrices: tuple, shape: tuple[int, int, int], add: bool) -> None:
        m, n, depth = shape
        sizes = [uint32(size) for size in (m * n, m, n, depth, plan.part_depth)]
        arguments = [argument for matrix in matrices for argument in _as_arguments(matrix)]
        blocks = *plan.tiles, plan.parts
        self.queue.launch(kernel, blocks, plan.tiling.side**2, *arguments, *sizes, add)

    def _find_buffer(self, n: int) -> Any:
        """Return an array of at least n elements; there is one for each power of two."""
        size = 1 << (n - 1).bit_length()
        if size not in self._buffers:
            self._buffers[size] = self.queue.zeros(size, self.dtype)
        return self._buffers[size]


def _as_arguments(matrix: Matrix) -> tuple:
    """Return a matrix as kernel arguments.

    Indices of 32 bits take half the registers of 64 bits and address up to 2**32 elements.
    """
    return matrix.array, uint32(matrix.offset), uint32(matrix.stride)


@cache
def make_product(real, tiling: Tiling, transposed: str) -> Any:
    """Return the kernel that computes tiles of C, or of the partial sums of each part of the depth."""
    side, each, piece = tiling
    size = tiling.size
    # Width of a tile in shared memory, chosen so that its rows begin in different banks.
    row = size + 4 - 4 % each
    groups = row // each
    n_tile = piece * row
    n_sums = each * each
    load_a = _make_load(real, tiling, row, along_depth=transposed != "a")
    load_b = _make_load(real, tiling, row, along_depth=transposed == "b")
    add_products = _make_add_products(real, each, piece, groups)

    @cuda_kernel(threads=side * side)
    def product(a, a_at, a_row, b, b_at, b_row, c, c_at, c_row, c_part, m, n, depth, part_depth, add):
        """Compute tile (i, j) of part k in block (i, j, k); partial sums lie `c_part` elements apart."""
        a_tile = cuda.shared.array(n_tile, real, alignment=ALIGNMENT)
        b_tile = cuda.shared.array(n_tile, real, alignment=ALIGNMENT)
        sums = cuda.local.array(n_sums, real)
        a_few = cuda.local.array(each, real)
        b_few = cuda.local.array(each, real)
        thread = uint32(cuda.threadIdx.x)
        i0 = uint32(cuda.blockIdx.x * size)
        j0 = uint32(cuda.blockIdx.y * size)
        i_own = uint32(thread // uint32(side))
        j_own = uint32(thread % uint32(side))
        begin = uint32(uint32(cuda.blockIdx.z) * part_depth)
        end = min(depth, uint32(begin + part_depth))
        for s in range(n_sums):
            sums[s] = real(0)
        for k0 in range(begin, end, piece):
            load_a(a, a_at, a_row, i0, m, uint32(k0), end, thread, a_tile)
            load_b(b, b_at, b_row, j0, n, uint32(k0), end, thread, b_tile)
            cuda.syncthreads()
            add_products(a_tile, b_tile, i_own, j_own, a_few, b_few, sums)
            cuda.syncthreads()
        c_at = uint32(c_at + uint32(cuda.blockIdx.z) * c_part)
        for i in range(each):
            for j in range(each):
                i_c = uint32(i0 + i_own * each + i)
                j_c = uint32(j0 + j_own * each + j)
                if i_c < m and j_c < n:
                    at = uint32(c_at + i_c * c_row + j_c)
                    c[at] = sums[i * each + j] + (c[at] if add else real(0))

    return product


def _make_add_products(real, each: int, piece: int, groups: int) -> Callable:
    """Return the function that adds the products of one piece of the depth to a thread's sums."""

    @device_function
    def add_products(a_tile, b_tile, i_own, j_own, a_few, b_few, sums):
        for k in range(piece):
            # The factor `each` comes last, so that the compiler sees aligned neighbours and reads them at
            # once.
            a_first = uint32(uint32(k * groups + i_own) * uint32(each))
            b_first = uint32(uint32(k * groups + j_own) * uint32(each))
            for s in range(each):
                a_few[s] = a_tile[uint32(a_first + uint32(s))]
                b_few[s] = b_tile[uint32(b_first + uint32(s))]
            for i in range(each):
                for j in range(each):
                    sums[i * each + j] += a_few[i] * b_few[j]

    return add_products


def _make_load(real, tiling: Tiling, row: int, along_depth: bool) -> Callable:
    """Return the function that loads a piece of A or B into shared memory as (piece, size).

    Elements beyond the matrix are zero. Neighbouring threads read neighbouring elements for both storage
    orders.
    """
    threads = tiling.side**2
    size = tiling.size
    piece = tiling.piece

    @device_function
    def load_along_depth(x, at, x_row, first, n, k0, k_end, thread, tile):
        for q in range(size * piece // threads):
            e = uint32(thread + uint32(q * threads))
            i = uint32(e // uint32(piece))
            k = uint32(e % uint32(piece))
            inside = uint32(first + i) < n and uint32(k0 + k) < k_end
            value = x[uint32(at + uint32(first + i) * x_row + uint32(k0 + k))] if inside else real(0)
            tile[uint32(k * uint32(row) + i)] = value

    @device_function
    def load_across(x, at, x_row, first, n, k0, k_end, thread, tile):
        for q in range(size * piece // threads):
            e = uint32(thread + uint32(q * threads))
            k = uint32(e // uint32(size))
            i = uint32(e % uint32(size))
            inside = uint32(first + i) < n and uint32(k0 + k) < k_end
            value = x[uint32(at + uint32(k0 + k) * x_row + uint32(first + i))] if inside else real(0)
            tile[uint32(k * uint32(row) + i)] = value

    return load_along_depth if along_depth else load_across


@cache
def make_add_parts(real) -> Any:
    """Return the kernel that adds the partial sums of all parts, in their order."""

    @cuda_kernel
    def add_parts(sums, n_parts, c, c_at, c_row, m, n, add):
        e = uint32(cuda.grid(1))
        if e < uint32(m * n):
            at = uint32(c_at + uint32(e // n) * c_row + uint32(e % n))
            total = c[at] if add else real(0)
            for part in range(n_parts):
                total += sums[uint32(uint32(part) * m * n + e)]
            c[at] = total

    return add_parts


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    for dtype, tiling in ((float32, LARGE), (float32, SMALL), (float64, LARGE)):
        matrix = dtype[::1], uint32, uint32
        signature = (*matrix, *matrix, *matrix, *(uint32,) * 5, boolean)
        for transposed in TRANSPOSITIONS:
            kernel = make_product(dtype, tiling, transposed)
            name = f"product {dtype} {tiling.size} {transposed}".rstrip()
            yield Example(name, kernel, signature, tiling.side**2, stationary=True)
    arguments = float32[::1], uint32, float32[::1], uint32, uint32, uint32, uint32, boolean
    yield Example("add_parts", make_add_parts(float32), arguments)
