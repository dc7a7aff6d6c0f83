"""The sizes and peers that benchmarks share."""

from dataclasses import dataclass

CELLS = ("rnn", "lstm", "gru")


@dataclass(frozen=True)
class Size:
    """One size of a batch and a layer."""

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.steps} x {self.inputs}, H {self.hidden}"


SIZES = (Size(32, 24, 1, 32), Size(64, 48, 8, 64), Size(128, 96, 8, 128), Size(256, 168, 16, 256))


def seqcast_step(cell: str, size: Size, n_threads: int):
    """One training step as a fit makes it: Adam, squared loss, a linear head on the last state."""
    import numpy as np

    from seqcast.cells import find_cell
    from seqcast.kernels.layout import Architecture
    from seqcast.kernels.workspace import Window
    from seqcast.learning.network import Network, Windows, row_table
    from seqcast.learning.training import OptimizerState, Trainer, TrainingOptions

    rng = np.random.RandomState(0)
    network = Network(Architecture(find_cell(cell), size.inputs, size.hidden, n_outputs=1))
    network.initialize(rng)
    values = rng.normal(size=(size.batch * size.steps, size.inputs)).astype(np.float32)
    targets = rng.normal(size=(size.batch, 1)).astype(np.float32)
    windows = Windows(values, targets, Window(size.steps, size.inputs))
    starts = np.arange(size.batch) * size.steps
    rows = row_table(starts, np.full(size.batch, size.steps), np.arange(size.batch))
    options = TrainingOptions(clip_norm=None, n_threads=n_threads)
    trainer = Trainer(network, windows, options, rng, OptimizerState(network))
    return lambda: trainer.train_batch(rows)


def torch_step(cell: str, size: Size, n_threads: int):
    """The same step in PyTorch."""
    import torch

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


PEERS = {"seqcast": seqcast_step, "PyTorch": torch_step}
