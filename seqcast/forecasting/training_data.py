"""The arguments of ``fit``, read once: a schema, and each series on the steps of its calendar."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..data.calendar import Calendar, infer_calendars
from ..data.naive_errors import seasonal_naive_errors
from ..data.roles import ColumnSpec
from ..data.schema import InputRows, Schema, read_fit_arguments
from ..data.tables import Table
from ..data.time_steps import insert_missing_steps, step_numbers


@dataclass(frozen=True)
class TrainingData:
    """Series to learn from.

    Attributes
    ----------
    schema : Schema
    season_length : int
    ids : list
        The ids of the series; None for the only series of a wide frame.
    calendars : list of Calendar
    last_labels : list of labels
        The label of each series' last step.
    grids : list of ndarray, shape (n_steps, n_columns)
        Targets, then covariates, at each step of the calendar; NaN where nothing was observed.
    weights : list of ndarray, shape (n_steps,), or None
        The weight of each step as a target.
    """

    schema: Schema
    season_length: int
    ids: list[Any]
    calendars: list[Calendar]
    last_labels: list[Hashable]
    grids: list[np.ndarray]
    weights: list[np.ndarray] | None

    @property
    def n_targets(self) -> int:
        return len(self.schema.roles.targets)

    @property
    def n_steps(self) -> list[int]:
        """The length of each series."""
        return [len(grid) for grid in self.grids]

    def select(self, numbers: Sequence[int]) -> TrainingData:
        """Return the series with these numbers."""
        return replace(
            self,
            ids=[self.ids[k] for k in numbers],
            calendars=[self.calendars[k] for k in numbers],
            last_labels=[self.last_labels[k] for k in numbers],
            grids=[self.grids[k] for k in numbers],
            weights=None if self.weights is None else [self.weights[k] for k in numbers],
        )

    def make_future_labels(self, number: int, n: int) -> pd.Index:
        """Return the `n` labels that follow the last one of the series with this number."""
        return self.calendars[number].future(self.last_labels[number], n)

    def compute_naive_errors(self) -> np.ndarray:
        """Return mean absolute and root mean squared seasonal naive errors, (2, n_series, n_targets)."""
        targets = [grid[:, : self.n_targets] for grid in self.grids]
        return np.stack([seasonal_naive_errors(values, self.season_length) for values in targets], axis=1)


def read_training_data(
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    spec: ColumnSpec,
    season_length: int | None,
    owner: str,
) -> TrainingData:
    """Read the arguments of ``fit``.

    Parameters
    ----------
    X, y, sample_weight
        The arguments.
    spec : ColumnSpec
        The parameters of the estimator that concern columns.
    season_length : int or None
        The parameter of the estimator; None for the most frequent season of the indexes.
    owner : str
        Name of the estimator, for messages.

    Raises
    ------
    ValueError, TypeError
        See `read_fit_arguments`. ValueError is also raised if an index does not follow its calendar.
    """
    schema, rows = read_fit_arguments(X, y, spec, owner)
    calendars = infer_calendars([table.index for table in rows.tables])
    if season_length is None:
        seasons = [calendar.season_length for calendar in calendars]
        season_length = max(set(seasons), key=seasons.count)
    return to_training_data(rows, sample_weight, schema, season_length, calendars, f"{owner}.fit")


def to_training_data(
    rows: InputRows,
    sample_weight: ArrayLike | None,
    schema: Schema,
    season_length: int,
    calendars: list[Calendar],
    caller: str,
) -> TrainingData:
    """Return training data with the rows of each series at the steps of its calendar.

    caller : the estimator and its method, for messages.
    """
    triples = zip(calendars, rows.tables, rows.ids, strict=True)
    steps = [
        step_numbers(calendar, table.index, "" if id_ is None else f" of series {id_!r}", caller)
        for calendar, table, id_ in triples
    ]
    return TrainingData(
        schema,
        season_length,
        ids=rows.ids,
        calendars=calendars,
        last_labels=[table.index[-1] for table in rows.tables],
        grids=[_to_grid(table, own, schema) for table, own in zip(rows.tables, steps, strict=True)],
        weights=rows.align_weights(sample_weight, steps, caller),
    )


def _to_grid(table: Table, steps: np.ndarray, schema: Schema) -> np.ndarray:
    """Return the columns at each step, shape (n_steps, n_columns).

    Missing steps are NaN, except for static columns.
    """
    grid = insert_missing_steps(table.values, steps)
    static = schema.roles.layout.static_slice
    if schema.roles.static:
        grid = grid.copy()
        grid[:, static] = table.values[-1, static]
    return grid
