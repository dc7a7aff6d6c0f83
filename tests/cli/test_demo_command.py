"""The command demo."""

import warnings

import numpy as np
import pandas as pd
import pytest
from command_line import UNFINISHED, assert_fails, read_files, run_command
from sklearn.exceptions import ConvergenceWarning

from seqcast import SeqForecaster, datasets
from seqcast.cli import output_formats
from seqcast.cli.demo_command import split_rows
from seqcast.evaluation.backtest import backtest, summarize

KEYWORDS = SeqForecaster.__init__.__kwdefaults__

HORIZON = 12


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Return two weeks of the weather, with a gap."""
    return datasets.load_weather().loc["2013-10-20":"2013-11-02"]


@pytest.fixture
def short_weather(monkeypatch, rows):
    """Let the demo use two weeks of the weather and two epochs."""
    monkeypatch.setattr(datasets, "load_weather", lambda: rows)
    monkeypatch.setattr(SeqForecaster.__init__, "__kwdefaults__", {**KEYWORDS, "max_iter": 2})


@pytest.fixture(scope="module")
def fitted(rows) -> SeqForecaster:
    """Return the forecaster that the demo fits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        train, _ = split_rows(rows, HORIZON)
        return SeqForecaster(HORIZON, target="temp", random_state=0, max_iter=2).fit(train)


@pytest.fixture
def no_fit(monkeypatch, short_weather, fitted):
    """Let fits of the demo take the state of a fitted forecaster."""
    monkeypatch.setattr(SeqForecaster, "fit", lambda self, X: vars(self).update(vars(fitted)))


@pytest.mark.usefixtures("short_weather")
def test_demo_prints_errors_and_writes_files(capsys, tmp_path, rows, fitted):
    pytest.importorskip("matplotlib")
    code, out, err = run_command(capsys, "demo", "--horizon", str(HORIZON), "--out", str(tmp_path / "new"))
    assert (code, err) == (0, UNFINISHED)
    assert set(read_files(tmp_path)) == {"new/forecast.csv", "new/forecast.png"}
    forecast = pd.read_csv(tmp_path / "new/forecast.csv", index_col="time", parse_dates=True)
    assert list(forecast.columns) == ["temp"]
    assert forecast.index.tolist() == list(pd.date_range("2013-11-03", periods=HORIZON, freq="h"))
    assert (tmp_path / "new/forecast.png").read_bytes().startswith(b"\x89PNG")

    _, test = split_rows(rows, HORIZON)
    table = summarize(backtest(fitted, test, refit=False)).loc["temp"]
    assert f"\nforecast        {table['rmse']:10.2f}{table['mae']:10.2f}\n" in out
    assert f"\nskill   {table['skill']:.2f}: an RMSE " in out
    later = SeqForecaster().set_params(**fitted.get_params())
    vars(later).update(vars(fitted))
    np.testing.assert_allclose(forecast["temp"], later.update(test).forecast()["temp"], rtol=1e-6)
    assert f"wrote   {tmp_path / 'new/forecast.csv'}\n" in out


@pytest.mark.parametrize(("horizon", "n_test"), [(1, 2), (2, 2), (5, 5)])
def test_last_fifth_or_one_horizon_is_split_off(horizon, n_test):
    frame = pd.DataFrame({"a": np.arange(10.0)})
    train, test = split_rows(frame, horizon)
    pd.testing.assert_frame_equal(pd.concat([train, test]), frame)
    assert len(test) == n_test


@pytest.mark.usefixtures("no_fit")
def test_demo_without_out_writes_no_files(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_command(capsys, "demo", "--horizon", str(HORIZON))
    assert code == 0
    assert out.endswith(
        "\nNothing was written: --out DIR writes the forecast as forecast.csv and forecast.png.\n"
    )
    assert not read_files(tmp_path)


@pytest.mark.usefixtures("no_fit")
def test_demo_without_matplotlib_writes_the_table(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(output_formats, "find_spec", lambda name: None)
    code, out, _ = run_command(capsys, "demo", "--horizon", str(HORIZON), "--out", str(tmp_path))
    assert code == 0
    assert out.endswith(
        f"wrote   {tmp_path / 'forecast.csv'}\n"
        "        no forecast.png: plots need matplotlib: run `pip install 'seqcast[plot]'`\n"
    )
    assert set(read_files(tmp_path)) == {"forecast.csv"}


def test_demo_keeps_existing_files(capsys, tmp_path):
    (tmp_path / "forecast.csv").write_text("mine")
    message = f"{tmp_path / 'forecast.csv'} exists already; --force overwrites it"
    assert_fails(capsys, tmp_path, ["demo", "--out", str(tmp_path)], message)


@pytest.mark.usefixtures("plot_cannot_be_moved", "no_fit")
def test_failed_demo_removes_the_folder_it_made(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        folder = str(tmp_path / name)
        assert run_command(capsys, "demo", "--horizon", str(HORIZON), "--out", folder)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not read_files(tmp_path)


def test_demo_needs_an_existing_parent_folder(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in ("file", "no/where"):
        path = tmp_path / name
        missing = path if name == "file" else path.parent
        message = f"{path}: there is no directory {missing}"
        assert_fails(capsys, tmp_path, ["demo", "--out", str(path)], message)


def test_demo_with_a_too_long_horizon_raises(capsys, tmp_path):
    message = "argument --horizon: 9000 is too long for data of 8706 rows"
    assert_fails(capsys, tmp_path, ["demo", "--horizon", "9000"], message)


@pytest.mark.slow
def test_demo_has_skill(capsys, monkeypatch):
    rows = datasets.load_weather().loc["2013-10":]
    monkeypatch.setattr(datasets, "load_weather", lambda: rows)
    code, out, err = run_command(capsys, "demo", "--horizon", "24")
    assert (code, err) == (0, "")
    (line,) = [line for line in out.splitlines() if line.startswith("skill")]
    assert float(line.split()[1].rstrip(":")) > 0.1
