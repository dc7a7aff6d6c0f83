"""Choice of the device on a machine without a GPU."""

import os
import subprocess
import sys

import numpy as np
import pytest

from seqcast import Recurrent, SeqForecaster, SeqRegressor
from seqcast.kernels.cuda.devices import find_device

if find_device("auto") is not None:
    pytest.skip("there is a GPU", allow_module_level=True)

CPU_FIT = """
import sys
import numpy as np
from seqcast import SeqForecaster
SeqForecaster(2, 4, hidden_size=2, max_iter=1, device="cpu").fit(np.arange(30.0)).forecast()
assert not [name for name in sys.modules if name.split(".")[0] in ("numba_cuda", "cuda")]
"""


def test_a_missing_gpu_is_refused_before_the_data_are_read():
    X = np.zeros((4, 3))
    for model in (SeqRegressor(device="cuda"), SeqForecaster(2, 2, device="cuda:0")):
        with pytest.raises((ImportError, RuntimeError)) as error:
            model.fit(X, X[:, 0]) if isinstance(model, SeqRegressor) else model.fit(np.arange(9.0))
        message = str(error.value)
        assert message.startswith(
            f"The 'device' parameter of {type(model).__name__} is {model.device!r}, but "
        )
        assert 'Without a GPU it runs with "cpu" or "auto".' in message
        assert not hasattr(model, "n_features_in_")
    with pytest.raises((ImportError, RuntimeError), match="The 'device' parameter of Recurrent is 'cuda'"):
        Recurrent("gru", 1, 2, device="cuda")


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqcast.kernels.cuda.driver", None)
    with pytest.raises(ImportError, match="The 'device' parameter of SeqRegressor is 'cuda', but"):
        SeqRegressor(device="cuda").fit(np.zeros((4, 3)), np.zeros(4))


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CUDA", ""])
def test_other_names_are_refused(device):
    with pytest.raises(ValueError, match="The 'device' parameter of SeqRegressor must be"):
        SeqRegressor(device=device).fit(np.zeros((4, 3)), np.zeros(4))


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
def test_auto_is_the_cpu():
    y = np.sin(np.arange(40.0))
    options = {"hidden_size": 2, "max_iter": 2, "random_state": 0}
    one, other = (SeqForecaster(2, 4, **options, device=device).fit(y) for device in ("cpu", "auto"))
    np.testing.assert_array_equal(one.forecast(), other.forecast())


def test_a_fit_on_the_cpu_imports_nothing_of_cuda():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CPU_FIT], env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
