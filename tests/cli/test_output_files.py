"""Files that a command writes, all or none."""

import os
from pathlib import Path

import pytest
from command_line import TINY, UNFINISHED, assert_fails, read_files, run_command

from seqcast import SeqForecaster
from seqcast.cli import output_files


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_existing_file_is_kept(capsys, folder, option):
    Path("old.png").write_text("precious")
    argv = ["forecast", "data.csv", "--time", "date", option, "old.png"]
    assert_fails(capsys, folder, argv, "old.png exists already; --force overwrites it")


def test_force_overwrites(capsys, folder, expected):
    Path("f.csv").write_text("old")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--out", "f.csv", "--force"]
    assert run_command(capsys, *argv)[0] == 0
    assert Path("f.csv").read_text() == expected.to_csv()


def test_input_file_is_never_overwritten(capsys, folder):
    os.link("data.csv", "same.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--force", "--out"]
    for name in ("data.csv", "same.csv", "../" + folder.name + "/data.csv"):
        message = f"{name} is the input file; choose another name for the output"
        assert_fails(capsys, folder, [*argv, name], message)


def test_only_regular_files_are_overwritten(capsys, folder):
    (folder / "sub").mkdir()
    for name in ("sub", os.devnull):
        argv = ["forecast", "data.csv", "--time", "date", "--force", "--out", name]
        assert_fails(capsys, folder, argv, f"{name} exists and is not a regular file; choose another name")


def test_missing_directory_raises(capsys, folder):
    argv = ["forecast", "data.csv", "--time", "date", "--out", "no/f.csv"]
    assert_fails(capsys, folder, argv, f"no/f.csv: there is no directory {folder.resolve() / 'no'}")


def test_plot_and_table_must_differ(capsys, folder):
    argv = ["forecast", "data.csv", "--time", "date", "--out", "f.png", "--plot", "./f.png"]
    assert_fails(capsys, folder, argv, "./f.png cannot be both --out and --plot")


def test_symbolic_links_are_followed(capsys, folder, expected):
    (folder / "sub").mkdir()
    os.symlink("sub/real.csv", "f.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--out", "f.csv"]
    assert run_command(capsys, *argv)[0] == 0
    assert Path("f.csv").is_symlink()
    assert Path("sub/real.csv").read_text() == expected.to_csv()


def test_file_created_during_the_fit_is_kept(capsys, folder, monkeypatch):
    fit = SeqForecaster.fit

    def slow(self, X):
        Path("f.csv").write_text("somebody else's")
        return fit(self, X)

    monkeypatch.setattr(SeqForecaster, "fit", slow)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv"]
    code, _, err = run_command(capsys, *argv)
    assert (code, err) == (2, UNFINISHED + "seqcast: error: f.csv exists already; --force overwrites it\n")
    assert Path("f.csv").read_text() == "somebody else's"


def test_error_of_the_plot_keeps_all_files(capsys, folder, monkeypatch):
    pytest.importorskip("matplotlib")

    def full(figure, path):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(output_files, "to_image", full)
    before = read_files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--plot", "f.png"]
    code, _, err = run_command(capsys, *argv)
    assert (code, err) == (2, UNFINISHED + "seqcast: error: f.png: No space left on device\n")
    assert read_files(folder) == before


def test_failed_rename_keeps_all_files(capsys, folder, monkeypatch):
    replace = os.replace

    def fail(source, target):
        # Compiled kernels may be renamed too.
        if str(target).endswith("f.csv"):
            raise OSError(5, "Input/output error", target)
        replace(source, target)

    Path("f.csv").write_text("old")
    before = read_files(folder)
    monkeypatch.setattr(os, "replace", fail)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--force"]
    assert run_command(capsys, *argv)[::2] == (
        2,
        UNFINISHED + f"seqcast: error: {folder.resolve() / 'f.csv'}: Input/output error\n",
    )
    assert read_files(folder) == before


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.usefixtures("plot_cannot_be_moved")
def test_failed_rename_of_the_plot_restores_the_table(capsys, folder, old):
    pytest.importorskip("matplotlib")
    if old is not None:
        Path("f.csv").write_text(old)
    before = read_files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--plot", "f.png", "--force"]
    assert run_command(capsys, *argv)[::2] == (
        2,
        UNFINISHED + f"seqcast: error: {folder.resolve() / 'f.png'}: Permission denied\n",
    )
    assert read_files(folder) == before


def test_temporary_files_of_others_are_kept(capsys, folder):
    Path(f"f.csv.{os.getpid()}.tmp").write_text("somebody else's")
    before = read_files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv"]
    code, _, err = run_command(capsys, *argv)
    assert code == 2
    assert err.endswith(f"f.csv.{os.getpid()}.tmp: File exists\n")
    assert read_files(folder) == before
