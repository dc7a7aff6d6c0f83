"""Matrix products on the device: tiles in shared memory, any transposition, split over a long depth.

C (m, n) = A (m, depth) @ B (depth, n), row-major, each a part of a flat array. A block of threads makes one
tile of C: piece by piece of the depth, all bring their share of A and B to shared memory, then each adds to
the few numbers of C that it holds in registers. Where C has few tiles but the depth is long, as for gradients
of weights over all steps of a batch, parts of the depth go to blocks of their own, whose sums are added in
order afterwards. What is added to what depends on the sizes only: the same bits every time.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import boolean, float32, float64, uint32

from .compiler import ALIGNMENT, SIMULATED, Example, cuda, cuda_kernel, device_function, real_type
from .queue import Queue

TRANSPOSITIONS = ("", "a", "b")


class Matrix(NamedTuple):
    """Row-major view of a flat device array: element (i, j) is ``array[offset + i * stride + j]``."""

    array: Any
    offset: int
    stride: int


class Products(Protocol):
    """What multiplies, of one dtype."""

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
        """C = A @ B, or C += A @ B.

        Parameters
        ----------
        a, b : Matrix, IN
            (m, depth) and (depth, n); the one that `transposed` names is stored the other way round.
        c : Matrix, OUT; with `add` IN and OUT
            (m, n); overlaps neither.
        shape : (m, n, depth)
        transposed : "", "a" or "b"
        add : bool
        """


def products_for(queue: Queue, dtype) -> Products:
    """Return cuBLAS where it is installed and works, else the kernels of this module."""
    from . import cublas

    if not SIMULATED and (handle := cublas.open_cublas(queue)) is not None:
        return cublas.CublasProducts(queue, dtype, handle)
    return TiledProducts(queue, dtype)


class Tiling(NamedTuple):
    """A block of ``side * side`` threads with ``each * each`` numbers of C; `piece` of the depth at once."""

    side: int
    each: int
    piece: int

    @property
    def size(self) -> int:
        return self.side * self.each


# Large tiles read A and B less often, small ones keep more of the GPU busy.
LARGE, SMALL = (Tiling(2, 3, 2), Tiling(2, 2, 3)) if SIMULATED else (Tiling(16, 4, 16), Tiling(16, 2, 32))
BLOCKS = 6 if SIMULATED else 264  # two for each multiprocessor of an H100
# The depth of a part: below, a block is not worth its start; above, float32 sums of that many lose digits.
SHORTEST, LONGEST = (5, 12) if SIMULATED else (512, 16384)


class Plan(NamedTuple):
    """How a product is cut; depends on its sizes only."""

    tiling: Tiling
    tiles: tuple[int, int]
    parts: int
    part_depth: int


def plan(m: int, n: int, depth: int) -> Plan:
    shortest_parts = -(-depth // SHORTEST)
    is_large = min(m, n) > SMALL.size and _count(_tiles(m, n, LARGE)) * shortest_parts >= BLOCKS
    tiling = LARGE if is_large else SMALL
    tiles = _tiles(m, n, tiling)
    parts = max(1, -(-depth // LONGEST), min(shortest_parts, -(-BLOCKS // _count(tiles))))
    pieces = -(-depth // (parts * tiling.piece))
    part_depth = max(1, pieces) * tiling.piece
    return Plan(tiling, tiles, max(1, -(-depth // part_depth)), part_depth)


def _tiles(m: int, n: int, tiling: Tiling) -> tuple[int, int]:
    return -(-m // tiling.size), -(-n // tiling.size)


def _count(tiles: tuple[int, int]) -> int:
    return tiles[0] * tiles[1]


class TiledProducts:
    """Products by the kernels of this module."""

    def __init__(self, queue: Queue, dtype):
        self.queue, self.dtype = queue, np.dtype(dtype)
        self._sums: dict[int, Any] = {}  # of parts; none is ever freed: graphs remember where they lie

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
        if m == 0 or n == 0:
            return
        cut = plan(m, n, depth)
        if cut.parts == 1:
            self._product(a, b, c, shape, cut, transposed, add)
            return
        sums = Matrix(self._sums_of(cut.parts * m * n), 0, n)
        self._product(a, b, sums, shape, cut, transposed, False)
        add_parts = make_add_parts(real_type(self.dtype))
        arguments = sums.array, uint32(cut.parts), *_placed(c), uint32(m), uint32(n), add
        self.queue.for_each(add_parts, m * n, *arguments)

    def _product(self, a, b, c, shape, cut, transposed, add) -> None:
        m, n, depth = shape
        kernel = make_product(real_type(self.dtype), *cut.tiling, transposed)
        numbers = [uint32(number) for number in (m * n, m, n, depth, cut.part_depth)]
        blocks = *cut.tiles, cut.parts
        self.queue.launch(
            kernel, blocks, cut.tiling.side**2, *_placed(a), *_placed(b), *_placed(c), *numbers, add
        )

    def _sums_of(self, n: int) -> Any:
        """An array of at least n numbers, one for each power of two."""
        size = 1 << (n - 1).bit_length()
        if size not in self._sums:
            self._sums[size] = self.queue.zeros(size, self.dtype)
        return self._sums[size]


def _placed(matrix: Matrix) -> tuple:
    """A matrix as a kernel's arguments. 32-bit indices take half the registers: up to 2**32 numbers."""
    return matrix.array, uint32(matrix.offset), uint32(matrix.stride)


@cache
def make_product(real, side: int, each: int, piece: int, transposed: str) -> Any:
    """Return the kernel that makes tiles of C, or of the sums of each part of the depth."""
    tiling = Tiling(side, each, piece)
    size, threads = tiling.size, side * side
    row = size + 4 - 4 % each  # of a tile in shared memory: rows begin in different banks
    groups, n_tile, n_sums = row // each, piece * row, each * each
    load_a = _make_load(real, tiling, row, along_depth=transposed != "a")
    load_b = _make_load(real, tiling, row, along_depth=transposed == "b")

    @cuda_kernel(threads=threads)
    def product(a, a_at, a_row, b, b_at, b_row, c, c_at, c_row, c_part, m, n, depth, part_depth, add):
        """Block (i, j, k): tile (i, j) of the k-th part of the depth, whose sums lie `c_part` apart."""
        a_tile = cuda.shared.array(n_tile, real, alignment=ALIGNMENT)
        b_tile = cuda.shared.array(n_tile, real, alignment=ALIGNMENT)
        sums = cuda.local.array(n_sums, real)
        a_few = cuda.local.array(each, real)
        b_few = cuda.local.array(each, real)
        thread = uint32(cuda.threadIdx.x)
        i0, j0 = uint32(cuda.blockIdx.x * size), uint32(cuda.blockIdx.y * size)
        i_own, j_own = uint32(thread // uint32(side)), uint32(thread % uint32(side))
        begin = uint32(uint32(cuda.blockIdx.z) * part_depth)
        end = min(depth, uint32(begin + part_depth))
        for s in range(n_sums):
            sums[s] = real(0)
        for k0 in range(begin, end, piece):
            load_a(a, a_at, a_row, i0, m, uint32(k0), end, thread, a_tile)
            load_b(b, b_at, b_row, j0, n, uint32(k0), end, thread, b_tile)
            cuda.syncthreads()
            for k in range(piece):
                # times `each` at last: the compiler sees aligned neighbours, and reads them at once
                a_first = uint32(uint32(k * groups + i_own) * uint32(each))
                b_first = uint32(uint32(k * groups + j_own) * uint32(each))
                for s in range(each):
                    a_few[s] = a_tile[uint32(a_first + uint32(s))]
                    b_few[s] = b_tile[uint32(b_first + uint32(s))]
                for i in range(each):
                    for j in range(each):
                        sums[i * each + j] += a_few[i] * b_few[j]
            cuda.syncthreads()
        c_at = uint32(c_at + uint32(cuda.blockIdx.z) * c_part)
        for i in range(each):
            for j in range(each):
                i_c, j_c = uint32(i0 + i_own * each + i), uint32(j0 + j_own * each + j)
                if i_c < m and j_c < n:
                    at = uint32(c_at + i_c * c_row + j_c)
                    c[at] = sums[i * each + j] + (c[at] if add else real(0))

    return product


def _make_load(real, tiling: Tiling, row: int, along_depth: bool) -> Callable:
    """Return the function that brings a piece of A or B to shared memory as (piece, size).

    Beyond the matrix there are zeros. Threads next to each other read numbers next to each other, whichever
    way the matrix is stored.
    """
    threads, size, piece = tiling.side**2, tiling.size, tiling.piece

    @device_function
    def load_along_depth(x, at, x_row, first, n, k0, k_end, thread, tile):
        for q in range(size * piece // threads):
            e = uint32(thread + uint32(q * threads))
            i, k = uint32(e // uint32(piece)), uint32(e % uint32(piece))
            inside = uint32(first + i) < n and uint32(k0 + k) < k_end
            value = x[uint32(at + uint32(first + i) * x_row + uint32(k0 + k))] if inside else real(0)
            tile[uint32(k * uint32(row) + i)] = value

    @device_function
    def load_across(x, at, x_row, first, n, k0, k_end, thread, tile):
        for q in range(size * piece // threads):
            e = uint32(thread + uint32(q * threads))
            k, i = uint32(e // uint32(size)), uint32(e % uint32(size))
            inside = uint32(first + i) < n and uint32(k0 + k) < k_end
            value = x[uint32(at + uint32(k0 + k) * x_row + uint32(first + i))] if inside else real(0)
            tile[uint32(k * uint32(row) + i)] = value

    return load_along_depth if along_depth else load_across


@cache
def make_add_parts(real) -> Any:
    """Return the kernel that adds the sums of all parts, the first one first."""

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
    for dtype, tiling in ((float32, LARGE), (float32, SMALL), (float64, LARGE)):
        matrix = dtype[::1], uint32, uint32
        signature = (*matrix, *matrix, *matrix, *(uint32,) * 5, boolean)
        for transposed in TRANSPOSITIONS:
            kernel = make_product(dtype, *tiling, transposed)
            name = f"product {dtype} {tiling.size} {transposed}".rstrip()
            yield Example(name, kernel, signature, tiling.side**2, stationary=True)
    arguments = float32[::1], uint32, float32[::1], uint32, uint32, uint32, uint32, boolean
    yield Example("add_parts", make_add_parts(float32), arguments)
