"""The product of small matrices inside compiled loops, computed in register tiles.

BLAS is 20 times slower if it is called from a threaded loop, because it starts threads of its own. A plain
loop reaches half of the processor's speed. Here, a tile of C stays in vector registers over the whole depth::

    C[i, j] += sum_k A[i, k] * B[k, j]        i < rows, j < columns, k < depth

Every element is summed over k in the same order in every tile. A row of the result therefore does not depend
on the rows beside it, and predictions have the same bits in any batch.

Two layouts are used. ``add_product`` reads B packed in panels ``[columns / PANEL][depth][PANEL]`` (weights,
packed once per update). ``add_outer_product`` reads A transposed and B row by row (the gradient of the
weights, summed over all steps). Columns are computed in whole vectors, so rows of C and panels must be padded
to whole vectors, see `CpuTarget.pad`.
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
    add_outer_product: Callable


def tall_rows(target: CpuTarget) -> int:
    """Return the rows of the main tile, so that C, two vectors of B and one of A fit into the registers."""
    return 6 if target.n_registers == 16 else 8


def _make_tile(target: CpuTarget, rows: int, vectors: int) -> Callable:
    """Return a tile: C[rows, vectors * lanes] += A[rows, depth] @ B[depth, vectors * lanes].

    C stays in registers over the whole depth.
    """

    @intrinsic
    def tile(typingctx, a, a0, a_row, a_step, b, b0, b_step, depth, c, c0, c_row):
        index = types.intp
        signature = types.void(a, index, index, index, b, index, index, index, c, index, index)

        def codegen(context, builder, signature, args):
            return _emit_tile(context, builder, signature, args, target, rows, vectors)

        return signature, codegen

    return tile


def _emit_tile(context, builder, signature, args, target, rows, vectors):
    _, a0, a_row, a_step, _, b0, b_step, depth, _, c0, c_row = args
    scalar = context.get_value_type(signature.args[0].dtype)
    bytes_ = 4 if isinstance(scalar, ir.FloatType) else 8
    width = target.vector_bytes // bytes_
    vector, i64 = ir.VectorType(scalar, width), ir.IntType(64)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    undefined = ir.Constant(vector, ir.Undefined)
    fma_name = f"llvm.fma.v{width}f{8 * bytes_}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), fma_name)

    def pointer(position, start):
        data = context.make_array(signature.args[position])(context, builder, args[position]).data
        return builder.gep(data, [start])

    def vector_at(base, offset):
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def broadcast(value):
        return builder.shuffle_vector(
            builder.insert_element(undefined, value, ir.IntType(32)(0)), undefined, zeros
        )

    a_rows = [builder.gep(pointer(0, a0), [builder.mul(a_row, i64(i))]) for i in range(rows)]
    b_base, c_base = pointer(4, b0), pointer(8, c0)
    c_at = [
        [vector_at(builder.gep(c_base, [builder.mul(c_row, i64(i))]), i64(v * width)) for v in range(vectors)]
        for i in range(rows)
    ]
    start = [[builder.load(p, align=bytes_) for p in row] for row in c_at]

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

    def tile(a, a0, a_row, a_step, b, b0, b_step, depth, c, c0, c_row):
        width = vectors * target.lanes(a.dtype)
        for i in range(rows):
            sums = c[c0 + i * c_row : c0 + i * c_row + width]
            for k in range(depth):
                sums += a[a0 + i * a_row + k * a_step] * b[b0 + k * b_step : b0 + k * b_step + width]

    return tile


def _make_panel(target: CpuTarget, vectors: int) -> Callable:
    """Return the product with one panel of `vectors` vectors: tall tiles first, then smaller ones."""
    make = _python_tile if JIT_DISABLED else _make_tile
    n_tall = tall_rows(target)
    tall, four, two, one = (make(target, rows, vectors) for rows in (n_tall, 4, 2, 1))

    @kernel
    def panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, c0, c_row):
        r = 0
        while r + n_tall <= rows:
            tall(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += n_tall
        while r + 4 <= rows:
            four(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += 4
        if r + 2 <= rows:
            two(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += 2
        if r < rows:
            one(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)

    return panel


@cache
def compile_products(target: CpuTarget) -> Products:
    """Return the products for vectors of one width."""
    vector_bytes = target.vector_bytes
    # The last columns may fill a single vector.
    wide_panel, narrow_panel = _make_panel(target, 2), _make_panel(target, 1)

    @kernel
    def product(a, a_row, a_step, rows, b, b_panel, b_step, depth, c, c_row, columns):
        if rows == 0 or depth == 0:
            return
        lanes = vector_bytes // c.itemsize
        column = np.intp(0)
        while column + lanes < columns:
            b0 = column // (2 * lanes) * b_panel
            wide_panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, column, c_row)
            column += 2 * lanes
        if column < columns:
            b0 = column // (2 * lanes) * b_panel
            narrow_panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, column, c_row)

    @kernel
    def add_product(a, a_row, rows, panels, depth, c, c_row, columns):
        """Add A (rows, depth) @ B to C (rows, columns), with B packed in panels.

        Rows of A and C lie `a_row` and `c_row` apart.
        """
        panel = 2 * (vector_bytes // c.itemsize)
        product(a, a_row, np.intp(1), rows, panels, depth * panel, panel, depth, c, c_row, columns)

    @kernel
    def add_outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns):
        """Add A^T @ B to C (rows, columns), with A (depth, rows) and B (depth, columns) row by row.

        Rows of A and B lie `a_row` and `b_row` apart.
        """
        panel = 2 * (vector_bytes // c.itemsize)
        product(a, np.intp(1), a_row, rows, b, panel, b_row, depth, c, c_row, columns)

    return Products(add_product, add_outer_product)
