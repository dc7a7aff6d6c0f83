"""Forward and backward walks over time, for any cell: one block of rows, all layers, both directions.

Each layer and direction keeps, for every step s and row r, the row ``[h, x]`` where ``h`` is the state
*before* the step; the step writes ``h`` of the row one step on. A walk counts its own steps: the reverse
direction reads the input of step s at natural time ``length - 1 - s``. Buffers between layers are in natural
time and zero past a row's end. Rows are sorted by length, longest first, so the rows still running at a step
are the first ``active[s]`` ones; the others keep their state.
"""

import numpy as np

from ..cells.contract import Cell
from .cell_loops import compile_cell
from .dropout import drop
from .jit import kernel
from .layout import Columns
from .matmul import add_outer_product, add_product


def compile_recurrence(cell: Cell, dtype):
    """Return ``forward(net, layers, block, begin, steps, weights, work)`` and the matching ``backward``."""
    walk_forward = _compile_walk_forward(cell, dtype)
    walk_backward = _compile_walk_backward(cell, dtype)

    @kernel
    def forward(net, layers, block, begin, steps, weights, work):
        """From the inputs of the lowest layer, which stand beside its states, to the final states.

        block (b, 4): the rows' table, see `windows`. begin: first step of this chunk, its states lie in
        `layer.state`.
        """
        for k in range(layers.size):
            layer = layers[k]
            active = count_active(block, begin, steps)
            if layer.level > 0:
                place_input(net, layer, block, begin, steps, work)
            load_state(net, layer, block.shape[0], work)
            walk_forward(net, layer, block.shape[0], active, weights, work)
            keep_state(net, layer, block.shape[0], steps, work)
            if layer.sink >= 0:
                collect_output(net, layer, block, begin, steps, work)
                if layer.reverse == net.n_directions - 1:
                    drop(net, block, layer.level, begin, steps, layer.sink_width, work[layer.sink :])

    @kernel
    def backward(net, layers, block, begin, steps, weights, work, gradients):
        """From the gradients of final states (in `layer.state`) and outputs to those of weights, inputs,
        initial states."""
        n_rows = block.shape[0]
        for k in range(layers.size - 1, -1, -1):
            layer = layers[k]
            if layer.reverse == net.n_directions - 1 and layer.d_source >= 0:
                work[layer.d_source : layer.d_source + steps * n_rows * layer.width] = 0
            if layer.d_sink >= 0 and not layer.is_top and layer.reverse == net.n_directions - 1:
                drop(net, block, layer.level, begin, steps, layer.sink_width, work[layer.d_sink :])
            active = count_active(block, begin, steps)
            walk_backward(net, layer, block, begin, active, weights, work, gradients)

    return forward, backward


def _compile_walk_forward(cell: Cell, dtype):
    loops, groups = compile_cell(cell, dtype), Columns.of(cell)
    step, reset = loops.step, loops.reset
    n_others, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    n_x, n_late, n_joint, n_h = groups.input_only + groups.late, groups.late, groups.joint, groups.state_only

    @kernel
    def walk_forward(net, layer, n_rows, active, weights, work):
        H, stride = net.hidden, layer.row_stride
        z, bias = work[net.z :], weights[layer.p_bias : layer.p_bias + net.columns]
        for s in range(active.size):
            m, before, after = active[s], s * n_rows, (s + 1) * n_rows
            h, new_h = work[layer.rows + before * stride :], work[layer.rows + after * stride :]
            others = work[layer.others + before * n_others * H :]
            new_others = work[layer.others + after * n_others * H :]
            saved = work[layer.saved + before * n_saved * H :]
            fill_rows(z, net.z_stride, m, bias)
            add_product(h[H:], stride, m, weights[layer.p_x :], layer.width, z, net.z_stride, n_x * H)
            joint, own = z[n_x * H :], z[(n_x + n_joint) * H :]
            add_product(
                h, stride, m, weights[layer.p_joint :], H + layer.width, joint, net.z_stride, n_joint * H
            )
            add_product(h, stride, m, weights[layer.p_h :], H, own, net.z_stride, n_h * H)
            if n_late:
                u, late = work[layer.late + before * H :], z[(n_x - n_late) * H :]
                reset(m, H, z, net.z_stride, h, stride, others, u, saved)
                add_product(u, H, m, weights[layer.p_late :], H, late, net.z_stride, n_late * H)
            step(m, H, z, net.z_stride, h, stride, others, new_h, new_others, saved)
            hold_rows(h, new_h, stride, m, n_rows, H)
            hold_rows(others, new_others, n_others * H, m, n_rows, n_others * H)

    return walk_forward


def _compile_walk_backward(cell: Cell, dtype):
    loops, groups = compile_cell(cell, dtype), Columns.of(cell)
    step_backward, reset_backward = loops.step_backward, loops.reset_backward
    n_others, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    n_x, n_late, n_joint, n_h = groups.input_only + groups.late, groups.late, groups.joint, groups.state_only

    @kernel
    def step_back(net, layer, n_rows, m, s, d_z, weights, work):
        """The gradient of one step's pre-activations (d_z, OUT), and of the state before it (in place in
        `net.d_state`)."""
        H, stride, before = net.hidden, layer.row_stride, s * n_rows
        d_h, d_block = work[net.d_state :], n_rows * net.d_stride
        h, others = work[layer.rows + before * stride :], work[layer.others + before * n_others * H :]
        saved = work[layer.saved + before * n_saved * H :]
        step_backward(m, H, saved, h, stride, others, d_h, net.d_stride, d_block, d_z, net.z_stride)
        if n_late:
            d_u, d_late = work[net.d_u :], d_z[(n_x - n_late) * H :]
            clear(d_u, m * net.d_stride)
            add_product(d_late, net.z_stride, m, weights[layer.q_late :], n_late * H, d_u, net.d_stride, H)
            reset_backward(m, H, saved, h, stride, others, d_u, d_h, net.d_stride, d_z, net.z_stride)
        for r in range(m, n_rows):  # rows that had ended: nothing of them may reach the weights
            clear(d_z[r * net.z_stride :], net.columns)
        d_own = d_z[n_x * H :]
        add_product(d_own, net.z_stride, m, weights[layer.q_h :], (n_joint + n_h) * H, d_h, net.d_stride, H)

    @kernel
    def add_weight_gradients(net, layer, first, n, d_z, work, gradients):
        """Add the share of rows first .. first + n (steps times rows) to the packed gradient."""
        H, F, stride, zs = net.hidden, layer.width, layer.row_stride, net.z_stride
        rows = work[layer.rows + first * stride :]
        vector = net.vector
        add_outer_product(
            rows[H:], stride, F, d_z, zs, n, gradients[layer.g_x :], whole(n_x * H, vector), n_x * H
        )
        joint, own = n_joint * H, n_h * H
        d_joint, d_own = d_z[n_x * H :], d_z[(n_x + n_joint) * H :]
        add_outer_product(
            rows, stride, H + F, d_joint, zs, n, gradients[layer.g_joint :], whole(joint, vector), joint
        )
        add_outer_product(rows, stride, H, d_own, zs, n, gradients[layer.g_h :], whole(own, vector), own)
        if n_late:
            u, d_late, late = work[layer.late + first * H :], d_z[(n_x - n_late) * H :], n_late * H
            add_outer_product(u, H, H, d_late, zs, n, gradients[layer.g_late :], whole(late, vector), late)
        add_rows(d_z, zs, n, gradients[layer.g_bias : layer.g_bias + net.columns])

    @kernel
    def add_input_gradients(net, layer, block, begin, steps, s0, d_z, weights, work):
        """Add the gradient of the inputs of steps s0 .. s0 + steps to the layer below, in natural time."""
        n_rows, n = block.shape[0], steps * block.shape[0]
        d_x = work[net.d_x :]
        clear(d_x, n * net.d_x_stride)
        depth = (n_x + n_joint) * net.hidden
        add_product(d_z, net.z_stride, n, weights[layer.q_x :], depth, d_x, net.d_x_stride, layer.width)
        for s in range(s0, s0 + steps):
            for r in range(n_rows):
                t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
                if t >= 0:
                    to = layer.d_source + (t * n_rows + r) * layer.width
                    add_row(work[to : to + layer.width], d_x[((s - s0) * n_rows + r) * net.d_x_stride :])

    @kernel
    def walk_backward(net, layer, block, begin, active, weights, work, gradients):
        n_rows, s1 = block.shape[0], active.size
        start_gradient(net, layer, n_rows, work)
        while s1 > 0:
            s0 = max(0, s1 - net.ring)
            for s in range(s1 - 1, s0 - 1, -1):
                if layer.d_sink >= 0:
                    add_output_gradient(net, layer, block, begin, s, work)
                d_z = work[net.d_z + (s - s0) * n_rows * net.z_stride :]
                step_back(net, layer, n_rows, active[s], s, d_z, weights, work)
            d_z = work[net.d_z :]
            add_weight_gradients(net, layer, s0 * n_rows, (s1 - s0) * n_rows, d_z, work, gradients)
            if layer.d_source >= 0:
                add_input_gradients(net, layer, block, begin, s1 - s0, s0, d_z, weights, work)
            s1 = s0
        finish_gradient(net, layer, n_rows, work)

    return walk_backward


# -- rows of a block: columns of its table

START, LENGTH, TARGET, ROW = 0, 1, 2, 3


@kernel
def count_active(block, begin, steps):
    """How many rows (sorted by length) still run at each step of the chunk."""
    active = np.empty(steps, np.int64)
    m = block.shape[0]
    for s in range(steps):
        while m > 0 and block[m - 1, LENGTH] <= begin + s:
            m -= 1
        active[s] = m
    return active


@kernel
def natural_time(reverse, s, length):
    """Time, within the chunk, of step s of a walk over `length` steps; negative where the row has ended."""
    if reverse:
        return length - 1 - s
    return s if s < length else -1


@kernel
def place_input(net, layer, block, begin, steps, work):
    """Copy the layer's source (natural time) beside the states (walk time)."""
    n_rows, F = block.shape[0], layer.width
    for s in range(steps):
        for r in range(n_rows):
            to = layer.rows + (s * n_rows + r) * layer.row_stride + net.hidden
            t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
            if t >= 0:
                source = layer.source + (t * n_rows + r) * F
                copy_row(work[to : to + F], work[source:])
            else:
                clear(work[to:], F)


@kernel
def collect_output(net, layer, block, begin, steps, work):
    """Copy the states (walk time) to the layer's sink (natural time), beside the other direction's; 0 past a
    row's end."""
    n_rows, H = block.shape[0], net.hidden
    for s in range(steps):
        for r in range(n_rows):
            t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
            row = layer.rows + ((s + 1) * n_rows + r) * layer.row_stride
            to = layer.sink + ((t if t >= 0 else s) * n_rows + r) * layer.sink_width + layer.reverse * H
            if t >= 0:
                copy_row(work[to : to + H], work[row:])
            else:
                clear(work[to:], H)


@kernel
def add_output_gradient(net, layer, block, begin, s, work):
    n_rows, H = block.shape[0], net.hidden
    for r in range(n_rows):
        t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
        if t >= 0:
            source = layer.d_sink + (t * n_rows + r) * layer.sink_width + layer.reverse * H
            to = net.d_state + r * net.d_stride
            add_row(work[to : to + H], work[source:])


@kernel
def load_state(net, layer, n_rows, work):
    """State k of row r lies at ``layer.state + (k * block_rows + r) * H`` between walks."""
    H, n_others = net.hidden, net.n_states - 1
    for r in range(n_rows):
        copy_row(work[layer.rows + r * layer.row_stride :][:H], work[layer.state + r * H :])
        for k in range(n_others):
            to = layer.others + (r * n_others + k) * H
            copy_row(work[to : to + H], work[layer.state + ((k + 1) * net.block_rows + r) * H :])


@kernel
def keep_state(net, layer, n_rows, steps, work):
    H, n_others = net.hidden, net.n_states - 1
    for r in range(n_rows):
        row = steps * n_rows + r
        to = layer.state + r * H
        copy_row(work[to : to + H], work[layer.rows + row * layer.row_stride :])
        for k in range(n_others):
            to = layer.state + ((k + 1) * net.block_rows + r) * H
            copy_row(work[to : to + H], work[layer.others + (row * n_others + k) * H :])


@kernel
def start_gradient(net, layer, n_rows, work):
    for k in range(net.n_states):
        for r in range(n_rows):
            to = net.d_state + (k * n_rows + r) * net.d_stride
            clear(work[to:], net.d_stride)
            copy_row(work[to : to + net.hidden], work[layer.state + (k * net.block_rows + r) * net.hidden :])


@kernel
def finish_gradient(net, layer, n_rows, work):
    for k in range(net.n_states):
        for r in range(n_rows):
            to = layer.state + (k * net.block_rows + r) * net.hidden
            copy_row(work[to : to + net.hidden], work[net.d_state + (k * n_rows + r) * net.d_stride :])


# -- rows of numbers: short loops over one or two arrays always vectorise


@kernel
def copy_row(to, source):
    for j in range(to.size):
        to[j] = source[j]


@kernel
def add_row(to, source):
    for j in range(to.size):
        to[j] += source[j]


@kernel
def clear(to, n):
    for j in range(n):
        to[j] = 0


@kernel
def fill_rows(to, stride, n_rows, row):
    for r in range(n_rows):
        copy_row(to[r * stride : r * stride + row.size], row)


@kernel
def add_rows(rows, stride, n_rows, to):
    for r in range(n_rows):
        add_row(to, rows[r * stride :])


@kernel
def hold_rows(before, after, stride, first, n_rows, width):
    """Rows first .. n_rows have ended: their state goes on unchanged."""
    for r in range(first, n_rows):
        copy_row(after[r * stride : r * stride + width], before[r * stride :])


@kernel
def whole(columns, vector):
    """Columns rounded up to whole vectors."""
    return -(-columns // vector) * vector
