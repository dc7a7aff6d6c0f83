"""What tests of recurrent layers share: a layer of each kind, a ragged batch, and its pass in plain NumPy."""

import naive
import numpy as np

from seqcast import Recurrent

KINDS = list(naive.CELLS)
LENGTHS = (4, 0, 7, 1, 7, 3)  # unsorted, with an empty row, a single step and a tie


def make_layer(kind, dtype="float64", input_size=3, hidden_size=4, random_state=0, **options):
    return Recurrent(kind, input_size, hidden_size, dtype=dtype, random_state=random_state, **options)


def draw_call(layer, lengths=LENGTHS, n_steps=7, seed=1):
    """Arguments of forward: a batch of random rows, with values past their ends too, and initial states."""
    rng = np.random.default_rng(seed)
    walks = layer.n_layers * (1 + layer.bidirectional)
    h_0, c_0 = rng.normal(size=(2, walks, len(lengths), layer.hidden_size)).astype(layer.dtype)
    return {
        "x": rng.normal(size=(len(lengths), n_steps, layer.input_size)).astype(layer.dtype),
        "state": (h_0, c_0) if layer.cell == "lstm" else h_0,
        "lengths": np.array(lengths),
    }


def draw_gradients(layer, call, seed=2):
    """Arguments of backward: gradients of outputs, also past the rows' ends, and of final states."""
    rng = np.random.default_rng(seed)
    output, state = layer.forward(**call)
    of_states = tuple(rng.normal(size=part.shape).astype(layer.dtype) for part in parts(state))
    of_state = of_states if layer.cell == "lstm" else of_states[0]
    return {"grad_output": rng.normal(size=output.shape).astype(layer.dtype), "grad_state": of_state}


def parts(state):
    """The arrays of a state."""
    return state if isinstance(state, tuple) else (state,)


def results(passed):
    """What forward returns, by name."""
    output, state = passed
    return {"output": output} | dict(zip(("h_n", "c_n"), parts(state), strict=False))


def run_naive(layer, x, state=None, lengths=None, masks=None):
    """The layer's forward pass by the equations, in float64."""
    weights = {name: weight.astype(float) for name, weight in layer.weights.items()}
    state = tuple(part.astype(float) for part in parts(state)) if state is not None else None
    return naive.recurrent(
        weights=weights,
        x=x.astype(float),
        state=state if state is None or layer.cell == "lstm" else state[0],
        lengths=lengths,
        n_layers=layer.n_layers,
        bidirectional=layer.bidirectional,
        masks=masks,
        **naive.CELLS[layer.cell],
    )


def run_backward(layer, call, gradients, training=True):
    """Every gradient of one pass, by the name of what it belongs to."""
    layer.forward(**call, training=training)
    grad_x, grads = layer.backward(**gradients)
    return {"x": grad_x} | grads


def movable(layer, call):
    """What the loss depends on, by the names of `run_backward`, to be changed in place."""
    states = dict(zip(("h_0", "c_0"), parts(call["state"]), strict=False))
    return {"x": call["x"]} | dict(layer.weights) | states


def slopes(loss, arrays, n_directions=2, step=1e-6):
    """Derivatives of `loss()` along random directions in all `arrays`: [({name: direction}, slope)]."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(n_directions):
        directions = {name: rng.choice([-1.0, 1.0], array.shape) for name, array in arrays.items()}
        above, below = (_loss_moved(loss, arrays, directions, s) for s in (step, -step))
        found.append((directions, (above - below) / (2 * step)))
    return found


def _loss_moved(loss, arrays, directions, step):
    before = {name: array.copy() for name, array in arrays.items()}
    for name, array in arrays.items():
        array += step * directions[name]
    value = loss()
    for name, array in arrays.items():
        array[...] = before[name]
    return value
