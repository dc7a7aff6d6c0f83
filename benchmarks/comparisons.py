"""Define the sizes and libraries that all benchmarks share, and the number of operations of a step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec

CELLS = ("rnn", "lstm", "gru")
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
THREADS = (1, 2)
# Rows and columns of the matrices whose product is compared with.
SGEMM = 2048

# Library -> module in this folder that calls it, packages that it needs.
PEERS = {
    "seqcast": ("with_seqcast", ("seqcast",)),
    "PyTorch": ("with_torch", ("torch",)),
    "jax": ("with_jax", ("jax",)),
    "onnxruntime": ("with_onnxruntime", ("onnx", "onnxruntime")),
}

# Parameters of `SeqForecaster` that match the other libraries: the network alone, which reads single steps.
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
    """The size of a batch and of a layer: samples, steps, channels, units."""

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.steps} x {self.inputs}, H {self.hidden}"

    def replace(self, **changes: int) -> "Size":
        return replace(self, **changes)


SIZES = (Size(32, 24, 1, 32), Size(64, 48, 8, 64), Size(128, 96, 8, 128), Size(256, 168, 16, 256))


def find_functions(action: str, *peers: str) -> dict[str, Callable]:
    """Return the function `action` of each of `peers` that is installed."""
    return {peer: getattr(_module(peer), action) for peer in peers if installed(peer)}


def installed(peer: str) -> bool:
    return all(find_spec(package) for package in PEERS[peer][1])


def _module(peer: str):
    return import_module(f".{PEERS[peer][0]}", __package__)


def forward_flops(cell: str, size: Size) -> int:
    """Return the multiplications and additions in the matrix products of one forward pass of a layer."""
    return 2 * size.batch * size.steps * GATES[cell] * size.hidden * (size.inputs + size.hidden)


def training_flops(cell: str, size: Size, n_layers: int = 1, n_directions: int = 1) -> int:
    """Return the multiplications and additions in the matrix products of one training step.

    The forward pass and the gradient of the weights each need one product with the inputs and one with the
    state. The backward pass needs one with the state and, from the second layer on, one with the inputs. The
    inputs of the first layer need no gradient.
    """
    columns = 2 * size.batch * size.steps * GATES[cell] * size.hidden
    first = 2 * (size.inputs + size.hidden) + size.hidden
    later = 3 * (n_directions * size.hidden + size.hidden)
    return columns * n_directions * (first + (n_layers - 1) * later)
