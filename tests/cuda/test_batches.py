"""Batches of a network on the device: refusal of batches that are too large."""

import numpy as np
import pytest

from seqcast import Recurrent, SeqRegressor
from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.cuda import batches
from seqcast.kernels.cuda.batches import BatchSpec, DeviceModel, count_sample_bytes, make_recurrent_unroll
from seqcast.kernels.cuda.queue import Queue
from seqcast.kernels.cuda.register_unroll import RegisterUnroll
from seqcast.kernels.cuda.stepwise_unroll import StepwiseUnroll
from seqcast.kernels.layout import Layout


def make_model(queue, cell="lstm", hidden=4, **options):
    return DeviceModel(queue, Layout(compose(find_cell(cell), 1, hidden, **options), np.dtype("float32")))


def test_batch_beyond_free_memory_is_refused(monkeypatch):
    monkeypatch.setattr(Queue, "free_memory", 1000)
    X = np.random.default_rng(0).normal(size=(14, 4, 2))
    with pytest.raises(MemoryError, match=r"A batch of 14 windows takes .* Lower batch_size"):
        SeqRegressor(hidden_size=3, device="cuda").fit(X, X[:, 0, 0])


def test_array_beyond_32_bit_indices_is_refused(monkeypatch):
    monkeypatch.setattr(batches, "MAX_ELEMENTS", 100)
    with pytest.raises(MemoryError, match=r"takes an array of .* numbers on the GPU"):
        Recurrent("lstm", 1, 4, device="cuda").forward(np.zeros((5, 6, 1)))
    # The outputs of both directions are larger than any array of a workspace.
    monkeypatch.setattr(batches, "MAX_ELEMENTS", 2 * 8 * 5 * 6)
    with pytest.raises(MemoryError, match=r"takes an array of 480 numbers on the GPU"):
        Recurrent("rnn", 1, 8, bidirectional=True, device="cuda").forward(np.zeros((5, 6, 1)))


def test_size_and_cell_choose_the_recurrent_part(queue):
    kinds = {
        RegisterUnroll: make_model(queue, "lstm", 8),
        StepwiseUnroll: make_model(queue, "gru_reset_before", 8),
    }
    for kind, model in kinds.items():
        assert isinstance(make_recurrent_unroll(model, 32), kind)
    assert isinstance(make_recurrent_unroll(make_model(queue, "lstm", 300), 32), StepwiseUnroll)


def test_sample_takes_more_memory_with_backward(queue):
    layout = make_model(queue, n_layers=2).layout
    assert count_sample_bytes(layout, 6, keep=True) > count_sample_bytes(layout, 6, keep=False)


def test_memory_is_checked_before_buffers_are_allocated(queue, monkeypatch):
    model = make_model(queue)
    monkeypatch.setattr(Queue, "free_memory", 0)
    monkeypatch.setattr(Queue, "zeros", None)
    with pytest.raises(MemoryError, match="A batch of 3 windows"):
        batches.LayerStack(model, BatchSpec(Window(6, 1), 3))
