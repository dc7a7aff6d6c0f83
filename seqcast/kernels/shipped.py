"""Kernels that a wheel brings along: one shared library for each CPU target, and a manifest.

A library is used only if the manifest was made from the installed sources, for the same tables and interface,
and the library is the file that the manifest describes. Otherwise kernels are compiled on first use. The code
needs neither numba nor llvmlite, and does not depend on the version of Python.
"""

import ctypes
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .arguments import ARGUMENTS
from .cpu_target import HOST
from .source_hash import hash_sources
from .tables import LAYER, NETWORK

DIRECTORY = Path(__file__).with_name("shipped_libraries")
MANIFEST = "manifest.json"
# Increased if the signature or the meaning of the functions changes in a way that no hash shows.
INTERFACE = 1
# The function that numba's threading layer calls, see `cpu.workers`.
WORKER_SYMBOL = "seqcast_run_worker"


def symbol_of(name: str, cell_name: str | None) -> str:
    """Return the symbol of a kernel in a library."""
    return f"seqcast_{name}_{cell_name or 'any'}_float32"


def describe_tables() -> str:
    """Return a hash of the layouts of all tables that compiled code reads."""
    layouts = [repr((dtype.descr, dtype.itemsize)) for dtype in (ARGUMENTS, NETWORK, LAYER)]
    return hashlib.sha256("\n".join(layouts).encode()).hexdigest()


@dataclass(frozen=True)
class Shipped:
    """The shipped kernels of this process's CPU target, or the reason why there are none.

    Attributes
    ----------
    library : ctypes.CDLL or None
    symbols : frozenset of str
    reason : str
        Why the library is not used; empty if it is.
    manifest : dict
        The content of the manifest, empty if it cannot be read.
    path : Path or None
        The file of the library.
    """

    library: ctypes.CDLL | None
    symbols: frozenset[str]
    reason: str
    manifest: dict
    path: Path | None = None

    def find_address(self, symbol: str) -> int | None:
        """Return the address of a function, or None if it is not shipped."""
        if self.library is None or symbol not in self.symbols:
            return None
        return ctypes.cast(getattr(self.library, symbol), ctypes.c_void_p).value


@cache
def load_shipped() -> Shipped:
    """Load the library for this process's CPU target."""
    manifest: dict = {}
    try:
        manifest = json.loads((DIRECTORY / MANIFEST).read_text(encoding="utf-8"))
        path, symbols = _check(manifest)
        library = ctypes.CDLL(str(path))
        missing = [symbol for symbol in symbols if not hasattr(library, symbol)]
        if missing:
            raise ValueError(f"the library has no function {missing[0]}")
    except FileNotFoundError:
        return Shipped(None, frozenset(), "this installation has no shipped kernels", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        known = manifest if isinstance(manifest, dict) else {}
        return Shipped(None, frozenset(), f"shipped kernels were refused: {error}", known)
    return Shipped(library, frozenset(symbols), "", manifest, path)


def _check(manifest: dict) -> tuple[Path, list[str]]:
    """Return the library of this CPU target and its symbols; raise ValueError if they do not fit."""
    expected = {"interface": INTERFACE, "tables": describe_tables(), "sources": hash_sources().hex()}
    for name, value in expected.items():
        if manifest[name] != value:
            raise ValueError(f"{name} is {manifest[name]!r} in the manifest, and {value!r} here")
    if HOST.name not in manifest["targets"]:
        raise ValueError(f"there are none for the CPU target {HOST.name!r}")
    entry = manifest["targets"][HOST.name]
    path = DIRECTORY / Path(entry["file"]).name
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path.name} is damaged")
    if not all(isinstance(symbol, str) for symbol in entry["symbols"]):
        raise ValueError("symbols must be text")
    return path, list(entry["symbols"])
