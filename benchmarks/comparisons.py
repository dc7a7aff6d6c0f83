"""The one table of sizes and peers that all benchmarks share, and what a step costs in operations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec

CELLS = ("rnn", "lstm", "gru")
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
THREADS = (1, 2)

# the file here that knows the peer, and the packages that it needs
PEERS = {
    "seqcast": ("with_seqcast", ("seqcast",)),
    "PyTorch": ("with_torch", ("torch",)),
    "jax": ("with_jax", ("jax",)),
    "onnxruntime": ("with_onnxruntime", ("onnx", "onnxruntime")),
}


# `SeqForecaster` as peers train one: the network alone, step by step
NETWORK_ALONE = {
    "segment": 1,
    "linear": False,
    "naive_fallback": False,
    "ema": None,
    "dropout": 0.0,
    "loss": "squared",
}


@dataclass(frozen=True)
class Size:
    """One size of a batch and a layer."""

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.steps} x {self.inputs}, H {self.hidden}"

    def but(self, **changes: int) -> "Size":
        return replace(self, **changes)


SIZES = (Size(32, 24, 1, 32), Size(64, 48, 8, 64), Size(128, 96, 8, 128), Size(256, 168, 16, 256))


def makers(action: str, *peers: str) -> dict[str, Callable]:
    """The function `action` of each of `peers` that is installed here."""
    return {peer: getattr(_module(peer), action) for peer in peers if installed(peer)}


def installed(peer: str) -> bool:
    return all(find_spec(package) for package in PEERS[peer][1])


def _module(peer: str):
    return import_module(f".{PEERS[peer][0]}", __package__)


def training_flops(cell: str, size: Size, n_layers: int = 1, n_directions: int = 1) -> int:
    """Multiplications and additions in the products of one training step.

    Forward and the weights' gradient each take inputs and state; the way back takes the state, and from the
    second layer on the inputs too. The first layer's inputs need no gradient.
    """
    columns = 2 * size.batch * size.steps * GATES[cell] * size.hidden
    first = 2 * (size.inputs + size.hidden) + size.hidden
    later = 3 * (n_directions * size.hidden + size.hidden)
    return columns * n_directions * (first + (n_layers - 1) * later)
