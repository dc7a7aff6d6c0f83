"""Default lengths of the horizon and the window, and checks of the lengths of series."""

import pytest
from forecast_by_hand import (
    hourly,
)

from seqcast import SeqForecaster
from seqcast.forecasting.lengths import LengthRules, Lengths, natural_horizon, to_steps

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("n", "options", "chosen"),
    [
        (2000, {}, (24, 336, 24)),  # fourteen days
        (1000, {}, (24, 292, 24)),  # a third of 1000 - 100 - 24
        (100, {}, (12, 25, 24)),
        (100, {"horizon": 4}, (4, 28, 24)),
        (1000, {"season_length": 7}, (7, 98, 7)),
        (5000, {"season_length": 168}, (168, 504, 168)),  # three seasons, since fourteen are too many steps
        (1000, {"season_length": 1}, (12, 168, 1)),
        (1000, {"horizon": 48}, (48, 284, 24)),
        (100, {"window": 9, "early_stopping": False}, (12, 9, 24)),
        (8, {}, (1, 2, 24)),
    ],
)
def test_default_lengths_depend_on_season_and_rows(n, options, chosen):
    model = SeqForecaster(hidden_size=1, max_iter=1, linear=False, **options).fit(hourly(n))
    assert (model.horizon_, model.window_, model.season_length_) == chosen


# -- rules


def test_steps_are_rounded_up_to_horizons():
    lengths = Lengths(horizon=5, window=9, season_length=7)
    assert [lengths.round_up_to_horizons(n) for n in (1, 5, 6, 10, 11)] == [5, 5, 10, 10, 15]


def test_a_natural_horizon_is_a_season_or_twelve_steps():
    assert [natural_horizon(n) for n in (1, 2, 24)] == [12, 2, 24]


def test_steps_may_be_none_one_or_several():
    assert [to_steps(given) for given in (None, 3, [3, 5], (7,))] == [(), (3,), (3, 5), (7,)]


@pytest.mark.parametrize(
    ("n", "fraction", "expected"),
    [
        (100, 0.1, 90),
        (30, 0.1, 25),  # at least a horizon is held back
        (10, 0.1, 10),  # too few steps before the border: all are trained on
        (100, None, 100),
    ],
)
def test_training_steps_leave_out_those_held_back(n, fraction, expected):
    assert LengthRules("Test", 5, 9, 7, fraction).count_training_steps(n, 5) == expected


@pytest.mark.parametrize("options", [{}, {"short_series": "error"}, {"n_differences": 3}])
def test_the_message_names_the_smallest_sufficient_length(options):
    rules = LengthRules("Test", 4, 6, 1, 0.1, **options)
    with pytest.raises(ValueError, match=r"Test\.fit needs at least \d+ rows") as caught:
        rules.choose([3])
    least = int(str(caught.value).split("at least ")[1].split()[0])
    assert rules.choose([least]) == Lengths(4, 6, 1)
    with pytest.raises(ValueError, match=f"at least {least} rows"):
        rules.choose([least - 1])


def test_a_naive_forecaster_needs_no_minimum_length():
    assert LengthRules("Test", 4, 7, 7, learns=False).choose([1]) == Lengths(4, 7, 7)


def test_short_series_are_kept_dropped_or_refused():
    lengths, ids, sizes = Lengths(4, 6, 1), ["a", "b", "c"], [10, 9, 30]
    kept = {}
    for how in ("pad", "drop", "error"):
        rules = LengthRules("Test", 4, 6, 1, short_series=how)
        if how == "error":
            with pytest.raises(ValueError, match=r"at least 10 rows of each series .* Got 9 of 'b'"):
                rules.keep(ids, sizes, lengths, "fit")
        elif how == "drop":
            with pytest.warns(UserWarning, match="1 of 3 series are too short .* such as 'b'"):
                kept[how] = rules.keep(ids, sizes, lengths, "fit")
        else:
            kept[how] = rules.keep(ids, sizes, lengths, "fit")
    assert kept == {"pad": [0, 1, 2], "drop": [0, 2]}
