"""What PyTorch is asked for on a GPU: launch after launch or as a CUDA graph, with and without TF32.

Without a GPU everything but graphs runs on the CPU.
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
    """One of its own: the default stream would wait for seqcast's."""
    return TorchStream(torch.cuda.Stream()) if DEVICE == "cuda" else HostStream()


def free_memory() -> None:
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def setting(stream: Stream, tf32: bool) -> Iterator[None]:
    """Run on that stream; products in TF32, of cuDNN's layers and of cuBLAS, or all in float32."""
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


def recorded(call: Callable[[], None], stream: TorchStream) -> Callable[[], None]:
    """The same as a graph; called a few times before, when libraries choose and allocate.

    "Relaxed": numba may free memory meanwhile, which would make the recording void.
    """
    for _ in range(3):
        call()
    stream.stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream.stream, capture_error_mode="relaxed"):
        call()
    return graph.replay


class Work:
    """What is called in four ways."""

    most = 1000  # calls before `rewind`

    def __init__(self) -> None:
        self.stream = new_stream()

    def call(self) -> None:
        """Launch after launch."""
        raise NotImplementedError

    def in_graph(self) -> None:
        """The same, with nothing that comes from the host."""
        self.call()

    def rewind(self) -> None:
        """To the beginning of the data."""

    def makers(self) -> dict[str, Callable[[], Contestant]]:
        """Each may fail alone, for want of memory or of a graph."""
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
                call = recorded(self.in_graph, self.stream)
        return Contestant(call, self.stream, partial(self._turn, tf32), self.most)

    @contextmanager
    def _turn(self, tf32: bool) -> Iterator[None]:
        with setting(self.stream, tf32):
            self.rewind()
            yield


class Layer(Work):
    """One layer from inputs (B, T, F), which it is given steps first, as cuDNN wants them."""

    def __init__(self, cell: str, size: Size, weights: dict, x: np.ndarray, d_outputs: np.ndarray | None):
        super().__init__()
        with setting(self.stream, False):
            self._layer = layer_of(cell, weights)
            self._x = on_device(x.swapaxes(0, 1)).requires_grad_(d_outputs is not None)
            if d_outputs is None:
                self._layer.eval()
            else:
                self._d_outputs = on_device(d_outputs).view(size.steps, size.batch, size.hidden)
        self._back = d_outputs is not None

    def call(self) -> None:
        with torch.set_grad_enabled(self._back):
            self._outputs = self._layer(self._x)[0]
        if self._back:
            sources = [self._x, *self._layer.parameters()]
            self._gradients = torch.autograd.grad(self._outputs, sources, self._d_outputs)

    def results(self) -> dict[str, np.ndarray]:
        with setting(self.stream, False):
            self.call()
            found = {"outputs": on_host(self._outputs)}
            if self._back:
                names = "x", *(name for name, _ in self._layer.named_parameters())
                found |= dict(zip(names, map(on_host, self._gradients), strict=True))
        return found


class Training(Work):
    """Updates with windows gathered by index from a series on the device."""

    def __init__(self, cell: str, size: Size, weights: dict, series: np.ndarray, starts: np.ndarray):
        """starts: of each batch's windows, (n_batches, B)."""
        super().__init__()
        self._steps, self.most = size.steps, len(starts)
        with setting(self.stream, False):
            self._layer, self._head = layer_of(cell, weights), head_of(weights)
            self.parameters = [*self._layer.parameters(), *self._head.parameters()]
            on_gpu = {"capturable": True} if DEVICE == "cuda" else {}
            self._optimizer = torch.optim.Adam(self.parameters, 1e-3, fused=True, **on_gpu)
            self._series, self._starts = on_device(series), on_device(starts)
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
        windows = self._series[starts + self._times]  # (T + horizon, B)
        x, y = windows[: self._steps, :, None], windows[self._steps :].T
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
        """All batches in a new order; their mean loss, on the host."""
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
        """Losses of the first batches, and the weights after them. To be called first, and once."""
        totals = [0.0]
        with setting(self.stream, False):
            self.rewind()
            for _ in range(n):
                self.call()
                totals.append(self._total.item())
            named = [*self._layer.named_parameters(), *self._head.named_parameters("head")]
            found = {name.replace(".", "_"): on_host(weight) for name, weight in named}
        return {"loss": np.diff(totals)} | found


def layer_of(cell: str, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    hidden = weights["weight_hh_l0"].shape[1]
    layer = getattr(torch.nn, cell.upper())(weights["weight_ih_l0"].shape[1], hidden, device=DEVICE)
    tensors = {name: torch.as_tensor(weight) for name, weight in weights.items() if "head" not in name}
    layer.load_state_dict(tensors)
    return layer


def head_of(weights: dict[str, np.ndarray]) -> torch.nn.Module:
    head = torch.nn.Linear(*weights["head_weight"].shape[::-1], device=DEVICE)
    head.load_state_dict({name: torch.as_tensor(weights[f"head_{name}"]) for name in ("weight", "bias")})
    return head


def on_device(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array), device=DEVICE)


def on_host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def versions() -> dict[str, Any]:
    """Of the libraries that PyTorch brings."""
    return {"CUDA of PyTorch": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
