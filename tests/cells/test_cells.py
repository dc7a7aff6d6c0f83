"""What a cell declares, how its gradient is checked, and cells from outside the package in the loops."""

import doctest
import math
import re
from dataclasses import replace

import naive
import numba as nb
import numpy as np
import pytest
from layers import parts

from seqcast import Cell, Gate, Recurrent, cells, check_cell, register_cell
from seqcast.cells import BUILT_IN, cell_names, find_cell
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.gru import reset as reset_of_gru
from seqcast.cells.lstm import LSTM
from seqcast.cells.rnn import RNN, relu_backward, tanh_backward
from seqcast.kernels import activations


@pytest.fixture(autouse=True)
def _registry_as_it_was():
    before = dict(cells._registry)
    yield
    cells._registry.clear()
    cells._registry.update(before)


# -- the check


@pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
def test_built_in_cells_pass(cell):
    check_cell(cell)
    check_cell(cell, n_trials=200, random_state=1)


def changed(function, change):
    """`function` with its result handed through `change`."""
    return lambda *arguments: change(function(*arguments))


def scaled_first(result):
    """The result with the first number of its first tuple multiplied by 1.00001."""
    (first, *rest), other = result
    return (first * 1.00001, *rest), other


def longer(which):
    """Add a number to the tuple at place `which`."""
    return lambda result: tuple((*part, 0.0) if k == which else part for k, part in enumerate(result))


def with_nan(result):
    return (*result[0][:-1], float("nan")), result[1]


LENGTHS = [  # (cell, function, place of the tuple made longer, its name, its right length)
    (LSTM, "step", 0, "new_state", 2),
    (LSTM, "step", 1, "saved", 5),
    (LSTM, "step_backward", 0, "d_z", 4),
    (LSTM, "step_backward", 1, "d_state", 2),
    (GRU, "step_backward", 0, "d_z", 4),
    (GRU_RESET_BEFORE, "step_backward", 0, "d_z", 2),
    (GRU_RESET_BEFORE, "reset_backward", 0, "d_z", 1),
]
GRADIENTS = [  # (cell, function, how its result is falsified, what check_cell finds)
    *((cell, "step_backward", scaled_first, "z[0]") for cell in BUILT_IN),
    (LSTM, "step_backward", lambda result: (result[0], (result[1][0], result[1][1] * 1.00001)), "state[1]"),
    (LSTM, "step_backward", with_nan, "z[3]: it returns nan, finite differences"),
    (GRU, "step_backward", lambda result: (result[0], (0.0,)), "state[0]: it returns 0, finite differences"),
    (GRU_RESET_BEFORE, "reset_backward", scaled_first, "z[0]"),
    (GRU_RESET_BEFORE, "reset_backward", lambda result: (result[0], -result[1]), "state[0]"),
]


def broken(cell, name, change):
    return replace(cell, **{name: changed(getattr(cell, name), change)})


@pytest.mark.parametrize(("cell", "name", "which", "what", "length"), LENGTHS)
def test_a_tuple_of_the_wrong_length_is_named(cell, name, which, what, length):
    message = (
        f"'{name}' of cell '{cell.name}' must return {length} numbers as '{what}'. Got {length + 1} instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(broken(cell, name, longer(which)))


def test_a_reset_that_saves_too_much_is_named():
    message = "'reset' of cell 'gru_reset_before' must return 1 numbers as 'saved'. Got 2 instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(broken(GRU_RESET_BEFORE, "reset", longer_saved))


def longer_saved(result):
    return result[0], (*result[1], 0.0)


@pytest.mark.parametrize(("cell", "name", "change", "found"), GRADIENTS)
def test_a_wrong_gradient_is_named(cell, name, change, found):
    with pytest.raises(ValueError, match=re.escape(f"'{name}' of cell '{cell.name}' is wrong for {found}")):
        check_cell(broken(cell, name, change))


def test_a_wrong_forward_function_shows_in_the_backward_one():
    doubled = broken(LSTM, "step", lambda result: ((result[0][0] * 2, result[0][1]), result[1]))
    with pytest.raises(ValueError, match="'step_backward' of cell 'lstm' is wrong for z"):
        check_cell(doubled)


def test_the_two_numbers_of_the_message_are_right():
    backward = changed(tanh_backward, lambda result: ((result[0][0] + 1.0,), result[1]))
    with pytest.raises(ValueError, match="is wrong for z") as caught:
        check_cell(replace(RNN, step_backward=backward))
    words = str(caught.value).replace(",", "").split()
    returned, slope = float(words[words.index("returns") + 1]), float(words[-1].rstrip("."))
    assert returned == pytest.approx(slope + 1, abs=1e-7)


def test_a_reset_that_reads_more_than_h_is_refused():
    """reset_backward has no way to say what another state would receive."""
    leaking = replace(MADE_UP, reset=lambda *a: (reset(*a)[0] + a[3][2], reset(*a)[1]))
    with pytest.raises(ValueError, match=r"'reset_backward' of cell 'made_up' is wrong for state\[2\]"):
        check_cell(leaking)


def test_relu_has_no_slope_left_of_zero():
    assert relu_backward((0.0,), (0.5,), (3.0,)) == ((0.0,), (0,))
    assert relu_backward((0.1,), (0.5,), (3.0,)) == ((3.0,), (0,))


# -- literal numbers, which would make a float32 loop compute in float64

HALF = 0.5


@nb.njit
def halved(x):
    return HALF * x


def float_in(function):
    """`function` with a number that stands in its closure."""
    one = 1.0
    return lambda *arguments: (function(*arguments)[0], (one * function(*arguments)[1][0],))


def branching(sigmoid, tanh, z, state):
    h = tanh(z[0])
    return (h if h > 0 else -abs(h) - 0,), (h,)


LITERALS = [  # (function, what it becomes, the number)
    ("step", lambda sigmoid, tanh, z, state: ((1.0 * tanh(z[0]),), (tanh(z[0]),)), "1.0"),
    ("step", lambda sigmoid, tanh, z, state: ((1 * tanh(z[0]),), (tanh(z[0]),)), "1"),
    ("step", lambda sigmoid, tanh, z, state: ((tanh(z[0]) ** 1 - 0,), (tanh(z[0]),)), "0"),
    ("step", lambda sigmoid, tanh, z, state: ((tanh(halved(z[0] + z[0])),), (tanh(z[0]),)), "0.5"),
    ("step", branching, "0"),
    ("step_backward", lambda saved, state, d: ((d[0] - d[0] * saved[0] ** 2,), (0.0,)), "0.0"),
    ("step_backward", lambda saved, state, d: (((1 - saved[0] * saved[0]) * d[0],), (0,)), "1"),
    ("step_backward", float_in(tanh_backward), "1.0"),
]


@pytest.mark.parametrize(("name", "function", "number"), LITERALS)
def test_a_literal_number_is_refused(name, function, number):
    message = (
        f"'{name}' of cell 'rnn' must not compute with literal numbers, which turn its float32 loops into "
        f"float64. Got {number}. Write it with the arguments alone: n + z * (h - n) for "
        f"(1 - z) * n + z * h, x + x for 2 * x, 0 or x - x for 0.0."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(replace(RNN, **{name: function}))


def test_a_literal_number_in_a_reset_is_refused():
    doubled = replace(
        GRU_RESET_BEFORE,
        reset=lambda *a: (2 * reset_of_gru(*a)[0], reset_of_gru(*a)[1]),
        reset_backward=lambda saved, state, d_u: GRU_RESET_BEFORE.reset_backward(saved, state, d_u + d_u),
    )
    with pytest.raises(ValueError, match=r"^'reset' of cell 'gru_reset_before' must not .* Got 2\. Write"):
        check_cell(doubled)


def test_literal_numbers_that_do_no_harm_are_allowed():
    """Indices, exponents and comparisons; a number that stands for itself; what the C library computes."""

    def backward(saved, state, d_new):
        h = saved[0]
        return (d_new[0] if h > 1 else d_new[0] - d_new[0] * h**2,), (0,)

    def exp_step(sigmoid, tanh, z, state):
        e = math.exp(z[0])
        return (e + z[0],), (e,)

    def exp_backward(saved, state, d_new):
        return (d_new[0] * saved[0] + d_new[0],), (0,)

    check_cell(replace(RNN, step_backward=backward))
    check_cell(replace(RNN, step=exp_step, step_backward=exp_backward))


# -- the declaration and the registry


def gates(*names):
    return tuple(Gate(name) for name in names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gates": gates("i", "f", "i", "o")}, "'gates' {} Got ('i', 'f', 'i', 'o') instead."),
        ({"gates": ()}, "'gates' {} Got () instead."),
        ({"gates": gates("i", "f g")}, "'gates' {} Got ('i', 'f g') instead."),
        ({"gates": gates("i", None)}, "'gates' {} Got ('i', None) instead."),
        ({"states": ("h", "h")}, "'states' {} Got ('h', 'h') instead."),
        ({"states": ()}, "'states' {} Got () instead."),
        ({"states": ("h", "")}, "'states' {} Got ('h', '') instead."),
        ({"states": ("h", ["c"])}, "'states' {} Got ('h', ['c']) instead."),
    ],
)
def test_gates_and_states_have_names_of_their_own(change, message):
    rule = "of cell 'lstm' must have one or more different names, all Python identifiers."
    with pytest.raises(ValueError, match=f"^The {re.escape(message.format(rule))}$"):
        replace(LSTM, **change)


@pytest.mark.parametrize("name", ["", "my cell", "1st", None])
def test_a_cell_is_named_by_an_identifier(name):
    message = f"The 'name' of a cell must be a Python identifier. Got {name!r} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(LSTM, name=name)


@pytest.mark.parametrize("activation", ["sigmoid", "ReLU", None])
def test_the_activation_is_known(activation):
    message = f"The 'activation' of cell 'rnn' must be one of ('tanh', 'relu'). Got {activation!r} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(RNN, activation=activation)


def test_a_gate_has_a_known_source():
    with pytest.raises(
        ValueError, match=r"The 'source' of gate 'q' must be one of \('both', .*\)\. Got 'elsewhere' instead"
    ):
        Gate("q", "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        {"reset_backward": None},
        {"reset": None},
        {"reset": None, "reset_backward": None},
        {"gates": (Gate("r", "reset"), Gate("z"), Gate("n"))},
        {"gates": (Gate("r"), Gate("z"), Gate("n", "late"))},
    ],
)
def test_late_gates_reset_gates_and_reset_functions_go_together(change):
    with pytest.raises(
        ValueError, match="Cell 'gru_reset_before': 'late' gates, 'reset' gates and the functions"
    ):
        replace(GRU_RESET_BEFORE, **change)


@pytest.mark.parametrize("name", ["rnn", "rnn_relu", "lstm", "gru", "gru_reset_before"])
def test_built_in_names_can_not_be_taken(name):
    message = f"The name of a cell passed to register_cell must not be a built-in one. Got '{name}' instead."
    with pytest.raises(ValueError, match=message):
        register_cell(replace(RNN, name=name))
    assert find_cell(name) in BUILT_IN


def test_a_cell_is_found_once_it_is_registered_and_not_if_it_is_wrong():
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
    """The cell that the example of register_cell makes; what the example prints must be as it says."""
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
    """i, f, g from x and h; C = f C + i g; h = tanh(C + W_ho h + b_h)."""
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
    """Outputs, states and slopes of a layer whose cell is not naive's are those of `reference`."""
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
    """Names of the initial states among the gradients, in the cell's order."""
    return [name for name in grads if name.endswith("_0")]


@pytest.mark.nojit
def test_the_documented_cell_is_the_written_equation(documented_cell):
    register_cell(documented_cell)
    layer = Recurrent(documented_cell.name, input_size=2, hidden_size=3, dtype="float64", random_state=0)
    assert_layer_is(lstm_without_output_gate, layer, np.random.default_rng(0))


def test_the_documented_cell_learns_to_remember(documented_cell):
    """The first input of a row, after five others, out of its last state."""
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


# -- one cell with a gate of every source, in an awkward order, and three states


def step(sigmoid, tanh, z, state):
    o, i, n, a, s_x, s_h = tanh(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3]), z[4], z[5]
    c = state[1] + i * n
    m = a * state[2] + s_x * s_h
    return (tanh(c * o + m), c, m), (o, i, n, a, s_x, s_h, tanh(c * o + m))


def step_backward(saved, state, d_new):
    o, i, n, a, s_x, s_h, h = saved
    d_h = d_new[0] - d_new[0] * h * h
    d_m = d_new[2] + d_h
    d_c = d_new[1] + d_h * o
    d_o = d_h * (state[1] + i * n)
    d_i, d_n, d_a = d_c * n * (i - i * i), d_c * i, d_m * state[2] * (a - a * a)
    return (d_o - d_o * o * o, d_i, d_n - d_n * n * n, d_a, d_m * s_h, d_m * s_x), (0, d_c, d_m * a)


def reset(sigmoid, tanh, z, state):
    p, q = sigmoid(z[0]), tanh(z[1])
    return p * state[0] + q, (p, q)


def reset_backward(saved, state, d_u):
    p, q = saved
    return (d_u * state[0] * (p - p * p), d_u - d_u * q * q), d_u * p


MADE_UP = Cell(
    name="made_up",
    gates=(
        Gate("o", "state"),
        Gate("p", "reset"),
        Gate("i"),
        Gate("n", "late"),
        Gate("q", "reset"),
        Gate("a", "input"),
        Gate("s", "split"),
    ),
    states=("h", "c", "m"),
    n_saved=7,
    step=step,
    step_backward=step_backward,
    reset=reset,
    reset_backward=reset_backward,
    n_reset_saved=2,
)


def made_up(weights, x, state):
    """The same in NumPy: rows of weight_ih for all gates but o, of weight_hh for all but a, in order."""
    h, c, m = (part[0].copy() for part in state)
    w_h, b_h = np.split(weights["weight_hh_l0"], 6), np.split(weights["bias_hh_l0"], 6)
    outputs = []
    for t in range(x.shape[1]):
        x_p, x_i, x_n, x_q, x_a, x_s = np.split(
            x[:, t] @ weights["weight_ih_l0"].T + weights["bias_ih_l0"], 6, axis=-1
        )
        h_o, h_p, h_i, _, h_q, h_s = (h @ w.T + b for w, b in zip(w_h, b_h, strict=True))
        u = naive.sigmoid(x_p + h_p) * h + np.tanh(x_q + h_q)
        n = np.tanh(x_n + u @ w_h[3].T + b_h[3])
        c = c + naive.sigmoid(x_i + h_i) * n
        m = naive.sigmoid(x_a) * m + x_s * h_s
        h = np.tanh(c * np.tanh(h_o) + m)
        outputs.append(h)
    return np.stack(outputs, axis=1), (h[None], c[None], m[None])


@pytest.mark.nojit
def test_a_cell_with_gates_of_every_source_is_the_written_equation():
    register_cell(MADE_UP)
    layer = Recurrent("made_up", input_size=2, hidden_size=3, dtype="float64", random_state=0)
    assert {name: weight.shape[0] for name, weight in layer.weights.items()} == {
        "weight_ih_l0": 18,
        "weight_hh_l0": 18,
        "bias_ih_l0": 18,
        "bias_hh_l0": 18,
    }
    assert_layer_is(made_up, layer, np.random.default_rng(1))


# -- every cell in a compiled network: layers, both directions, rows of different lengths


def assert_slopes(cell):
    """A few gradients of each weight are the slopes of the compiled forward pass."""
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


def as_state(states):
    """States in the form that `Recurrent` takes: one array, or a tuple of several."""
    return states[0] if len(states) == 1 else tuple(states)


def slope_at(function, vector, place, step=1e-6):
    """Central difference of `function()` along one element of a view."""
    centre, values = vector[place], []
    for vector[place] in (centre + step, centre - step):
        values.append(function())
    vector[place] = centre
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
def test_built_in_cells_have_their_slopes_in_a_network(cell):
    assert_slopes(cell)


def test_registered_cells_have_their_slopes_in_a_network(documented_cell):
    for cell in (documented_cell, MADE_UP):
        assert_slopes(register_cell(cell))


# -- the functions that cells are given


POINTS = np.concatenate([np.linspace(-20, 20, 4001), [-1e30, -1e-30, 0.0, 1e-30, 1e30]])


@pytest.mark.parametrize(
    ("function", "exact", "dtype", "error"),
    [
        (activations.tanh32, np.tanh, np.float32, 3.2e-7),
        (activations.sigmoid32, naive.sigmoid, np.float32, 2.2e-7),
        (activations.tanh64, np.tanh, np.float64, 3e-16),
        (activations.sigmoid64, naive.sigmoid, np.float64, 3e-16),
    ],
)
def test_sigmoid_and_tanh_keep_their_promise(function, exact, dtype, error):
    points = POINTS.astype(dtype)
    found = np.array([function(x) for x in points])
    np.testing.assert_array_equal(found, found.astype(dtype))  # computed in this very dtype
    np.testing.assert_allclose(found, exact(points.astype(float)), rtol=0, atol=error)
    assert (abs(found) <= 1).all()
    assert np.isnan(function(dtype(np.nan)))


@pytest.mark.parametrize(
    ("function", "dtype"), [(activations.relu32, np.float32), (activations.relu64, np.float64)]
)
def test_relu_is_zero_left_of_zero_and_keeps_nan(function, dtype):
    points = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf], dtype)
    np.testing.assert_array_equal([function(x) for x in points], [0, 0, 0, 0, 3, np.inf])
    assert np.isnan(function(dtype(np.nan)))
