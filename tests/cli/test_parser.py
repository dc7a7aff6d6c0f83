"""Options of the command line."""

import inspect

import pytest
from command_line import read_files, run_command

from seqcast import SeqForecaster
from seqcast.cli import main


def test_help_prints_the_defaults_of_the_forecaster(capsys):
    with pytest.raises(SystemExit):
        main(["forecast", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    parameters = inspect.signature(SeqForecaster).parameters
    assert f"hidden units of the network (default {parameters['hidden_size'].default})" in text
    assert f"maximum number of epochs (default {parameters['max_iter'].default})" in text
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
def test_wrong_arguments_raise(capsys, folder, argv, message):
    before = read_files(folder)
    code, out, err = run_command(capsys, *argv)
    # Whether argparse quotes the choices depends on the version of Python.
    choices = ("'demo', 'forecast', 'backtest', 'warmup', 'info'", "demo, forecast, backtest, warmup, info")
    assert (code, out) == (2, "")
    assert err in {f"seqcast: error: {message.format(choices=choice)}\n" for choice in choices}
    assert read_files(folder) == before
