"""Names of devices, in the simulator and in processes that see other machines."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqcast.data.conversion import is_on_gpu, to_host
from seqcast.kernels.cuda import devices, driver
from seqcast.kernels.cuda.compiler import SIMULATED, cuda
from seqcast.kernels.cuda.devices import find_device, is_device_name
from seqcast.kernels.cuda.queue import get_queue


class GpuArray:
    """A part of a GPU array, with the interface that arrays of CuPy and PyTorch have."""

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
def test_names_of_devices(name, ordinal):
    assert is_device_name(name)
    assert find_device(name) == ordinal


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:1x", "CUDA", "", None, 0])
def test_invalid_name_raises(name):
    assert not is_device_name(name)
    message = rf"'device' parameter of Estimator must be .*\"cuda:1\" or \"auto\"\. Got {name!r} instead\.$"
    with pytest.raises(ValueError, match=message):
        find_device(name, "Estimator")


@pytest.fixture
def no_start(monkeypatch):
    """GPUs that are never started."""
    monkeypatch.setattr(driver, "start_gpu", lambda ordinal: None)


@pytest.mark.usefixtures("no_start")
@pytest.mark.parametrize(
    ("capabilities", "names"), [([(9, 0)], "'cuda:0'"), ([(9, 0), (8, 6)], "'cuda:0' and 'cuda:1'")]
)
def test_number_beyond_last_gpu_raises(monkeypatch, capabilities, names):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: capabilities)
    message = rf"^The 'device' parameter of Estimator is 'cuda:2', but there is only {names}\.$"
    with pytest.raises(ValueError, match=message):
        find_device("cuda:2", "Estimator")
    assert find_device(f"cuda:{len(capabilities) - 1}") == len(capabilities) - 1


@pytest.mark.usefixtures("no_start")
def test_old_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(6, 1), (7, 5)])
    with pytest.raises(RuntimeError, match=r"its compute capability is 6\.1, 7\.5 is needed"):
        find_device("cuda")
    assert find_device("auto") is None
    assert find_device("cuda:1") == 1


class FailingGpu:
    """A GPU for which the driver reports an error."""

    def __init__(self, *arguments):
        self.error = driver.CudaAPIError(*arguments)

    def __enter__(self):
        raise self.error

    __exit__ = compute_capability = None


DRIVER_ERROR = 2, "Call to cuDevicePrimaryCtxRetain results in CUDA_ERROR_DEVICE_UNAVAILABLE"


def test_gpu_that_does_not_start_is_refused(monkeypatch):
    monkeypatch.setattr(driver, "SIMULATED", False)
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(9, 0)])
    monkeypatch.setattr(driver, "cuda", SimpleNamespace(gpus=[FailingGpu(*DRIVER_ERROR)]))
    # The context of another library, which numba replaces, is restored.
    contexts = []
    current = {"cuCtxGetCurrent": lambda: 7, "cuCtxSetCurrent": contexts.append}
    monkeypatch.setattr(driver, "cuda_driver", lambda: SimpleNamespace(**current))
    message = r"is 'cuda', but that GPU cannot be used: .*DEVICE_UNAVAILABLE.*\. Without a GPU it runs with"
    with pytest.raises(RuntimeError, match=message):
        find_device("cuda", "Estimator")
    assert contexts == [7]
    assert find_device("auto") is None


@pytest.mark.parametrize("kind", driver.GPU_ERRORS)
def test_error_of_the_driver_is_reported(monkeypatch, kind):
    def fails():
        raise kind(*DRIVER_ERROR)

    monkeypatch.setattr(driver, "SIMULATED", False)
    monkeypatch.setattr(driver, "_ask_capabilities", fails)
    with pytest.raises(RuntimeError, match=r"is 'cuda', but no GPU can be used: .*DEVICE_UNAVAILABLE"):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None


def test_forked_process_is_refused(monkeypatch):
    assert find_device("cuda") == 0
    monkeypatch.setattr(devices.os, "getpid", lambda: -1)
    with pytest.raises(
        RuntimeError, match=r'multiprocessing\'s "spawn" method instead of "fork"\. Without .* "cpu"'
    ):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None
    assert find_device("cpu") is None
    with pytest.raises(RuntimeError, match="spawn"):
        get_queue()


def test_driver_is_asked_by_one_thread_at_a_time(monkeypatch):
    monkeypatch.setattr(driver, "gpu_capabilities", lambda: [(9, 0)] * devices._driver_lock.locked())
    assert find_device("cuda") == 0


def find_in_process(run_python, prepare, **environment):
    """Return the device "cuda" in a process without the simulator, or the error."""
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


def test_missing_driver_is_reported(run_python):
    """NUMBA_DISABLE_CUDA has the same effect, so the test also works on a machine with a driver."""
    message = find_in_process(run_python, "", NUMBA_DISABLE_CUDA=1)
    subject = "RuntimeError The 'device' parameter of Estimator is 'cuda', but "
    assert message.startswith(
        f"{subject}no GPU can be used: CUDA is disabled due to setting NUMBA_DISABLE_CUDA=1"
    )
    assert message.endswith('Without a GPU it runs with "cpu" or "auto".')


def test_missing_numba_cuda_is_reported(run_python):
    prepare = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "numba_cuda" else find(name)
"""
    message = find_in_process(run_python, prepare)
    assert message.startswith(
        "ImportError The 'device' parameter of Estimator is 'cuda', but a required package"
    )
    assert 'installed (numba-cuda): pip install "seqcast[cuda]".' in message


def test_built_in_target_of_numba_is_refused(run_python):
    prepare = """
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != "NumbaCudaFinder"]
import warnings
warnings.simplefilter("ignore")
"""
    message = find_in_process(run_python, prepare)
    assert message.startswith(
        "ImportError The 'device' parameter of Estimator is 'cuda', but a required package"
    )
    assert "numba's built-in CUDA target is deprecated and not supported" in message
    assert 'pip install "seqcast[cuda]"' in message


def test_missing_toolkit_is_reported(monkeypatch):
    def capabilities():
        raise ImportError("the compiler of the CUDA toolkit")

    monkeypatch.setattr(driver, "gpu_capabilities", capabilities)
    message = r"is 'cuda', but a required package is not installed \(the compiler of the CUDA toolkit\): pip"
    with pytest.raises(ImportError, match=message):
        find_device("cuda", "Estimator")
    assert find_device("auto") is None


def test_import_of_seqcast_imports_no_cuda_package(run_python):
    script = """
import sys, seqcast, seqcast.kernels.cpu
print([name for name in sys.modules if "cuda" in name and name != "_numba_cuda_redirector"])
"""
    assert run_python(script, NUMBA_ENABLE_CUDASIM=0) == "[]"


def test_gpu_arrays_are_copied_to_the_host():
    base = np.arange(6.0).reshape(2, 3)
    names = GpuArray(base.copy(), np.s_[:, ::2])
    copy = to_host(names)
    np.testing.assert_array_equal(copy, [[0, 2], [3, 5]])
    names.fill(base + 7)
    np.testing.assert_array_equal(copy, [[0, 2], [3, 5]])
    np.testing.assert_array_equal(to_host(names), [[7, 9], [10, 12]])
    assert to_host(base) is base
    assert is_on_gpu(names)
    assert not is_on_gpu(base)
