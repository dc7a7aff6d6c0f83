"""Compiled kernels on disk: they are reused, never stale, and never cause an error."""

import ast
import compileall
import hashlib
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from layers import make_layer

import seqcast
from seqcast.kernels import source_hash
from seqcast.kernels.cpu import cache
from seqcast.kernels.cpu.cache import KernelCache, cache_directory, source_stamp
from seqcast.kernels.source_hash import COMPILED_PACKAGES, hash_sources

PACKAGE = Path(seqcast.__file__).parent
FORWARD = """
import numpy as np
from seqcast import Recurrent
layer = Recurrent("rnn", 3, 4, dtype="float64", random_state=0)
print(float(layer.forward(np.ones((2, 5, 3)))[0].sum()).hex())
"""
PACK = """
from seqcast import Recurrent
print(float(Recurrent("rnn", 3, 4, random_state=0)._network.packed().sum()).hex())
"""
WITHOUT_COMPILING = "from seqcast.kernels.cpu.cache import KernelCache; KernelCache.save_overload = None\n"


@pytest.fixture(scope="module")
def filled(run_python, tmp_path_factory):
    """Return a cache that two processes filled at the same time, and what they printed."""
    folder = tmp_path_factory.mktemp("cache") / "not" / "yet"
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda script: run_python(script, SEQCAST_CACHE_DIR=folder), [FORWARD] * 2)
    assert one == other
    return folder, one


@pytest.fixture
def own_copy(filled, tmp_path):
    folder, printed = filled
    shutil.copytree(folder, tmp_path / "cache")
    return tmp_path / "cache", printed


def flip_a_bit(content):
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def state(folder):
    """Return time and content of each file by its name."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_two_processes_fill_one_cache(filled):
    folder, _ = filled
    kinds = sorted(path.name.split("-")[0] for path in folder.iterdir())
    assert kinds == ["forward", "pack"]  # one file for each, and no temporary one left
    for path in folder.iterdir():
        content = path.read_bytes()
        assert path.suffix == ".kernel"
        assert hashlib.sha256(content[32:]).digest() == content[:32]


def test_another_process_loads_and_writes_nothing(own_copy, run_python):
    folder, printed = own_copy
    before = state(folder)
    assert run_python(WITHOUT_COMPILING + FORWARD, SEQCAST_CACHE_DIR=folder) == printed
    assert state(folder) == before


def test_damaged_files_are_ignored_and_written_anew(own_copy, run_python):
    folder, printed = own_copy
    # The smallest kernel: the others take longer to compile again, and are read by the same function.
    (pack,) = folder.glob("pack-*")
    pack.write_bytes(flip_a_bit(pack.read_bytes()))
    before = state(folder)
    assert run_python(FORWARD, SEQCAST_CACHE_DIR=folder) == printed
    after = state(folder)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == [pack.name]
    assert run_python(WITHOUT_COMPILING + FORWARD, SEQCAST_CACHE_DIR=folder) == printed


def test_a_changed_helper_is_compiled_anew(own_copy, run_python, tmp_path):
    """The file of the kernel itself does not change, only the file of a cell."""
    folder, printed = own_copy
    before = state(folder)
    shutil.copytree(PACKAGE, tmp_path / "seqcast", ignore=shutil.ignore_patterns("__pycache__", "datasets"))
    source = tmp_path / "seqcast" / "cells" / "rnn.py"
    text = source.read_text()
    assert text.count("h = tanh(z[0])") == 1
    source.write_text(text.replace("h = tanh(z[0])", "h = tanh(z[0] + z[0])"))
    changed = run_python(FORWARD, first_on_path=tmp_path, SEQCAST_CACHE_DIR=folder)
    layer = make_layer("rnn")
    for weight in layer.weights.values():
        weight *= 2
    expected = layer.forward(np.ones((2, 5, 3)))[0].sum()
    assert float.fromhex(changed) == pytest.approx(expected, rel=1e-14)
    assert float.fromhex(printed) != pytest.approx(expected, rel=1e-3)
    after = state(folder)
    assert len(after) == 2 * len(before)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_a_folder_that_can_not_be_written_costs_only_time(place, run_python, tmp_path):
    (tmp_path / "file").write_text("no folder")
    expected = make_layer("rnn", "float32")._network.packed().sum()
    assert float.fromhex(run_python(PACK, SEQCAST_CACHE_DIR=tmp_path / place)) == expected
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_user_without_a_home_can_work(run_python):
    """Some containers run with a user number without an entry in the list of users."""
    nobody = """
import os, pathlib
def no_home(*arguments):
    raise RuntimeError("Could not determine home directory.")
pathlib.Path.home = no_home
for name in ("SEQCAST_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
    os.environ.pop(name, None)
"""
    expected = make_layer("rnn", "float32")._network.packed().sum()
    assert float.fromhex(run_python(nobody + PACK)) == expected


@pytest.mark.parametrize(
    "problem", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")]
)
def test_a_file_that_can_not_be_written_leaves_nothing_behind(problem, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))

    def fail(*arguments):
        raise problem

    monkeypatch.setattr(cache.os, "replace", fail)
    KernelCache("kernel").save_overload("s", RESULT)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        KernelCache("kernel").save_overload("s", RESULT)
    assert list(tmp_path.iterdir()) == []


def is_open(path):
    """Return whether this process has the file open."""
    for descriptor in range(256):
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return True
        except OSError:
            continue
    return False


def test_a_file_is_closed_before_it_is_moved(monkeypatch, tmp_path):
    """Windows does not move open files."""
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))
    move, open_when_moved = os.replace, []
    with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        assert is_open(file.name)
    monkeypatch.setattr(
        cache.os, "replace", lambda *paths: open_when_moved.append(is_open(paths[0])) or move(*paths)
    )
    KernelCache("kernel").save_overload("s", RESULT)
    assert open_when_moved == [False]
    assert [path.suffix for path in tmp_path.iterdir()] == [".kernel"]


# -- files that nobody asks for any more

DAY = 24 * 3600


def aged(path, days):
    """Return a file last written `days` ago."""
    path.write_bytes(b"")
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def age(path):
    return (time.time() - path.stat().st_mtime) / DAY


def test_saving_deletes_kernels_unused_for_90_days(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))
    aged(tmp_path / "old.kernel", 91)
    kept = {aged(tmp_path / "used.kernel", 89), aged(tmp_path / "not_ours.txt", 1000)}
    KernelCache("new").save_overload("s", RESULT)
    left = set(tmp_path.iterdir())
    assert kept < left
    assert {path.name.split("-")[0] for path in left - kept} == {"new"}


def test_a_kernel_that_another_process_deletes_first_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))
    old = [aged(tmp_path / f"{name}.kernel", 91) for name in "ab"]
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path: (unlink(path), unlink(path)))  # they, then we
    KernelCache("new").save_overload("s", RESULT)
    assert not any(path.exists() for path in old)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("days", "expected"), [(2, 0), (0.9, 0.9)])
def test_loading_marks_a_kernel_as_used_once_a_day(days, expected, monkeypatch, tmp_path):
    path = loadable(monkeypatch, tmp_path, days)
    assert KernelCache("kernel").load_overload("s", TARGET) == ["machine code"]
    assert age(path) == pytest.approx(expected, abs=0.01)


def test_a_kernel_that_can_not_be_marked_is_loaded(monkeypatch, tmp_path):
    def fail(*arguments):
        raise PermissionError(13, "Permission denied")

    path = loadable(monkeypatch, tmp_path, days=2)
    monkeypatch.setattr(cache.os, "utime", fail)
    assert KernelCache("kernel").load_overload("s", TARGET) == ["machine code"]
    assert age(path) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    "damage", [flip_a_bit, lambda content: content[:-1], lambda content: b""], ids=["bit", "end", "all"]
)
def test_damaged_files_are_not_loaded(damage, monkeypatch, tmp_path):
    path = loadable(monkeypatch, tmp_path, days=0)
    path.write_bytes(damage(path.read_bytes()))
    found = KernelCache("kernel")
    assert found.load_overload("s", TARGET) is None
    found.release()


def loadable(monkeypatch, folder, days):
    """Return the file of a kernel saved `days` ago, which `load_overload` can load."""
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(folder))
    monkeypatch.setattr(
        cache, "CompileResult", SimpleNamespace(_rebuild=lambda target, *payload: list(payload))
    )
    KernelCache("kernel").save_overload("s", RESULT)
    (path,) = folder.iterdir()
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


CODEGEN = SimpleNamespace(magic_tuple=lambda: ("triple", "cpu", "features"))
RESULT = SimpleNamespace(signature="s", codegen=CODEGEN, _reduce=lambda: ("machine code",))
TARGET = SimpleNamespace(codegen=lambda: CODEGEN, refresh=lambda: None)


# -- what the name of a file stands for


def test_all_that_the_machine_code_depends_on_is_in_the_name(monkeypatch):
    def names(variant="v", signature="s", magic=("m",)):
        codegen = SimpleNamespace(magic_tuple=lambda: magic)
        return KernelCache(variant).path(signature, codegen).name

    monkeypatch.setattr(cache, "source_stamp", lambda: b"1")
    found = [names(), names("w"), names(signature="t"), names(magic=("n",))]
    monkeypatch.setattr(cache, "source_stamp", lambda: b"2")
    found.append(names())
    assert len(set(found)) == 5
    assert found[0].startswith("v-")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (cache.numba, "__version__"),
        (cache.llvmlite, "__version__"),
        (cache.np, "__version__"),
        (cache.sys, "version"),
        (cache.config, "OPT"),
        (cache.config, "BOUNDSCHECK"),
    ],
)
def test_versions_and_settings_are_in_the_stamp(owner, name, monkeypatch):
    now = source_stamp.__wrapped__()
    assert source_stamp.__wrapped__() == now
    monkeypatch.setattr(owner, name, "another")
    assert source_stamp.__wrapped__() != now


def test_the_vectors_of_the_machine_are_in_the_stamp(monkeypatch):
    now = source_stamp.__wrapped__()
    monkeypatch.setattr(cache.llvm, "get_host_cpu_features", lambda: SimpleNamespace(flatten=lambda: "+avx"))
    assert source_stamp.__wrapped__() != now


def packed_as(kind, folder):
    """Return a copy of the package without readable sources, as an entry of the path."""
    place = folder / "installed"
    shutil.copytree(PACKAGE, place / "seqcast", ignore=shutil.ignore_patterns("__pycache__", "datasets"))
    if kind == "zip":
        return shutil.make_archive(str(folder / "installed"), "zip", place)
    compileall.compile_dir(place, quiet=1, legacy=True)
    for source in place.rglob("*.py"):
        source.unlink()
    return place


@pytest.mark.parametrize("kind", ["zip", "pyc"])
def test_without_sources_nothing_is_cached(kind, run_python, tmp_path):
    """Kernels of the next version could not be distinguished from those of this one."""
    expected = make_layer("rnn", "float32")._network.packed().sum()
    script = PACK + "import seqcast\nassert 'installed' in seqcast.__file__"
    found = run_python(
        script, first_on_path=packed_as(kind, tmp_path), SEQCAST_CACHE_DIR=tmp_path / "kernels"
    )
    assert float.fromhex(found) == expected
    assert not list(tmp_path.rglob("*.kernel"))


@pytest.mark.parametrize(("place", "expected"), [("kernels/below", True), ("file/below", False)])
def test_whether_kernels_are_kept_is_known(place, expected, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path / place))
    assert cache.is_writable() is expected
    assert not list((tmp_path / place).glob("*"))


def test_without_sources_kernels_are_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "source_stamp", source_stamp.__wrapped__)
    monkeypatch.setattr(cache, "hash_sources", hash_sources.__wrapped__)
    monkeypatch.setattr(source_hash, "COMPILED_PACKAGES", ("cells", "nowhere"))
    assert cache.is_writable() is False


def test_compiled_packages_import_no_other():
    """All compiled code is in packages that the hash covers."""
    for package in COMPILED_PACKAGES:
        for path in (PACKAGE / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert imported_package(node, package) in {None, "cells", "kernels"}, path


def imported_package(node, package):
    """Return the subpackage of seqcast that a statement imports, or None."""
    if isinstance(node, ast.ImportFrom) and node.level:
        here = ["seqcast", *package.split("/")]
        return [*here[: len(here) + 1 - node.level], *(node.module or "").split(".")][1]
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        names = [node.module]
    return next((name for name in names if name.split(".")[0] == "seqcast"), None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SEQCAST_CACHE_DIR": "own", "NUMBA_CACHE_DIR": "numba", "XDG_CACHE_HOME": "xdg"}, "own"),
        ({"NUMBA_CACHE_DIR": "numba", "XDG_CACHE_HOME": "xdg"}, os.path.join("numba", "seqcast")),
        ({"XDG_CACHE_HOME": "xdg"}, os.path.join("xdg", "seqcast")),
        ({"XDG_CACHE_HOME": ""}, os.path.join("home", ".cache", "seqcast")),
        ({}, os.path.join("home", ".cache", "seqcast")),
    ],
)
def test_the_environment_names_the_folder(environment, expected, monkeypatch):
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    for name in ("SEQCAST_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_directory() == Path(expected)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("darwin", ("home", "Library", "Caches", "seqcast")),
        ("win32", ("home", "AppData", "Local", "seqcast")),
    ],
)
def test_each_system_has_its_folder(platform, expected, monkeypatch):
    monkeypatch.setattr(cache.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    for name in ("SEQCAST_CACHE_DIR", "NUMBA_CACHE_DIR", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert cache_directory() == Path(*expected)


SEARCH = """
import warnings
import numpy as np
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from seqcast import SeqForecaster
warnings.simplefilter("ignore")
series = np.sin(np.arange(300.0))
model = SeqForecaster(4, 8, max_iter=2, random_state=0)
search = GridSearchCV(model, {"hidden_size": [4, 8]}, cv=TimeSeriesSplit(3), n_jobs=N_JOBS).fit(series)
print(search.cv_results_["mean_test_score"].tolist())
"""


@pytest.mark.slow
def test_a_search_on_two_workers_compiles_each_kernel_once(run_python, tmp_path):
    """Both workers need the same kernels at the same time, so one of them waits for the other."""
    count = "import seqcast.kernels.cpu.cache as c; save = c._write_whole\n"
    count += "def counted(path, content): open(path.parent / 'written', 'a').write(path.name + chr(10)); "
    count += "save(path, content)\nc._write_whole = counted\n"
    (tmp_path / "counting.py").write_text(count)
    (tmp_path / "sitecustomize.py").write_text("import counting\n")
    alone = run_python(SEARCH.replace("N_JOBS", "1"), SEQCAST_CACHE_DIR=tmp_path / "alone")
    together = run_python(
        SEARCH.replace("N_JOBS", "2"),
        first_on_path=tmp_path,
        SEQCAST_CACHE_DIR=tmp_path / "together",
    )
    assert together == alone
    written = (tmp_path / "together" / "written").read_text().split()
    assert len(written) == len(set(written)) > 4
