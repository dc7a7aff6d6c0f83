"""Write the golden files beside this script: what PyTorch 2.13 computes in float64.

Run by hand where torch is installed: ``python tests/golden/make_golden.py``. Tests only read the files.

``rnn_tanh.npz``, ``rnn_relu.npz``, ``lstm.npz``, ``gru.npz`` have keys ``case/name``.

A case is called ``{1,2}layer-{one,both}-{full,ragged}``: the layers; one direction or both; rows that all
fill the time axis, or packed rows of differing lengths, all shorter than it. Sizes are batch 5, time 7,
input 3, hidden 4. LSTM and GRU add ``wide-1layer-one-ragged``: batch 19, time 9, input 3, hidden 17.
The names inside a case:

========================  =================================================================
n_layers, bidirectional   scalars, integer and boolean
x, lengths                (B, T, F), with values past a row's length too; (B,)
weight_ih_l0, ...         every parameter under PyTorch's own name
h_0, c_0                  initial states (L*D, B, H); c for the LSTM only, here and below
output, h_n, c_n          results: (B, T, D*H), zero past a row's length; (L*D, B, H)
grad_output, grad_h_n,    given at random, also past a row's length, where it must not matter
grad_c_n
grad_x, grad_h_0,         results: derivatives of
grad_c_0, grad_<weight>   ``sum(output * grad_output) + sum(h_n * grad_h_n) + sum(c_n * grad_c_n)``
========================  =================================================================

``optimizers.npz`` has ``start`` (P,) and ``grads`` (steps, P); for each of ``sgd`` (momentum 0.9),
``rmsprop`` and ``adam`` the scalar ``<name>/lr`` and the parameters after every step, ``<name>/params``
(steps, P); and for ``clip_grad_norm_``, which sees each row of ``grads`` cut into three tensors, the scalar
``clip/max_norm`` and ``clip/grads`` (steps, P).
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = Path(__file__).parent
SMALL = {"batch": 5, "time": 7, "features": 3, "hidden": 4}
WIDE = {"batch": 19, "time": 9, "features": 3, "hidden": 17}
LAYERS = {
    "rnn_tanh": partial(torch.nn.RNN, nonlinearity="tanh"),
    "rnn_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}
OPTIMIZERS = {
    "sgd": (partial(torch.optim.SGD, momentum=0.9), 0.05),
    "rmsprop": (torch.optim.RMSprop, 0.01),
    "adam": (torch.optim.Adam, 0.02),
}


def draw(rng, *shape):
    """Multiples of 1/1024 in [-1/2, 1/2]: the same numbers in float32, and small once compressed."""
    return torch.from_numpy(rng.integers(-512, 513, shape) / 1024)


def draw_lengths(rng, batch, time, ragged):
    """All `time`; or unsorted lengths below it, so that unpacking pads, with a one, a tie and the longest."""
    if not ragged:
        return torch.full((batch,), time)
    free = rng.integers(1, time, batch - 4)
    return torch.from_numpy(rng.permutation(np.concatenate([free, [1, time // 2, time // 2, time - 1]])))


def draw_weights(rng, layer):
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(draw(rng, *weight.shape))


def run_layer(layer, x, lengths, initial):
    """Output and final states; rows are packed where they are ragged."""
    time = x.shape[1]
    ragged = bool((lengths < time).any())
    inputs = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False) if ragged else x
    output, final = layer(inputs, initial if isinstance(layer, torch.nn.LSTM) else initial[0])
    if ragged:
        output, _ = pad_packed_sequence(output, batch_first=True, total_length=time)
    return output, final if isinstance(layer, torch.nn.LSTM) else (final,)


def layer_case(rng, make_layer, sizes, n_layers, bidirectional, ragged):
    batch, time, features, hidden = sizes.values()
    layer = make_layer(
        features, hidden, n_layers, bidirectional=bidirectional, batch_first=True, dtype=torch.float64
    )
    draw_weights(rng, layer)
    lengths = draw_lengths(rng, batch, time, ragged)
    states = ("h", "c") if isinstance(layer, torch.nn.LSTM) else ("h",)
    n_slots = n_layers * (1 + bidirectional)
    inputs = {"x": draw(rng, batch, time, features)}
    inputs |= {f"{state}_0": draw(rng, n_slots, batch, hidden) for state in states}
    for tensor in inputs.values():
        tensor.requires_grad_()

    output, final = run_layer(layer, inputs["x"], lengths, tuple(inputs[f"{state}_0"] for state in states))
    results = {"output": output} | {f"{state}_n": value for state, value in zip(states, final, strict=True)}
    grads = {f"grad_{name}": draw(rng, *result.shape) for name, result in results.items()}
    sum((result * grads[f"grad_{name}"]).sum() for name, result in results.items()).backward()

    inputs |= dict(layer.named_parameters())
    grads |= {f"grad_{name}": tensor.grad for name, tensor in inputs.items()}
    settings = {"n_layers": n_layers, "bidirectional": bidirectional, "lengths": lengths.numpy()}
    return settings | {name: tensor.detach().numpy() for name, tensor in (inputs | results | grads).items()}


def layer_cases(rng, kind):
    small = partial(layer_case, rng, LAYERS[kind], SMALL)
    cases = {
        f"{n_layers}layer-{way}-{rows}": small(n_layers, way == "both", rows == "ragged")
        for n_layers in (1, 2)
        for way in ("one", "both")
        for rows in ("full", "ragged")
    }
    if kind in ("lstm", "gru"):
        cases["wide-1layer-one-ragged"] = layer_case(rng, LAYERS[kind], WIDE, 1, False, True)
    return {f"{case}/{name}": array for case, arrays in cases.items() for name, array in arrays.items()}


def optimizer_path(make_optimizer, lr, start, grads):
    params = start.clone().requires_grad_()
    optimizer = make_optimizer([params], lr=lr)
    path = []
    for grad in grads:
        params.grad = grad.clone()
        optimizer.step()
        path.append(params.detach().numpy().copy())
    return np.stack(path)


def clipped(grad, max_norm):
    parts = [torch.zeros_like(part).requires_grad_() for part in torch.split(grad, 5)]
    for part, value in zip(parts, torch.split(grad, 5), strict=True):
        part.grad = value.clone()
    torch.nn.utils.clip_grad_norm_(parts, max_norm)
    return torch.cat([part.grad for part in parts]).numpy()


def optimizer_cases(rng, n_steps=10, n_params=12, max_norm=1.0):
    """Gradients long at some steps, short or zero at others, so that clipping and eps meet both kinds."""
    scale = torch.tensor([1.0, 8.0, 0.125, 0.0, 1.0], dtype=torch.float64).repeat(n_steps // 5)
    start = draw(rng, n_params)
    grads = draw(rng, n_steps, n_params) * scale[:, None]
    arrays = {"start": start, "grads": grads, "clip/max_norm": max_norm}
    arrays["clip/grads"] = np.stack([clipped(grad, max_norm) for grad in grads])
    for name, (make_optimizer, lr) in OPTIMIZERS.items():
        arrays |= {f"{name}/lr": lr, f"{name}/params": optimizer_path(make_optimizer, lr, start, grads)}
    return arrays


def main():
    for seed, kind in enumerate(LAYERS):
        np.savez_compressed(HERE / f"{kind}.npz", **layer_cases(np.random.default_rng(seed), kind))
    np.savez_compressed(HERE / "optimizers.npz", **optimizer_cases(np.random.default_rng(len(LAYERS))))


if __name__ == "__main__":
    main()
