"""Helpers of the tests of the command line."""

from pathlib import Path

import pandas as pd

from seqcast import SeqForecaster
from seqcast.cli import main
from seqcast.cli.input_data import read_data
from seqcast.cli.parser import make_parser

# Options of a small network, and the warning of its fit.
TINY = ["--horizon", "3", "--window", "6", "--hidden-size", "4", "--max-iter", "2"]


UNFINISHED = (
    "seqcast: warning: Stopped at max_iter=2, before 10 epochs in a row had brought no improvement. "
    "Raise max_iter if the loss still falls.\n"
)


def make_tiny(**parameters) -> SeqForecaster:
    """Return the forecaster that the options TINY make."""
    return SeqForecaster(3, 6, hidden_size=4, max_iter=2, random_state=0, **parameters)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_command(capsys, *argv: str) -> tuple[int, str, str]:
    """Run the command line, and return its exit code, stdout and stderr."""
    code = main([*argv])
    out, err = capsys.readouterr()
    return code, out, drop_compilation(err)


def drop_compilation(err: str) -> str:
    """Drop the messages of the compilation, which only the first run on a machine prints."""
    lines = err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("seqcast: compiling kernels "))


def assert_fails(capsys, folder: Path, argv: list[str], message: str) -> None:
    """Check that a command prints this error only, has exit code 2 and changes no file."""
    before = read_files(folder)
    assert run_command(capsys, *argv) == (2, "", f"seqcast: error: {message}\n")
    assert read_files(folder) == before


def replace_line(line: int, text: str, path: str = "data.csv") -> None:
    """Replace a line of a file. Lines are counted from 1."""
    lines = Path(path).read_text().splitlines()
    lines[line - 1] = text
    Path(path).write_text("\n".join(lines) + "\n")


def read_data_frame(path: str, *options: str) -> pd.DataFrame:
    """Return the rows of a file as a command reads them."""
    arguments = make_parser().parse_args(["forecast", path, "--time", "date", *options])
    return read_data(arguments)[0]
