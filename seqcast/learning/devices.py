"""The choice of a backend: networks, trainers and passes on the CPU or on a GPU.

`learning.cuda` imports numba.cuda, so it is imported only if a GPU is requested.
"""

import copyreg
from types import ModuleType
from typing import Any

import numpy as np

from ..kernels.architecture import Architecture
from ..kernels.cuda.devices import find_device
from .network import Network
from .options import TrainingOptions
from .passes import CpuPass, LayerPass
from .samples import SampleSource
from .trainer import CpuTrainer, OptimizerState, Trainer


def make_network(architecture: Architecture, dtype: str | np.dtype, ordinal: int | None) -> Network:
    """Return a network on the CPU if `ordinal` is None, else on the GPU of that number."""
    if ordinal is None:
        return Network(architecture, dtype)
    return _cuda_backend().CudaNetwork(architecture, dtype, ordinal)


def to_device(network: Network, ordinal: int | None) -> Network:
    """Return a network with the same weights on a device; the network itself if it is there already."""
    if network.ordinal == ordinal:
        return network
    moved = make_network(network.architecture, network.dtype, ordinal)
    moved.flat[:] = network.flat
    return moved


def restore(architecture: Architecture, dtype: np.dtype, ordinal: int, flat: np.ndarray) -> Network:
    """Return a network that was on a GPU, from a copy or a file.

    It is on the GPU of that number, or on the first GPU if there is none of that number, or on the CPU if
    there is no GPU.
    """
    try:
        found = find_device(f"cuda:{ordinal}")
    except (ImportError, RuntimeError, ValueError):
        found = find_device("auto")
    network = make_network(architecture, dtype, found)
    network.flat[:] = flat
    return network


def make_trainer(
    network: Network,
    source: SampleSource,
    options: TrainingOptions,
    rng: np.random.RandomState,
    state: OptimizerState,
) -> Trainer:
    """Return a trainer on the network's device."""
    make = CpuTrainer if network.ordinal is None else _cuda_backend().CudaTrainer
    return make(network, source, options, rng, state)


def make_pass(network: Network, *arguments: Any) -> LayerPass:
    """Return a pass on the network's device; arguments: see `LayerPass`."""
    make = CpuPass if network.ordinal is None else _cuda_backend().CudaPass
    return make(network, *arguments)


def _cuda_backend() -> ModuleType:
    from . import cuda

    # Copies and files of a network on a GPU may be read where there is no GPU. `restore` knows both backends,
    # and `learning.cuda` must not import this module.
    copyreg.pickle(cuda.CudaNetwork, _reduce)
    return cuda


def _reduce(network: Network) -> tuple:
    """Return the arguments of `restore` for `pickle`, which contain no memory of the device."""
    return restore, (network.architecture, network.dtype, network.ordinal, network.flat.copy())
