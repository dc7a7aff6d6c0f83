"""Recurrent against the equations written again in NumPy, and its gradients against differences."""

import copy
import doctest
import pickle
import re

import naive
import numpy as np
import pytest
from layers import (
    KINDS,
    LENGTHS,
    draw_call,
    draw_gradients,
    make_layer,
    movable,
    parts,
    results,
    run_backward,
    run_naive,
    slopes,
)

from seqcast import Recurrent
from seqcast.estimators import recurrent as module
from seqcast.kernels import parallel

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
LOSSES = {  # value, and its derivative by the prediction, with d = prediction - target
    "squared": (naive.squared, lambda d: 2 * d / d.size),
    "absolute": (naive.absolute, lambda d: np.sign(d) / d.size),
    "huber": (naive.huber, lambda d: np.clip(d, -1, 1) / d.size),
}
depths = pytest.mark.parametrize("n_layers", [1, 2])
ways = pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
kinds = pytest.mark.parametrize("kind", KINDS)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def assert_is_naive(layer, call, passed):
    tolerance = TOLERANCE[layer.dtype.name]
    expected = results(run_naive(layer, **call))
    for name, array in results(passed).items():
        assert array.dtype == layer.dtype
        np.testing.assert_allclose(array, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


# -- the equations


@dtypes
@ways
@depths
@kinds
def test_outputs_and_final_states_follow_the_equations(kind, n_layers, bidirectional, dtype):
    layer = make_layer(kind, dtype, n_layers=n_layers, bidirectional=bidirectional)
    call = draw_call(layer)
    for training in (False, True):
        assert_is_naive(layer, call, layer.forward(**call, training=training))


@kinds
def test_no_state_and_no_lengths_mean_zeros_and_all_steps(kind):
    layer = make_layer(kind, n_layers=2, bidirectional=True)
    x = draw_call(layer)["x"]
    assert_is_naive(layer, {"x": x}, layer.forward(x))


@pytest.mark.parametrize("loss", LOSSES)
@ways
@depths
@kinds
def test_every_gradient_is_the_difference_quotient(kind, n_layers, bidirectional, loss):
    """Of a loss on the outputs plus a weighted sum of the final states."""
    layer = make_layer(kind, input_size=2, hidden_size=3, n_layers=n_layers, bidirectional=bidirectional)
    call, (value, derivative) = draw_call(layer), LOSSES[loss]
    gradients = draw_gradients(layer, call)
    target = 2 * gradients["grad_output"]
    gradients["grad_output"] = derivative(layer.forward(**call)[0] - target)

    def total():
        output, state = layer.forward(**call)
        weighted = zip(parts(gradients["grad_state"]), parts(state), strict=True)
        return value(target, output) + sum(np.sum(weight * part) for weight, part in weighted)

    found, arrays = run_backward(layer, call, gradients), movable(layer, call)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        expected = naive.central_differences(total, array)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.nojit
@kinds
def test_a_small_pass_follows_the_equations_both_ways(kind):
    """The forward pass is naive's, and the slopes of naive's are those of the backward pass."""
    layer = make_layer(kind, input_size=2, hidden_size=3, bidirectional=True)
    call = draw_call(layer, lengths=(2, 0, 3), n_steps=3)
    assert_is_naive(layer, call, layer.forward(**call))
    gradients = draw_gradients(layer, call)

    def total():
        output, state = run_naive(layer, **call)
        weighted = zip(parts(gradients["grad_state"]), parts(state), strict=True)
        return np.sum(gradients["grad_output"] * output) + sum(
            np.sum(weight * part) for weight, part in weighted
        )

    assert_slopes(run_backward(layer, call, gradients), total, movable(layer, call))


def assert_slopes(found, total, arrays):
    assert found.keys() == arrays.keys()
    for directions, slope in slopes(total, arrays):
        along = sum(np.sum(found[name] * direction) for name, direction in directions.items())
        scale = max(1.0, *(abs(found[name]).sum() for name in found))  # a slope may cancel to nearly nothing
        assert along == pytest.approx(slope, rel=1e-6, abs=1e-8 * scale)


# -- sizes either side of every unrolling, block and chunk

SIZES = (
    [(5, 9, 3, hidden) for hidden in (1, 7, 8, 9, 15, 16, 17, 33)]
    + [(batch, 4, 3, 9) for batch in (1, 2, 3, 5, 8, 9, 16, 17, 33, 65, 300)]
    + [(3, steps, 2, 5) for steps in (1, 33, 65)]
    + [(4, 5, features, 8) for features in (1, 16, 17)]
)
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))


def layer_of_size(kind, size, dtype="float64"):
    """A layer, and arguments of its forward pass with lengths that reach from 0 to all steps."""
    batch, steps, features, hidden = size
    layer = make_layer(kind, dtype, features, hidden, n_layers=2, bidirectional=True)
    lengths = np.random.default_rng(4).permutation(np.linspace(steps, 0, batch).astype(int))
    return layer, draw_call(layer, lengths, steps)


@sizes
@kinds
def test_any_size_follows_the_equations_in_float64(kind, size):
    layer, call = layer_of_size(kind, size)
    assert_is_naive(layer, call, layer.forward(**call))
    gradients = draw_gradients(layer, call)

    def total():
        output, state = layer.forward(**call)
        weighted = zip(parts(gradients["grad_state"]), parts(state), strict=True)
        seen = np.arange(call["x"].shape[1]) < call["lengths"][:, None]
        return np.sum((gradients["grad_output"] * output)[seen]) + sum(
            np.sum(w * part) for w, part in weighted
        )

    assert_slopes(run_backward(layer, call, gradients), total, movable(layer, call))


@sizes
@kinds
def test_any_size_follows_the_equations_in_float32(kind, size):
    layer, call = layer_of_size(kind, size, "float32")
    assert_is_naive(layer, call, layer.forward(**call))
    gradients = draw_gradients(layer, call)
    twin = make_layer(kind, "float64", layer.input_size, layer.hidden_size, n_layers=2, bidirectional=True)
    twin.weights = layer.weights
    expected = run_backward(twin, call, gradients)
    for name, gradient in run_backward(layer, call, gradients).items():
        assert gradient.dtype == np.float32
        scale = abs(expected[name]).max(initial=0)
        np.testing.assert_allclose(gradient, expected[name], rtol=0, atol=2e-5 * scale + 1e-6, err_msg=name)


@pytest.mark.parametrize("n_steps", [1, 15, 16, 17, 32, 33])
@pytest.mark.parametrize("kind", ["lstm", "gru_reset_before"])
def test_chunks_of_time_leave_no_trace(kind, n_steps):
    """Without training, one direction walks 16 steps at a time; with it, all steps at once."""
    layer = make_layer(kind, n_layers=2)
    call = draw_call(layer, lengths=(n_steps, 0, 1, n_steps // 2, n_steps), n_steps=n_steps)
    whole, chunked = layer.forward(**call, training=True), layer.forward(**call)
    assert_same_bits(results(chunked), results(whole))
    assert_is_naive(layer, call, whole)


# -- what must not matter


@dtypes
@kinds
def test_backward_is_the_same_whatever_training_was(kind, dtype):
    layer = make_layer(kind, dtype, n_layers=2, bidirectional=True)
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    quick = run_backward(layer, call, gradients, training=True)
    assert_same_bits(run_backward(layer, call, gradients, training=False), quick)


@kinds
def test_backward_may_be_called_again(kind):
    layer = make_layer(kind, n_layers=2, bidirectional=True)
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    first = run_backward(layer, call, gradients)
    layer.backward(2 * gradients["grad_output"])
    grad_x, grads = layer.backward(**gradients)
    assert_same_bits({"x": grad_x} | grads, first)


@ways
@dtypes
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_row_has_the_same_bits_in_any_batch(kind, dtype, bidirectional):
    layer = make_layer(kind, dtype, hidden_size=17, n_layers=2, bidirectional=bidirectional)
    lengths = np.random.default_rng(5).integers(0, 41, 70)
    call = draw_call(layer, lengths, n_steps=40)
    gradients = draw_gradients(layer, call)
    whole = results(layer.forward(**call)) | run_backward(layer, call, gradients)
    for chosen in (np.arange(70)[::-1], np.arange(1), np.arange(7, 20), np.array([69, 3, 33, 40, 12])):
        small = {"x": call["x"][chosen], "state": take(call["state"], chosen), "lengths": lengths[chosen]}
        above = {
            "grad_output": gradients["grad_output"][chosen],
            "grad_state": take(gradients["grad_state"], chosen),
        }
        part = results(layer.forward(**small)) | run_backward(layer, small, above)
        for name in ("output", "x"):
            np.testing.assert_array_equal(part[name], whole[name][chosen], err_msg=name)
        for name in {"h_n", "c_n", "h_0", "c_0"} & part.keys():
            np.testing.assert_array_equal(part[name], whole[name][:, chosen], err_msg=name)


def take(state, chosen):
    rows = tuple(part[:, chosen] for part in parts(state))
    return rows if isinstance(state, tuple) else rows[0]


@dtypes
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_number_of_threads_has_no_influence_on_the_bits(kind, dtype, monkeypatch):
    layer = make_layer(kind, dtype, hidden_size=9, n_layers=2, bidirectional=True)
    call = draw_call(layer, np.random.default_rng(6).integers(0, 12, 150), n_steps=11)
    gradients = draw_gradients(layer, call)
    found = {}
    for n_threads in (1, 2):
        monkeypatch.setattr(parallel, "thread_count", lambda n_jobs, n_shards, n=n_threads: n)
        found[n_threads] = results(layer.forward(**call)) | run_backward(layer, call, gradients)
    assert_same_bits(found[2], found[1])


@kinds
def test_what_lies_past_a_rows_end_is_never_read(kind):
    layer = make_layer(kind, n_layers=2, bidirectional=True)
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    expected = results(layer.forward(**call)) | run_backward(layer, call, gradients)
    ended = np.arange(7) >= np.array(LENGTHS)[:, None]
    call["x"][ended], gradients["grad_output"][ended] = 1e300, -1e300
    found = results(layer.forward(**call)) | run_backward(layer, call, gradients)
    assert_same_bits(found, expected)
    assert not found["output"][ended].any()
    assert not found["x"][ended].any()


def test_nan_past_a_rows_end_is_never_read():
    layer = make_layer("gru")
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    expected = results(layer.forward(**call)) | run_backward(layer, call, gradients)
    ended = np.arange(7) >= np.array(LENGTHS)[:, None]
    call["x"][ended], gradients["grad_output"][ended] = np.nan, np.nan
    assert_same_bits(results(layer.forward(**call)) | run_backward(layer, call, gradients), expected)


def test_an_empty_row_hands_its_state_and_its_gradient_on():
    layer = make_layer("lstm", n_layers=2, bidirectional=True)
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    empty = LENGTHS.index(0)
    _, (h_n, c_n) = layer.forward(**call, training=True)
    _, grads = layer.backward(**gradients)
    for final, initial in zip((h_n, c_n), call["state"], strict=True):
        np.testing.assert_array_equal(final[:, empty], initial[:, empty])
    for name, gradient in zip(("h_0", "c_0"), gradients["grad_state"], strict=True):
        np.testing.assert_array_equal(grads[name][:, empty], gradient[:, empty])


def test_a_sequence_may_come_in_pieces():
    layer = make_layer("lstm", n_layers=2)
    x = draw_call(layer, lengths=(65, 65), n_steps=65)["x"]
    whole, final = layer.forward(x)
    state, pieces = None, []
    for piece in np.split(x, [1, 33], axis=1):
        output, state = layer.forward(piece, state)
        pieces.append(output)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    np.testing.assert_array_equal(state, final)


def test_no_gradient_means_zero():
    layer = make_layer("lstm", n_layers=2)
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    nothing = {"grad_output": np.zeros_like(gradients["grad_output"])}
    for absent, given in (
        (
            {"grad_output": None, "grad_state": gradients["grad_state"]},
            nothing | {"grad_state": gradients["grad_state"]},
        ),
        (
            {"grad_output": gradients["grad_output"]},
            gradients | {"grad_state": tuple(map(np.zeros_like, call["state"]))},
        ),
    ):
        assert_same_bits(run_backward(layer, call, absent), run_backward(layer, call, given))


def test_any_array_like_will_do_and_stays_as_it_was():
    layer = make_layer("gru")
    call = draw_call(layer)
    expected = results(layer.forward(**call))
    frozen = np.asfortranarray(call["x"])
    frozen.flags.writeable = False
    state = call["state"].copy()
    state.flags.writeable = False
    assert_same_bits(results(layer.forward(frozen, state, list(LENGTHS))), expected)
    assert_same_bits(results(layer.forward(call["x"].tolist(), state.tolist(), np.uint8(LENGTHS))), expected)
    np.testing.assert_array_equal(call["state"], state)


def test_results_are_the_callers_own():
    layer = make_layer("gru")
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    output, state = layer.forward(**call)
    grad_x, grads = layer.backward(**gradients)
    kept = [array.copy() for array in (output, state, grad_x, *grads.values())]
    layer.forward(-call["x"], -call["state"])
    layer.backward(-gradients["grad_output"])
    for array, before in zip((output, state, grad_x, *grads.values()), kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("training", [False, True])
def test_the_caller_may_reuse_x_before_backward(training):
    layer = make_layer("gru")
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    expected = run_backward(layer, call, gradients)
    layer.forward(**call, training=training)
    call["x"][...] = 0
    grad_x, grads = layer.backward(**gradients)
    assert_same_bits({"x": grad_x} | grads, expected)


@pytest.mark.parametrize("training", [False, True])
def test_backward_belongs_to_the_weights_of_its_forward(training):
    """A gradient half of old and half of new weights would be none at all."""
    layer = make_layer("gru")
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    expected = run_backward(layer, call, gradients)
    layer.forward(**call, training=training)
    for weight in layer.weights.values():
        weight *= 2
    grad_x, grads = layer.backward(**gradients)
    assert_same_bits({"x": grad_x} | grads, expected)


def test_huge_inputs_saturate_without_nan():
    for dtype in TOLERANCE:
        layer = make_layer("lstm", dtype)
        x = np.array([[[1e30, -1e30, 1e30]] * 3])
        output, _ = layer.forward(x, training=True)
        assert np.isfinite(output).all()
        assert (abs(output) <= 1).all()
        grad_x, grads = layer.backward(np.ones_like(output))
        assert all(np.isfinite(array).all() for array in (grad_x, *grads.values()))


# -- dropout


def make_mask_reader(rate, n_layers=2, bidirectional=False, hidden_size=8, random_state=0):
    """A stack whose first layer gives ones and whose others copy: its output is the product of the masks."""
    options = {"n_layers": n_layers, "bidirectional": bidirectional, "dropout": rate}
    layer = make_layer(
        "rnn_relu", input_size=1, hidden_size=hidden_size, random_state=random_state, **options
    )
    for name, weight in layer.weights.items():
        weight[...] = 1 if name in ("bias_ih_l0", "bias_ih_l0_reverse") else 0
        if name.startswith("weight_ih") and "l0" not in name:
            weight[...] = np.eye(*weight.shape, k=hidden_size if "reverse" in name else 0)
    return layer


def test_dropout_zeroes_its_share_and_scales_the_rest():
    rate, layer = 0.3, make_mask_reader(0.3)
    mask, _ = layer.forward(np.zeros((40, 50, 1)), training=True)
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-15)
    for axes in ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):  # rows, steps and units all alike
        share = (mask == 0).mean(axis=axes)
        deviation = np.sqrt(rate * (1 - rate) / (mask.size / share.size))
        assert abs(share - rate).max() < 5 * deviation
    assert mask.mean() == pytest.approx(1, abs=5 * np.sqrt(rate / (1 - rate) / mask.size))


def test_each_layer_and_each_call_has_a_mask_of_its_own():
    _rate, layer = 0.5, make_mask_reader(0.5, n_layers=3)
    x = np.zeros((40, 50, 1))
    product, again = layer.forward(x, training=True)[0], layer.forward(x, training=True)[0]
    deviation = np.sqrt(0.75 * 0.25 / product.size)
    assert (product == 0).mean() == pytest.approx(0.75, abs=5 * deviation)
    both = ((product == 0) & (again == 0)).mean()
    assert both == pytest.approx(0.75**2, abs=5 * deviation)


@ways
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_dropout_multiplies_the_outputs_between_layers(kind, bidirectional):
    options = {"n_layers": 2, "bidirectional": bidirectional, "hidden_size": 5}
    layer = make_layer(kind, dropout=0.4, random_state=np.random.RandomState(7), **options)
    call = draw_call(layer)
    reader = make_mask_reader(0.4, bidirectional=bidirectional, hidden_size=5)
    reader._rng = np.random.RandomState(7)
    layer._rng = np.random.RandomState(7)
    mask, _ = reader.forward(np.zeros((len(LENGTHS), 7, 1)), training=True)
    found = results(layer.forward(**call, training=True))
    expected = results(run_naive(layer, **call, masks=[mask]))
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-12, err_msg=name)
    assert_is_naive(layer, call, layer.forward(**call))  # and without training there is no mask


@ways
def test_backward_uses_the_mask_of_forward(bidirectional):
    rng = np.random.RandomState(8)
    layer = make_layer("gru", n_layers=3, bidirectional=bidirectional, dropout=0.4, random_state=rng)
    call, start = draw_call(layer), rng.get_state()
    gradients = draw_gradients(layer, call)

    def total():
        rng.set_state(start)
        output, state = layer.forward(**call, training=True)
        return np.sum(gradients["grad_output"] * output) + np.sum(gradients["grad_state"] * state)

    rng.set_state(start)
    assert_slopes(run_backward(layer, call, gradients), total, movable(layer, call))


def test_random_state_decides_weights_and_masks():
    first, same, other = (make_layer("gru", n_layers=2, dropout=0.5, random_state=seed) for seed in (1, 1, 2))
    assert_same_bits(dict(first.weights), dict(same.weights))
    assert not np.array_equal(first.weights["weight_hh_l0"], other.weights["weight_hh_l0"])
    call = draw_call(first)
    assert_same_bits(
        results(first.forward(**call, training=True)), results(same.forward(**call, training=True))
    )
    other.weights = first.weights
    assert not np.array_equal(
        other.forward(**call, training=True)[0], first.forward(**call, training=True)[0]
    )


# -- weights


def test_weights_have_pytorchs_names_and_shapes():
    layer = make_layer("lstm", input_size=3, hidden_size=4, n_layers=2, bidirectional=True)
    expected = {}
    for depth, features in ((0, 3), (1, 8)):
        for suffix in (f"_l{depth}", f"_l{depth}_reverse"):
            expected |= {f"weight_ih{suffix}": (16, features), f"weight_hh{suffix}": (16, 4)}
            expected |= {f"bias_ih{suffix}": (16,), f"bias_hh{suffix}": (16,)}
    assert {name: weight.shape for name, weight in layer.weights.items()} == expected
    assert list(layer.weights) == list(expected)
    assert len(layer.weights) == 16
    assert repr(make_layer("gru").weights) == (
        "Weights(weight_ih_l0: (12, 3), weight_hh_l0: (12, 4), bias_ih_l0: (12,), bias_hh_l0: (12,))"
    )


def test_initial_weights_fill_pytorchs_interval():
    layer = make_layer("lstm", hidden_size=25, input_size=50)
    for name, weight in layer.weights.items():
        assert abs(weight).max() <= 1 / 5
        assert weight.min() < -0.18, name
        assert weight.max() > 0.18, name
        assert abs(weight.mean()) < 5 / np.sqrt(75 * weight.size), name


def test_weights_are_set_one_by_one_all_at_once_or_in_place():
    source, one_by_one, at_once, in_place = (make_layer("gru", random_state=seed) for seed in range(4))
    call = draw_call(source)
    expected = results(source.forward(**call))
    for name, weight in source.weights.items():
        one_by_one.weights[name] = weight.tolist()
        in_place.weights[name][...] = weight
    at_once.weights = source.weights
    for layer in (one_by_one, at_once, in_place):
        assert_same_bits(results(layer.forward(**call)), expected)
    at_once.weights["bias_ih_l0"][0] += 1
    assert source.weights["bias_ih_l0"][0] != at_once.weights["bias_ih_l0"][0]  # copied, not shared


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["copied", "pickled"]
)
def test_a_copy_is_whole_and_apart(duplicate):
    layer = make_layer("gru", n_layers=2)
    call = draw_call(layer)
    expected = results(layer.forward(**call))
    twin = duplicate(layer)
    assert_same_bits(results(twin.forward(**call)), expected)
    with pytest.raises(RuntimeError, match="needs a call of forward"):
        duplicate(layer).backward(None)
    twin.weights["weight_hh_l0"][...] = 0
    twin.weights["weight_hh_l1"] = np.zeros((12, 4))
    assert_is_naive(twin, call, twin.forward(**call))
    assert_same_bits(results(layer.forward(**call)), expected)


def test_wrong_weights_are_refused_and_change_nothing():
    layer = make_layer("rnn")
    before = {name: weight.copy() for name, weight in layer.weights.items()}
    right = {name: weight + 1 for name, weight in before.items()}
    with pytest.raises(
        ValueError, match=exactly("Weight 'bias_ih_l0' must have shape (4,). Got (5,) instead.")
    ):
        layer.weights["bias_ih_l0"] = np.zeros(5)
    with pytest.raises(
        KeyError, match="'bias_l0' is no weight of this layer; they are weight_ih_l0, weight_hh_l0, "
    ):
        layer.weights["bias_l0"] = np.zeros(4)
    missing = exactly(
        "All weights must be given at once; ['bias_hh_l0'] are missing. Set single ones by name."
    )
    with pytest.raises(ValueError, match=missing):
        layer.weights = {name: weight for name, weight in right.items() if name != "bias_hh_l0"}
    with pytest.raises(ValueError, match="'bias_hh_l0' must have shape"):
        layer.weights = right | {"bias_hh_l0": np.zeros(3)}
    with pytest.raises(KeyError, match="'bias_hh_l1' is no weight"):
        layer.weights = right | {"bias_hh_l1": np.zeros(4)}
    assert_same_bits(dict(layer.weights), before)


# -- what is refused


def exactly(message):
    return f"^{re.escape(message)}$"


OPTIONS = [  # (parameters, the one at fault, its rule, what came)
    ({"input_size": 0}, "input_size", "must be an int of at least 1", "0"),
    ({"hidden_size": 2.0}, "hidden_size", "must be an int of at least 1", "2.0"),
    ({"n_layers": True}, "n_layers", "must be an int of at least 1", "True"),
    ({"n_layers": "2"}, "n_layers", "must be an int of at least 1", "'2'"),
    ({"n_layers": 2, "dropout": 1.0}, "dropout", "must be in [0, 1)", "1.0"),
    ({"n_layers": 2, "dropout": -0.1}, "dropout", "must be in [0, 1)", "-0.1"),
    ({"n_layers": 2, "dropout": np.nan}, "dropout", "must be in [0, 1)", "nan"),
    ({"n_layers": 2, "dropout": "no"}, "dropout", "must be in [0, 1)", "'no'"),
    ({"dtype": "float16"}, "dtype", "must be 'float32' or 'float64'", "'float16'"),
    ({"dtype": int}, "dtype", "must be 'float32' or 'float64'", repr(int)),
]


@pytest.mark.parametrize(("options", "name", "rule", "got"), OPTIONS)
def test_wrong_parameters_are_named(options, name, rule, got):
    message = f"The '{name}' parameter of Recurrent {rule}. Got {got} instead."
    with pytest.raises(ValueError, match=exactly(message)):
        Recurrent(**({"cell": "rnn", "input_size": 3, "hidden_size": 4} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cell": "rnn", "dropout": 0.5},
            "The 'dropout' parameter of Recurrent acts between layers, so it needs n_layers of at least 2.",
        ),
        (
            {"cell": "LSTM"},
            "The 'cell' parameter of Recurrent must be one of ('gru', 'gru_reset_before', 'lstm', 'rnn', "
            "'rnn_relu'). Got 'LSTM' instead. Cells of your own are added with seqcast.register_cell.",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_named(options, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Recurrent(**({"input_size": 3, "hidden_size": 4} | options))


BATCH = "must have shape (batch, time, 3), none of them 0"
COUNTS = "must be 2 integers between 0 and 5"
ARGUMENTS = [
    ({"x": np.zeros((2, 3))}, "x", BATCH, "(2, 3)"),
    ({"x": np.zeros((2, 5, 4))}, "x", BATCH, "(2, 5, 4)"),
    ({"x": np.zeros((0, 5, 3))}, "x", BATCH, "(0, 5, 3)"),
    ({"x": np.zeros((2, 0, 3))}, "x", BATCH, "(2, 0, 3)"),
    ({"lengths": [5]}, "lengths", COUNTS, "array([5])"),
    ({"lengths": [5, 6]}, "lengths", COUNTS, "array([5, 6])"),
    ({"lengths": [5, -1]}, "lengths", COUNTS, "array([ 5, -1])"),
    ({"lengths": [5.0, 1.0]}, "lengths", COUNTS, "array([5., 1.])"),
    ({"lengths": [True, True]}, "lengths", COUNTS, "array([ True,  True])"),
]


@pytest.mark.parametrize(("call", "name", "rule", "got"), ARGUMENTS)
def test_wrong_arguments_of_forward_are_named(call, name, rule, got):
    message = f"The '{name}' parameter of Recurrent.forward {rule}. Got {got} instead."
    with pytest.raises(ValueError, match=exactly(message)):
        make_layer("lstm").forward(**({"x": np.zeros((2, 5, 3))} | call))


ONE, OTHER, LONG = np.zeros((1, 2, 4)), np.zeros((1, 3, 4)), np.zeros((2, 2, 4))
STATES = [
    ("lstm", ONE, "must be a tuple of 2 arrays for the 'lstm' cell", "ndarray"),
    ("lstm", (ONE, ONE, ONE), "must be a tuple of 2 arrays for the 'lstm' cell", "3"),
    ("lstm", (ONE, OTHER), "must have shape (1, 2, 4)", "(1, 3, 4)"),
    ("gru", LONG, "must have shape (1, 2, 4)", "(2, 2, 4)"),
]


@pytest.mark.parametrize(("kind", "state", "rule", "got"), STATES)
def test_wrong_states_are_named(kind, state, rule, got):
    layer = make_layer(kind)
    message = "The '{}' parameter of Recurrent {}. Got {} instead."
    with pytest.raises(ValueError, match=exactly(message.format("state", rule, got))):
        layer.forward(np.zeros((2, 5, 3)), state)
    layer.forward(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match=exactly(message.format("grad_state", rule, got))):
        layer.backward(None, state)


def test_a_state_that_is_no_tuple_is_named():
    message = "The 'state' parameter of Recurrent must be a tuple of 2 arrays for the 'lstm' cell. Got "
    with pytest.raises(ValueError, match=exactly(message + "float instead.")):
        make_layer("lstm").forward(np.zeros((2, 5, 3)), 0.0)


def test_a_wrong_gradient_is_named():
    layer = make_layer("gru")
    layer.forward(np.zeros((2, 5, 3)))
    message = "The 'grad_output' parameter of Recurrent must have shape (2, 5, 4). Got (2, 5, 3) instead."
    with pytest.raises(ValueError, match=exactly(message)):
        layer.backward(np.zeros((2, 5, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(bad):
    layer, message = make_layer("gru"), "must hold finite values only. Got NaN or infinity."
    x, state, above = np.zeros((2, 5, 3)), ONE.copy(), np.zeros((2, 5, 4))
    layer.forward(x)
    for array, name, call in (
        (x, "x", lambda: layer.forward(x)),
        (state, "state", lambda: layer.forward(0 * x, state)),
        (above, "grad_output", lambda: layer.backward(above)),
        (state, "grad_state", lambda: layer.backward(None, state)),
    ):
        array.flat[5], before = bad, array.flat[5]
        with pytest.raises(ValueError, match=exactly(f"The '{name}' parameter of Recurrent {message}")):
            call()
        array.flat[5] = before


def test_values_beyond_the_dtype_are_infinite():
    message = "The 'x' parameter of Recurrent must hold finite values only. Got NaN or infinity."
    with pytest.raises(ValueError, match=exactly(message)):
        make_layer("gru", "float32").forward(np.full((2, 5, 3), 1e300))


def test_backward_comes_after_forward():
    with pytest.raises(RuntimeError, match=exactly("Recurrent.backward needs a call of forward before it.")):
        make_layer("gru").backward(np.zeros((2, 5, 4)))


def test_a_refused_call_leaves_the_last_pass_alone():
    layer = make_layer("gru")
    call = draw_call(layer)
    gradients = draw_gradients(layer, call)
    expected = run_backward(layer, call, gradients)
    with pytest.raises(ValueError, match="'lengths' parameter"):
        layer.forward(call["x"], lengths=[99])
    grad_x, grads = layer.backward(**gradients)
    assert_same_bits({"x": grad_x} | grads, expected)


def test_repr_can_be_read():
    assert repr(make_layer("gru", n_layers=2, dropout=0.25, dtype="float32")) == (
        "Recurrent('gru', input_size=3, hidden_size=4, n_layers=2, bidirectional=False, dropout=0.25, "
        "dtype='float32', device='cpu')"
    )


def test_the_documented_example_runs():
    outcome = doctest.testmod(module)
    assert outcome.attempted >= 6
    assert outcome.failed == 0
