"""The choice of a backend, on the CPU: GPUs are tested in tests/cuda."""

import pickle

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.learning import devices
from seqcast.learning.network import Network
from seqcast.learning.passes import CpuPass

ARCHITECTURE = compose(find_cell("rnn"), 1, 2, n_outputs=1)


def test_a_network_without_a_number_is_on_the_cpu():
    network = devices.make_network(ARCHITECTURE, "float64", None)
    assert type(network) is Network
    assert network.ordinal is None
    assert devices.to_device(network, None) is network


def test_a_network_of_a_gpu_is_restored_on_the_cpu_without_one(monkeypatch):
    def find_device(name):
        if name != "auto":
            raise RuntimeError("no GPU")

    monkeypatch.setattr(devices, "find_device", find_device)
    flat = np.arange(float(ARCHITECTURE.n_parameters))
    network = devices.restore(ARCHITECTURE, np.dtype("float64"), 1, flat)
    assert network.ordinal is None
    np.testing.assert_array_equal(network.flat, flat)


def test_a_network_of_a_gpu_can_be_pickled():
    network = Network(ARCHITECTURE, "float64")
    network.ordinal = 3
    function, arguments = devices._reduce(network)
    assert function is devices.restore
    assert arguments[:3] == (ARCHITECTURE, network.dtype, 3)
    assert pickle.loads(pickle.dumps(function)) is devices.restore


@pytest.mark.nojit
def test_a_pass_runs_where_the_network_is():
    network = Network(compose(find_cell("rnn"), 1, 2), "float64")
    x, states = np.ones((1, 2, 1)), np.zeros((1, 1, 1, 2))
    made = devices.make_pass(network, x, np.array([2]), states, 0.0, np.uint32(0))
    assert type(made) is CpuPass
    assert made.forward(keep=False)[0].shape == (1, 2, 2)
