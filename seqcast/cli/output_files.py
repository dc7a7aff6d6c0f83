"""Files that a command writes, all or none."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from .messages import CommandError
from .output_formats import check_plot_name, has_matplotlib, to_csv_text, to_image

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Outputs:
    """The output files of a command, which are checked before the fit and written together after it.

    Parameters
    ----------
    table, plot : str, optional
        Paths of the CSV file and of the figure.
    force : bool, default=False
        Whether to overwrite files.
    source : str, optional
        Path of the file that is read, which is never overwritten.
    """

    def __init__(
        self,
        table: str | None = None,
        plot: str | None = None,
        *,
        force: bool = False,
        source: str | None = None,
    ) -> None:
        self.table = table
        self.plot = plot
        self.force = force
        for path in (table, plot):
            if path is not None:
                _check_output(path, force, source)
        if plot is not None:
            _check_plot(plot, table)

    def write(self, frame: pd.DataFrame, draw: Callable[[], Figure]) -> list[str]:
        """Write the files, and return their names."""
        contents = {}
        if self.table is not None:
            contents[self.table] = to_csv_text(frame).encode()
        if self.plot is not None:
            contents[self.plot] = to_image(draw(), self.plot)
        for path in contents:
            # The file may have been created during the fit.
            _check_output(path, self.force)
        _write_all({os.path.realpath(path): content for path, content in contents.items()})
        return list(contents)


def plan_file_outputs(arguments: argparse.Namespace) -> Outputs:
    """Return the output files of a command, whose directories must exist."""
    for path in (arguments.out, arguments.plot):
        if path is not None:
            _check_folder(os.path.dirname(os.path.realpath(path)), path)
    return Outputs(arguments.out, arguments.plot, force=arguments.force, source=arguments.data)


def plan_demo_outputs(folder: str | None, force: bool) -> Outputs:
    """Return the output files of the demo, in a directory whose parent must exist."""
    if folder is None:
        return Outputs()
    path = os.path.realpath(folder)
    _check_folder(path if os.path.lexists(path) else os.path.dirname(path), folder)
    plot = os.path.join(folder, "forecast.png") if has_matplotlib() else None
    return Outputs(os.path.join(folder, "forecast.csv"), plot, force=force)


def _check_folder(folder: str, path: str) -> None:
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{path}: the directory {folder} is not writable")


def _check_output(path: str, force: bool, source: str | None = None) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isfile(path):
        raise CommandError(f"{path} exists and is not a regular file; choose another name")
    if source is not None and os.path.exists(source) and os.path.samefile(path, source):
        raise CommandError(f"{path} is the input file; choose another name for the output")
    if not force:
        raise CommandError(f"{path} exists already; --force overwrites it")


def _check_plot(plot: str, table: str | None) -> None:
    if table is not None and os.path.realpath(plot) == os.path.realpath(table):
        raise CommandError(f"{plot} cannot be both --out and --plot")
    check_plot_name(plot)


def _write_all(contents: dict[str, bytes]) -> None:
    """Write all files or none.

    The files are written under temporary names and then renamed. After a failure, all steps are undone.
    """
    new = {path: f"{path}.{os.getpid()}.tmp" for path in contents}
    with ExitStack() as undo:
        for path, content in contents.items():
            _make_folder(os.path.dirname(path), undo)
            with open(new[path], "xb") as file:
                undo.callback(os.remove, new[path])
                file.write(content)
        for path in contents:
            _move(new[path], path, undo)
        # Without a failure, nothing is undone.
        undo.pop_all()


def _make_folder(folder: str, undo: ExitStack) -> None:
    if not os.path.isdir(folder):
        os.mkdir(folder)
        undo.callback(os.rmdir, folder)


def _move(source: str, path: str, undo: ExitStack) -> None:
    old = Path(path).read_bytes() if os.path.exists(path) else None
    os.replace(source, path)
    if old is not None:
        undo.callback(Path(path).write_bytes, old)
    undo.callback(os.replace, path, source)
