"""Which GPU a name means, in the simulator and in processes that have other machines before them."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqcast.data.conversion import is_on_gpu, to_host
from seqcast.kernels.cuda import devices, driver
from seqcast.kernels.cuda.compiler import SIMULATED, cuda
from seqcast.kernels.cuda.devices import find_device, is_device_name
from seqcast.kernels.cuda.queue import queue_of


class OnGpu:
    """As an array of CuPy or PyTorch shows itself, a part of another one."""

    def __init__(self, base, part):
        self._base = base if SIMULATED else cuda.to_device(base)
        self.array = self._base[part]

    def fill(self, base):
        """Change the numbers."""
        if SIMULATED:
            self._base[:] = base
        else:
            self._base.copy_to_device(base)

    @property
    def __cuda_array_interface__(self):
        return self.array.__array_interface__ if SIMULATED else self.array.__cuda_array_interface__


@pytest.mark.parametrize(("name", "ordinal"), [("cpu", None), ("cuda", 0), ("cuda:0", 0), ("auto", 0)])
def test_a_name_means_a_gpu(name, ordinal):
    assert is_device_name(name)
    assert find_device(name) == ordinal


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:1x", "CUDA", "", None, 0])
def test_other_names_mean_nothing(name):
    assert not is_device_name(name)
    message = rf"'device' parameter of Estimator must be .*\"cuda:1\" or \"auto\"\. Got {name!r} instead\.$"
    with pytest.raises(ValueError, match=message):
        find_device(name, "Estimator")


@pytest.fixture
def no_start(monkeypatch):
    """GPUs that are only talked about."""
    monkeypatch.setattr(driver, "start_gpu", lambda ordinal: None)


@pytest.mark.usefixtures("no_start")
@pytest.mark.parametrize(
    ("capabilities", "there"), [([(9, 0)], "'cuda:0'"), ([(9, 0), (8, 6)], "'cuda:0' and 'cuda:1'")]
)
def test_there_are_only_so_many(monkeypatch, capabilities, there):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: capabilities)
    message = rf"^The 'device' parameter of Estimator is 'cuda:2', but there is only {there}\.$"
    with pytest.raises(ValueError, match=message):
        find_device("cuda:2", "Estimator")
    assert find_device(f"cuda:{len(capabilities) - 1}") == len(capabilities) - 1


@pytest.mark.usefixtures("no_start")
def test_an_old_gpu_is_not_taken(monkeypatch):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(6, 1), (7, 5)])
    with pytest.raises(RuntimeError, match=r"its compute capability is 6\.1, 7\.5 is needed"):
        find_device("cuda")
    assert find_device("auto") is None
    assert find_device("cuda:1") == 1


class Gpu:
    """One that the driver says something about."""

    def __init__(self, *words):
        self.error = driver.CudaAPIError(*words)

    def __enter__(self):
        raise self.error

    __exit__ = compute_capability = None


WORDS = 2, "Call to cuDevicePrimaryCtxRetain results in CUDA_ERROR_DEVICE_UNAVAILABLE"


def test_a_gpu_that_does_not_start_is_not_taken(monkeypatch):
    monkeypatch.setattr(driver, "SIMULATED", False)
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(9, 0)])
    monkeypatch.setattr(driver, "cuda", SimpleNamespace(gpus=[Gpu(*WORDS)]))
    contexts = []  # back comes that of another library, which numba takes away
    current = {"cuCtxGetCurrent": lambda: 7, "cuCtxSetCurrent": contexts.append}
    monkeypatch.setattr(driver, "cuda_driver", lambda: SimpleNamespace(**current))
    message = r"is 'cuda', but that GPU can not be used: .*DEVICE_UNAVAILABLE.*\. Without a GPU it runs with"
    with pytest.raises(RuntimeError, match=message):
        find_device("cuda", "Estimator")
    assert contexts == [7]
    assert find_device("auto") is None


@pytest.mark.parametrize("kind", driver.GPU_ERRORS)
def test_what_the_driver_says_when_it_is_asked_is_told(monkeypatch, kind):
    def fails():
        raise kind(*WORDS)

    monkeypatch.setattr(driver, "SIMULATED", False)
    monkeypatch.setattr(driver, "_ask_capabilities", fails)
    with pytest.raises(RuntimeError, match=r"is 'cuda', but no GPU can be used: .*DEVICE_UNAVAILABLE"):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None


def test_a_forked_process_is_told_to_spawn(monkeypatch):
    assert find_device("cuda") == 0
    monkeypatch.setattr(devices.os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match=r'multiprocessing\'s "spawn", not "fork"\. Without .* "cpu"'):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None
    assert find_device("cpu") is None
    with pytest.raises(RuntimeError, match="spawn"):  # as a fitted model would ask for it
        queue_of()


def test_threads_ask_for_gpus_one_after_the_other(monkeypatch):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(9, 0)] * devices._asking.locked())
    assert find_device("cuda") == 0


def asked(run_python, prepare, **environment):
    """What the names mean in a process without the simulator, or the error."""
    script = f"""
import sys
{prepare}
from seqcast.kernels.cuda.devices import find_device
for name in ("cpu", "auto", "cuda"):
    try:
        print(name, find_device(name, "Estimator"))
    except Exception as error:
        print(type(error).__name__, error)
    if name == "cpu":
        assert not any(module.startswith(("numba.cuda", "numba_cuda")) for module in sys.modules)
"""
    lines = run_python(script, NUMBA_ENABLE_CUDASIM=0, **environment).splitlines()
    assert lines[:2] == ["cpu None", "auto None"]
    return lines[2]


def test_without_a_driver_its_absence_is_told(run_python):
    """NUMBA_DISABLE_CUDA stands for it, so that this holds where there is a driver too."""
    told = asked(run_python, "", NUMBA_DISABLE_CUDA=1)
    subject = "RuntimeError The 'device' parameter of Estimator is 'cuda', but "
    assert told.startswith(
        f"{subject}no GPU can be used: CUDA is disabled due to setting NUMBA_DISABLE_CUDA=1"
    )
    assert told.endswith('Without a GPU it runs with "cpu" or "auto".')


def test_without_numba_cuda_the_way_to_it_is_told(run_python):
    hide = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "numba_cuda" else find(name)
"""
    told = asked(run_python, hide)
    assert told.startswith("ImportError The 'device' parameter of Estimator is 'cuda', but not all that it")
    assert 'installed (numba-cuda): pip install "seqcast[cuda]".' in told


def test_numbas_own_target_is_not_taken_for_numba_cuda(run_python):
    hide = """
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != "NumbaCudaFinder"]
import warnings
warnings.simplefilter("ignore")
"""
    told = asked(run_python, hide)
    assert told.startswith("ImportError The 'device' parameter of Estimator is 'cuda', but not all that it")
    assert "numba's own target for CUDA, which is deprecated, is not enough" in told
    assert 'pip install "seqcast[cuda]"' in told


def test_without_the_toolkit_the_way_to_it_is_told(monkeypatch):
    def capabilities():
        raise ImportError("the compiler of the CUDA toolkit")

    monkeypatch.setattr(driver, "gpu_capabilities", capabilities)
    message = r"is 'cuda', but not all that it needs is installed \(the compiler of the CUDA toolkit\): pip"
    with pytest.raises(ImportError, match=message):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None


def test_importing_seqcast_imports_nothing_of_this(run_python):
    script = """
import sys, seqcast, seqcast.kernels.cpu
print([name for name in sys.modules if "cuda" in name and name != "_numba_cuda_redirector"])
"""
    assert run_python(script, NUMBA_ENABLE_CUDASIM=0) == "[]"


def test_arrays_of_a_gpu_come_to_the_host_as_copies():
    base = np.arange(6.0).reshape(2, 3)
    there = OnGpu(base.copy(), np.s_[:, ::2])
    copy = to_host(there)
    np.testing.assert_array_equal(copy, [[0, 2], [3, 5]])
    there.fill(base + 7)
    np.testing.assert_array_equal(copy, [[0, 2], [3, 5]])
    np.testing.assert_array_equal(to_host(there), [[7, 9], [10, 12]])
    assert to_host(base) is base
    assert is_on_gpu(there)
    assert not is_on_gpu(base)
