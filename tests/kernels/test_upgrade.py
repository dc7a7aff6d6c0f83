"""Installation of one wheel over another, after which no old kernel may be used."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "seqcast")
# Called from a kernel whose own file, all that numba's cache looks at, is the same in both wheels.
HELPER, LINE, CHANGED = "seqcast/cells/rnn.py", "h = tanh(z[0])", "h = tanh(z[0] + z[0])"
FORECAST = """
import numpy as np
from seqcast import Recurrent
import seqcast
assert seqcast.__file__.startswith({site!r})
layer = Recurrent("rnn", 1, 2, random_state=0)
print(layer.forward(np.ones((1, 3, 1)))[0].sum())
"""


def build(folder: Path, change: bool) -> Path:
    """Return a wheel of the package, with one line of a helper changed or not."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    if change:
        source = folder / HELPER
        text = source.read_text()
        assert text.count(LINE) == 1
        source.write_text(text.replace(LINE, CHANGED))
    python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist"), cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def python(*argv: str, **options) -> str:
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=240, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_upgrade_that_changes_a_helper_changes_the_numbers(tmp_path, run_python):
    pytest.importorskip("hatchling")
    pytest.importorskip("pip")
    site, cache, found = tmp_path / "site", tmp_path / "kernels", []
    for name in ("a", "b", "a"):
        folder = tmp_path / f"{name}{len(found)}"
        folder.mkdir()
        wheel = build(folder, change=name == "b")
        python(
            "-m", "pip", "install", "--no-deps", "--no-index", "--upgrade", "--target", str(site), str(wheel)
        )
        script = FORECAST.format(site=str(site))
        found.append(float(run_python(script, first_on_path=site, SEQCAST_CACHE_DIR=cache)))
    assert found[0] == found[2]
    assert abs(found[1] - found[0]) > 1e-3
    assert np.isfinite(found).all()
