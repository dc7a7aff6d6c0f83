"""Attributes of an estimator after a call that fails."""

import pytest

from seqcast.estimators.rollback import rollback_on_error


class Model:
    def __init__(self, **attributes):
        self.__dict__ = attributes


def change(model, error=None, **attributes):
    """Set attributes in a call that ends in `error`."""
    with rollback_on_error(model, "fitted_"):
        model.__dict__.update(attributes)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"fitted_": "old", "other_": 1}])
def test_an_error_restores_all_attributes(error, before):
    model = Model(**before)
    with pytest.raises(error, match="mine"):
        change(model, error("mine"), other_=2, more_=3)
    assert vars(model) == before


def test_an_error_after_a_new_fit_keeps_it():
    model = Model(fitted_="old", other_=1)
    with pytest.raises(ValueError, match="mine"):
        change(model, ValueError("mine"), fitted_="new", other_=2)
    assert vars(model) == {"fitted_": "new", "other_": 2}


def test_without_an_error_all_changes_stay():
    model = Model(fitted_="old")
    change(model, other_=2)
    assert vars(model) == {"fitted_": "old", "other_": 2}
