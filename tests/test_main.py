"""The package as a program."""

import subprocess
import sys


def test_package_runs_as_a_module():
    result = subprocess.run([sys.executable, "-m", "seqcast", "forecast"], capture_output=True, text=True)
    message = "seqcast: error: the following arguments are required: DATA.csv (see seqcast forecast --help)\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message)
