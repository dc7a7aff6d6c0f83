"""Updates with later rows: new states of the fitted series, and series that were not in fit."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..data.calendar import infer_calendars
from ..data.conversion import convert_input
from ..data.panel import Panel
from ..data.preparation import add_note
from ..data.schema import InputRows
from ..data.series_state import SeriesState
from ..data.time_steps import insert_missing_steps
from .fitted import FittedForecaster, make_series_states
from .local import LocalModels
from .panels import PanelBuilder
from .training_data import TrainingData, to_training_data

logger = logging.getLogger("seqcast")


class UpdatedSeries(NamedTuple):
    """A series after an update.

    Attributes
    ----------
    state : SeriesState
    known : ndarray, shape (n, n_columns)
        The steps that were kept before the update, followed by the new steps.
    n_new : int
        The number of new steps.
    """

    state: SeriesState
    known: np.ndarray
    n_new: int


def update(
    fitted: FittedForecaster, X: Any, y: ArrayLike | None, method: str
) -> tuple[FittedForecaster, dict[Any, UpdatedSeries]]:
    """Add later rows to the known steps of a fitted forecaster.

    Rows that are known, with the same values, are skipped. An empty frame changes nothing.

    Parameters
    ----------
    fitted : FittedForecaster
    X, y
        The arguments of the estimator's method.
    method : str
        The name of the method, for messages.

    Returns
    -------
    fitted : FittedForecaster
        The forecaster whose forecasts start after the new rows. It includes the series that were not in fit.
    updated : dict of UpdatedSeries
        The series that have new rows, by id.
    """
    X = convert_input(X)
    if hasattr(X, "__len__") and len(X) == 0:
        return fitted, {}
    rows = fitted.schema.read(X, method)
    truth = fitted.schema.read_known_targets(rows, y, method)
    new_places = [
        places for id_, places in zip(rows.ids, rows.row_numbers, strict=True) if id_ not in fitted.series
    ]
    updated = _advance_series(fitted, rows, truth)
    fitted = fitted.with_series({id_: series.state for id_, series in updated.items()})
    if new_places:
        places = np.sort(np.concatenate(new_places))
        new = fitted.schema.read_new_series(rows, places, truth, method)
        fitted, added = _add_series(fitted, new, method)
        updated |= added
    return fitted, updated


def build_updated_panel(fitted: FittedForecaster, updated: dict[Any, UpdatedSeries], n_before: int) -> Panel:
    """Return a panel of the kept and the new steps of these series, padded to at least `n_before` steps."""
    grids: list[np.ndarray] = []
    clocks: list[int] = []
    for state, known, _ in updated.values():
        first = state.n_steps - len(known)
        grids.append(fitted.calendar_columns.insert(known, state.calendar, first))
        clocks.append(state.calendar.clock + first)
    return Panel.stack(grids, n_before, clocks).with_series_numbers(fitted.find_numbers(updated))


def _advance_series(fitted: FittedForecaster, rows: InputRows, truth: np.ndarray) -> dict[Any, UpdatedSeries]:
    """Return the series that were fitted before and have new rows, with their new states, by id.

    truth : ndarray, shape (n_rows, n_targets), in the order of the rows in the argument
    """
    builder = PanelBuilder(fitted)
    updated = {}
    for (id_, table), places in zip(rows, rows.row_numbers, strict=True):
        if id_ not in fitted.series:
            continue
        values = builder.arrange_columns(table)
        values[:, : fitted.n_targets] = truth[places]
        state, index = fitted.series[id_], table.index
        if fitted.schema.lacks_time_index(rows):
            steps, index = np.arange(len(index)), state.future(len(index))
        else:
            steps, state = state.merge(index, values, rows.caller)
        new = steps >= 0
        if not new.any():
            updated[id_] = UpdatedSeries(state, state.tail, 0)
            continue
        grid = insert_missing_steps(values[new], steps[new])
        known = builder.extend(state.tail, grid, 0)
        tail = fitted.memory.cut_tail(known, fitted.n_targets)
        updated[id_] = UpdatedSeries(state.advance(len(grid), index[new], tail), known, len(grid))
    return updated


def _add_series(
    fitted: FittedForecaster, rows: InputRows, method: str
) -> tuple[FittedForecaster, dict[Any, UpdatedSeries]]:
    """Add series that were not in fit.

    They are prepared as in fit, but nothing that all series share is learned from them.
    """
    if isinstance(fitted.model, LocalModels):
        raise ValueError(
            f"The column {fitted.schema.column_spec.id_col!r} of X in {fitted.owner}.{method} must hold "
            f"series that were fitted, since with scope='local' each has a model of its own. Got "
            f"{len(rows.ids)} others, such as {rows.ids[0]!r}. Fit with them, or use scope='global'."
        )
    data = _read_new(fitted, rows, method)
    data = data.select(fitted.rules.keep(data.ids, data.n_steps, fitted.lengths, method))
    if not data.ids:
        return fitted, {}
    states = make_series_states(data, fitted.memory)
    _check_stamps(states, fitted, method)
    logger.info("%s.%s: added the series %s", fitted.owner, method, ", ".join(map(repr, states)))
    errors = np.concatenate([fitted.naive_errors, data.compute_naive_errors()], axis=1)
    schema = fitted.schema.with_ids(fitted.series, data.ids)
    (model,) = fitted.models
    fitted = replace(fitted, schema=schema, model=model.add_series(data), naive_errors=errors)
    grids = zip(states.items(), data.grids, strict=True)
    updated = {id_: UpdatedSeries(state, grid, len(grid)) for (id_, state), grid in grids}
    return fitted.with_series(states), updated


def _read_new(fitted: FittedForecaster, rows: InputRows, method: str) -> TrainingData:
    """Return the rows of new series on the steps of calendars like those of the fitted series."""
    known = [state.calendar for state in fitted.series.values()]
    calendars = infer_calendars([table.index for table in rows.tables], known)
    caller, season = f"{fitted.owner}.{method}", fitted.lengths.season_length
    return to_training_data(rows, None, fitted.schema, season, calendars, caller)


def _check_stamps(states: dict[Any, SeriesState], fitted: FittedForecaster, method: str) -> None:
    """Check that the stamps of new series are of the same kind as those of the fitted series."""
    ours = next(iter(fitted.series.values())).future(1)
    for id_, state in states.items():
        with add_note(f"This is series {id_!r}."):
            # The next stamps of a series with one row may be unknown. Then it cannot be forecast: raise here.
            stamps = state.future(1)
            if _get_kind(stamps) != _get_kind(ours):
                raise TypeError(
                    f"The stamps of X in {fitted.owner}.{method} must be of the same kind as in fit, "
                    f"{ours.dtype}. Got {stamps.dtype} instead. Convert them with pd.to_datetime, tz_convert "
                    f"or tz_localize."
                )


def _get_kind(index: pd.Index) -> tuple[type, str]:
    """Return the type of an index and its time zone."""
    return type(index), str(getattr(index, "tz", None))
