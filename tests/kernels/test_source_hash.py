"""The hash of the sources of kernels."""

import pytest

from seqcast.kernels import source_hash
from seqcast.kernels.source_hash import COMPILED_PACKAGES, hash_sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name in COMPILED_PACKAGES:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "module.py").write_text("x = 1")
    monkeypatch.setattr(source_hash, "PACKAGE", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMPILED_PACKAGES)
def test_a_change_in_any_source_changes_the_hash(package, name):
    before = hash_sources.__wrapped__()
    assert hash_sources.__wrapped__() == before
    (package / name / "module.py").write_text("x = 2")
    changed = hash_sources.__wrapped__()
    (package / name / "module.py").rename(package / name / "renamed.py")
    assert len({before, changed, hash_sources.__wrapped__()}) == 3


def test_missing_sources_raise_an_error(package):
    (package / "cells" / "module.py").unlink()
    with pytest.raises(FileNotFoundError, match="no sources in"):
        hash_sources.__wrapped__()
