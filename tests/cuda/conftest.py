"""The CUDA kernels run in numba-cuda's simulator (`make cudasim`) or on a GPU (`make gpu`), in a process of
their own. The rest of the suite runs without either, and of this folder with it what looks at machine code.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = find_spec("numba_cuda") is not None
SIMULATED = HERE and os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
ON_GPU = HERE and os.environ.get("SEQCAST_TEST_GPU") == "1"
MACHINE_CODE = "test_ptx.py"


def pytest_ignore_collect(collection_path):
    if collection_path.suffix != ".py":
        return None
    return (collection_path.name == MACHINE_CODE) == (SIMULATED or ON_GPU) or None


def pytest_collection_modifyitems(items):
    for item in items:
        if ON_GPU and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.gpu)


if ON_GPU:  # before numba is imported: what the tests launch is small, and warnings are errors
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"

if SIMULATED:
    import simulator

    simulator.install()


@pytest.fixture(scope="session")
def queue():
    from seqcast.kernels.cuda.queue import queue_of

    return queue_of()
