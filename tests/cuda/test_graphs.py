"""Recorded launches, and CUDA graphs as far as they can be tested without a GPU."""

import gc
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from small_kernels import FakeDriver, add_number, reverse_all, simulator_only

from seqcast.kernels.cuda import driver as driver_module
from seqcast.kernels.cuda import graphs as graphs_module
from seqcast.kernels.cuda.compiler import cuda_kernel
from seqcast.kernels.cuda.graphs import CudaGraph
from seqcast.kernels.cuda.queue import Queue


def test_recorded_launches_run_when_replayed(queue):
    x, last = queue.zeros(3, np.float32), queue.zeros(3, np.float32)
    queue.for_each(add_number, 3, x, 0, 3)
    with queue.record() as graph:
        queue.copy(last, x)
        queue.for_each(add_number, 3, x, 1, 3)
        queue.for_each(add_number, 3, x, 10, 2)
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])
    for _ in range(3):
        graph.replay()
    np.testing.assert_array_equal(queue.download(x), [33, 33, 3])
    np.testing.assert_array_equal(queue.download(last), [22, 22, 2])


def test_clear_is_recorded(queue):
    x = queue.upload(np.float32([1, 2]))
    with queue.record() as graph:
        queue.clear(x)
    np.testing.assert_array_equal(queue.download(x), [1, 2])
    graph.replay()
    np.testing.assert_array_equal(queue.download(x), [0, 0])


def test_work_that_touches_the_host_cannot_be_recorded(queue):
    x = queue.zeros(3, np.float32)
    with queue.record():
        with pytest.raises(RuntimeError, match="Nothing can be made while"):
            queue.zeros(3, np.float32)
        with pytest.raises(RuntimeError, match="Nothing can be uploaded while"):
            queue.upload(np.zeros(3))
        with pytest.raises(RuntimeError, match="Nothing can be downloaded while"):
            queue.download(x)
        with pytest.raises(RuntimeError, match="Nothing can be copied while"):
            queue.copy(x, np.zeros(3, np.float32))
        with pytest.raises(RuntimeError, match="Nothing can be waited for while"):
            queue.synchronize()
        with pytest.raises(RuntimeError, match="Nothing can be recorded while"), queue.record():
            pass
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])


def test_new_kernel_cannot_be_recorded(queue):
    new = cuda_kernel(lambda x: None)
    with queue.record(), pytest.raises(RuntimeError, match="must run once before it is recorded"):
        queue.launch(new, 1, 1, 0)


def test_error_ends_the_recording(queue):
    with pytest.raises(KeyError), queue.record():
        raise KeyError
    queue.for_each(add_number, 3, x := queue.zeros(3, np.float32), 1, 3)
    np.testing.assert_array_equal(queue.download(x), [1, 1, 1])


def test_recorded_kernel_has_its_shared_memory(queue):
    x = queue.upload(np.arange(14_000, dtype=np.float32))
    queue.launch(reverse_all, 1, 4, x, 14_000, shared=56_000)
    with queue.record() as graph:
        queue.launch(reverse_all, 1, 4, x, 14_000, shared=56_000)
    graph.replay()
    np.testing.assert_array_equal(queue.download(x), np.arange(14_000))


def test_graph_keeps_its_arrays(queue):
    x, result = queue.upload(np.float32([1, 2])), queue.zeros(2, np.float32)
    queue.for_each(add_number, 2, x, 1, 2)
    with queue.record() as graph:
        queue.for_each(add_number, 2, x, 1, 2)
        queue.copy(result, x)
    del x
    others = [queue.zeros(2, np.float32) for _ in range(20)]
    graph.replay()
    np.testing.assert_array_equal(queue.download(result), [3, 4])
    assert all((queue.download(other) == 0).all() for other in others)


@simulator_only
def test_recording_holds_the_lock(queue):
    free = []

    def ask():
        free.append(queue.lock.acquire(blocking=False))

    with queue.record():
        (thread := threading.Thread(target=ask)).start()
        thread.join()
    assert free == [False]


@pytest.fixture
def fake_driver(monkeypatch):
    driver = FakeDriver()
    monkeypatch.setattr(graphs_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(driver_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(graphs_module, "wait_for_frees", driver.wait_for_frees)
    return driver


def make_fake_queue():
    stream, recorder = SimpleNamespace(handle="stream"), SimpleNamespace(handle="recorder")
    queue = SimpleNamespace(gpu=nullcontext(), stream=stream, recorder=recorder)
    queue.use_stream = lambda other: Queue.use_stream(queue, other)
    return queue


BEGIN = (
    ("wait_for_frees",),
    ("cuStreamBeginCapture", "recorder", "CU_STREAM_CAPTURE_MODE_RELAXED"),
)


END = ("cuStreamEndCapture", "recorder")


@simulator_only
def test_driver_records_replays_and_destroys_a_graph(fake_driver):
    queue = make_fake_queue()
    graph = CudaGraph(queue)
    with graph.record():
        assert not gc.isenabled()
        graph.add(lambda: fake_driver.launch(queue.stream.handle), ())
    assert gc.isenabled()
    assert queue.stream.handle == "stream"
    graph.replay()
    del graph
    assert fake_driver.calls == [
        *BEGIN,
        ("launch", "recorder"),
        END,
        ("cuGraphInstantiate", "cuStreamEndCapture", 0),
        ("cuGraphDestroy", "cuStreamEndCapture"),
        ("cuGraphLaunch", "cuGraphInstantiate", "stream"),
        ("cuGraphExecDestroy", "cuGraphInstantiate"),
    ]


@simulator_only
def test_driver_destroys_a_failed_recording(fake_driver):
    graph = CudaGraph(make_fake_queue())
    with pytest.raises(KeyError), graph.record():
        raise KeyError
    assert gc.isenabled()
    assert fake_driver.calls == [*BEGIN, END, ("cuGraphDestroy", "cuStreamEndCapture")]


@simulator_only
def test_error_while_destroying_a_graph_is_ignored(monkeypatch):
    def take_root(executable):
        raise driver_module.CudaAPIError(700, "an illegal address")

    monkeypatch.setattr(graphs_module, "cuda_driver", lambda: SimpleNamespace(cuGraphExecDestroy=take_root))
    graphs_module._destroy("graph")


@simulator_only
@pytest.mark.usefixtures("fake_driver")
def test_disabled_garbage_collector_stays_disabled():
    gc.disable()
    try:
        graph = CudaGraph(make_fake_queue())
        with graph.record():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
