"""Threads, forked and spawned processes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
import pytest
from layers import draw_call, make_layer

from seqcast.kernels import parallel
from seqcast.kernels.parallel import thread_count

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
SCRIPT = """
import multiprocessing, os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from seqcast import Recurrent
from seqcast.kernels import parallel
from seqcast.kernels.cpu_target import HOST
count_threads = parallel.thread_count
parallel.thread_count = lambda n_jobs, n_shards: 2  # threads, on a machine with one core too

def work(seed=0):
    layer = Recurrent("gru", 3, 4, dtype="float64", random_state=seed)
    output, _ = layer.forward(np.random.RandomState(seed).normal(size=(100, 9, 3)))
    return output.tobytes().hex()

def finish(process):
    process.join(60)
    assert process.exitcode == 0, process.exitcode
"""


@pytest.fixture(autouse=True)
def _at_least_two_threads(monkeypatch):
    monkeypatch.setattr(parallel, "thread_count", lambda n_jobs, n_shards: 2)


def make_case(n_rows=100):
    layer = make_layer("gru")
    return layer, draw_call(layer, np.random.default_rng(0).integers(0, 10, n_rows), n_steps=9)


def test_python_threads_may_call_at_once(monkeypatch):
    """Eight threads use four layers; one of them uses the threading layer."""
    layer, call = make_case()
    expected = layer.forward(**call)[0]
    layers, start, calls = [make_layer("gru") for _ in range(4)], threading.Barrier(8), []
    real = parallel._run_parallel
    monkeypatch.setattr(
        parallel, "_run_parallel", lambda *arguments: calls.append(real(*arguments)) or calls[-1]
    )

    def work(number):
        start.wait()
        return [layers[number % 4].forward(**call)[0] for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        for outputs in pool.map(work, range(8)):
            for output in outputs:
                np.testing.assert_array_equal(output, expected)
    assert len(calls) == 160
    assert True in calls


def test_a_second_call_uses_one_thread():
    layer, call = make_case()
    expected = layer.forward(**call)[0]
    with parallel._entered:  # as if another thread were inside
        np.testing.assert_array_equal(layer.forward(**call)[0], expected)
    assert not parallel._entered.locked()


def test_the_number_of_threads_of_numba_is_restored():
    layer, call = make_case()
    before = nb.get_num_threads()
    layer.forward(**call)
    assert nb.get_num_threads() == before
    assert not parallel._entered.locked()


def test_a_child_of_a_parallel_process_uses_one_thread(monkeypatch):
    layer, call = make_case()
    expected = layer.forward(**call)[0]
    assert parallel._parallel_process is not None
    monkeypatch.setattr(parallel, "_parallel_process", -1)
    monkeypatch.setattr(parallel, "_entered", None)  # must not even be asked for
    np.testing.assert_array_equal(layer.forward(**call)[0], expected)


@needs_fork
@pytest.mark.parametrize("layer", ["workqueue", "omp", "default"])
def test_threads_and_forks_on_every_threading_layer(layer, run_python):
    """Numba's workqueue aborts a process with two threads in it, and omp aborts forked children."""
    main = """
expected = [work(seed) for seed in range(4)]
assert parallel._parallel_process == os.getpid()
with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(work, [0, 1, 2, 3] * 5)) == expected * 5

pid = os.fork()
if pid == 0:
    os._exit(0 if [work(seed) for seed in range(4)] == expected else 1)
_, status = os.waitpid(pid, 0)
assert status == 0, status
assert work(1) == expected[1]
print("done", len(set(expected)))
"""
    if layer == "omp":
        pytest.importorskip("numba.np.ufunc.omppool")
    assert run_python(SCRIPT + main, NUMBA_THREADING_LAYER=layer, PYTHONWARNINGS="ignore") == "done 4"


@needs_fork
def test_a_forked_child_may_be_the_first_to_compute(run_python):
    main = """
fork = multiprocessing.get_context("fork")
def child():
    assert work(0) == work(0)
process = fork.Process(target=child)
process.start()
finish(process)
print(len(work(0)))
"""
    assert run_python(SCRIPT + main) == str(100 * 9 * 4 * 8 * 2)


def test_a_spawned_child_gives_the_same_numbers(run_python, tmp_path):
    main = """
if __name__ == "__main__":
    expected = [work(0), work(1)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(work, [0, 1]) == expected
    print("done")
"""
    script = tmp_path / "spawning.py"
    script.write_text(SCRIPT + main)
    runner = f"import runpy, sys; sys.argv = ['spawning.py']; sys.path.insert(0, {str(tmp_path)!r})\n"
    assert run_python(runner + f"runpy.run_path({str(script)!r}, run_name='__main__')") == "done"


def test_one_thread_is_enough(run_python):
    layer = make_layer("gru", random_state=0)
    x = np.random.RandomState(0).normal(size=(100, 9, 3))
    expected = layer.forward(x)[0].tobytes().hex()
    assert run_python(SCRIPT + "print(work(0))", NUMBA_NUM_THREADS=1) == expected


@pytest.mark.parametrize(
    ("n_jobs", "expected"), [(1, 1), (3, 3), (9, 9), (-1, 4), (-2, 3), (-4, 1), (-5, 1), (-99, 1)]
)
def test_n_jobs_counts_as_in_joblib(n_jobs, expected, monkeypatch):
    monkeypatch.setattr(nb.config, "NUMBA_NUM_THREADS", 4)
    assert thread_count(n_jobs) == expected


def test_no_n_jobs_follows_the_users_number_of_threads(run_python):
    script = """
import numba
from seqcast.kernels.parallel import thread_count
print(thread_count(None))
numba.set_num_threads(2)
print(thread_count(None), thread_count(-1), thread_count(-2))
"""
    assert run_python(script, NUMBA_NUM_THREADS=3).split() == ["3", "2", "3", "2"]


@needs_fork
@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_a_child_of_a_process_that_counted_threads_can_work(layer, run_python):
    """Counting starts the threads, which forked children of OpenMP must not use."""
    main = """
assert count_threads(None) == 2
pid = os.fork()
if pid == 0:
    os._exit(0 if len(work(0)) == 100 * 9 * 4 * 8 * 2 else 1)
_, status = os.waitpid(pid, 0)
print("status", status)
"""
    if layer == "omp":
        pytest.importorskip("numba.np.ufunc.omppool")
    environment = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": 2, "PYTHONWARNINGS": "ignore"}
    assert run_python(SCRIPT + main, **environment) == "status 0"


SPIN_SCRIPT = """
import ctypes, os
from seqcast.kernels import parallel
seen = []
import numba
numba.get_num_threads = lambda: seen.append(os.environ.get("GOMP_SPINCOUNT"))
parallel._load_threads()
print(seen, os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "['1000'] None"),
        ({"GOMP_SPINCOUNT": "7"}, "['7'] 7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "[None] None"),
    ],
)
def test_waiting_threads_spin_little_unless_the_user_chose(run_python, monkeypatch, chosen, expected):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert run_python(SPIN_SCRIPT).strip() == expected
