"""The command `seqcast warmup`, after which nothing is compiled."""

import pytest

from seqcast.kernels.registry import DISTRIBUTION_KERNELS

FIT = """
import numpy as np, pandas as pd, warnings
warnings.simplefilter("ignore")
from seqcast import LinearForecaster, Recurrent, SeqForecaster, SeqRegressor
series = np.sin(np.arange(200.0))
SeqForecaster(max_iter=1).fit(series).forecast(3)
SeqForecaster(max_iter=1, n_jobs=1, early_stopping=False).fit(series).forecast(3)
SeqRegressor(max_iter=1).fit(series.reshape(20, 10), np.arange(20.0)).predict(series.reshape(20, 10))
weights = np.arange(1.0, 201.0)
SeqForecaster(max_iter=1, n_models=2, half_life=20).fit(series, sample_weight=weights).partial_fit(series)
options = {"max_iter": 1, "normalization": "instance", "multivariate": True}
options |= {"id_col": "id", "future_cols": "ahead"}
panel = pd.DataFrame({"y": series, "z": -series, "ahead": weights, "id": np.repeat(["a", "b"], 100)})
early = np.arange(200) % 100 < 90
SeqForecaster(**options, target=["y", "z"], horizon=3).fit(panel[early]).predict(panel[~early])
LinearForecaster().fit(series, sample_weight=weights).forecast(level=80)
layer = Recurrent("gru", 1, 4)
layer.forward(series.reshape(100, 2, 1))
layer.backward(np.ones((100, 2, 4)))
"""

DISTRIBUTIONS = """
import numpy as np, warnings
warnings.simplefilter("ignore")
from seqcast import SeqForecaster
series = np.sin(np.arange(100.0))
for loss in ("gaussian", "student_t", "quantile"):
    SeqForecaster(max_iter=1, loss=loss).fit(series).forecast(3, level=80)
"""


@pytest.fixture
def command(run_python, tmp_path):
    def run(*argv, place=tmp_path / "kernels"):
        script = f"import sys; from seqcast.cli import main; sys.exit(main({['warmup', *argv]!r}))"
        return run_python(script, SEQCAST_CACHE_DIR=place, PYTHONWARNINGS="error")

    return run


@pytest.mark.slow
def test_nothing_is_compiled_after_warmup(command, run_python, tmp_path):
    place = tmp_path / "kernels"
    lines = command("--cell", "gru").splitlines()
    files = {path.name for path in place.glob("*")}
    assert lines[0].startswith("gru     float32, ")
    assert lines[1].startswith(f"cache   {place}: {len(files)} kernels, ")
    run_python(FIT, SEQCAST_CACHE_DIR=place)
    assert {path.name for path in place.glob("*")} == files
    assert command("--cell", "gru").splitlines()[1] == lines[1]
    # Distributions are compiled when they are first used, the kernels of all at once.
    run_python(DISTRIBUTIONS, SEQCAST_CACHE_DIR=place)
    compiled = {path.name for path in place.glob("*")} - files
    assert sorted(name.partition("-")[0] for name in compiled) == sorted(DISTRIBUTION_KERNELS)


def test_the_help_names_what_is_not_compiled(command):
    text = " ".join(command("--help").split())
    assert "Losses of distributions are compiled when they are first used" in text


def test_a_cache_directory_without_write_access_raises(command, tmp_path):
    (tmp_path / "kernels").write_text("a file")
    with pytest.raises(AssertionError, match=r"no compiled kernel can be kept.* Set SEQCAST_CACHE_DIR"):
        command()
