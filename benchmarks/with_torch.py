"""Run training steps, fits and predictions in PyTorch."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .comparisons import Size


def training_step(cell: str, size: Size, n_threads: int) -> Callable[[], None]:
    """Return a training step with Adam, squared loss and a linear head on the last state."""
    torch.manual_seed(0)
    layer = getattr(torch.nn, cell.upper())(size.inputs, size.hidden)
    head = torch.nn.Linear(size.hidden, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], 1e-3, foreach=True)
    x, y = torch.randn(size.steps, size.batch, size.inputs), torch.randn(size.batch, 1)

    def step():
        torch.set_num_threads(n_threads)
        optimizer.zero_grad(set_to_none=True)
        ((head(layer(x)[0][-1]) - y) ** 2).mean().backward()
        optimizer.step()

    return step


def packed_pass(cell: str, size: Size, n_threads: int, lengths: np.ndarray) -> Callable[[], None]:
    """Return a forward and backward pass of a layer on packed sequences, with a gradient of ones."""
    layer = getattr(torch.nn, cell.upper())(size.inputs, size.hidden, batch_first=True)
    x = torch.randn(size.batch, size.steps, size.inputs, requires_grad=True)
    descending = torch.as_tensor(np.sort(lengths)[::-1].copy())

    def run():
        torch.set_num_threads(n_threads)
        layer.zero_grad(set_to_none=True)
        x.grad = None
        packed = pack_padded_sequence(x, descending, batch_first=True)
        output, _ = pad_packed_sequence(layer(packed)[0], batch_first=True)
        output.sum().backward()

    return run


def fit_series(
    y: np.ndarray, window: int, hidden: int, epochs: int, batch: int, n_threads: int
) -> torch.nn.Module:
    """Fit an LSTM with a linear head to the windows of a scaled series.

    The last value of each window is subtracted from the window and its target.
    """
    torch.set_num_threads(n_threads)
    scaled = torch.as_tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    windows = scaled.unfold(0, window + 1, 1)
    x, target = windows[:, :-1] - windows[:, -2:-1], windows[:, -1] - windows[:, -2]
    layer, head = torch.nn.LSTM(1, hidden, batch_first=True), torch.nn.Linear(hidden, 1)
    parameters = [*layer.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3, foreach=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad(set_to_none=True)
            errors = head(layer(x[rows, :, None])[0][:, -1])[:, 0] - target[rows]
            (errors**2).mean().backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    return layer


def one_row(cell: str, weights: dict[str, np.ndarray], x: np.ndarray) -> Callable[[], np.ndarray]:
    """Return the prediction of layer and head for one sample (1, steps, inputs), on one thread."""
    hidden = weights["weight_hh_l0"].shape[1]
    layer = getattr(torch.nn, cell.upper())(x.shape[2], hidden, batch_first=True)
    head = torch.nn.Linear(hidden, 1)
    tensors = {name: torch.as_tensor(weight) for name, weight in weights.items()}
    layer.load_state_dict({name: tensor for name, tensor in tensors.items() if "head" not in name})
    head.load_state_dict({"weight": tensors["head_weight"], "bias": tensors["head_bias"]})
    inputs = torch.as_tensor(x)

    def run():
        torch.set_num_threads(1)
        with torch.inference_mode():
            return head(layer(inputs)[0][:, -1]).numpy()

    return run
