"""The forecaster of a command, and its fit."""

import sys

import pytest
from command_line import run_command

from seqcast import SeqForecaster
from seqcast.cli import main


def test_options_are_passed_to_the_forecaster(capsys, folder, load, monkeypatch):
    made = []
    monkeypatch.setattr(SeqForecaster, "fit", lambda self, X: made.append(self.get_params()) or stop())

    def stop():
        raise ValueError("enough")

    model = ["--window", "9", "--cell", "lstm", "--hidden-size", "5", "--max-iter", "7", "--seed", "11"]
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", "--horizon", "4", *model]
    assert run_command(capsys, *argv) == (2, "", "seqcast: error: enough\n")
    wanted = SeqForecaster(4, 9, "lstm", 5, target=["load"], max_iter=7, random_state=11)
    assert made == [wanted.get_params()]
    run_command(capsys, "forecast", "data.csv", "--time", "date")
    assert made[1] == SeqForecaster(random_state=0).get_params()


@pytest.mark.parametrize(
    ("terminal", "quiet", "verbose"), [(True, [], 1), (True, ["--quiet"], 0), (False, [], 0)]
)
def test_progress_is_shown_on_terminals_only(folder, monkeypatch, terminal, quiet, verbose):
    seen = []
    monkeypatch.setattr(SeqForecaster, "fit", lambda self, X: seen.append(self.verbose) or stop())

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    main(["forecast", "data.csv", "--time", "date", *quiet])
    assert seen == [verbose]
