"""Functions that a fit calls while it runs."""

from contextlib import contextmanager

from seqcast.forecasting.fit_callbacks import FitCallbacks


def test_results_of_a_stage_are_converted_to_those_of_the_fit():
    kept, reported = [], []

    @contextmanager
    def monitor(max_iter, result):
        yield lambda epoch: reported.append((max_iter, result(epoch)))

    stage = FitCallbacks(monitor, kept.append).convert(str).convert(lambda number: number + 1)
    with stage.monitor(5, lambda epoch: 10 * epoch) as report:
        report(2)
    stage.keep(7)
    assert reported == [(5, "21")]
    assert kept == ["8"]
