"""The CUDA kernels run in numba-cuda's simulator (`make cudasim`), on a GPU (`make gpu`), or as they are
compiled for one, emulated (`make emulate`), in a process of their own. The rest of the suite runs without any
of these, and of this folder with it what looks at machine code.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = find_spec("numba_cuda") is not None
SIMULATED = HERE and os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
ON_GPU = HERE and os.environ.get("SEQCAST_TEST_GPU") == "1"
EMULATED = os.environ.get("SEQCAST_EMULATE") == "1"
MACHINE_CODE, EMULATOR, BENCHMARK = "test_ptx.py", "test_emulator.py", "test_bench_gpu.py"
NOT_EMULATED = {
    "[cuBLAS": "cuBLAS is machine code",
    "test_cublas_is_taken_where_there_is_a_gpu": "cuBLAS is machine code",
}


def pytest_ignore_collect(collection_path):
    if collection_path.suffix != ".py":
        return None
    if collection_path.name == EMULATOR:
        return not EMULATED or None
    if collection_path.name == BENCHMARK and EMULATED:
        return True  # it measures time, by events of the driver
    return (collection_path.name == MACHINE_CODE) == (SIMULATED or ON_GPU or EMULATED) or None


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        if ON_GPU:
            item.add_marker(pytest.mark.gpu)
        reasons = [reason for name, reason in NOT_EMULATED.items() if EMULATED and name in item.name]
        for reason in reasons:
            item.add_marker(pytest.mark.skip(reason=reason))


def why_not_emulated():
    """What is missing; whoever asks for emulation must not take skipped tests for passed ones."""
    if not HERE:
        return "numba-cuda is not installed"
    if SIMULATED or ON_GPU:
        return "another way to run kernels is asked for"
    from seqcast.kernels.cuda.compiler import has_toolkit

    if not has_toolkit():
        return "the compiler of the CUDA toolkit is not installed"
    return None if shutil.which("cc") else "there is no compiler of C, cc"


if ON_GPU or EMULATED:  # before numba is imported: what the tests launch is small, and warnings are errors
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"

if SIMULATED:
    import simulator

    simulator.install()

if EMULATED:
    if reason := why_not_emulated():
        pytest.exit(f"SEQCAST_EMULATE=1, but {reason}", returncode=2)
    import emulator

    emulator.install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test whose launches did wrong, whatever numbers came out."""
    if not EMULATED:
        return (yield)
    with emulator.checked():
        return (yield)


@pytest.fixture(scope="session")
def queue():
    from seqcast.kernels.cuda.queue import queue_of

    return queue_of()
