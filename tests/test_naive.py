"""The reference itself: against PyTorch's goldens where there are some, else against hand-made numbers."""

import naive
import numpy as np
import pytest
from goldens import CELLS, GOLDEN, read_cases
from sklearn.metrics import log_loss

# The weights of two layers have many elements, and each takes two forward passes.
CHECKED = {
    "1layer-one-full": ("x", "h_0", "c_0", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0"),
    "2layer-both-ragged": ("h_0", "c_0", "bias_hh_l0", "bias_ih_l1_reverse"),
}


def run(kind, arrays):
    """Results of the reference under their golden names."""
    state = (arrays["h_0"], arrays["c_0"]) if kind == "lstm" else arrays["h_0"]
    depth = {"n_layers": int(arrays["n_layers"]), "bidirectional": bool(arrays["bidirectional"])}
    output, final = naive.recurrent(
        weights=arrays,
        x=arrays["x"],
        state=state,
        lengths=arrays["lengths"],
        **depth,
        **naive.CELLS[CELLS[kind]],
    )
    return {"output": output} | dict(zip(("h_n", "c_n"), final if kind == "lstm" else (final,), strict=False))


@pytest.mark.parametrize("kind", CELLS)
def test_outputs_and_final_states_are_pytorchs(kind):
    cases = read_cases(kind)
    assert len(cases) == (9 if kind in ("lstm", "gru") else 8)
    for case, arrays in cases.items():
        for name, result in run(kind, arrays).items():
            np.testing.assert_allclose(result, arrays[name], rtol=0, atol=1e-12, err_msg=f"{case}/{name}")


@pytest.mark.parametrize("case", CHECKED)
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_by_differences_are_pytorchs(kind, case):
    arrays = read_cases(kind)[case]

    def loss():
        return sum(np.sum(result * arrays[f"grad_{name}"]) for name, result in run(kind, arrays).items())

    for name in filter(arrays.__contains__, CHECKED[case]):
        gradient = naive.central_differences(loss, arrays[name])
        np.testing.assert_allclose(gradient, arrays[f"grad_{name}"], rtol=1e-6, atol=1e-8, err_msg=name)


def test_values_past_a_rows_length_are_never_read():
    arrays = read_cases("lstm")["2layer-both-ragged"]
    expected = run("lstm", arrays)
    for row, length in enumerate(arrays["lengths"]):
        arrays["x"][row, length:] = np.nan
    for name, result in run("lstm", arrays).items():
        np.testing.assert_array_equal(result, expected[name])


def test_masks_act_between_layers():
    arrays = read_cases("gru")["2layer-both-ragged"]
    common = {"cell": "gru", "lengths": arrays["lengths"], "bidirectional": True}
    mask = 2.0 * np.random.default_rng(0).integers(0, 2, arrays["output"].shape)
    output, final = naive.recurrent(weights=arrays, x=arrays["x"], n_layers=2, masks=[mask], **common)
    upper = {name.replace("l1", "l0"): array for name, array in arrays.items() if "_l1" in name}
    below, final_below = naive.recurrent(weights=arrays, x=arrays["x"], **common)
    above, final_above = naive.recurrent(weights=upper, x=below * mask, **common)
    np.testing.assert_array_equal(output, above)
    np.testing.assert_array_equal(final, np.concatenate([final_below, final_above]))


def test_the_lack_of_a_state_means_zeros():
    arrays = read_cases("lstm")["1layer-one-full"]
    zeros = np.zeros_like(arrays["h_0"])
    given, _ = naive.recurrent("lstm", arrays, arrays["x"], state=(zeros, zeros))
    absent, _ = naive.recurrent("lstm", arrays, arrays["x"])
    np.testing.assert_array_equal(absent, given)


@pytest.mark.parametrize(("reset_after", "candidate"), [(True, [0.7, 0.5]), (False, [1.05, 0.5])])
def test_gru_resets_after_or_before_the_product(reset_after, candidate):
    """By hand: r = (1/2, 1) and z = 1/2, so W_hn h = (1, 1/4) and W_hn (r h) = (3/4, 1/4)."""
    h, w_hn = np.array([2.0, 1.0]), np.array([[0.25, 0.5], [0.0, 0.25]])
    w_hh = np.concatenate([np.zeros((4, 2)), w_hn])
    b_ih = np.array([0.0, 40.0, 0.0, 0.0, 0.1, 0.5])
    b_hh = np.array([0.0, 0.0, 0.0, 0.0, 0.2, -0.25])
    result = naive.gru_step(np.zeros(1), h, np.zeros((6, 1)), w_hh, b_ih, b_hh, reset_after)
    np.testing.assert_allclose(result, 0.5 * np.tanh(candidate) + 0.5 * h, rtol=1e-15)


def test_sigmoid_keeps_its_digits_on_both_sides():
    result = naive.sigmoid(np.array([-1e6, -700.0, 0.0, 40.0]))
    np.testing.assert_allclose(result, [0.0, np.exp(-700.0), 0.5, 1.0], rtol=1e-15)


def test_head():
    weight, bias = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0.5, 0.0, -1.0])
    np.testing.assert_array_equal(naive.head(np.array([[1.0, 10.0]]), weight, bias), [[21.5, 43.0, 64.0]])


def test_pooling_reads_the_real_steps_only():
    output = np.array([[[1.0, 2.0], [-3.0, 5.0], [7.0, 7.0]], [[-1.0, -2.0], [9.0, 9.0], [9.0, 9.0]]])
    lengths = [2, 1]
    np.testing.assert_array_equal(naive.pooled(output, lengths), [[-3, 5], [-1, -2]])
    np.testing.assert_array_equal(naive.pooled(output, lengths, "mean"), [[-1, 3.5], [-1, -2]])
    np.testing.assert_array_equal(naive.pooled(output, lengths, "max"), [[1, 5], [-1, -2]])


@pytest.mark.parametrize("kind", CELLS)
def test_last_pooled_states_are_where_both_walks_end(kind):
    for case in ("1layer-one-full", "2layer-both-ragged"):
        arrays = read_cases(kind)[case]
        found, ways = run(kind, arrays), int(arrays["bidirectional"]) + 1
        rows = arrays["lengths"] > 0
        ends = np.concatenate(list(found["h_n"][-ways:]), axis=-1)
        pooled = naive.pooled(found["output"][rows], arrays["lengths"][rows], bidirectional=ways == 2)
        np.testing.assert_array_equal(pooled, ends[rows])


TARGET = np.array([[1.0, np.nan], [-2.0, 0.0]])
PREDICTION = np.array([[1.5, 9.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (naive.squared, 9.25 / 3),
        (naive.absolute, 3.5 / 3),
        (naive.huber, (0.125 + 2.5) / 3),
        (lambda y, p: naive.huber(y, p, delta=2.0), (0.125 + 4.0) / 3),
        (naive.mae, 3.5 / 3),
        (naive.rmse, np.sqrt(9.25 / 3)),
        (naive.smape, (40.0 + 200.0 + 0.0) / 3),
        (lambda y, p: naive.mase(y, p, np.array([0.0, 4.0, 1.0])), (3.5 / 3) / 3.5),
        (lambda y, p: naive.mase(y, p, np.array([0.0, 4.0, np.nan, 1.0]), season_length=2), (3.5 / 3) / 3.0),
    ],
)
def test_losses_and_metrics_leave_out_missing_targets(measure, expected):
    assert measure(TARGET, PREDICTION) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("loss", "losses"), [("squared", [0.25, 9, 0]), ("absolute", [0.5, 3, 0])])
def test_weighted_losses_are_divided_by_the_observed_weights(loss, losses):
    measure, weights = getattr(naive, loss), np.array([[2.0], [0.5]])
    assert measure(TARGET, PREDICTION, weights) == pytest.approx(np.dot([2, 0.5, 0.5], losses) / 3, rel=1e-15)
    assert measure(TARGET, PREDICTION, np.ones(2)) == pytest.approx(np.mean(losses), rel=1e-15)


def test_cross_entropy_is_scikit_learns_and_does_not_overflow():
    published = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])  # documentation of log_loss
    assert naive.cross_entropy(np.array([1, 0, 0, 1]), np.log(published)) == pytest.approx(0.21616, abs=5e-6)
    rng = np.random.default_rng(0)
    logits, labels, weights = rng.normal(size=(9, 3)), rng.integers(0, 3, 9), rng.random(9)
    probabilities = np.exp(naive.log_softmax(logits))
    expected = log_loss(labels, probabilities, sample_weight=weights, labels=[0, 1, 2])
    assert naive.cross_entropy(labels, logits, weights) == pytest.approx(expected, rel=1e-12)
    far = np.array([[1e4, 0.0, -1e4]])
    np.testing.assert_array_equal(naive.log_softmax(far), [[0, -1e4, -2e4]])


@pytest.mark.parametrize("make_optimizer", [naive.SGD, naive.RMSprop, naive.Adam])
def test_optimizers_walk_pytorchs_path(make_optimizer):
    name = make_optimizer.__name__.lower()
    with np.load(GOLDEN / "optimizers.npz") as golden:
        params, optimizer = golden["start"], make_optimizer(float(golden[f"{name}/lr"]))
        for grads, expected in zip(golden["grads"], golden[f"{name}/params"], strict=True):
            params = optimizer.step(params, grads)
            np.testing.assert_allclose(params, expected, rtol=0, atol=1e-14)


def test_clipping_is_pytorchs():
    with np.load(GOLDEN / "optimizers.npz") as golden:
        max_norm = float(golden["clip/max_norm"])
        clipped = [naive.clip_by_global_norm(grads, max_norm) for grads in golden["grads"]]
        np.testing.assert_allclose(clipped, golden["clip/grads"], rtol=0, atol=1e-15)


def test_central_differences_of_a_cubic_restore_the_array():
    array = np.array([[1.0, -2.0], [0.1, 3.0]])
    before = array.copy()
    gradient = naive.central_differences(lambda: np.sum(array**3), array)
    np.testing.assert_allclose(gradient, 3 * before**2, rtol=1e-7)
    np.testing.assert_array_equal(array, before)


def test_windows():
    inputs, targets = naive.windows(np.arange(6.0), window=3, horizon=2)
    np.testing.assert_array_equal(inputs, [[0, 1, 2], [1, 2, 3]])
    np.testing.assert_array_equal(targets, [[3, 4], [4, 5]])


def test_seasonal_naive_repeats_the_last_season():
    np.testing.assert_array_equal(naive.seasonal_naive(np.arange(7.0), 5, season_length=3), [4, 5, 6, 4, 5])
    np.testing.assert_array_equal(naive.seasonal_naive(np.arange(7.0), 2, season_length=1), [6, 6])
