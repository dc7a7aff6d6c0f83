"""The registry of cells, and cells from outside the package in the loops."""

import doctest
from dataclasses import replace

import naive
import numpy as np
import pytest
from example_cells import MADE_UP, as_state, run_made_up
from layers import parts

from seqcast import Recurrent, cells, register_cell
from seqcast.cells import BUILT_IN, cell_names, find_cell
from seqcast.cells.rnn import RNN, relu_backward


@pytest.fixture(autouse=True)
def _registry_as_it_was():
    before = dict(cells._registry)
    yield
    cells._registry.clear()
    cells._registry.update(before)


# -- the registry


@pytest.mark.parametrize("name", ["rnn", "rnn_relu", "lstm", "gru", "gru_reset_before"])
def test_built_in_names_can_not_be_taken(name):
    message = f"The name of a cell passed to register_cell must not be a built-in name. Got '{name}' instead."
    with pytest.raises(ValueError, match=message):
        register_cell(replace(RNN, name=name))
    assert find_cell(name) in BUILT_IN


def test_only_correct_cells_are_registered():
    with pytest.raises(
        ValueError, match=r"The 'cell' parameter of find_cell must be one of .*Got 'mine' instead"
    ):
        find_cell("mine")
    with pytest.raises(ValueError, match="is wrong"):
        register_cell(replace(RNN, name="mine", step_backward=relu_backward, activation="tanh"))
    assert "mine" not in cell_names()
    mine = replace(RNN, name="mine")
    assert register_cell(mine) is mine
    assert find_cell("mine") is mine
    assert cell_names() == ("gru", "gru_reset_before", "lstm", "mine", "rnn", "rnn_relu")
    with pytest.raises(
        ValueError, match=r"The 'cell' parameter of Recurrent must be one of .*Got None instead"
    ):
        find_cell(None, "Recurrent")


# -- the documented cell: an LSTM without output gate


@pytest.fixture(scope="module")
def documented_cell():
    """Return the cell of the example of register_cell, after checking what the example prints."""
    (example,) = doctest.DocTestFinder().find(register_cell, "register_cell")
    outcome = doctest.DocTestRunner().run(example, clear_globs=False)
    assert outcome.attempted >= 6
    assert outcome.failed == 0
    cell = example.globs["cell"]
    assert (
        cells._registry.pop(cell.name) is cell
    )  # each test that wants it registers it again, for itself alone
    return cell


def lstm_without_output_gate(weights, x, state):
    """Run the cell i, f, g from x and h; C = f C + i g; h = tanh(C + W_ho h + b_h)."""
    h, c = (part[0].copy() for part in state)
    outputs = []
    for t in range(x.shape[1]):
        from_h = h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
        a_i, a_f, a_g = np.split(x[:, t] @ weights["weight_ih_l0"].T + weights["bias_ih_l0"], 3, axis=-1)
        h_i, h_f, h_g, h_o = np.split(from_h, 4, axis=-1)
        c = naive.sigmoid(a_f + h_f) * c + naive.sigmoid(a_i + h_i) * np.tanh(a_g + h_g)
        h = np.tanh(c + h_o)
        outputs.append(h)
    return np.stack(outputs, axis=1), (h[None], c[None])


def assert_layer_is(reference, layer, rng):
    """Check that outputs, states and gradients of a layer equal those of the function `reference`."""
    call = {"x": rng.normal(size=(3, 4, layer.input_size))}
    n_states = len(layer.forward(call["x"])[1])
    call["state"] = tuple(rng.normal(size=(n_states, 1, 3, layer.hidden_size)))
    output, state = layer.forward(**call, training=True)
    expected, expected_state = reference(layer.weights, **call)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(state, expected_state, rtol=0, atol=1e-13)
    of_output, of_state = rng.normal(size=output.shape), rng.normal(size=(n_states, 1, 3, layer.hidden_size))
    layer.forward(**call, training=True)
    grad_x, grads = layer.backward(of_output, tuple(of_state))
    arrays = (
        {"x": call["x"]} | dict(layer.weights) | dict(zip(sorted_states(grads), call["state"], strict=True))
    )

    def total():
        output, state = reference(layer.weights, **call)
        return np.sum(of_output * output) + np.sum(of_state * np.stack(state))

    found = {"x": grad_x} | grads
    for name, array in arrays.items():
        expected = naive.central_differences(total, array)
        np.testing.assert_allclose(found.pop(name), expected, rtol=1e-6, atol=1e-8, err_msg=name)
    assert not found


def sorted_states(grads):
    """Return the names of the initial states among the gradients, in the order of the cell."""
    return [name for name in grads if name.endswith("_0")]


# Slow: each cell compiles its own kernels. `make nojit` runs the documented cell uncompiled, and `make test`
# compiles the cell with gates of every source.
@pytest.mark.slow
@pytest.mark.nojit
def test_the_documented_cell_follows_its_equations(documented_cell):
    register_cell(documented_cell)
    layer = Recurrent(documented_cell.name, input_size=2, hidden_size=3, dtype="float64", random_state=0)
    assert_layer_is(lstm_without_output_gate, layer, np.random.default_rng(0))


@pytest.mark.slow
def test_the_documented_cell_learns_to_remember(documented_cell):
    """The task is to return the first input of a sequence of six from its last state."""
    register_cell(documented_cell)
    rng = np.random.default_rng(0)
    layer = Recurrent(documented_cell.name, input_size=1, hidden_size=6, dtype="float64", random_state=0)
    x = rng.uniform(-0.8, 0.8, size=(64, 6, 1))
    optimizers, losses = {name: naive.Adam(0.02) for name in layer.weights}, []
    for _ in range(300):
        output, _ = layer.forward(x, training=True)
        error = output[:, -1, 0] - x[:, 0, 0]
        above = np.zeros_like(output)
        above[:, -1, 0] = 2 * error / error.size
        _, grads = layer.backward(above)
        losses.append(np.mean(error**2))
        layer.weights = {
            name: optimizer.step(layer.weights[name], grads[name]) for name, optimizer in optimizers.items()
        }
    assert losses[0] > 0.1
    assert losses[-1] < 0.01 * losses[0]


# -- a cell with a gate of every source


@pytest.mark.nojit
def test_a_cell_with_gates_of_every_source_follows_its_equations():
    register_cell(MADE_UP)
    layer = Recurrent("made_up", input_size=2, hidden_size=3, dtype="float64", random_state=0)
    assert {name: weight.shape[0] for name, weight in layer.weights.items()} == {
        "weight_ih_l0": 18,
        "weight_hh_l0": 18,
        "bias_ih_l0": 18,
        "bias_hh_l0": 18,
    }
    assert_layer_is(run_made_up, layer, np.random.default_rng(1))


# -- every cell in a compiled network: layers, both directions, rows of different lengths


def assert_slopes(cell):
    """Check some gradients of each weight against differences of the compiled forward pass."""
    rng = np.random.default_rng(0)
    layer = Recurrent(cell.name, 3, 4, n_layers=2, bidirectional=True, dtype="float64", random_state=0)
    states, of_states = rng.normal(size=(2, len(cell.states), 4, 5, 4))
    of_output = rng.normal(size=(5, 6, 8))
    call = {"x": rng.normal(size=(5, 6, 3)), "lengths": [4, 0, 6, 1, 6], "state": as_state(states)}

    def total():
        output, state = layer.forward(**call)
        return np.sum(of_output * output) + np.sum(of_states * np.stack(parts(state)))

    layer.forward(**call, training=True)
    _, grads = layer.backward(of_output, as_state(of_states))
    for name, weight in layer.weights.items():
        for place in rng.choice(weight.size, 3, replace=False):
            slope = slope_at(total, weight.reshape(-1), place)
            assert grads[name].flat[place] == pytest.approx(slope, rel=1e-6, abs=1e-8), (name, place)


def slope_at(function, vector, place, step=1e-6):
    """Return the central difference of `function()` with respect to one element of a view."""
    centre, values = vector[place], []
    for vector[place] in (centre + step, centre - step):
        values.append(function())
    vector[place] = centre
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
def test_gradients_of_built_in_cells_equal_differences(cell):
    assert_slopes(cell)


@pytest.mark.slow
def test_gradients_of_the_documented_cell_equal_differences(documented_cell):
    assert_slopes(register_cell(documented_cell))


def test_gradients_of_registered_cells_equal_differences():
    assert_slopes(register_cell(MADE_UP))
