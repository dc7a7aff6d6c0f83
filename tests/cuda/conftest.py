"""Selection of the way in which the CUDA kernels run.

They run in numba-cuda's simulator (`make cudasim`), on a GPU (`make gpu`), or compiled and emulated on the
CPU (`make emulate`), in a process of their own. The rest of the suite runs without any of these, together
with the tests of this folder that need only the compiler.
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
# Tests that need only the compiler.
MACHINE_CODE = ("test_compiler.py", "test_ptx.py")
EMULATOR = "test_emulator.py"
BENCHMARK = "test_bench_gpu.py"
# cuBLAS is machine code, which cannot be emulated.
NOT_EMULATED = ("test_cublas.py",)


def pytest_ignore_collect(collection_path):
    if collection_path.suffix != ".py":
        return None
    if collection_path.name == EMULATOR:
        return not EMULATED or None
    # The benchmark measures time with events of the driver.
    if EMULATED and collection_path.name in (BENCHMARK, *NOT_EMULATED):
        return True
    return (collection_path.name in MACHINE_CODE) == (SIMULATED or ON_GPU or EMULATED) or None


def pytest_collection_modifyitems(items):
    for item in items:
        if ON_GPU and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.gpu)


def find_emulation_problem():
    """Return what is missing for emulation, or None.

    It ends the run, because skipped tests could be taken for passed ones.
    """
    if not HERE:
        return "numba-cuda is not installed"
    if SIMULATED or ON_GPU:
        return "another way to run kernels is selected"
    from seqcast.kernels.cuda.compiler import has_toolkit

    if not has_toolkit():
        return "the compiler of the CUDA toolkit is not installed"
    return None if shutil.which("cc") else "the C compiler cc is not installed"


# Tests launch few blocks, and warnings are errors. It must be set before numba is imported.
if ON_GPU or EMULATED:
    os.environ["NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"] = "0"

if SIMULATED:
    import simulator

    simulator.install()

if EMULATED:
    if reason := find_emulation_problem():
        pytest.exit(f"SEQCAST_EMULATE=1, but {reason}", returncode=2)
    import emulator

    emulator.install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test if the emulator reports a mistake of a launch, whatever the results are."""
    if not EMULATED:
        return (yield)
    with emulator.check_launches():
        return (yield)


@pytest.fixture(scope="session")
def queue():
    from seqcast.kernels.cuda.queue import get_queue

    return get_queue()
