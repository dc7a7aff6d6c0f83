import doctest
import inspect
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

import seqcast
from seqcast import SeqForecaster, cli, datasets
from seqcast.cli import commands, demo, formats, main, writing
from seqcast.cli.parser import make_parser
from seqcast.cli.reading import read_data
from seqcast.cli.text_format import decimals, skill_in_words, skyline
from seqcast.evaluation.backtest import backtest, evaluate, summarize

TINY = ["--horizon", "3", "--window", "6", "--hidden-size", "4", "--max-iter", "2"]
UNFINISHED = (
    "seqcast: warning: Stopped at max_iter=2, before 10 epochs in a row had brought no improvement. "
    "Raise max_iter if the loss still falls.\n"
)


def tiny(**parameters) -> SeqForecaster:
    return SeqForecaster(3, 6, hidden_size=4, max_iter=2, random_state=0, **parameters)


@pytest.fixture
def load() -> pd.DataFrame:
    days = np.arange(60.0)
    index = pd.date_range("2024-01-01", periods=60, name="date")
    waves = (100 + 5 * np.sin(days * 2 * np.pi / 7) + days).round(2)  # pandas 2 reads no more digits exactly
    return pd.DataFrame({"load": waves, "temp": -days % 11}, index)


@pytest.fixture
def folder(tmp_path, monkeypatch, load) -> Path:
    """The working directory, with data.csv in it."""
    monkeypatch.chdir(tmp_path)
    load.to_csv("data.csv")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(capsys, *argv: str) -> tuple[int, str, str]:
    code = main([*argv])
    out, err = capsys.readouterr()
    return code, out, warm(err)


def warm(err: str) -> str:
    """Leave out what only the first run on a machine says."""
    lines = err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("seqcast: compiling kernels "))


def assert_fails(capsys, folder: Path, argv: list[str], message: str) -> None:
    """One exact line, exit code 2, and every file as it was."""
    before = files(folder)
    assert run(capsys, *argv) == (2, "", f"seqcast: error: {message}\n")
    assert files(folder) == before


def rewrite(line: int, text: str, path: str = "data.csv") -> None:
    """Replace a line of a file; they count from 1."""
    lines = Path(path).read_text().splitlines()
    lines[line - 1] = text
    Path(path).write_text("\n".join(lines) + "\n")


# ---- without a command ----


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr() == (f"seqcast {seqcast.__version__}\n", "")


def test_no_command_shows_the_help(capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.startswith("usage: seqcast ")
    for command in ("demo", "forecast", "backtest"):
        assert f"\n    {command} " in out


def test_as_a_module():
    result = subprocess.run([sys.executable, "-m", "seqcast", "forecast"], capture_output=True, text=True)
    message = "seqcast: error: the following arguments are required: DATA.csv (see seqcast forecast --help)\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message)


def test_help_imports_nothing_heavy():
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


def test_help_tells_the_defaults_of_the_forecaster(capsys):
    with pytest.raises(SystemExit):
        main(["forecast", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    parameters = inspect.signature(SeqForecaster).parameters
    assert f"units of the network (default {parameters['hidden_size'].default})" in text
    assert f"epochs at most (default {parameters['max_iter'].default})" in text
    assert f"(default {parameters['cell'].default})" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["predict"],
            "argument COMMAND: invalid choice: 'predict' (choose from {choices}) (see seqcast --help)",
        ),
        (
            ["forecast", "data.csv", "--horizon", "0"],
            "argument --horizon: must be an integer of at least 1, not '0' (see seqcast forecast --help)",
        ),
        (
            ["backtest", "data.csv", "--windows", "many"],
            "argument --windows: must be an integer of at least 1, not 'many' (see seqcast backtest --help)",
        ),
        (["forecast", "data.csv", "--hor", "3"], "unrecognized arguments: --hor 3 (see seqcast --help)"),
    ],
)
def test_wrong_arguments(capsys, folder, argv, message):
    before = files(folder)
    code, out, err = run(capsys, *argv)
    # how argparse quotes the choices depends on the version of Python
    choices = ("'demo', 'forecast', 'backtest', 'warmup'", "demo, forecast, backtest, warmup")
    assert (code, out) == (2, "")
    assert err in {f"seqcast: error: {message.format(choices=choice)}\n" for choice in choices}
    assert files(folder) == before


# ---- forecast ----


@pytest.fixture
def expected(load) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tiny(target="load").fit(load).forecast()


def test_forecast_to_stdout(capsys, folder, expected):
    before = files(folder)
    code, out, err = run(capsys, "forecast", "data.csv", "--time", "date", "--target", "load", *TINY)
    assert code == 0
    assert out == expected.to_csv()
    assert out.startswith("date,load\n2024-03-01,1")
    assert out.count("\n") == 4
    lines = err.splitlines(keepends=True)
    assert lines[0] == UNFINISHED
    assert lines[1] == "data    data.csv: 60 rows, 2024-01-01 to 2024-02-29\n"
    assert lines[2].startswith("fitted  gru of 4 units, window 6, horizon 3: 2 epochs in ")
    assert lines[4] == "next    3 steps, 2024-03-01 to 2024-03-03\n"
    assert files(folder) == before


def test_forecast_to_files(capsys, folder, expected):
    pytest.importorskip("matplotlib")
    outputs = ["--out", "f.csv", "--plot", "f.PNG"]
    code, out, err = run(
        capsys, "forecast", "data.csv", "--time", "date", "--target", "load", *TINY, *outputs
    )
    assert (code, err) == (0, UNFINISHED)
    assert out.endswith("\nwrote   f.csv\n        f.PNG\n")
    assert set(files(folder)) == {"data.csv", "f.csv", "f.PNG"}
    assert Path("f.csv").read_text() == expected.to_csv()
    assert Path("f.PNG").read_bytes().startswith(b"\x89PNG\r\n")


def test_quiet(capsys, folder, expected):
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--quiet"]
    assert run(capsys, *argv) == (0, expected.to_csv(), UNFINISHED)
    assert run(capsys, *argv, "--out", "f.csv") == (0, "", UNFINISHED)


def test_all_columns_are_targets_by_default(capsys, folder):
    _, out, _ = run(capsys, "forecast", "data.csv", "--time", "date", *TINY, "--quiet")
    assert out.splitlines()[0] == "date,load,temp"


def test_targets_in_the_order_given_once(capsys, folder):
    targets = ["--target", "temp", "--target", "load", "--target", "temp"]
    _, out, _ = run(capsys, "forecast", "data.csv", "--time", "date", *targets, *TINY, "--quiet")
    assert out.splitlines()[0] == "date,temp,load"


def test_parameters_reach_the_forecaster(capsys, folder, load, monkeypatch):
    made = []
    monkeypatch.setattr(SeqForecaster, "fit", lambda self, X: made.append(self.get_params()) or stop())

    def stop():
        raise ValueError("enough")

    model = ["--window", "9", "--cell", "lstm", "--hidden-size", "5", "--max-iter", "7", "--seed", "11"]
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", "--horizon", "4", *model]
    assert run(capsys, *argv) == (2, "", "seqcast: error: enough\n")
    wanted = SeqForecaster(4, 9, "lstm", 5, target=["load"], max_iter=7, random_state=11)
    assert made == [wanted.get_params()]
    run(capsys, "forecast", "data.csv", "--time", "date")
    assert made[1] == SeqForecaster(random_state=0).get_params()


@pytest.mark.parametrize(
    ("terminal", "quiet", "verbose"), [(True, [], 1), (True, ["--quiet"], 0), (False, [], 0)]
)
def test_progress_is_for_terminals(folder, monkeypatch, terminal, quiet, verbose):
    seen = []
    monkeypatch.setattr(SeqForecaster, "fit", lambda self, X: seen.append(self.verbose) or stop())

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    main(["forecast", "data.csv", "--time", "date", *quiet])
    assert seen == [verbose]


# ---- outputs are safe ----


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_an_existing_file_is_kept(capsys, folder, option):
    Path("old.png").write_text("precious")
    argv = ["forecast", "data.csv", "--time", "date", option, "old.png"]
    assert_fails(capsys, folder, argv, "old.png exists already; --force overwrites it")


def test_force_overwrites(capsys, folder, expected):
    Path("f.csv").write_text("old")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--out", "f.csv", "--force"]
    assert run(capsys, *argv)[0] == 0
    assert Path("f.csv").read_text() == expected.to_csv()


def test_the_file_that_is_read_is_never_overwritten(capsys, folder):
    os.link("data.csv", "same.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--force", "--out"]
    for name in ("data.csv", "same.csv", "../" + folder.name + "/data.csv"):
        message = f"{name} is the file to be read; choose another name for the output"
        assert_fails(capsys, folder, [*argv, name], message)


def test_only_plain_files_are_overwritten(capsys, folder):
    (folder / "sub").mkdir()
    for name in ("sub", os.devnull):
        argv = ["forecast", "data.csv", "--time", "date", "--force", "--out", name]
        assert_fails(capsys, folder, argv, f"{name} exists and is not a plain file; choose another name")


def test_missing_directory(capsys, folder):
    argv = ["forecast", "data.csv", "--time", "date", "--out", "no/f.csv"]
    assert_fails(capsys, folder, argv, f"no/f.csv: there is no directory {folder.resolve() / 'no'}")


def test_picture_and_table_in_one(capsys, folder):
    argv = ["forecast", "data.csv", "--time", "date", "--out", "f.png", "--plot", "./f.png"]
    assert_fails(capsys, folder, argv, "./f.png cannot be both --out and --plot")


def test_unknown_kind_of_picture(capsys, folder):
    pytest.importorskip("matplotlib")
    code, out, err = run(capsys, "forecast", "data.csv", "--time", "date", "--plot", "f.doc")
    assert (code, out) == (2, "")
    assert err.startswith("seqcast: error: argument --plot: f.doc must end in one of .")
    assert ".png, " in err
    assert err.count("\n") == 1


def test_picture_without_matplotlib(capsys, folder, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    argv = ["forecast", "data.csv", "--time", "date", "--plot", "f.png"]
    message = "argument --plot: pictures need matplotlib: run `pip install 'seqcast[plot]'`"
    assert_fails(capsys, folder, argv, message)


def test_links_are_followed(capsys, folder, expected):
    (folder / "sub").mkdir()
    os.symlink("sub/real.csv", "f.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--out", "f.csv"]
    assert run(capsys, *argv)[0] == 0
    assert Path("f.csv").is_symlink()
    assert Path("sub/real.csv").read_text() == expected.to_csv()


def test_a_file_that_comes_during_the_fit_is_kept(capsys, folder, monkeypatch):
    fit = SeqForecaster.fit

    def slow(self, X):
        Path("f.csv").write_text("somebody else's")
        return fit(self, X)

    monkeypatch.setattr(SeqForecaster, "fit", slow)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv"]
    code, _, err = run(capsys, *argv)
    assert (code, err) == (2, UNFINISHED + "seqcast: error: f.csv exists already; --force overwrites it\n")
    assert Path("f.csv").read_text() == "somebody else's"


def test_all_files_or_none(capsys, folder, monkeypatch):
    pytest.importorskip("matplotlib")

    def full(figure, path):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(writing, "image", full)
    before = files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--plot", "f.png"]
    code, _, err = run(capsys, *argv)
    assert (code, err) == (2, UNFINISHED + "seqcast: error: f.png: No space left on device\n")
    assert files(folder) == before


def test_nothing_is_left_of_a_write_that_failed(capsys, folder, monkeypatch):
    replace = os.replace

    def fail(source, target):
        if str(target).endswith("f.csv"):  # kernels may be moved into their cache
            raise OSError(5, "Input/output error", target)
        replace(source, target)

    Path("f.csv").write_text("old")
    before = files(folder)
    monkeypatch.setattr(os, "replace", fail)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--force"]
    assert run(capsys, *argv)[::2] == (
        2,
        UNFINISHED + f"seqcast: error: {folder.resolve() / 'f.csv'}: Input/output error\n",
    )
    assert files(folder) == before


@pytest.fixture
def picture_cannot_be_moved(monkeypatch):
    replace = os.replace

    def fail(source, target):
        if str(target).endswith(".png"):
            raise PermissionError(13, "Permission denied", target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.usefixtures("picture_cannot_be_moved")
def test_the_table_is_as_it_was_if_the_picture_fails(capsys, folder, old):
    pytest.importorskip("matplotlib")
    if old is not None:
        Path("f.csv").write_text(old)
    before = files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv", "--plot", "f.png", "--force"]
    assert run(capsys, *argv)[::2] == (
        2,
        UNFINISHED + f"seqcast: error: {folder.resolve() / 'f.png'}: Permission denied\n",
    )
    assert files(folder) == before


def test_temporary_names_of_others_are_left_alone(capsys, folder):
    Path(f"f.csv.{os.getpid()}.tmp").write_text("somebody else's")
    before = files(folder)
    argv = ["forecast", "data.csv", "--time", "date", *TINY, "--out", "f.csv"]
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert err.endswith(f"f.csv.{os.getpid()}.tmp: File exists\n")
    assert files(folder) == before


def test_text_is_no_formula(capsys, folder, load):
    names = {"load": '=HYPERLINK("x")', "temp": "@temp"}
    load.rename(columns=names).rename_axis("+date").to_csv("data.csv")
    model = ["--time", "+date", *TINY, "--quiet"]
    _, out, _ = run(capsys, "forecast", "data.csv", *model)
    assert out.splitlines()[0] == """'+date,"'=HYPERLINK(""x"")",'@temp"""
    code, _, _ = run(capsys, "backtest", "data.csv", *model[:-1], "--windows", "1", "--out", "rows.csv")
    assert code == 0
    rows = pd.read_csv("rows.csv")
    assert rows["target"].unique().tolist() == ['\'=HYPERLINK("x")', "'@temp"]


def test_numbers_stay_as_they_are(capsys, folder, load):
    (load[["load"]] - 1000).to_csv("data.csv")
    _, out, _ = run(capsys, "forecast", "data.csv", "--time", "date", *TINY, "--quiet")
    assert [line[11] for line in out.splitlines()[1:]] == ["-", "-", "-"]


# ---- inputs ----


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.csv is empty, or its first line holds no column names"),
        (b"\n\n", "bad.csv is empty, or its first line holds no column names"),
        (b"date,load\n", "bad.csv has column names, but no rows"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "bad.csv is not a CSV file: it holds no text in UTF-8"),
        (b"a,b\n1,2\n3,4,5\n", "bad.csv is not a CSV file: Expected 2 fields in line 3, saw 3"),
        (b"a,b\n1,2,3\n4,5,6\n", "bad.csv is not a CSV file: its rows have more cells than its first line"),
        (b"a,b,a\n1,2,3\n", "bad.csv has more than one column 'a'; rename or remove one"),
        (
            b'a,"b\nc","b\nc"\n1,2,3\n',
            "bad.csv has more than one column 'b\\nc'; rename or remove one",
        ),
        (b"a,b\nx,y\n", "bad.csv has no column of numbers to forecast"),
    ],
)
def test_not_a_csv(capsys, folder, content, message):
    Path("bad.csv").write_bytes(content)
    assert_fails(capsys, folder, ["forecast", "bad.csv"], message)


def test_no_file(capsys, folder):
    assert_fails(capsys, folder, ["forecast", "dat.csv"], "dat.csv: there is no such file")
    assert_fails(capsys, folder, ["backtest", "."], ". is a directory, not a CSV file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "dat"], "data.csv has no column 'dat'; did you mean 'date'? It has date, load, temp"),
        (["--target", "zzz"], "data.csv has no column 'zzz'. It has date, load, temp"),
        (
            ["--time", "date", "--target", "date"],
            "data.csv: the column 'date' holds the times, and cannot be a target",
        ),
        (["--target", "date"], "data.csv, line 2: '2024-01-01' in target 'date' is not a number"),
    ],
)
def test_unfit_columns(capsys, folder, options, message):
    assert_fails(capsys, folder, ["forecast", "data.csv", *options], message)
    assert_fails(capsys, folder, ["backtest", "data.csv", *options], message)


NO_DATE = (
    "data.csv, line {line}: {cell!r} in 'date' is not a date like the others. "
    "Write dates as 2013-01-31 or 2013-01-31 18:00, or name their form with --time-format"
)


@pytest.mark.parametrize("time", ["", " 18:00"])
def test_dates_that_can_be_read_both_ways(capsys, folder, time):
    rows = [f"0{month}/0{day}/2023{time},{day}\n" for month, day in [(1, 1), (1, 2), (1, 3)]]
    Path("data.csv").write_text("date,load\n" + "".join(rows))
    forms = [f"%m/%d/%Y{time and ' %H:%M'}", f"%d/%m/%Y{time and ' %H:%M'}"]
    month_first, day_first = (f"'{form}'" if time else form for form in forms)
    message = (
        f"data.csv, line 3: '01/02/2023{time}' in 'date' may be 2023-01-02 or 2023-02-01, and no row tells "
        f"which. Name the form: --time-format {month_first} or --time-format {day_first}"
    )
    assert_fails(capsys, folder, ["forecast", "data.csv", "--time", "date"], message)
    start = f"2023-01-01{time}"
    for form, freq in zip(forms, ["D", "MS"], strict=True):
        index = read("data.csv", "--time-format", form).index
        assert index.tolist() == list(pd.date_range(start, periods=3, freq=freq))


def test_dates_that_both_ways_are_the_same(folder):
    Path("data.csv").write_text("date,load\n01/01/2023,1\n02/02/2023,2\n")
    assert read("data.csv").index.tolist() == [pd.Timestamp("2023-01-01"), pd.Timestamp("2023-02-02")]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
def test_a_first_date_that_tells_its_form(folder, form):
    days = pd.date_range("2023-01-31", periods=3)
    Path("data.csv").write_text("date,load\n" + "".join(f"{day:{form}},1\n" for day in days))
    assert read("data.csv").index.tolist() == list(days)


def test_form_of_times_without_times(capsys, folder):
    message = "argument --time-format: tells the form of a column of dates, so --time must name the column"
    for command in ("forecast", "backtest"):
        assert_fails(capsys, folder, [command, "data.csv", "--time-format", "%Y-%m-%d"], message)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (7, "2024-13-06,1,2", NO_DATE.format(line=7, cell="2024-13-06")),
        (2, "yesterday,1,2", NO_DATE.format(line=2, cell="yesterday")),
        (9, ",1,2", "data.csv, line 9: there is no time in 'date'"),
        (4, "2024-01-01,1,2", "data.csv, lines 2 and 4: the time 2024-01-01 in 'date' occurs more than once"),
        (5, "2024-01-04,n.a.,2", "data.csv, line 5: 'n.a.' in target 'load' is not a number"),
    ],
)
def test_unfit_cells(capsys, folder, line, text, message):
    rewrite(line, text)
    assert_fails(capsys, folder, ["forecast", "data.csv", "--time", "date", "--target", "load"], message)


def test_blank_lines_count_as_lines(capsys, folder):
    rewrite(3, "\n\n2024-01-02,1,1")
    rewrite(20, "2024-01-17x,1,1")
    argv = ["forecast", "data.csv", "--time", "date"]
    assert_fails(capsys, folder, argv, NO_DATE.format(line=20, cell="2024-01-17x"))


BROKEN = 'date,"load\nMW"\n2024-01-01,1\n"2024-01-02",3\n"2024\n01-03",4\n2024-01-04,n.a.\n'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "date"], "data.csv, line 5: '2024 01-03' in 'date' is not a date like the others. "),
        (["--target", "load\nMW"], "data.csv, line 7: 'n.a.' in target 'load MW' is not a number"),
    ],
)
def test_line_breaks_in_cells_count_as_lines(capsys, folder, options, message):
    Path("data.csv").write_text(BROKEN)
    code, out, err = run(capsys, "forecast", "data.csv", *options)
    assert (code, out) == (2, "")
    assert err.replace("\\n", " ").startswith(f"seqcast: error: {message}")


def test_line_with_too_many_cells_after_a_line_break(capsys, folder):
    Path("data.csv").write_text('a,"b\nc"\n"1\n",2\n3,4,5\n')
    message = "data.csv is not a CSV file: Expected 2 fields in line 5, saw 3"
    assert_fails(capsys, folder, ["forecast", "data.csv"], message)


def test_a_quote_without_end(capsys, folder):
    Path("data.csv").write_text('date,"load\n' + "2024-01-01,1\n" * 20_000)
    code, out, err = run(capsys, "forecast", "data.csv")
    assert (code, out) == (2, "")
    assert err == "seqcast: error: data.csv is not a CSV file: field larger than field limit (131072)\n"


def test_target_without_values(capsys, folder, load):
    load.assign(load=np.nan).to_csv("data.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load"]
    assert_fails(capsys, folder, argv, "data.csv: the target 'load' has no values")


def test_too_little_data(capsys, folder):
    code, out, err = run(capsys, "forecast", "data.csv", "--time", "date", "--horizon", "50")
    assert (code, out) == (2, "")
    assert err.startswith("seqcast: error: SeqForecaster.fit needs at least ")
    assert "Got n_samples=60 instead" in err
    assert err.count("\n") == 1
    message = (
        "backtest needs at least 71 rows for horizon=7, n_windows=10 and step_size=7. Got 60 instead. "
        "Pass more rows, fewer windows or a shorter horizon."
    )
    assert_fails(capsys, folder, ["backtest", "data.csv", "--time", "date", "--windows", "10"], message)


def test_an_cutoff_with_too_little_data_is_named(capsys, folder):
    argv = ["backtest", "data.csv", "--time", "date", "--horizon", "10", "--window", "9", "--windows", "4"]
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert err.endswith(
        "This was the cutoff of backtest at 2024-01-20 00:00:00, the end of the first 20 rows.\n"
    )
    assert err.count("\n") == 1


def test_columns_of_text_are_left_out_with_a_warning(capsys, folder, load, expected):
    load.assign(station="JFK", empty=np.nan).to_csv("data.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--quiet"]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (0, expected.to_csv())
    assert err.splitlines()[:2] == [
        "seqcast: warning: the column 'station' holds no numbers and is left out",
        "seqcast: warning: the column 'empty' holds no numbers and is left out",
    ]


def test_without_a_time_column_rows_are_counted(capsys, folder):
    code, out, err = run(capsys, "forecast", "data.csv", "--target", "load", *TINY, "--quiet")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["row", "60", "61", "62"]
    assert err.splitlines()[0] == (
        "seqcast: warning: the column 'date' holds no numbers and is left out; "
        "if it holds the times, say --time date"
    )


def read(path: str, *options: str) -> pd.DataFrame:
    arguments = make_parser().parse_args(["forecast", path, "--time", "date", *options])
    return read_data(arguments)[0]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("%Y-%m-%d", []),
        ("%Y%m%d", []),
        ("%Y-%m-%dT%H:%M:%S", []),
        ("%m/%d/%Y", []),
        ("%d/%m/%Y", []),
        ("%d.%m.%Y", []),
        ("%d.%m.%Y %H:%M", []),
        ("%Y day %j", ["--time-format", "%Y day %j"]),
    ],
)
def test_forms_of_dates(folder, load, form, options):
    load.set_axis(load.index.strftime(form).rename("date")).to_csv("data.csv")
    index = read("data.csv", *options).index
    assert index.tolist() == load.index.tolist()
    assert index.name == "date"


def test_midnight_may_lack_its_time(folder):
    Path("data.csv").write_text("date,load\n2024-01-01,1\n2024-01-01 12:00,2\n2024-01-02,3\n")
    assert read("data.csv").index.tolist() == list(pd.date_range("2024-01-01", periods=3, freq="12h"))


def test_changing_offsets_become_utc(folder):
    cells = ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"]
    Path("data.csv").write_text("date,load\n" + "".join(f"{cell},1\n" for cell in cells))
    expected = pd.date_range("2024-03-31", periods=3, freq="h", tz="UTC")
    assert read("data.csv").index.tolist() == list(expected)


def test_one_offset_stays(folder):
    Path("data.csv").write_text("date,load\n2024-03-31T01:00+01:00,1\n2024-03-31T02:00+01:00,1\n")
    assert read("data.csv").index[0].isoformat() == "2024-03-31T01:00:00+01:00"


def test_years_are_numbers(folder):
    Path("data.csv").write_text("date,load\n2001,1\n2002,2\n2003,3\n")
    assert read("data.csv").index.tolist() == [2001, 2002, 2003]


def test_unsorted_rows_are_sorted(folder, load):
    load.iloc[::-1].to_csv("data.csv")
    pd.testing.assert_frame_equal(read("data.csv"), load, check_freq=False, check_index_type=False)


@pytest.mark.parametrize("separator", [";", "\t", ", "])
def test_separators_and_the_mark_of_spreadsheets(folder, load, separator):
    text = load.to_csv().replace(",", separator)
    Path("data.csv").write_text("\ufeff" + text, encoding="utf-8")
    pd.testing.assert_frame_equal(read("data.csv"), load, check_freq=False, check_index_type=False)


@pytest.mark.parametrize(
    ("header", "separator", "names"),
    [
        ('"Load, MW, of all";date', ";", ["Load, MW, of all", "date"]),
        ('date;"Load, MW, of all"', ";", ["date", "Load, MW, of all"]),
        ('date;"Load, MW"', ";", ["date", "Load, MW"]),
        ('date\t"a;b, c"\t"d;e"', "\t", ["date", "a;b, c", "d;e"]),
        ('"a;b;c", "date", "say ""x; y"""', ",", ["a;b;c", "date", 'say "x; y"']),
        ('date,"say ""x; y; z"""', ",", ["date", 'say "x; y; z"']),
        ('date,pipe of 5"', ",", ["date", 'pipe of 5"']),
    ],
)
def test_quoted_separators_separate_nothing(folder, header, separator, names):
    cells = ["2024-01-01" if name == "date" else "1" for name in names]
    Path("data.csv").write_text(f"{header}\n{separator.join(cells)}\n")
    assert list(read("data.csv").columns) == [name for name in names if name != "date"]


def test_separators_at_the_ends_of_lines_and_missing_cells(folder):
    Path("data.csv").write_text("date,load,temp\n2024-01-01,1,5,\n2024-01-02,,6,\n2024-01-03,3\n")
    np.testing.assert_array_equal(read("data.csv"), [[1, 5], [np.nan, 6], [3, np.nan]])


# ---- backtest ----


def test_backtest(capsys, folder, load):
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = backtest(tiny(target=["temp", "load"]), load, n_windows=2, step_size=5)
    argv = ["backtest", "data.csv", "--time", "date", "--target", "temp", "--target", "load", *TINY]
    outputs = ["--out", "rows.csv", "--plot", "last.svg"]
    code, out, err = run(capsys, *argv, "--windows", "2", "--step", "5", *outputs)
    assert (code, err) == (0, UNFINISHED)
    assert Path("rows.csv").read_text() == rows.to_csv(index=False)
    assert b"<svg" in Path("last.svg").read_bytes()

    summary = summarize(rows)
    lines = out.splitlines()
    assert lines[0] == "data    data.csv: 60 rows, 2024-01-01 to 2024-02-29"
    assert lines[1].startswith("fitted  gru of 4 units, anew at each of 2 cutoffs, in ")
    assert lines[2] == "        the first at 2024-02-21, the last at 2024-02-26"
    assert lines[5].split() == ["temp", "RMSE", "MAE"]
    table = summary.loc["temp"]
    for line, name, suffix in [
        (lines[6], "forecast", ""),
        (lines[7], "seasonal naive", "_seasonal_naive"),
        (lines[8], "persistence", "_persistence"),
    ]:
        assert line[:36] == f"{name:<16}{table[f'rmse{suffix}']:10.2f}{table[f'mae{suffix}']:10.2f}"
    assert lines[10].startswith(f"skill   {table['skill']:.2f}: an RMSE ")
    assert lines[12].split() == ["load", "RMSE", "MAE"]
    assert lines[-2:] == ["wrote   rows.csv", "        last.svg"]


def test_backtest_writes_nothing_unasked(capsys, folder):
    before = files(folder)
    code, out, _ = run(capsys, "backtest", "data.csv", "--time", "date", *TINY, "--windows", "1")
    assert code == 0
    assert "wrote" not in out
    assert files(folder) == before


def test_picture_of_the_last_cutoff_keeps_the_order_of_targets():
    rows = pd.DataFrame(
        {
            "cutoff": [0, 1, 1, 1],
            "time": [1, 2, 2, 3],
            "target": list("bbaa"),
            "y": 1.0,
            "y_hat": [9, 2, 3, 4],
        }
    )
    forecast, actual = commands._last_cutoff(rows)
    assert list(forecast.columns) == list(actual.columns) == ["b", "a"]
    assert forecast["a"].tolist() == [3, 4]


# ---- what is shown ----


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        (0.256, "0.26: an RMSE 26% below that of the seasonal naive forecast"),
        (-0.5, "-0.50: an RMSE 50% above that of the seasonal naive forecast"),
        (-np.inf, "none: the seasonal naive forecast makes no error"),
    ],
)
def test_skill_in_words(skill, words):
    assert skill_in_words(skill) == words


@pytest.mark.parametrize(
    ("size", "digits"), [(0.0, 2), (9.4, 2), (999.0, 2), (12345.6, 0), (0.0512, 4), (1000.0, 0), (np.inf, 2)]
)
def test_decimals(size, digits):
    assert decimals(size) == digits


def test_skyline():
    assert skyline(np.arange(8.0), "01234567") == "01234567"
    assert skyline(np.full(3, 5.0), "01234567") == "000"
    assert skyline(np.repeat([0.0, 7.0], 64), "01234567") == "0" * 32 + "7" * 32


def test_plain_characters_where_the_terminal_knows_no_others(capsys, folder):
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(Path(seqcast.__file__).parents[1]),
    }
    argv = [
        sys.executable,
        "-m",
        "seqcast",
        "backtest",
        "data.csv",
        "--time",
        "date",
        *TINY,
        "--windows",
        "1",
    ]
    result = subprocess.run(argv, capture_output=True, env=environment)
    assert result.returncode == 0
    assert b"  ####" in result.stdout


# ---- interruptions ----


def test_interrupt(capsys, folder, monkeypatch):
    def interrupted(self, X):
        raise KeyboardInterrupt("fit was interrupted")

    monkeypatch.setattr(SeqForecaster, "fit", interrupted)
    before = files(folder)
    argv = ["forecast", "data.csv", "--time", "date", "--out", "f.csv"]
    assert run(capsys, *argv) == (130, "", "seqcast: interrupted\n")
    assert files(folder) == before


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_in_a_long_fit(folder):
    long = ["--max-iter", "100000000", "--horizon", "3", "--window", "6", "--target", "load"]
    argv = [sys.executable, "-c", BUSY, "forecast", "data.csv", "--time", "date", *long, "--out", "f.csv"]
    environment = os.environ | {"PYTHONPATH": str(Path(seqcast.__file__).parents[1])}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout.readline() == "fit begins\n"
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()  # or a fit that heeds no signal would be waited for without end
    assert (process.returncode, out, warm(err)) == (130, "", "seqcast: interrupted\n")
    assert not Path("f.csv").exists()


# an endless fit, compiled before it begins, that says when it does
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


def test_reader_that_has_seen_enough(folder):
    environment = os.environ | {"PYTHONPATH": str(Path(seqcast.__file__).parents[1])}
    argv = [sys.executable, "-m", "seqcast", "forecast", "data.csv", "--time", "date", *TINY, "--quiet"]
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert (result.returncode, warm(result.stderr)) == (141, UNFINISHED)


# ---- demo ----


@pytest.fixture
def short_weather(monkeypatch) -> pd.DataFrame:
    # with two gaps: 24 rows are absent from 26 October to 30 December, among them ten on two nights
    df = datasets.load_weather().loc["2013-10-20":"2013-11-20"]
    monkeypatch.setattr(datasets, "load_weather", lambda: df)
    monkeypatch.setattr(SeqForecaster.__init__, "__kwdefaults__", {**KEYWORDS, "max_iter": 2})
    return df


KEYWORDS = SeqForecaster.__init__.__kwdefaults__


def test_demo(capsys, tmp_path, short_weather):
    pytest.importorskip("matplotlib")
    code, out, err = run(capsys, "demo", "--horizon", "24", "--out", str(tmp_path / "new"))
    assert (code, err) == (0, UNFINISHED)
    assert set(files(tmp_path)) == {"new/forecast.csv", "new/forecast.png"}
    forecast = pd.read_csv(tmp_path / "new/forecast.csv", index_col="time", parse_dates=True)
    assert list(forecast.columns) == ["temp"]
    assert forecast.index.tolist() == list(pd.date_range("2013-11-21", periods=24, freq="h"))
    assert (tmp_path / "new/forecast.png").read_bytes().startswith(b"\x89PNG")

    train, test = demo._hold_out(short_weather, 24)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SeqForecaster(24, target="temp", random_state=0).fit(train)
    table = summarize(evaluate(model, train, test)).loc["temp"]
    assert f"\nforecast        {table['rmse']:10.2f}{table['mae']:10.2f}  " in out
    assert f"\nskill   {table['skill']:.2f}: an RMSE " in out
    # the forecast of the future is that of the same network from the end of all rows
    np.testing.assert_allclose(forecast["temp"], model.update(test).forecast()["temp"], rtol=1e-6)
    assert f"wrote   {tmp_path / 'new/forecast.csv'}\n" in out


@pytest.mark.parametrize("horizon", [1, 5, 24, 48])
def test_demo_holds_out_whole_horizons_after_a_row(short_weather, horizon):
    train, test = demo._hold_out(short_weather, horizon)
    pd.testing.assert_frame_equal(pd.concat([train, test]), short_weather)
    hours = (test.index[-1] - train.index[-1]) // pd.Timedelta("1h")
    assert hours % horizon == 0
    total = (short_weather.index[-1] - short_weather.index[0]) // pd.Timedelta("1h")
    assert 0.2 * total <= hours < 0.2 * total + horizon + 6


def test_demo_without_out_writes_nothing(capsys, tmp_path, monkeypatch, short_weather):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "demo", "--horizon", "12")
    assert code == 0
    assert out.endswith(
        "\nNothing was written: --out DIR writes the forecast as forecast.csv and forecast.png.\n"
    )
    assert not files(tmp_path)


def test_demo_without_matplotlib_says_how_to_get_the_picture(capsys, tmp_path, monkeypatch, short_weather):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    code, out, _ = run(capsys, "demo", "--horizon", "12", "--out", str(tmp_path))
    assert code == 0
    assert out.endswith(
        f"wrote   {tmp_path / 'forecast.csv'}\n"
        "        no forecast.png: pictures need matplotlib: run `pip install 'seqcast[plot]'`\n"
    )
    assert set(files(tmp_path)) == {"forecast.csv"}


def test_demo_keeps_existing_files(capsys, tmp_path):
    (tmp_path / "forecast.csv").write_text("mine")
    message = f"{tmp_path / 'forecast.csv'} exists already; --force overwrites it"
    assert_fails(capsys, tmp_path, ["demo", "--out", str(tmp_path)], message)


@pytest.mark.usefixtures("picture_cannot_be_moved", "short_weather")
def test_demo_removes_the_folder_it_made_if_it_fails(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        assert run(capsys, "demo", "--horizon", "12", "--out", str(tmp_path / name))[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not files(tmp_path)


def test_demo_needs_a_folder(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in ("file", "no/where"):
        path = tmp_path / name
        missing = path if name == "file" else path.parent
        message = f"{path}: there is no directory {missing}"
        assert_fails(capsys, tmp_path, ["demo", "--out", str(path)], message)


def test_demo_with_a_horizon_beyond_its_data(capsys, tmp_path):
    message = "argument --horizon: 9000 is too long for data of 8730 hours"
    assert_fails(capsys, tmp_path, ["demo", "--horizon", "9000"], message)


@pytest.mark.slow
def test_demo_on_the_whole_year_has_skill(capsys, tmp_path):
    started = time.perf_counter()
    code, out, err = run(capsys, "demo", "--out", str(tmp_path / "demo"))
    assert (code, err) == (0, "")
    assert time.perf_counter() - started < 60
    (line,) = [line for line in out.splitlines() if line.startswith("skill")]
    assert float(line.split()[1].rstrip(":")) > 0.1


def test_docstring_example_is_skipped_but_there():
    assert doctest.testmod(cli).failed == 0
