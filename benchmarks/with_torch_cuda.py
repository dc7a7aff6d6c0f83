"""Work of PyTorch on a GPU: single launches or a CUDA graph, with and without TF32.

Without a GPU, everything but graphs runs on the CPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from .comparisons import Size
from .gpu_timing import Contestant, HostStream, Stream

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class TorchStream:
    """Marks and times on a stream of PyTorch."""

    def __init__(self, stream: "torch.cuda.Stream"):
        self.stream = stream

    def mark(self) -> "torch.cuda.Event":
        event = torch.cuda.Event(enable_timing=True)
        event.record(self.stream)
        return event

    def seconds(self, first: "torch.cuda.Event", last: "torch.cuda.Event") -> float:
        last.synchronize()
        return first.elapsed_time(last) / 1e3


def new_stream() -> Stream:
    """Return a new stream; the default stream would wait for seqcast's."""
    return TorchStream(torch.cuda.Stream()) if DEVICE == "cuda" else HostStream()


def free_memory() -> None:
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def use_settings(stream: Stream, tf32: bool) -> Iterator[None]:
    """Run on a stream, with products of cuDNN and cuBLAS in TF32 or in float32."""
    flags = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = tf32
        with torch.cuda.stream(stream.stream) if isinstance(stream, TorchStream) else nullcontext():
            yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def record_graph(call: Callable[[], None], stream: TorchStream) -> Callable[[], None]:
    """Record a call as a graph and return its replay.

    The call runs a few times before, because libraries choose algorithms and allocate memory then. The mode
    is "relaxed", because numba may free memory meanwhile, which would invalidate the recording.
    """
    for _ in range(3):
        call()
    stream.stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream.stream, capture_error_mode="relaxed"):
        call()
    return graph.replay


class Work:
    """Work that is timed in four ways."""

    # Largest number of calls between two `rewind`.
    most = 1000

    def __init__(self) -> None:
        self.stream = new_stream()

    def call(self) -> None:
        """Launch the work."""
        raise NotImplementedError

    def in_graph(self) -> None:
        """Do the same without any input from the host."""
        self.call()

    def rewind(self) -> None:
        """Return to the beginning of the data."""

    def makers(self) -> dict[str, Callable[[], Contestant]]:
        """Return functions that make contestants; each may fail if memory or a graph is missing."""
        ways = [(graph, tf32) for graph in (False, True) for tf32 in (False, True)]
        return {
            f"PyTorch{', graph' * graph}{', TF32' * tf32}": partial(self._contestant, graph, tf32)
            for graph, tf32 in ways
            if DEVICE == "cuda" or not graph
        }

    def _contestant(self, graph: bool, tf32: bool) -> Contestant:
        call = self.call
        if graph:
            with self._turn(tf32):
                call = record_graph(self.in_graph, self.stream)
        return Contestant(call, self.stream, partial(self._turn, tf32), self.most)

    @contextmanager
    def _turn(self, tf32: bool) -> Iterator[None]:
        with use_settings(self.stream, tf32):
            self.rewind()
            yield


class Layer(Work):
    """A pass of one layer; inputs (B, T, F) are passed with the steps first, as cuDNN expects them."""

    def __init__(self, cell: str, size: Size, weights: dict, x: np.ndarray, grad_outputs: np.ndarray | None):
        super().__init__()
        with use_settings(self.stream, False):
            self._layer = make_layer(cell, weights)
            self._x = to_device(x.swapaxes(0, 1)).requires_grad_(grad_outputs is not None)
            if grad_outputs is None:
                self._layer.eval()
            else:
                self._d_outputs = to_device(grad_outputs).view(size.steps, size.batch, size.hidden)
        self._has_backward = grad_outputs is not None

    def call(self) -> None:
        with torch.set_grad_enabled(self._has_backward):
            self._outputs = self._layer(self._x)[0]
        if self._has_backward:
            sources = [self._x, *self._layer.parameters()]
            self._gradients = torch.autograd.grad(self._outputs, sources, self._d_outputs)

    def results(self) -> dict[str, np.ndarray]:
        with use_settings(self.stream, False):
            self.call()
            found = {"outputs": to_host(self._outputs)}
            if self._has_backward:
                names = "x", *(name for name, _ in self._layer.named_parameters())
                found |= dict(zip(names, map(to_host, self._gradients), strict=True))
        return found


class Training(Work):
    """Updates with windows gathered by index from a series on the device."""

    def __init__(self, cell: str, size: Size, weights: dict, series: np.ndarray, starts: np.ndarray):
        """Prepare the data; starts: first steps of the windows of each batch, (n_batches, B)."""
        super().__init__()
        self._steps = size.steps
        self.most = len(starts)
        with use_settings(self.stream, False):
            self._layer = make_layer(cell, weights)
            self._head = make_head(weights)
            self.parameters = [*self._layer.parameters(), *self._head.parameters()]
            on_gpu = {"capturable": True} if DEVICE == "cuda" else {}
            self._optimizer = torch.optim.Adam(self.parameters, 1e-3, fused=True, **on_gpu)
            self._series = to_device(series)
            self._starts = to_device(starts)
            self._order = self._starts.clone()
            self._times = torch.arange(size.steps + len(weights["head_bias"]), device=DEVICE)[:, None]
            self._cursor = torch.zeros(1, dtype=torch.int64, device=DEVICE)
            self._total = torch.zeros((), device=DEVICE)
        self._number = 0

    def call(self) -> None:
        self._update(self._order[self._number])
        self._number += 1

    def in_graph(self) -> None:
        self._update(self._order[self._cursor][0])
        self._cursor += 1

    def _update(self, starts: torch.Tensor) -> None:
        # Shape (T + horizon, B).
        windows = self._series[starts + self._times]
        x = windows[: self._steps, :, None]
        y = windows[self._steps :].T
        self._optimizer.zero_grad(set_to_none=True)
        state = self._layer(x)[1]
        last = state[0] if isinstance(state, tuple) else state
        loss = torch.nn.functional.mse_loss(self._head(last[-1]), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self._optimizer.step()
        self._total += loss.detach()

    def rewind(self) -> None:
        self._number = 0
        self._cursor.zero_()
        self._total.zero_()
        if DEVICE == "cuda":
            torch.cuda.current_stream().synchronize()

    def epoch(self, update: Callable[[], object]) -> float:
        """Train on all batches in a new order and return their mean loss."""
        order = torch.randperm(self._starts.numel(), device=DEVICE)
        self._order.copy_(self._starts.flatten()[order].view_as(self._order))
        self.rewind()
        for _ in range(self.most):
            update()
        return self._total.item() / self.most

    def epochs(self, updates: dict[str, Contestant]) -> dict[str, Contestant]:
        return {
            name: Contestant(partial(self.epoch, one.call), one.stream, one.turn, 1, self.most)
            for name, one in updates.items()
        }

    def results(self, n: int) -> dict[str, np.ndarray]:
        """Return the losses of the first batches and the weights after them; call it first and once."""
        totals = [0.0]
        with use_settings(self.stream, False):
            self.rewind()
            for _ in range(n):
                self.call()
                totals.append(self._total.item())
            named = [*self._layer.named_parameters(), *self._head.named_parameters("head")]
            found = {name.replace(".", "_"): to_host(weight) for name, weight in named}
        return {"loss": np.diff(totals)} | found


def make_layer(cell: str, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    hidden = weights["weight_hh_l0"].shape[1]
    layer = getattr(torch.nn, cell.upper())(weights["weight_ih_l0"].shape[1], hidden, device=DEVICE)
    tensors = {name: torch.as_tensor(weight) for name, weight in weights.items() if "head" not in name}
    layer.load_state_dict(tensors)
    return layer


def make_head(weights: dict[str, np.ndarray]) -> torch.nn.Module:
    head = torch.nn.Linear(*weights["head_weight"].shape[::-1], device=DEVICE)
    head.load_state_dict({name: torch.as_tensor(weights[f"head_{name}"]) for name in ("weight", "bias")})
    return head


def to_device(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array), device=DEVICE)


def to_host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def versions() -> dict[str, Any]:
    """Return the versions of the libraries that PyTorch contains."""
    return {"CUDA of PyTorch": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
