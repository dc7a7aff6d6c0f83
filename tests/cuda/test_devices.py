"""Which GPU a name means, in the simulator and in processes that have other machines before them."""

import numpy as np
import pytest

from seqcast.kernels.cuda import compiler
from seqcast.kernels.cuda.compiler import SIMULATED, cuda
from seqcast.kernels.cuda.devices import as_device_array, find_device, is_device_name, is_on_gpu, to_host


class OnGpu:
    """As an array of CuPy or PyTorch shows itself."""

    def __init__(self, array):
        self.array = array if SIMULATED else cuda.to_device(array)

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


@pytest.mark.parametrize(
    ("capabilities", "there"), [([(9, 0)], "'cuda:0'"), ([(9, 0), (8, 6)], "'cuda:0' and 'cuda:1'")]
)
def test_there_are_only_so_many(monkeypatch, capabilities, there):
    monkeypatch.setattr(compiler, "gpu_capabilities", lambda: capabilities)
    message = rf"^The 'device' parameter of Estimator is 'cuda:2', but there is only {there}\.$"
    with pytest.raises(ValueError, match=message):
        find_device("cuda:2", "Estimator")
    assert find_device(f"cuda:{len(capabilities) - 1}") == len(capabilities) - 1


def test_an_old_gpu_is_not_taken(monkeypatch):
    monkeypatch.setattr(compiler, "gpu_capabilities", lambda: [(6, 1), (7, 5)])
    with pytest.raises(RuntimeError, match=r"its compute capability is 6\.1, 7\.5 is needed"):
        find_device("cuda")
    assert find_device("auto") is None
    assert find_device("cuda:1") == 1


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

    monkeypatch.setattr(compiler, "gpu_capabilities", capabilities)
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
    array = np.arange(6.0).reshape(2, 3)[:, ::2]
    there = OnGpu(array)
    copy = to_host(there)
    np.testing.assert_array_equal(copy, [[0, 2], [3, 5]])
    there.array[0, 0] = 7
    assert copy[0, 0] == 0
    assert to_host(array) is array
    assert is_on_gpu(OnGpu(array))
    assert not is_on_gpu(array)


def test_arrays_that_fit_are_not_copied(queue):
    source = OnGpu(np.arange(6.0).reshape(2, 3))
    there = as_device_array(queue, source, "float64")
    source.array[0, 0] = 7
    np.testing.assert_array_equal(queue.download(there), [7, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("wrap", [OnGpu, np.asarray])
@pytest.mark.parametrize("array", [np.arange(6).reshape(3, 2).T, np.arange(6.0)[::2], np.empty((2, 0))])
def test_others_are_copied(queue, wrap, array):
    there = as_device_array(queue, wrap(array), "float32")
    result = queue.download(there)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, array.ravel())


def test_an_array_of_another_gpu_is_copied(queue, monkeypatch):
    monkeypatch.setattr(compiler, "ordinal_of", lambda array: 1)
    source = OnGpu(np.arange(3.0))
    there = as_device_array(queue, source, "float64")
    source.array[0] = 7
    np.testing.assert_array_equal(queue.download(there), [0, 1, 2])
