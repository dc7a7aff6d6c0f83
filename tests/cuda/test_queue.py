"""The queue, and the simulator as these tests run it."""

import gc
import math
import threading
import time
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from numba import float32

from seqcast.kernels.cuda import driver as driver_module
from seqcast.kernels.cuda import queue as queue_module
from seqcast.kernels.cuda.compiler import (
    SIMULATED,
    cuda,
    cuda_kernel,
    device_function,
)
from seqcast.kernels.cuda.driver import free_from_any_thread, opt_in
from seqcast.kernels.cuda.queue import CudaGraph, Queue, limits_of, queue_of
from seqcast.kernels.cuda.shapes import Gpu
from seqcast.kernels.parallel import worker_of

strict = pytest.mark.skipif(not SIMULATED, reason="a GPU says nothing")


@cuda_kernel
def add(x, number, n):
    i = cuda.grid(1)
    if i < n:
        x[i] += number


@cuda_kernel
def reverse(x, with_barrier):
    """Each block reverses its part through shared memory."""
    memory = cuda.shared.array(0, float32)
    i, n = cuda.threadIdx.x, cuda.blockDim.x
    memory[i] = x[cuda.grid(1)]
    if with_barrier:
        cuda.syncthreads()
    x[cuda.grid(1)] = memory[n - 1 - i]


@cuda_kernel
def turn(x, n):
    """The one block turns n numbers round through shared memory."""
    memory = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        memory[i] = x[i]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        x[i] = memory[n - 1 - i]


@cuda_kernel
def misplaced_barriers(x, kind):
    if kind == 0 and cuda.threadIdx.x > 0:
        return
    if kind == 1 and cuda.threadIdx.x > 0:
        cuda.syncthreads()
    else:
        cuda.syncthreads()


@cuda_kernel
def read_nothing(x):
    one, two = cuda.shared.array(1, float32), cuda.shared.array(2, float32)
    three = cuda.local.array(1, float32)
    x[0], x[1], x[2] = one[0], two[0], three[0]
    one[0] = two[0] = x[0] + 1


@cuda_kernel
def read_in_front(x):
    x[0] = x[cuda.threadIdx.x - 1]


@cuda_kernel
def fail(x):
    x[0] = math.sqrt(x[cuda.threadIdx.x] - 2)


def test_for_each_runs_a_thread_for_each_and_the_kernel_checks_its_bound(queue):
    x = queue.zeros(70, np.float32)
    queue.for_each(add, 70, x, 1, 50)
    np.testing.assert_array_equal(queue.download(x), np.arange(70) < 50)


@pytest.mark.parametrize("blocks", [0, (2, 0)])
def test_no_blocks_are_no_launch(queue, blocks):
    x = queue.zeros(3, np.float32)
    queue.launch(add, blocks, 32, x, 1, 3)
    queue.for_each(add, 0, x, 1, 3)
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])


def test_arrays_go_up_and_down_as_copies(queue):
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    there = queue.upload(array[:, ::2])
    array[:] = 7
    back = queue.download(there)
    np.testing.assert_array_equal(back, [[0, 2], [3, 5]])
    assert back.dtype == np.int64


def test_arrays_without_numbers_are_arrays_too(queue):
    empty = queue.zeros(0, np.float32)
    queue.clear(empty)
    assert queue.download(empty).shape == (0,)
    assert queue.download(queue.upload(np.empty((2, 0)))).shape == (2, 0)


def test_copies_come_from_host_and_device(queue):
    one, other = queue.zeros(3, np.float32), queue.upload(np.float32([1, 2, 3]))
    queue.copy(one, other)
    queue.copy(other, np.float32([4, 5, 6]))
    np.testing.assert_array_equal(queue.download(one), [1, 2, 3])
    np.testing.assert_array_equal(queue.download(other), [4, 5, 6])


def test_copies_go_to_the_beginning(queue):
    there = queue.upload(np.float32([1, 2, 3]))
    queue.copy(there, np.float32([4, 5]))
    np.testing.assert_array_equal(queue.download(there), [4, 5, 3])
    queue.copy(there, queue.upload(np.float32([6])))
    np.testing.assert_array_equal(queue.download(there), [6, 5, 3])
    with pytest.raises(ValueError, match="4 numbers do not fit into 3"):
        queue.copy(there, np.zeros(4, np.float32))


def test_what_is_copied_is_kept_until_all_is_done(queue):
    queue.synchronize()
    there = queue.upload(np.zeros(3, np.float32))
    queue.copy(there, np.ones(3, np.float32))
    np.testing.assert_array_equal(queue._sources, [[0, 0, 0], [1, 1, 1]])
    queue.download(there)
    assert queue._sources == []
    queue.upload(np.zeros(3))
    queue.synchronize()
    assert queue._sources == []


class OutOfMemory(driver_module.CudaAPIError):
    def __init__(self, name="CUDA_ERROR_OUT_OF_MEMORY"):
        self.code, self.msg = SimpleNamespace(name=name), name


@pytest.fixture
def full(monkeypatch, queue):
    """A GPU without room, and with another mishap in uploads of one number."""

    def fails(n, *_, **__):
        raise OutOfMemory() if np.size(n) > 1 or n > 1 else OutOfMemory("CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(Queue, "free_memory", 3 * 2**20)
    monkeypatch.setattr(cuda, "device_array", fails)
    monkeypatch.setattr(cuda, "to_device", fails)


@pytest.mark.usefixtures("full")
def test_a_full_gpu_is_told_of(queue):
    message = r"^GPU 0 has not enough memory: 8\.0 MiB were asked for, 3\.0 MiB are free\.$"
    with pytest.raises(MemoryError, match=message):
        queue.zeros(2**20, np.float64)
    with pytest.raises(MemoryError, match=message):
        queue.upload(np.zeros(2**20))
    with pytest.raises(OutOfMemory):
        queue.zeros(1, np.float64)


def test_a_gpu_has_one_queue_for_all_threads(queue):
    found = []
    threads = [threading.Thread(target=lambda: found.append(queue_of(0))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [queue_of(0)] * 3 == [queue] * 3


@strict
def test_a_recording_has_the_queue_to_itself(queue):
    free = []

    def ask():
        free.append(queue.lock.acquire(blocking=False))

    with queue.captured():
        (thread := threading.Thread(target=ask)).start()
        thread.join()
    assert free == [False]


@pytest.mark.usefixtures("queue")
def test_a_queue_goes_with_its_last_name():
    """No cycle waits for the garbage collector."""
    queue = Queue(0)
    queue.for_each(add, 3, queue.zeros(3, np.float32), 1, 3)
    queue.synchronize()
    gone = weakref.ref(queue)
    gc.disable()
    try:
        del queue
        assert gone() is None
    finally:
        gc.enable()


def test_limits_are_those_of_the_gpu(queue):
    limits = limits_of(queue)
    assert limits.shared == queue.shared_limit <= limits.shared_of_all
    assert limits.registers == 65536


@strict
def test_limits_are_read_by_the_drivers_names(queue, monkeypatch):
    rtx = {
        "MULTIPROCESSOR_COUNT": 46,
        "MAX_REGISTERS_PER_MULTIPROCESSOR": 65536,
        "MAX_THREADS_PER_MULTIPROCESSOR": 1024,
        "MAX_BLOCKS_PER_MULTIPROCESSOR": 16,
        "MAX_SHARED_MEMORY_PER_MULTIPROCESSOR": 65536,
        "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": 65536,
        "RESERVED_SHARED_MEMORY_PER_BLOCK": 0,
    }
    monkeypatch.setattr(queue_module, "SIMULATED", False)
    monkeypatch.setattr(queue, "gpu", SimpleNamespace(**rtx))
    assert limits_of(queue) == Gpu(46, 65536, 65536, 1024, 16, 65536, 0)


def test_what_is_recorded_runs_when_it_is_replayed(queue):
    x, last = queue.zeros(3, np.float32), queue.zeros(3, np.float32)
    queue.for_each(add, 3, x, 0, 3)
    with queue.captured() as graph:
        queue.copy(last, x)
        queue.for_each(add, 3, x, 1, 3)
        queue.for_each(add, 3, x, 10, 2)
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])
    for _ in range(3):
        graph.replay()
    np.testing.assert_array_equal(queue.download(x), [33, 33, 3])
    np.testing.assert_array_equal(queue.download(last), [22, 22, 2])


def test_clearing_is_recorded(queue):
    x = queue.upload(np.float32([1, 2]))
    with queue.captured() as graph:
        queue.clear(x)
    np.testing.assert_array_equal(queue.download(x), [1, 2])
    graph.replay()
    np.testing.assert_array_equal(queue.download(x), [0, 0])


def test_nothing_that_touches_the_host_is_recorded(queue):
    x = queue.zeros(3, np.float32)
    with queue.captured():
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
        with pytest.raises(RuntimeError, match="Nothing can be recorded while"), queue.captured():
            pass
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])


def test_a_kernel_must_have_run_before_it_is_recorded(queue):
    new = cuda_kernel(lambda x: None)
    with queue.captured(), pytest.raises(RuntimeError, match="must have run once"):
        queue.launch(new, 1, 1, 0)


def test_an_error_ends_the_recording(queue):
    with pytest.raises(KeyError), queue.captured():
        raise KeyError
    queue.for_each(add, 3, x := queue.zeros(3, np.float32), 1, 3)
    np.testing.assert_array_equal(queue.download(x), [1, 1, 1])


def test_functions_of_the_cpu_can_be_called(queue):
    """`worker_of` is one that Python itself could not call."""
    worker = device_function(worker_of)

    @cuda_kernel
    def numbers(x):
        x[cuda.threadIdx.x] = worker(cuda.threadIdx.x, 3)

    x = queue.zeros(7, np.int64)
    queue.launch(numbers, 1, 7, x)
    np.testing.assert_array_equal(queue.download(x), [0, 1, 2, 2, 1, 0, 0])


def test_a_kernel_reads_what_others_wrote_before_the_barrier(queue):
    x = queue.upload(np.arange(12, dtype=np.float32))
    queue.launch(reverse, 3, 4, x, True, shared=16)
    np.testing.assert_array_equal(queue.download(x), [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8])


def test_shared_memory_beyond_48_kb_is_asked_for(queue):
    """More for one launch, then less, then more again."""
    assert queue.shared_limit >= 64 * 1024
    for n in (13_000, 16_000, 13_000, 16_000):
        x = queue.upload(np.arange(n, dtype=np.float32))
        queue.launch(turn, 1, 4, x, n, shared=4 * n)
        np.testing.assert_array_equal(queue.download(x), np.arange(n)[::-1])


def test_a_recorded_kernel_has_its_shared_memory(queue):
    x = queue.upload(np.arange(14_000, dtype=np.float32))
    queue.launch(turn, 1, 4, x, 14_000, shared=56_000)
    with queue.captured() as graph:
        queue.launch(turn, 1, 4, x, 14_000, shared=56_000)
    graph.replay()
    np.testing.assert_array_equal(queue.download(x), np.arange(14_000))


def test_a_graph_keeps_its_arrays(queue):
    x, result = queue.upload(np.float32([1, 2])), queue.zeros(2, np.float32)
    queue.for_each(add, 2, x, 1, 2)
    with queue.captured() as graph:
        queue.for_each(add, 2, x, 1, 2)
        queue.copy(result, x)
    del x
    others = [queue.zeros(2, np.float32) for _ in range(20)]
    graph.replay()
    np.testing.assert_array_equal(queue.download(result), [3, 4])
    assert all((queue.download(other) == 0).all() for other in others)


class FakeDriver:
    """Remembers what it is asked for; every answer is the name of the question."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *(getattr(value, "name", value) for value in arguments)))
            return name

        return call


@pytest.fixture
def fake_driver(monkeypatch):
    driver = FakeDriver()
    monkeypatch.setattr(queue_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(driver_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(queue_module, "wait_for_frees", driver.wait_for_frees)
    return driver


def fake_queue():
    stream, recorder = SimpleNamespace(handle="stream"), SimpleNamespace(handle="recorder")
    queue = SimpleNamespace(gpu=nullcontext(), stream=stream, recorder=recorder)
    queue.on = lambda other: Queue.on(queue, other)
    return queue


BEGIN = (
    ("wait_for_frees",),
    ("cuStreamBeginCapture", "recorder", "CU_STREAM_CAPTURE_MODE_RELAXED"),
)
END = ("cuStreamEndCapture", "recorder")


@strict
def test_the_driver_records_replays_and_forgets(fake_driver):
    """As far as it can be said without one."""
    queue = fake_queue()
    graph = CudaGraph(queue)
    with graph.recording():
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


@strict
def test_the_driver_forgets_a_recording_that_failed(fake_driver):
    graph = CudaGraph(fake_queue())
    with pytest.raises(KeyError), graph.recording():
        raise KeyError
    assert gc.isenabled()
    assert fake_driver.calls == [*BEGIN, END, ("cuGraphDestroy", "cuStreamEndCapture")]


@strict
def test_a_graph_that_can_not_be_destroyed_is_let_go(monkeypatch):
    def fail(executable):
        raise driver_module.CudaAPIError(700, "an illegal address")

    monkeypatch.setattr(queue_module, "cuda_driver", lambda: SimpleNamespace(cuGraphExecDestroy=fail))
    queue_module._destroy("graph")


class Configurable:
    def __getitem__(self, configuration):
        return object()


@strict
def test_a_kernel_is_configured_once_for_each_stream(queue, monkeypatch):
    monkeypatch.setattr(queue_module, "SIMULATED", False)
    kernel, found = Configurable(), []
    for stream in (0, 5, 0, 5):
        monkeypatch.setattr(Queue, "stream_address", stream)
        found.append(queue._configure(kernel, 1, 32, 0))
    assert found[0] is found[2] is not found[1]
    assert found[1] is found[3]


@strict
def test_a_queue_frees_from_any_thread_and_records_on_a_stream_apart(monkeypatch):
    freed = []
    memory = SimpleNamespace(deallocations=SimpleNamespace(clear=lambda: freed.append("memory")))
    context = SimpleNamespace(memory_manager=memory, get_memory_info=lambda: (5, 9))
    cuda = SimpleNamespace(gpus=[nullcontext()], stream=lambda: "stream", current_context=lambda: context)
    monkeypatch.setattr(queue_module, "SIMULATED", False)
    monkeypatch.setattr(queue_module, "cuda", cuda)
    monkeypatch.setattr(queue_module, "free_from_any_thread", lambda: freed.append("can"))
    monkeypatch.setattr(queue_module, "stream_apart", lambda: "apart")
    queue = Queue()
    assert (queue.stream, queue.recorder, queue.free_memory) == ("stream", "apart", 5)
    assert freed == ["can", "memory"]


@strict
def test_a_stream_apart_does_not_wait_for_the_default_one(monkeypatch):
    driver = SimpleNamespace(cuStreamCreate=lambda flags: {1: 7}[flags])  # CU_STREAM_NON_BLOCKING
    monkeypatch.setattr(driver_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(driver_module, "cuda", SimpleNamespace(external_stream=lambda handle: [handle]))
    assert driver_module.stream_apart() == [7]


@strict
@pytest.mark.usefixtures("fake_driver")
def test_a_garbage_collector_that_was_off_stays_off():
    gc.disable()
    try:
        graph = CudaGraph(fake_queue())
        with graph.recording():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@strict
def test_any_thread_frees_memory_in_the_context_it_came_from(fake_driver, monkeypatch):
    pending = SimpleNamespace(clear=lambda: fake_driver.free())
    memory = SimpleNamespace(deallocations=SimpleNamespace(clear=lambda: fake_driver.free_memory()))
    context = SimpleNamespace(deallocations=pending, memory_manager=memory, handle="context")
    monkeypatch.setattr(driver_module, "cuda", SimpleNamespace(current_context=lambda: context))
    free_from_any_thread()
    pending.clear()
    memory.deallocations.clear()
    push, pop = ("cuCtxPushCurrent", "context"), ("cuCtxPopCurrent",)
    assert fake_driver.calls == [push, ("free",), pop, push, ("free_memory",), pop]
    monkeypatch.setattr(driver_module.os, "getpid", lambda: -1)
    pending.clear()  # in a fork, which has no GPU
    monkeypatch.undo()
    monkeypatch.setattr(driver_module, "_ending", [True])
    pending.clear()
    assert len(fake_driver.calls) == 6


@strict
def test_a_recording_waits_for_a_thread_that_frees():
    waiting = threading.Thread(target=driver_module.wait_for_frees)
    with driver_module.freeing:
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


@strict
@pytest.mark.usefixtures("fake_driver")
def test_threads_free_one_after_the_other(monkeypatch):
    inside, most = [], []

    def clear():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    lists = [SimpleNamespace(clear=clear) for _ in range(2)]
    memory = SimpleNamespace(deallocations=lists[1])
    context = SimpleNamespace(deallocations=lists[0], memory_manager=memory, handle="context")
    monkeypatch.setattr(driver_module, "cuda", SimpleNamespace(current_context=lambda: context))
    free_from_any_thread()
    threads = [threading.Thread(target=pending.clear) for pending in lists * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


@strict
def test_a_gpu_that_failed_frees_nothing_without_a_word(fake_driver, monkeypatch):
    def fail_to_free():
        raise driver_module.CudaAPIError(700, "an illegal address")

    pending = SimpleNamespace(clear=fail_to_free)
    context = SimpleNamespace(deallocations=pending, memory_manager=SimpleNamespace(deallocations=pending))
    context.handle = "context"
    monkeypatch.setattr(driver_module, "cuda", SimpleNamespace(current_context=lambda: context))
    free_from_any_thread()
    pending.clear()
    assert fake_driver.calls[-1] == ("cuCtxPopCurrent",)
    fake_driver.cuCtxPushCurrent = lambda handle: fail_to_free()
    free_from_any_thread()
    pending.clear()


@strict
def test_the_driver_is_asked_for_shared_memory(fake_driver):
    function = SimpleNamespace(handle="function", device=SimpleNamespace(id="gpu"))
    library = SimpleNamespace(get_cufunc=lambda: function)
    kernel = SimpleNamespace(compile=lambda signature: SimpleNamespace(library=library))
    opt_in(kernel, (float32,), 50_000)
    attribute = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
    assert fake_driver.calls == [("cuKernelSetAttribute", attribute, 50_000, "function", "gpu")]


@strict
def test_a_missing_barrier_shows(queue):
    x = queue.upload(np.arange(12, dtype=np.float32))
    queue.launch(reverse, 3, 4, x, False, shared=16)
    np.testing.assert_array_equal(np.isnan(queue.download(x)), [1, 1, 0, 0] * 3)


@strict
@pytest.mark.parametrize(("kind", "message"), [(0, "others of their block have ended"), (1, "different")])
def test_a_misplaced_barrier_shows(queue, kind, message):
    with pytest.raises(RuntimeError, match=message):
        queue.launch(misplaced_barriers, 1, 4, queue.zeros(1, np.float32), kind)


@strict
def test_memory_of_a_block_begins_as_nan(queue):
    x = queue.zeros(3, np.float32)
    queue.launch(read_nothing, 2, 1, x)
    assert np.isnan(queue.download(x)).all()


@strict
def test_a_negative_index_is_an_error(queue):
    with pytest.raises(IndexError, match="negative index -1"):
        queue.launch(read_in_front, 1, 2, queue.zeros(3, np.float32))


@strict
def test_an_error_in_a_kernel_names_the_thread(queue):
    with pytest.raises(ValueError, match="math domain") as caught:
        queue.launch(fail, 1, 4, queue.upload(np.float32([3, 3, 1, 3])))
    assert caught.value.__notes__ == ["in thread (2, 0, 0) of block (0, 0, 0)"]


@strict
def test_arrays_of_the_host_are_no_arguments(queue):
    with pytest.raises(TypeError, match="an array of the host"):
        queue.launch(add, 1, 1, np.zeros(3), 1, 3)
