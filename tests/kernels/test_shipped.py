"""Shipped kernels are used only if they fit the installed sources; otherwise kernels are compiled."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest

from seqcast.kernels import registry, shipped
from seqcast.kernels.cpu_target import HOST
from seqcast.kernels.registry import get_kernel, list_shipped
from seqcast.kernels.shipped import INTERFACE, describe_tables, load_shipped, symbol_of
from seqcast.kernels.source_hash import hash_sources

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
PACK = symbol_of("pack", None)
# A kernel whose result shows that it was called.
SOURCE = f"long long {PACK}(long long shard, long long table) {{ return 100 * shard + table; }}"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "kernels.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path], input=SOURCE, text=True, check=True
    )
    return path.read_bytes()


@pytest.fixture
def install(library, monkeypatch, tmp_path):
    """Return a function that installs a library with changes to the manifest, and loads it."""
    monkeypatch.setattr(shipped, "DIRECTORY", tmp_path)
    for module in (shipped, registry):
        monkeypatch.setattr(module, "load_shipped", load_shipped.__wrapped__)

    def run(content=library, target=(), **changes):
        entry = {"file": "kernels.so", "sha256": hashlib.sha256(library).hexdigest(), "symbols": [PACK]}
        manifest = {
            "interface": INTERFACE,
            "sources": hash_sources().hex(),
            "tables": describe_tables(),
            "targets": {HOST.name: entry | dict(target)},
        }
        (tmp_path / "kernels.so").write_bytes(content)
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | changes))
        return shipped.load_shipped()

    return run


def test_a_library_that_fits_is_used(install):
    found = install()
    assert (found.reason, found.symbols) == ("", {PACK})
    kernel = get_kernel.__wrapped__("pack", None, np.dtype("float32"))
    assert (kernel.origin, kernel.call(2, 5)) == ("shipped", 205)


def test_the_versions_of_the_build_do_not_matter(install):
    """Machine code depends on neither Python nor numba."""
    found = install(numba="0.1", llvmlite="0.1", python="2.7")
    assert (found.reason, found.manifest["numba"]) == ("", "0.1")


def test_functions_that_are_not_shipped_have_no_address(install):
    found = install()
    assert found.find_address(symbol_of("update", None)) is None
    kernel = get_kernel.__wrapped__("pack", None, np.dtype("float64"))
    assert kernel.origin == "compiled"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interface": INTERFACE + 1}, "interface is"),
        ({"sources": "0" * 64}, "sources is"),
        ({"tables": "0" * 64}, "tables is"),
        ({"targets": {}}, "there are none for the CPU target"),
        ({"targets": {HOST.name: {}}}, "'file'"),
        ({"targets": None}, "not iterable"),
        ({"target": {"sha256": "0" * 64}}, "damaged"),
        ({"target": {"file": "../kernels.so", "sha256": ""}}, "damaged"),
        ({"target": {"symbols": [PACK, "seqcast_missing"]}}, "no function seqcast_missing"),
        ({"target": {"symbols": [7]}}, "symbols must be text"),
        ({"target": {"symbols": None}}, "not iterable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_manifest_that_does_not_fit_is_refused(changes, reason, install):
    found = install(**changes)
    assert found.library is None
    assert found.find_address(PACK) is None
    assert found.reason.startswith("shipped kernels were refused: ")
    assert reason in found.reason


@pytest.mark.parametrize("field", ["interface", "sources", "tables", "targets"])
def test_a_manifest_without_a_field_is_refused(field, install, tmp_path):
    install()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest[field]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert shipped.load_shipped().library is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\xff"])
def test_a_damaged_manifest_is_refused(text, install, tmp_path):
    install()
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    found = shipped.load_shipped()
    assert (found.library, found.manifest) == (None, {})


def test_a_truncated_library_is_refused_before_it_is_loaded(install, library):
    assert "damaged" in install(content=library[:-100]).reason
    assert "damaged" in install(content=b"").reason


def test_an_edited_source_refuses_the_library(install, monkeypatch):
    monkeypatch.setattr(shipped, "hash_sources", lambda: b"of another source")
    assert "sources is" in install().reason


def test_without_a_manifest_kernels_are_compiled(install, tmp_path):
    install()
    (tmp_path / "manifest.json").unlink()
    assert shipped.load_shipped().reason == "this installation has no shipped kernels"


def test_disabled_compilation_uses_no_library(install, monkeypatch):
    install()
    monkeypatch.setattr(registry, "is_jit_disabled", lambda: True)
    assert get_kernel.__wrapped__("pack", None, np.dtype("float32")).origin == "python"


def test_all_kernels_of_built_in_cells_are_shipped():
    symbols = [symbol_of(name, cell and cell.name) for name, cell in list_shipped()]
    assert len(symbols) == len(set(symbols)) == 5 * 6 + 4
