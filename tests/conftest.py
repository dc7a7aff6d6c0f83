"""Fixtures that several test modules use."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

import seqcast

# No deadline: the first example of a test may compile a kernel, which takes seconds.
hypothesis.settings.register_profile("seqcast", deadline=None)
hypothesis.settings.load_profile("seqcast")


@pytest.fixture(scope="session")
def run_python():
    """Run a script in a Python of its own and return what it printed.

    ``run_python(script, NAME=value)`` adds to its environment. It finds this very package and the tests'
    helper modules.
    """
    places = [str(Path(seqcast.__file__).parents[1]), str(Path(__file__).parent)]

    def run(script, first_on_path=None, **environment):
        path = os.pathsep.join(([str(first_on_path)] if first_on_path else []) + places)
        done = subprocess.run(
            [sys.executable, "-P", "-c", script],  # -P: not whatever lies in the current folder
            env=os.environ | {"PYTHONPATH": path} | {name: str(value) for name, value in environment.items()},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
