"""Tables of sizes and offsets, one for each part of a network and a batch, as compiled code reads them.

All fields are integers unless another type is given. An offset counts the numbers before an array in the
workspace, in the packed weights (names that begin with w) or in the packed gradients (grad).
"""

import numpy as np

from .distributions import MAX_QUANTILES

BATCH = np.dtype(
    [(name, "i8") for name in ("n_samples", "shard_samples", "block_samples", "n_steps", "chunk_steps")]
    # seed of the dropout masks, and the share of outputs that they drop
    + [("seed", "u4"), ("dropout", "f8")],
    align=True,
)

WINDOW = np.dtype(
    [(name, "i8") for name in (
        "n_channels", "n_targets", "segment", "masked", "normalize", "scale", "n_normalized",
        # workspace: how each channel of each sample is read, shape (block_samples, n_channels)
        "offsets", "scales",
    )],
    align=True,
)  # fmt: skip

STACK = np.dtype(
    [(name, "i8") for name in (
        # hidden: units padded to PAD, of which hidden_size are real. lanes: numbers of one vector register.
        "hidden", "hidden_size", "n_columns", "n_layers", "n_directions", "n_states", "lanes",
        # workspace: pre-activations of one step, gradients of product_steps steps, and gradients of states
        "z", "z_stride", "d_z", "product_steps", "d_state", "d_stride", "d_reset_state", "d_x", "d_x_stride",
        # workspace: gradient of the top layer's outputs in natural time; -1 if there is none
        "d_outputs", "output_width",
    )],
    align=True,
)  # fmt: skip

READOUT = np.dtype(
    [(name, "i8") for name in (
        "n_outputs", "pooling", "loss", "distribution",
        # n_points: outputs for one parameter of each distribution. target_stride: numbers from the targets of
        # one step to those of the next, where there are outputs at every step.
        "n_points", "target_stride",
        # workspace
        "pooled", "pooled_stride", "d_pooled", "argmax_step", "out", "out_stride",
        # packed weights and gradients
        "w_bias", "w", "wT", "grad_bias", "grad_w",
    )] + [("probabilities", "f8", MAX_QUANTILES)],
    align=True,
)  # fmt: skip

NETWORK = np.dtype([("batch", BATCH), ("window", WINDOW), ("stack", STACK), ("readout", READOUT)], align=True)

LAYER = np.dtype(
    [(name, "i8") for name in (
        # number: 0 for the lowest layer. width: inputs of each step.
        "number", "reverse", "is_top", "width",
        # workspace: buffers between layers in natural time, and their gradients; -1 if there is none
        "inputs", "d_inputs", "outputs", "d_outputs", "output_width",
        # workspace: for each step and sample the row [h, x], the other states, and what the cell saves
        "hx", "hx_stride", "aux_states", "saved", "reset_state",
        # workspace: state k of sample r at (k * block_samples + r) * hidden, between two chunks
        "state",
        # packed weights, transposed weights and gradients
        "w_bias", "w_x", "w_after_reset", "w_joint", "w_h", "wT_h", "wT_x", "wT_after_reset",
        "grad_bias", "grad_x", "grad_after_reset", "grad_joint", "grad_h",
    )],
    align=True,
)  # fmt: skip
