"""`seqcast warmup`: afterwards, nothing is compiled any more."""

import pytest

FIT = """
import numpy as np, warnings
warnings.simplefilter("ignore")
from seqcast import Recurrent, SeqForecaster, SeqRegressor
series = np.sin(np.arange(200.0))
SeqForecaster(max_iter=1).fit(series).forecast(3)
SeqForecaster(max_iter=1, n_jobs=1, early_stopping=False).fit(series).forecast(3)
SeqRegressor(max_iter=1).fit(series.reshape(20, 10), np.arange(20.0)).predict(series.reshape(20, 10))
layer = Recurrent("gru", 1, 4)
layer.forward(series.reshape(100, 2, 1))
layer.backward(np.ones((100, 2, 4)))
"""


@pytest.fixture
def command(run_python, tmp_path):
    def run(*argv, place=tmp_path / "kernels"):
        script = f"import sys; from seqcast.cli import main; sys.exit(main({['warmup', *argv]!r}))"
        return run_python(script, SEQCAST_CACHE_DIR=place, PYTHONWARNINGS="error")

    return run


@pytest.mark.slow
def test_after_it_nothing_is_compiled(command, run_python, tmp_path):
    place = tmp_path / "kernels"
    lines = command("--cell", "gru").splitlines()
    files = {path.name for path in place.glob("*")}
    assert lines[0].startswith("gru     float32, ")
    assert lines[1].startswith(f"cache   {place}: {len(files)} kernels, ")
    run_python(FIT, SEQCAST_CACHE_DIR=place)
    assert {path.name for path in place.glob("*")} == files
    assert command("--cell", "gru").splitlines()[1] == lines[1]


def test_a_place_that_can_not_be_written_is_an_error(command, tmp_path):
    (tmp_path / "kernels").write_text("a file")
    with pytest.raises(AssertionError, match=r"no compiled kernel can be kept.* Set SEQCAST_CACHE_DIR"):
        command()
