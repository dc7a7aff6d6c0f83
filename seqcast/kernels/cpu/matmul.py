"""The product of small matrices inside compiled loops, computed in register tiles.

BLAS is 20 times slower if it is called from a threaded loop, because it starts threads of its own. A plain
loop reaches half of the processor's speed. Here, a tile of C stays in vector registers over the whole depth::

    C[i, j] = S[i, j] + sum_k A[i, k] * B[k, j]        i < rows, j < columns, k < depth

S is C itself, or one row for all rows of C, such as a bias. Every element is summed over k in the same order
in every tile. A row of the result therefore does not depend on the rows beside it, and predictions have the
same bits in any batch.

In the functions below, ``a0`` is the position of the first number of A; ``a_row`` and ``a_step`` are the
numbers from one row of A, and from one k, to the next. The names of the other matrices follow the same rule.

Two layouts are used. ``add_product`` and ``set_product`` read B packed in panels
``[columns / PANEL][depth][PANEL]`` (weights, packed once per update). ``add_outer_product`` reads A
transposed and B row by row (the gradient of the weights, summed over all steps). Columns are computed in
whole vectors, so rows of C and panels must be padded to whole vectors, see `CpuTarget.pad`.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..cpu_target import CpuTarget
from .jit import JIT_DISABLED, kernel


class Products(NamedTuple):
    """Products compiled for one target: see `compile_products`."""

    add_product: Callable
    set_product: Callable
    add_outer_product: Callable


def tall_rows(target: CpuTarget) -> int:
    """Return the rows of the main tile, so that C, two vectors of B and one of A fit into the registers."""
    return 6 if target.n_registers == 16 else 8


@intrinsic
def _pointer_to(typingctx, array):
    """Return the address of an array's first number.

    Numba passes an array as seven numbers. Passing four arrays to each panel would take 5 % of the time of a
    product of 16 x 72 x 256.
    """

    def codegen(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


# The arrays themselves as plain Python.
pointer_to = (lambda array: array) if JIT_DISABLED else _pointer_to


def _make_tile(target: CpuTarget, rows: int, vectors: int) -> Callable:
    """Return a tile: C[rows, vectors * lanes] = S + A[rows, depth] @ B[depth, vectors * lanes].

    C stays in registers over the whole depth.
    """

    @intrinsic
    def tile(typingctx, a, a0, a_row, a_step, b, b0, b_step, depth, s, s0, s_row, c, c0, c_row):
        index = types.intp
        signature = types.void(
            a, index, index, index, b, index, index, index, s, index, index, c, index, index
        )

        def codegen(context, builder, signature, args):
            return _emit_tile(context, builder, signature, args, target, rows, vectors)

        return signature, codegen

    return tile


def _emit_tile(context, builder, signature, args, target, rows, vectors):
    a, a0, a_row, a_step, b, b0, b_step, depth, s, s0, s_row, c, c0, c_row = args
    scalar = context.get_value_type(signature.args[0].dtype)
    bytes_ = 4 if isinstance(scalar, ir.FloatType) else 8
    width = target.vector_bytes // bytes_
    vector, i64 = ir.VectorType(scalar, width), ir.IntType(64)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    undefined = ir.Constant(vector, ir.Undefined)
    fma_name = f"llvm.fma.v{width}f{8 * bytes_}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), fma_name)

    def vector_at(base, offset):
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def broadcast(value):
        return builder.shuffle_vector(
            builder.insert_element(undefined, value, ir.IntType(32)(0)), undefined, zeros
        )

    def rows_at(base, first, stride):
        start = builder.gep(base, [first])
        return [builder.gep(start, [builder.mul(stride, i64(i))]) for i in range(rows)]

    def vectors_at(base, first, stride):
        starts = rows_at(base, first, stride)
        return [[vector_at(start, i64(v * width)) for v in range(vectors)] for start in starts]

    a_rows, b_base = rows_at(a, a0, a_row), builder.gep(b, [b0])
    start = [[builder.load(p, align=bytes_) for p in row] for row in vectors_at(s, s0, s_row)]
    c_at = vectors_at(c, c0, c_row)

    before = builder.block
    loop, done = builder.append_basic_block("depth"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(i64)
    sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    b_row = builder.gep(b_base, [builder.mul(k, b_step)])
    b_k = [builder.load(vector_at(b_row, i64(v * width)), align=bytes_) for v in range(vectors)]
    a_offset = builder.mul(k, a_step)
    a_k = [broadcast(builder.load(builder.gep(row, [a_offset]))) for row in a_rows]
    new = [[builder.call(fma, [a_k[i], b_k[v], sums[i][v]]) for v in range(vectors)] for i in range(rows)]
    k_next = builder.add(k, i64(1))
    k.add_incoming(i64(0), before)
    k.add_incoming(k_next, loop)
    for i in range(rows):
        for v in range(vectors):
            sums[i][v].add_incoming(start[i][v], before)
            sums[i][v].add_incoming(new[i][v], loop)
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

    builder.position_at_end(done)
    for i in range(rows):
        for v in range(vectors):
            builder.store(new[i][v], c_at[i][v], align=bytes_)
    return context.get_dummy_value()


def _python_tile(target: CpuTarget, rows: int, vectors: int) -> Callable:
    """Return the tile of `_make_tile` as plain Python."""

    def tile(a, a0, a_row, a_step, b, b0, b_step, depth, s, s0, s_row, c, c0, c_row):
        width = vectors * target.lanes(a.dtype)
        for i in range(rows):
            sums = c[c0 + i * c_row : c0 + i * c_row + width]
            sums[:] = s[s0 + i * s_row : s0 + i * s_row + width]
            for k in range(depth):
                sums += a[a0 + i * a_row + k * a_step] * b[b0 + k * b_step : b0 + k * b_step + width]

    return tile


def _make_panel(target: CpuTarget, vectors: int) -> Callable:
    """Return the product with one panel of `vectors` vectors: tall tiles first, then smaller ones."""
    make = _python_tile if JIT_DISABLED else _make_tile
    n_tall = tall_rows(target)
    tall, four, two, one = (make(target, rows, vectors) for rows in (n_tall, 4, 2, 1))

    @kernel
    def panel(a, a_row, a_step, rows, b, b0, b_step, depth, s, s0, s_row, c, c0, c_row):
        r = 0
        while r + n_tall <= rows:
            s1, c1 = s0 + r * s_row, c0 + r * c_row
            tall(a, r * a_row, a_row, a_step, b, b0, b_step, depth, s, s1, s_row, c, c1, c_row)
            r += n_tall
        while r + 4 <= rows:
            s1, c1 = s0 + r * s_row, c0 + r * c_row
            four(a, r * a_row, a_row, a_step, b, b0, b_step, depth, s, s1, s_row, c, c1, c_row)
            r += 4
        if r + 2 <= rows:
            s1, c1 = s0 + r * s_row, c0 + r * c_row
            two(a, r * a_row, a_row, a_step, b, b0, b_step, depth, s, s1, s_row, c, c1, c_row)
            r += 2
        if r < rows:
            s1, c1 = s0 + r * s_row, c0 + r * c_row
            one(a, r * a_row, a_row, a_step, b, b0, b_step, depth, s, s1, s_row, c, c1, c_row)

    return panel


@cache
def compile_products(target: CpuTarget) -> Products:
    """Return the products for vectors of one width."""
    vector_bytes = target.vector_bytes
    # The last columns may fill a single vector.
    wide_panel, narrow_panel = _make_panel(target, 2), _make_panel(target, 1)

    @kernel
    def product(a, a_row, a_step, rows, b, b_panel, b_step, depth, s, s_row, c, c_row, columns, lanes):
        if rows == 0 or depth == 0:
            return
        at, b0 = np.intp(0), np.intp(0)
        while at + lanes < columns:
            wide_panel(a, a_row, a_step, rows, b, b0, b_step, depth, s, at, s_row, c, at, c_row)
            at += 2 * lanes
            b0 += b_panel
        if at < columns:
            narrow_panel(a, a_row, a_step, rows, b, b0, b_step, depth, s, at, s_row, c, at, c_row)

    @kernel
    def add_product(a, a_row, rows, panels, depth, c, c_row, columns):
        """Add A (rows, depth) @ B to C (rows, columns), with B packed in panels.

        Rows of A and C lie `a_row` and `c_row` apart.
        """
        lanes, step, to = vector_bytes // c.itemsize, np.intp(1), pointer_to(c)
        a, b, panel = pointer_to(a), pointer_to(panels), 2 * lanes
        product(a, a_row, step, rows, b, depth * panel, panel, depth, to, c_row, to, c_row, columns, lanes)

    @kernel
    def set_product(a, a_row, rows, panels, depth, start, c, c_row, columns):
        """Set C (rows, columns) to the row `start` plus A (rows, depth) @ B, with B packed in panels.

        Rows of A and C lie `a_row` and `c_row` apart; depth is at least 1. Whole vectors of `start` are read,
        and of C written.
        """
        lanes, step, no_row, to = vector_bytes // c.itemsize, np.intp(1), np.intp(0), pointer_to(c)
        a, b, panel, s = pointer_to(a), pointer_to(panels), 2 * lanes, pointer_to(start)
        product(a, a_row, step, rows, b, depth * panel, panel, depth, s, no_row, to, c_row, columns, lanes)

    @kernel
    def add_outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns):
        """Add A^T @ B to C (rows, columns), with A (depth, rows) and B (depth, columns) row by row.

        Rows of A and B lie `a_row` and `b_row` apart.
        """
        lanes, row, to = vector_bytes // c.itemsize, np.intp(1), pointer_to(c)
        a, b, panel = pointer_to(a), pointer_to(b), 2 * lanes
        product(a, row, a_row, rows, b, panel, b_row, depth, to, c_row, to, c_row, columns, lanes)

    return Products(add_product, set_product, add_outer_product)
