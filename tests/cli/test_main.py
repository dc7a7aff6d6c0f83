"""The entry point of the command line: exit codes, interruptions and closed pipes."""

import doctest
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import drop_compilation, read_files, run_command

import seqcast
from seqcast import SeqForecaster, cli
from seqcast.cli import main


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr() == (f"seqcast {seqcast.__version__}\n", "")


def test_no_command_prints_the_help(capsys):
    code, out, err = run_command(capsys)
    assert (code, err) == (0, "")
    assert out.startswith("usage: seqcast ")
    for command in ("demo", "forecast", "backtest"):
        assert f"\n    {command} " in out


def test_help_imports_no_slow_package():
    code = """
import sys
from seqcast.cli import main
try:
    main(["forecast", "--help"])
except SystemExit as end:
    assert end.code == 0
assert not {"numba", "pandas", "sklearn", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_interrupt_keeps_all_files(capsys, folder, monkeypatch):
    def interrupted(self, X):
        raise KeyboardInterrupt("fit was interrupted")

    monkeypatch.setattr(SeqForecaster, "fit", interrupted)
    before = read_files(folder)
    argv = ["forecast", "data.csv", "--time", "date", "--out", "f.csv"]
    assert run_command(capsys, *argv) == (130, "", "seqcast: interrupted\n")
    assert read_files(folder) == before


# A fit without end, compiled before, that prints when it begins.
BUSY = """
import sys, warnings
import numpy as np
from seqcast import SeqForecaster
from seqcast.cli import main

fit = SeqForecaster.fit
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SeqForecaster(3, 6, max_iter=1).fit(np.sin(np.arange(60.0)))

def announced(self, X):
    self.set_params(n_iter_no_change=10**9)
    print("fit begins", flush=True)
    return fit(self, X)

SeqForecaster.fit = announced
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_ends_a_long_fit(folder):
    long = ["--max-iter", "100000000", "--horizon", "3", "--window", "6", "--target", "load"]
    argv = [sys.executable, "-c", BUSY, "forecast", "data.csv", "--time", "date", *long, "--out", "f.csv"]
    environment = os.environ | {"PYTHONPATH": str(Path(seqcast.__file__).parents[1])}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout.readline() == "fit begins\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            # Otherwise a fit that ignores the signal would not end.
            process.kill()
    assert (process.returncode, out, drop_compilation(err)) == (130, "", "seqcast: interrupted\n")
    assert not Path("f.csv").exists()


# A command that prints one line.
PRINT = """
import argparse, sys
from seqcast import cli

parser = argparse.ArgumentParser()
parser.set_defaults(run=lambda arguments: print("text"))
cli.make_parser = lambda: parser
sys.exit(cli.main([]))
"""


def test_closed_pipe_ends_the_command():
    environment = os.environ | {"PYTHONPATH": str(Path(seqcast.__file__).parents[1])}
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-c", PRINT]
    result = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_docstring_examples_are_correct():
    assert doctest.testmod(cli).failed == 0
