"""Output of a fit: none, a progress bar, or one line for each epoch."""

import re
import sys

import numpy as np
import pytest

from seqcast import SeqForecaster, SeqRegressor
from seqcast.learning.history import EpochReport
from seqcast.learning.progress import progress

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 8, "max_iter": 4, "random_state": 0}
# Time that passed and time that is left, as tqdm writes them.
TIMES = r"\[\d\d:\d\d<\d\d:\d\d, .*"


@pytest.fixture(scope="module")
def data():
    """Fit once, so that no test prints the notice of compilation."""
    X = np.random.default_rng(0).normal(size=(40, 5))
    SeqRegressor(**TINY).fit(X, X[:, 0])
    return X, X[:, 0]


@pytest.fixture
def no_tqdm(monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def tqdm():
    return pytest.importorskip("tqdm")


def last_bar(captured):
    """Return the final line of the progress bar."""
    assert captured.out == ""
    lines = captured.err.strip("\n").split("\n")
    assert len(lines) == 1
    return lines[0].split("\r")[-1]


def test_fits_are_silent_by_default(data, capfd):
    SeqRegressor(**TINY).fit(*data).predict(data[0])
    SeqForecaster(**TINY).fit(data[1]).forecast(3)
    assert capfd.readouterr() == ("", "")


def test_verbose_0_shows_nothing(capfd):
    with progress(0, 10) as show:
        show(make_epoch(1, 10, 0.5, None, 0.1))
    assert capfd.readouterr() == ("", "")


def test_bar_names_losses_and_time_left(data, tqdm, capfd):
    model = SeqRegressor(**TINY, verbose=1, early_stopping=True).fit(*data)
    loss, validation = model.loss_curve_[-1], model.validation_loss_curve_[-1]
    bar = last_bar(capfd.readouterr())
    assert re.search(rf"^100%.* 4/4 {TIMES}loss {loss:.4g}  validation {validation:.4g}\]$", bar), bar


def test_bar_has_no_validation_loss_where_there_is_none(data, tqdm, capfd):
    model = SeqRegressor(**TINY, verbose=1).fit(*data)
    bar = last_bar(capfd.readouterr())
    assert re.search(rf" 4/4 {TIMES}loss {model.loss_curve_[-1]:.4g}\]$", bar), bar


def test_bar_of_a_forecaster(data, tqdm, capfd):
    model = SeqForecaster(**TINY, verbose=1).fit(data[1])
    loss, validation = model.loss_curve_[-1], model.validation_loss_curve_[-1]
    bar = last_bar(capfd.readouterr())
    assert re.search(rf" 4/4 {TIMES}loss {loss:.4g}  validation {validation:.4g}\]$", bar), bar


def test_bar_stays_where_training_stopped(data, tqdm, capfd):
    model = SeqRegressor(**{**TINY, "max_iter": 50}, verbose=1, tol=1e6, n_iter_no_change=2).fit(*data)
    assert model.n_iter_ == 3
    bar = last_bar(capfd.readouterr())
    assert re.search(rf"^ +6%.* 3/50 {TIMES}", bar), bar


def make_epoch(number, max_iter, loss, validation_loss, seconds):
    return EpochReport(number, max_iter, loss, validation_loss, seconds, last=False, kept=None)


def test_bar_is_closed_when_a_fit_fails(tqdm, capfd):
    def run():
        with progress(1, 10) as report:
            report(make_epoch(1, 10, 0.5, None, 0.1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert " 1/10 " in last_bar(capfd.readouterr())
    assert not tqdm.tqdm._instances


def test_lines_without_tqdm(no_tqdm, capfd):
    with progress(1, 5) as report:
        report(make_epoch(number=1, max_iter=5, loss=0.123456, validation_loss=None, seconds=2.5))
        report(make_epoch(number=2, max_iter=5, loss=1234567.0, validation_loss=0.25, seconds=4.0))
        report(make_epoch(number=5, max_iter=5, loss=1e-9, validation_loss=2.0, seconds=9.0))
    assert capfd.readouterr() == (
        "",
        "epoch 1/5  loss 0.1235  at most 10 s left\n"
        "epoch 2/5  loss 1.235e+06  validation 0.25  at most 6 s left\n"
        "epoch 5/5  loss 1e-09  validation 2  at most 0 s left\n",
    )


def test_fit_without_tqdm_writes_one_line_for_each_epoch(data, no_tqdm, capfd):
    model = SeqRegressor(**TINY, verbose=1, early_stopping=True).fit(*data)
    out, err = capfd.readouterr()
    assert out == ""
    losses = zip(model.loss_curve_, model.validation_loss_curve_, strict=True)
    expected = [f"loss {loss:.4g}  validation {validation:.4g}" for loss, validation in losses]
    assert re.findall(r"^epoch \d/4  (.*)  at most \d+ s left$", err, re.MULTILINE) == expected


def test_progress_output_does_not_change_results(data, no_tqdm):
    quiet, loud = (SeqRegressor(**TINY, verbose=verbose).fit(*data) for verbose in (0, 1))
    np.testing.assert_array_equal(quiet.predict(data[0]), loud.predict(data[0]))
