"""Recurrent against PyTorch: recorded in golden files, and live where torch is installed."""

import numpy as np
import pytest
from goldens import CELLS, read_cases
from layers import make_layer, results

CASES = [
    f"{depth}layer-{way}-{rows}" for depth in (1, 2) for way in ("one", "both") for rows in ("full", "ragged")
]
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


def run(kind, arrays, dtype):
    """Return results and gradients of a layer by the names of the golden file."""
    options = {"n_layers": int(arrays["n_layers"]), "bidirectional": bool(arrays["bidirectional"])}
    layer = make_layer(CELLS[kind], dtype, arrays["x"].shape[2], arrays["weight_hh_l0"].shape[1], **options)
    layer.weights = {name: arrays[name] for name in layer.weights}
    states = ("h", "c") if kind == "lstm" else ("h",)
    initial, of_final = (
        [arrays[name] for name in names]
        for names in zip(*((f"{s}_0", f"grad_{s}_n") for s in states), strict=False)
    )
    final = layer.forward(arrays["x"], pack(initial), arrays["lengths"], training=True)
    grad_x, grads = layer.backward(arrays["grad_output"], pack(of_final))
    return results(final) | {f"grad_{name}": array for name, array in ({"x": grad_x} | grads).items()}


def pack(parts):
    return tuple(parts) if len(parts) == 2 else parts[0]


def assert_is_torchs(kind, arrays, dtype):
    found, tolerance = run(kind, arrays, dtype), TOLERANCE[dtype]
    results_of_torch = {name for name in arrays if name.startswith("grad_")} | {
        "output",
        "h_n",
        "c_n",
    } & arrays.keys()
    assert found.keys() == results_of_torch - {"grad_output", "grad_h_n", "grad_c_n"}  # these were given
    for name, array in found.items():
        scale = max(1.0, abs(arrays[name]).max())
        np.testing.assert_allclose(array, arrays[name], rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", CELLS)
def test_outputs_states_and_gradients_are_the_recorded_ones(kind, case, dtype):
    assert_is_torchs(kind, read_cases(kind)[case], dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_wider_layer_too(kind, dtype):
    assert_is_torchs(kind, read_cases(kind)["wide-1layer-one-ragged"], dtype)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("kind", CELLS)
def test_outputs_states_and_gradients_equal_installed_torch(kind, n_layers, bidirectional):
    pytest.importorskip("torch")
    for dtype in TOLERANCE:
        assert_is_torchs(kind, torch_case(kind, n_layers, bidirectional, dtype), dtype)


def torch_case(kind, n_layers, bidirectional, dtype, batch=21, steps=13, features=5, hidden=9):
    """Return what golden/make_golden.py records, with initial weights of PyTorch and padded sequences."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(n_layers)
    make = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(kind, torch.nn.RNN)
    options = {"nonlinearity": kind[4:]} if kind.startswith("rnn") else {}
    options |= {"bidirectional": bidirectional, "batch_first": True, "dtype": getattr(torch, dtype)}
    module = make(features, hidden, n_layers, **options)
    states = ("h", "c") if kind == "lstm" else ("h",)
    lengths = torch.randint(1, steps, (batch,))
    draw = {"x": (batch, steps, features)}
    draw |= {f"{state}_0": (n_layers * (1 + bidirectional), batch, hidden) for state in states}
    given = {
        name: torch.randn(shape, dtype=options["dtype"], requires_grad=True) for name, shape in draw.items()
    }
    packed = pack_padded_sequence(given["x"], lengths, batch_first=True, enforce_sorted=False)
    output, final = module(packed, pack([given[f"{state}_0"] for state in states]))
    found = {"output": pad_packed_sequence(output, batch_first=True, total_length=steps)[0]}
    found |= dict(zip([f"{state}_n" for state in states], final if kind == "lstm" else [final], strict=True))
    above = {f"grad_{name}": torch.randn_like(result) for name, result in found.items()}
    sum((result * above[f"grad_{name}"]).sum() for name, result in found.items()).backward()
    given |= dict(module.named_parameters())
    above |= {f"grad_{name}": tensor.grad for name, tensor in given.items()}
    settings = {"n_layers": n_layers, "bidirectional": bidirectional, "lengths": lengths.numpy()}
    return settings | {name: tensor.detach().numpy() for name, tensor in (given | found | above).items()}
