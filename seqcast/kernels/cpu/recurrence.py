"""The recurrent layers unrolled over time, forward and backward, for any cell.

All functions work on one block of samples. Each layer and direction keeps, for every step s and sample r, the
row ``[h, x]`` where ``h`` is the state *before* the step; the step writes ``h`` of the row one step on. A
direction counts its own steps: the reverse direction reads the input of step s at natural time
``length - 1 - s``. Buffers between layers are in natural time, and zero after the end of a sample. Samples
are sorted by length, longest first, so the samples still running at a step are the first ones; the others
keep their state.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...cells.contract import Cell
from ..column_groups import ColumnGroups
from ..cpu_target import CpuTarget
from ..samples import LENGTH
from .cell_loops import compile_cell
from .dropout import drop
from .jit import kernel
from .matmul import compile_products
from .row_ops import add_row, add_rows, clear, copy_row, copy_rows, skew
from .samples import count_running, natural_time


class Recurrence(NamedTuple):
    """The passes over all layers: see `compile_recurrence`."""

    forward: Callable
    backward: Callable


def compile_recurrence(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Recurrence:
    """Return the passes over the layers of one cell."""
    unroll_forward = _compile_unroll_forward(cell, dtype, target)
    unroll_backward = _compile_unroll_backward(cell, dtype, target)

    @kernel
    def forward(net, layers, block, begin, steps, weights, workspace):
        """Compute the states of all layers over one chunk of steps.

        The inputs of the lowest layer must already lie beside its states. block (b, 4): the samples, see
        `samples`. begin: first step of the chunk. `layer.state`: states before the chunk (IN) and after it
        (OUT).
        """
        for k in range(layers.size):
            layer = layers[k]
            if layer.number > 0:
                place_input(net, layer, block, begin, steps, workspace)
            load_state(net, layer, block.shape[0], workspace)
            unroll_forward(net, layer, block, begin, steps, weights, workspace)
            keep_state(net, layer, block.shape[0], steps, workspace)
            if layer.outputs >= 0:
                collect_output(net, layer, block, begin, steps, workspace)
                if layer.reverse == net.stack.n_directions - 1:
                    outputs = workspace[layer.outputs :]
                    drop(net, block, layer.number, begin, steps, layer.output_width, outputs)

    @kernel
    def backward(net, layers, block, begin, steps, weights, workspace, gradients):
        """Compute the gradients of weights, inputs and initial states over one chunk.

        The gradients of the final states lie in `layer.state`, those of the outputs in `stack.d_outputs`.
        """
        n = block.shape[0]
        for k in range(layers.size - 1, -1, -1):
            layer = layers[k]
            is_first = layer.reverse == net.stack.n_directions - 1
            if is_first and layer.d_inputs >= 0:
                clear(workspace[layer.d_inputs :], steps * n * layer.width)
            if is_first and layer.d_outputs >= 0 and not layer.is_top:
                d_outputs = workspace[layer.d_outputs :]
                drop(net, block, layer.number, begin, steps, layer.output_width, d_outputs)
            unroll_backward(net, layer, block, begin, steps, weights, workspace, gradients)

    return Recurrence(forward, backward)


def _compile_unroll_forward(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Callable:
    step_forward = _compile_step_forward(cell, dtype, target)

    @kernel
    def unroll_forward(net, layer, block, begin, steps, weights, workspace):
        """Compute the states of one layer and direction after each step of a chunk."""
        m = block.shape[0]
        for s in range(steps):
            m = count_running(block, begin + s, m)
            step_forward(net, layer, block.shape[0], m, s, weights, workspace)

    return unroll_forward


def _compile_step_forward(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Callable:
    loops, groups = compile_cell(cell, dtype, target), ColumnGroups.of(cell)
    add_product, set_product, _ = compile_products(target)
    step, reset = loops.step, loops.reset
    n_aux, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    n_after_reset, n_joint, n_h = groups.after_reset, groups.joint, groups.state_only
    n_x = groups.input_only + n_after_reset

    @kernel
    def step_forward(net, layer, n_samples, m, s, weights, workspace):
        """Compute the states after step s of a chunk; m: samples that still run at this step."""
        stack = net.stack
        H, stride, z_stride = stack.hidden, layer.hx_stride, stack.z_stride
        before, after = s * n_samples, (s + 1) * n_samples
        z = workspace[stack.z :]
        h = workspace[layer.hx + before * stride :]
        new_h = workspace[layer.hx + after * stride :]
        aux = workspace[layer.aux_states + before * n_aux * H :]
        new_aux = workspace[layer.aux_states + after * n_aux * H :]
        saved = workspace[layer.saved + before * n_saved * H :]
        bias, joint_at, own_at = weights[layer.w_bias :], n_x * H, (n_x + n_joint) * H
        z_joint, z_own, w_joint = z[joint_at:], z[own_at:], weights[layer.w_joint :]
        depth, n_joint_columns = H + layer.width, n_joint * H
        # The vector at the end of each product may reach into the columns of the next one.
        set_product(h[H:], stride, m, weights[layer.w_x :], layer.width, bias, z, z_stride, joint_at)
        set_product(h, stride, m, w_joint, depth, bias[joint_at:], z_joint, z_stride, n_joint_columns)
        set_product(h, stride, m, weights[layer.w_h :], H, bias[own_at:], z_own, z_stride, n_h * H)
        if n_after_reset:
            u, z_after = workspace[layer.reset_state + before * H :], z[(n_x - n_after_reset) * H :]
            reset(m, H, z, z_stride, h, stride, aux, u, saved)
            # The gradient of the weights multiplies the rows of samples that have ended by 0: no NaN there.
            clear(u[m * H :], (n_samples - m) * H)
            add_product(u, H, m, weights[layer.w_after_reset :], H, z_after, z_stride, n_after_reset * H)
        step(m, H, z, z_stride, h, stride, aux, new_h, new_aux, saved)
        # Samples that have ended keep their states.
        copy_rows(new_h, h, stride, m, n_samples, H)
        copy_rows(new_aux, aux, n_aux * H, m, n_samples, n_aux * H)

    return step_forward


def _compile_unroll_backward(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Callable:
    step_backward = _compile_step_backward(cell, dtype, target)
    add_weight_gradients = _compile_weight_gradients(cell, target)
    add_input_gradients = _compile_input_gradients(cell, target)

    @kernel
    def unroll_backward(net, layer, block, begin, steps, weights, workspace, gradients):
        """Compute the gradients of one layer and direction over a chunk.

        The gradients of the pre-activations of several steps are gathered before they are multiplied.
        """
        n, m, stop = block.shape[0], 0, steps
        start_state_gradient(net, layer, n, workspace)
        while stop > 0:
            first = max(0, stop - net.stack.product_steps)
            for s in range(stop - 1, first - 1, -1):
                m = count_running(block, begin + s, m)
                if layer.d_outputs >= 0:
                    add_output_gradient(net, layer, block, begin, s, workspace)
                d_z = workspace[net.stack.d_z + (s - first) * n * net.stack.z_stride :]
                step_backward(net, layer, n, m, s, d_z, weights, workspace)
            d_z = workspace[net.stack.d_z :]
            add_weight_gradients(net, layer, first * n, (stop - first) * n, d_z, workspace, gradients)
            if layer.d_inputs >= 0:
                add_input_gradients(net, layer, block, begin, first, stop, d_z, weights, workspace)
            stop = first
        keep_state_gradient(net, layer, n, workspace)

    return unroll_backward


def _compile_step_backward(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Callable:
    loops, groups = compile_cell(cell, dtype, target), ColumnGroups.of(cell)
    add_product, _, _ = compile_products(target)
    cell_backward, reset_backward = loops.step_backward, loops.reset_backward
    n_aux, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    n_after_reset, n_joint, n_h = groups.after_reset, groups.joint, groups.state_only
    n_x = groups.input_only + n_after_reset

    @kernel
    def step_backward(net, layer, n_samples, m, s, d_z, weights, workspace):
        """Compute the gradients of one step's pre-activations and of the states before it.

        d_z: gradient of the pre-activations (OUT). `stack.d_state`: gradient of the states after the step
        (IN) and before it (OUT).
        """
        stack = net.stack
        H, stride, z_stride, d_stride = stack.hidden, layer.hx_stride, stack.z_stride, stack.d_stride
        before = s * n_samples
        d_h, d_block = workspace[stack.d_state :], n_samples * d_stride
        h = workspace[layer.hx + before * stride :]
        aux = workspace[layer.aux_states + before * n_aux * H :]
        saved = workspace[layer.saved + before * n_saved * H :]
        cell_backward(m, H, saved, h, stride, aux, d_h, d_stride, d_block, d_z, z_stride)
        if n_after_reset:
            d_u, d_after = workspace[stack.d_reset_state :], d_z[(n_x - n_after_reset) * H :]
            clear(d_u, m * d_stride)
            add_product(
                d_after, z_stride, m, weights[layer.wT_after_reset :], n_after_reset * H, d_u, d_stride, H
            )
            reset_backward(m, H, saved, h, stride, aux, d_u, d_h, d_stride, d_z, z_stride)
        # Samples that have ended must not contribute to the gradients of the weights.
        for r in range(m, n_samples):
            clear(d_z[r * z_stride :], stack.n_columns)
        d_own = d_z[n_x * H :]
        add_product(d_own, z_stride, m, weights[layer.wT_h :], (n_joint + n_h) * H, d_h, d_stride, H)

    return step_backward


def _compile_weight_gradients(cell: Cell, target: CpuTarget) -> Callable:
    groups = ColumnGroups.of(cell)
    _, _, add_outer_product = compile_products(target)
    n_after_reset, n_joint, n_h = groups.after_reset, groups.joint, groups.state_only
    n_x = groups.input_only + n_after_reset

    @kernel
    def add_weight_gradients(net, layer, first, n, d_z, workspace, gradients):
        """Add the contribution of rows first to first + n (steps times samples) to the packed gradient."""
        stack = net.stack
        H, F, lanes = stack.hidden, layer.width, stack.lanes
        stride, z_stride = layer.hx_stride, stack.z_stride
        hx = workspace[layer.hx + first * stride :]
        x, joint, own = n_x * H, n_joint * H, n_h * H
        grad_x, grad_joint = gradients[layer.grad_x :], gradients[layer.grad_joint :]
        d_joint, d_own = d_z[x:], d_z[x + joint :]
        add_outer_product(hx[H:], stride, F, d_z, z_stride, n, grad_x, skew(x, lanes), x)
        add_outer_product(hx, stride, H + F, d_joint, z_stride, n, grad_joint, skew(joint, lanes), joint)
        grad_h = gradients[layer.grad_h :]
        add_outer_product(hx, stride, H, d_own, z_stride, n, grad_h, skew(own, lanes), own)
        if n_after_reset:
            after, d_after = n_after_reset * H, d_z[(n_x - n_after_reset) * H :]
            u, grad_after = workspace[layer.reset_state + first * H :], gradients[layer.grad_after_reset :]
            add_outer_product(u, H, H, d_after, z_stride, n, grad_after, skew(after, lanes), after)
        add_rows(d_z, z_stride, n, gradients[layer.grad_bias : layer.grad_bias + stack.n_columns])

    return add_weight_gradients


def _compile_input_gradients(cell: Cell, target: CpuTarget) -> Callable:
    groups = ColumnGroups.of(cell)
    add_product, _, _ = compile_products(target)
    n_blocks = groups.input_only + groups.after_reset + groups.joint

    @kernel
    def add_input_gradients(net, layer, block, begin, first, stop, d_z, weights, workspace):
        """Add the gradient of the inputs of steps first to stop to `layer.d_inputs`, in natural time."""
        stack = net.stack
        n_samples = block.shape[0]
        n, depth, d_x = (stop - first) * n_samples, n_blocks * stack.hidden, workspace[stack.d_x :]
        clear(d_x, n * stack.d_x_stride)
        add_product(d_z, stack.z_stride, n, weights[layer.wT_x :], depth, d_x, stack.d_x_stride, layer.width)
        for s in range(first, stop):
            for r in range(n_samples):
                t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
                if t >= 0:
                    to = layer.d_inputs + (t * n_samples + r) * layer.width
                    source = d_x[((s - first) * n_samples + r) * stack.d_x_stride :]
                    add_row(workspace[to : to + layer.width], source)

    return add_input_gradients


# -- between layers


@kernel
def place_input(net, layer, block, begin, steps, workspace):
    """Copy the layer's inputs (natural time) beside its states (the direction's own time)."""
    n, F = block.shape[0], layer.width
    for s in range(steps):
        for r in range(n):
            to = layer.hx + (s * n + r) * layer.hx_stride + net.stack.hidden
            t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
            if t >= 0:
                copy_row(workspace[to : to + F], workspace[layer.inputs + (t * n + r) * F :])
            else:
                clear(workspace[to:], F)


@kernel
def collect_output(net, layer, block, begin, steps, workspace):
    """Copy the states to the layer's outputs (natural time), beside the other direction's.

    Outputs after the end of a sample are 0.
    """
    n, H = block.shape[0], net.stack.hidden
    for s in range(steps):
        for r in range(n):
            t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
            time = t if t >= 0 else s
            to = layer.outputs + (time * n + r) * layer.output_width + layer.reverse * H
            if t >= 0:
                copy_row(workspace[to : to + H], workspace[layer.hx + ((s + 1) * n + r) * layer.hx_stride :])
            else:
                clear(workspace[to:], H)


@kernel
def add_output_gradient(net, layer, block, begin, s, workspace):
    """Add the gradient of the outputs of step s to the gradient of the state after it."""
    n, H = block.shape[0], net.stack.hidden
    for r in range(n):
        t = natural_time(layer.reverse, s, block[r, LENGTH] - begin)
        if t >= 0:
            source = layer.d_outputs + (t * n + r) * layer.output_width + layer.reverse * H
            to = net.stack.d_state + r * net.stack.d_stride
            add_row(workspace[to : to + H], workspace[source:])


# -- states between chunks


@kernel
def clear_states(net, layers, workspace):
    """Set the states of all layers to 0."""
    for k in range(layers.size):
        n = net.stack.n_states * net.batch.block_samples * net.stack.hidden
        clear(workspace[layers[k].state :], n)


@kernel
def load_state(net, layer, n_samples, workspace):
    """Copy the states in `layer.state` to the place before the first step."""
    H, n_aux, block_samples = net.stack.hidden, net.stack.n_states - 1, net.batch.block_samples
    for r in range(n_samples):
        to = layer.hx + r * layer.hx_stride
        copy_row(workspace[to : to + H], workspace[layer.state + r * H :])
        for k in range(n_aux):
            to = layer.aux_states + (r * n_aux + k) * H
            copy_row(workspace[to : to + H], workspace[layer.state + ((k + 1) * block_samples + r) * H :])


@kernel
def keep_state(net, layer, n_samples, steps, workspace):
    """Copy the states after the last of `steps` steps to `layer.state`."""
    H, n_aux, block_samples = net.stack.hidden, net.stack.n_states - 1, net.batch.block_samples
    for r in range(n_samples):
        row, to = steps * n_samples + r, layer.state + r * H
        copy_row(workspace[to : to + H], workspace[layer.hx + row * layer.hx_stride :])
        for k in range(n_aux):
            to = layer.state + ((k + 1) * block_samples + r) * H
            copy_row(workspace[to : to + H], workspace[layer.aux_states + (row * n_aux + k) * H :])


@kernel
def keep_states(net, layers, n_samples, steps, workspace):
    """Copy the states of all layers after the last of `steps` steps to their `layer.state`."""
    for k in range(layers.size):
        keep_state(net, layers[k], n_samples, steps, workspace)


@kernel
def start_state_gradient(net, layer, n_samples, workspace):
    """Copy the gradients of the final states from `layer.state` to `stack.d_state`."""
    stack = net.stack
    for k in range(stack.n_states):
        for r in range(n_samples):
            to = stack.d_state + (k * n_samples + r) * stack.d_stride
            source = layer.state + (k * net.batch.block_samples + r) * stack.hidden
            clear(workspace[to:], stack.d_stride)
            copy_row(workspace[to : to + stack.hidden], workspace[source:])


@kernel
def keep_state_gradient(net, layer, n_samples, workspace):
    """Copy the gradients of the initial states from `stack.d_state` to `layer.state`."""
    stack = net.stack
    for k in range(stack.n_states):
        for r in range(n_samples):
            to = layer.state + (k * net.batch.block_samples + r) * stack.hidden
            source = stack.d_state + (k * n_samples + r) * stack.d_stride
            copy_row(workspace[to : to + stack.hidden], workspace[source:])
