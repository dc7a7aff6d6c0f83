"""The choice of samples per block and weights per thread."""

import numpy as np
import pytest
from layer_cases import SUMMING

from seqcast.cells import BUILT_IN, Cell, Gate
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.cells.rnn import RNN
from seqcast.kernels.cuda.kernel_shape import GpuLimits, choose_shape

CELLS = [cell for cell in (*BUILT_IN, SUMMING) if cell.reset is None]
H100 = GpuLimits(132, 227 * 1024)
A100 = GpuLimits(108, 163 * 1024)


def choose(cell=LSTM, hidden=64, n_samples=128, dtype="float32", gpu=H100):
    return choose_shape(cell, np.dtype(dtype), hidden, n_samples, gpu)


def test_block_has_few_samples_while_all_blocks_run_at_once():
    assert [choose(n_samples=n).n_samples for n in (1, 264, 500, 5000)] == [1, 1, 2, 4]
    assert [choose(n_samples=n, gpu=A100).n_samples for n in (200, 1000)] == [1, 4]


def test_no_thread_waits_for_samples_of_others():
    """A step of a GRU has three threads for each unit: a fourth sample would take as long as six."""
    assert [choose(GRU, n_samples=n).n_samples for n in (1, 5000)] == [1, 3]
    assert [choose(RNN, n_samples=n).n_samples for n in (1, 50_000)] == [1, 4]


def test_weights_beyond_registers_are_in_shared_memory():
    assert choose(hidden=64).n_own == 64
    large = choose(hidden=128)
    assert 40 <= large.n_own < 128
    assert large.shared_forward == 4 * ((128 - large.n_own) * 512 + 4 * (128 + 512))
    assert choose(RNN, 128).n_own == 128


@pytest.mark.parametrize("gpu", [H100, A100], ids=["H100", "A100"])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_chosen_shape_fits_into_gpu(cell, gpu):
    for dtype, n_samples, hidden in np.ndindex(2, 3, 100):
        dtype = ("float32", "float64")[dtype]
        n_samples = (1, 300, 4000)[n_samples]
        hidden = 1 + 3 * hidden
        shape = choose(cell, hidden, n_samples, dtype, gpu)
        if shape is None:
            assert hidden > 64
        else:
            assert shape.threads <= 1024
            assert max(shape.shared_forward, shape.shared_backward) <= gpu.shared
            assert 0 < shape.n_own <= shape.depth
            assert shape.n_own % 4 == 0


def test_large_layers_and_resets_have_no_shape():
    assert choose(hidden=160) is None
    assert choose(hidden=128, dtype="float64") is None
    assert choose(GRU_RESET_BEFORE, 8) is None


def test_cell_without_recurrent_gates_has_no_shape():
    def step(sigmoid, tanh, z, state):
        return (state[0] + z[0],), ()

    def step_backward(saved, state, grad_new):
        return (grad_new[0],), (grad_new[0],)

    sum_of_inputs = Cell("sum_of_inputs", (Gate("a", "input"),), ("h",), 0, step, step_backward)
    assert choose(sum_of_inputs, 4) is None
