"""Scalar functions of a cell within a kernel."""

import numpy as np

from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda.compiler import cuda, cuda_kernel
from seqcast.kernels.cuda.device_cells import compile_cell, make_load_and_store


def test_load_and_store_take_one_unit_of_each_group(queue):
    load, store = make_load_and_store((2, 0))
    _, store_rest = make_load_and_store((0, 1), first=1)

    @cuda_kernel
    def copy(x, y, rest):
        i = cuda.threadIdx.x
        items = load(x, 4, i)
        store(y, 4, i, items)
        store_rest(rest, 4, i, (x[0], items[0], items[1]))

    x = np.arange(12.0)
    y, rest = queue.zeros(12, np.float64), queue.zeros(8, np.float64)
    queue.launch(copy, 1, 4, queue.upload(x), y, rest)
    np.testing.assert_array_equal(queue.download(y), [0, 1, 2, 3, 0, 0, 0, 0, 8, 9, 10, 11])
    np.testing.assert_array_equal(queue.download(rest), [8, 9, 10, 11, 0, 1, 2, 3])


def test_step_of_lstm_follows_its_equations(queue):
    functions = compile_cell(LSTM, np.dtype("float64"))
    sigmoid, tanh, step = functions.sigmoid, functions.tanh, functions.step
    load_z, load_states, store_states = functions.load_z, functions.load_states, functions.store_states

    @cuda_kernel
    def run_step(z, state):
        i = cuda.threadIdx.x
        new, _ = step(sigmoid, tanh, load_z(z, 3, i), load_states(state, 3, i))
        store_states(state, 3, i, new)

    z, states = np.random.default_rng(0).normal(size=(4, 3)), np.array([[9.0] * 3, [1, -2, 3]])
    device_states = queue.upload(states.ravel())
    queue.launch(run_step, 1, 3, queue.upload(z.ravel()), device_states)
    i, f, o = (1 / (1 + np.exp(-z[k])) for k in (0, 1, 3))
    c = f * states[1] + i * np.tanh(z[2])
    np.testing.assert_allclose(queue.download(device_states).reshape(2, 3), [o * np.tanh(c), c], rtol=1e-12)
