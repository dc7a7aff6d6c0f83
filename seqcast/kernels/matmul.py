"""The product of small matrices inside compiled loops, a register tile at a time.

Calling BLAS from a threaded loop is slow (its own threads start inside ours; 20x measured), and a plain loop
reaches half of what the machine can do. Here a tile of C stays in vector registers over the whole depth::

    C[i, j] += sum_k A[i, k] * B[k, j]        i < rows, j < columns, k < depth

Every element is summed over k in the same order whatever the tile around it, so a row of the result does not
depend on which other rows are computed beside it: predictions are the same bits in any batch.

Two layouts are used. ``add_product`` reads B packed in panels ``[columns / PANEL][depth][PANEL]`` (weights,
packed once per step); ``add_outer_product`` reads A transposed and B row by row (the gradient of the weights,
summed over all steps). Columns are computed in whole vectors: rows of C, and panels, must be padded to
`padded` columns.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import JIT_DISABLED, kernel


def _vector_bytes() -> int:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


VECTOR_BYTES = _vector_bytes()
REGISTERS = 16 if VECTOR_BYTES == 32 else 32  # AVX has 16 vector registers, AVX-512 and NEON 32
TALL = (
    6 if REGISTERS == 16 else 8
)  # rows of the main tile: 2 * TALL sums + 2 vectors of B + 1 of A fit the registers


def lanes(dtype) -> int:
    """Numbers of `dtype` in one vector register."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def panel_width(dtype) -> int:
    """Columns of a packed panel: two vectors."""
    return 2 * lanes(dtype)


def padded(columns: int, dtype) -> int:
    """`columns` rounded up to whole vectors, the width that a row of C needs."""
    return -(-columns // lanes(dtype)) * lanes(dtype)


def _make_tile(rows: int, vectors: int):
    """C[rows, vectors * lanes] += A[rows, depth] @ B[depth, vectors * lanes], with C in registers over the
    whole depth."""

    @intrinsic
    def tile(typingctx, a, a0, a_row, a_step, b, b0, b_step, depth, c, c0, c_row):
        index = types.intp
        signature = types.void(a, index, index, index, b, index, index, index, c, index, index)

        def codegen(context, builder, signature, args):
            return _emit_tile(context, builder, signature, args, rows, vectors)

        return signature, codegen

    return tile


def _emit_tile(context, builder, signature, args, rows, vectors):
    _, a0, a_row, a_step, _, b0, b_step, depth, _, c0, c_row = args
    scalar = context.get_value_type(signature.args[0].dtype)
    bytes_ = 4 if isinstance(scalar, ir.FloatType) else 8
    width = VECTOR_BYTES // bytes_
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


def _python_tile(rows: int, vectors: int):
    """The same tile without a compiler."""

    def tile(a, a0, a_row, a_step, b, b0, b_step, depth, c, c0, c_row):
        width = vectors * lanes(a.dtype)
        for i in range(rows):
            sums = c[c0 + i * c_row : c0 + i * c_row + width]
            for k in range(depth):
                sums += a[a0 + i * a_row + k * a_step] * b[b0 + k * b_step : b0 + k * b_step + width]

    return tile


def _make_panel(vectors: int):
    """One panel of so many vectors, all rows: tall tiles first, then what is left."""
    make = _python_tile if JIT_DISABLED else _make_tile
    tall, four, two, one = (make(rows, vectors) for rows in (TALL, 4, 2, 1))

    @kernel
    def panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, c0, c_row):
        r = 0
        while r + TALL <= rows:
            tall(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += TALL
        while r + 4 <= rows:
            four(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += 4
        if r + 2 <= rows:
            two(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)
            r += 2
        if r < rows:
            one(a, r * a_row, a_row, a_step, b, b0, b_step, depth, c, c0 + r * c_row, c_row)

    return panel


# the last columns may fill a single vector
_wide_panel, _narrow_panel = _make_panel(2), _make_panel(1)


@kernel
def _product(a, a_row, a_step, rows, b, b_panel, b_step, depth, c, c_row, columns):
    if rows == 0 or depth == 0:
        return
    vector = VECTOR_BYTES // c.itemsize
    column = np.intp(0)
    while column + vector < columns:
        b0 = column // (2 * vector) * b_panel
        _wide_panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, column, c_row)
        column += 2 * vector
    if column < columns:
        b0 = column // (2 * vector) * b_panel
        _narrow_panel(a, a_row, a_step, rows, b, b0, b_step, depth, c, column, c_row)


@kernel
def add_product(a, a_row, rows, panels, depth, c, c_row, columns):
    """C (rows, columns) += A (rows, depth) @ B, with B packed in panels; rows of A and C lie `a_row`, `c_row`
    apart."""
    panel = 2 * (VECTOR_BYTES // c.itemsize)
    _product(a, a_row, np.intp(1), rows, panels, depth * panel, panel, depth, c, c_row, columns)


@kernel
def add_outer_product(a, a_row, rows, b, b_row, depth, c, c_row, columns):
    """C (rows, columns) += A^T @ B, with A (depth, rows) and B (depth, columns) row by row, `a_row` and
    `b_row` apart."""
    panel = 2 * (VECTOR_BYTES // c.itemsize)
    _product(a, np.intp(1), a_row, rows, b, panel, b_row, depth, c, c_row, columns)
