"""The files that a command writes, whole or not at all, and those that it spares."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from .formats import check_picture_name, csv_text, has_matplotlib, image
from .messages import CommandError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Outputs:
    """The files of a command: checked before the long fit, and written together when all is done."""

    def __init__(
        self,
        table: str | None = None,
        plot: str | None = None,
        *,
        force: bool = False,
        source: str | None = None,
    ) -> None:
        self.table, self.plot, self.force = table, plot, force
        for path in (table, plot):
            if path is not None:
                _check_output(path, force, source)
        if plot is not None:
            _check_picture(plot, table)

    def write(self, frame: pd.DataFrame, draw: Callable[[], Figure]) -> list[str]:
        """Write what was asked for; return the names of the files."""
        contents = {}
        if self.table is not None:
            contents[self.table] = csv_text(frame).encode()
        if self.plot is not None:
            contents[self.plot] = image(draw(), self.plot)
        for path in contents:
            _check_output(path, self.force)  # it may have come while the network was fitted
        _write_whole({os.path.realpath(path): content for path, content in contents.items()})
        return list(contents)


def file_outputs(arguments: argparse.Namespace) -> Outputs:
    """Return the files that were named, in folders that must be there."""
    for path in (arguments.out, arguments.plot):
        if path is not None:
            _check_folder(os.path.dirname(os.path.realpath(path)), path)
    return Outputs(arguments.out, arguments.plot, force=arguments.force, source=arguments.data)


def demo_outputs(folder: str | None, force: bool) -> Outputs:
    """Files in a folder that may be missing, but not the one around it."""
    if folder is None:
        return Outputs()
    place = os.path.realpath(folder)
    _check_folder(place if os.path.lexists(place) else os.path.dirname(place), folder)
    picture = os.path.join(folder, "forecast.png") if has_matplotlib() else None
    return Outputs(os.path.join(folder, "forecast.csv"), picture, force=force)


def _check_folder(folder: str, path: str) -> None:
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{path}: the directory {folder} may not be written to")


def _check_output(path: str, force: bool, source: str | None = None) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isfile(path):
        raise CommandError(f"{path} exists and is not a plain file; choose another name")
    if source is not None and os.path.exists(source) and os.path.samefile(path, source):
        raise CommandError(f"{path} is the file to be read; choose another name for the output")
    if not force:
        raise CommandError(f"{path} exists already; --force overwrites it")


def _check_picture(plot: str, table: str | None) -> None:
    if table is not None and os.path.realpath(plot) == os.path.realpath(table):
        raise CommandError(f"{plot} cannot be both --out and --plot")
    check_picture_name(plot)


def _write_whole(contents: dict[str, bytes]) -> None:
    """Write all files or none: beside their places first, then moved there; a failure undoes every step."""
    new = {path: f"{path}.{os.getpid()}.tmp" for path in contents}
    with ExitStack() as undo:
        for path, content in contents.items():
            _make_folder(os.path.dirname(path), undo)
            with open(new[path], "xb") as file:
                undo.callback(os.remove, new[path])
                file.write(content)
        for path in contents:
            _move(new[path], path, undo)
        undo.pop_all()  # all is well: there is nothing to undo


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
