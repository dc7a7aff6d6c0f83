"""The updates of the optimisers against PyTorch's."""

import numpy as np
import pytest
from goldens import GOLDEN
from kernel_calls import update_weights

from seqcast.kernels.modes import OPTIMIZERS
from seqcast.learning.options import TrainingOptions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_equal_those_of_pytorch(optimizer, dtype):
    with np.load(GOLDEN / "optimizers.npz") as golden:
        rate = float(golden[f"{optimizer}/lr"])
        start, grads, expected = (
            golden[name].astype(dtype) for name in ("start", "grads", f"{optimizer}/params")
        )
    options = TrainingOptions(optimizer=optimizer, learning_rate_init=rate, clip_norm=None)
    path, _ = descend(options, start, grads)
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-14 if dtype == "float64" else 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_equals_that_of_pytorch(dtype):
    with np.load(GOLDEN / "optimizers.npz") as golden:
        grads, expected, norm = (
            golden["grads"].astype(dtype),
            golden["clip/grads"],
            float(golden["clip/max_norm"]),
        )
    options = TrainingOptions(optimizer="sgd", learning_rate_init=0.0, clip_norm=norm)
    _, used = descend(options, np.zeros_like(grads[0]), grads)
    np.testing.assert_allclose(used, expected, rtol=2e-6, atol=0)  # PyTorch adds 1e-6 to the norm


def descend(options, start, grads):
    """Return the parameters after each update by given gradients, and the gradients that were used."""
    flat, n = start.copy(), start.size
    moments, used, decay = np.zeros((2, n), flat.dtype), np.empty(n, flat.dtype), np.zeros(n, flat.dtype)
    settings, sums, path = options.settings(flat.dtype), np.ones((1, 2, 1)), []
    for k, given in enumerate(grads, start=1):
        kind, back = OPTIMIZERS.index(options.optimizer), np.arange(n, dtype=np.int32)
        update_weights(kind, flat, given[None].copy(), back, sums, decay, moments, settings, k, used)
        path.append((flat.copy(), used.copy()))
    return map(np.array, zip(*path, strict=True))
