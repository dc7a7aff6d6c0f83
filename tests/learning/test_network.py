"""Networks: copies, and forecasts in any batch."""

import pickle
from collections import deque

import numpy as np
import pytest
from training_tasks import cut, make_network, make_task, predict_naive


def test_a_pickled_network_is_whole_and_apart():
    network, (windows, rows) = make_network(), make_task()
    twin = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(twin.predict(windows, rows, 1), network.predict(windows, rows, 1))
    twin.weights["head_bias"][:] += 1
    np.testing.assert_allclose(
        twin.predict(windows, rows, 1), network.predict(windows, rows, 1) + 1, rtol=1e-12
    )


@pytest.mark.nojit
@pytest.mark.parametrize("value", [-0.0, np.nan, 1.0])
def test_parameters_are_packed_again_after_a_change(value):
    network = make_network()
    weight = network.weights["head_weight"]
    weight[0, 0] = 0.0
    packed = network.packed()
    assert network.packed() is packed
    weight[0, 0] = value
    changed = network.packed()
    assert changed is not packed
    same = changed == packed
    n_negative = np.signbit(changed[same]).sum() - np.signbit(packed[same]).sum()
    assert n_negative == (2 if value == 0 else 0)
    assert (~same).sum() == (0 if value == 0 else 2)
    assert network.packed() is changed
    with pytest.raises(ValueError, match="read-only"):
        changed[0] = 1.0


def test_only_the_networks_that_were_packed_last_keep_their_packed_weights(monkeypatch):
    monkeypatch.setattr("seqcast.learning.network._recently_packed", deque())
    monkeypatch.setattr("seqcast.learning.network.KEPT_PACKED", 2)
    networks = [make_network() for _ in range(3)]
    packed = [network.packed() for network in networks]
    assert [network._kept_packed is not None for network in networks] == [False, True, True]
    np.testing.assert_array_equal(networks[0].packed(), packed[0])
    assert networks[2].packed() is packed[2]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_forecast_has_the_same_bits_in_any_batch(bidirectional):
    windows, rows = make_task(
        4200, "float32", n_steps=35
    )  # longer than the 16 steps, and more than the 4096 rows, of one call
    rng = np.random.default_rng(0)
    rows[:, 1] = rng.integers(1, 36, len(rows))
    network = make_network("float32", hidden=9, n_layers=2, bidirectional=bidirectional)
    whole = network.predict(windows, rows, 2)
    for chosen in (
        np.arange(1),
        rng.permutation(4200)[:100],
        np.arange(4200)[::-1],
        np.arange(7, 24),
        np.repeat(5, 3),
    ):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])
    x, lengths, _ = cut(windows, rows[:40])
    np.testing.assert_allclose(whole[:40], predict_naive(network, x, lengths), rtol=0, atol=1e-5)
