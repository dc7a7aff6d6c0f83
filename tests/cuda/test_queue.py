"""Launches, copies and memory on a queue."""

import gc
import threading
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from small_kernels import add_number, reverse_all, reverse_block, simulator_only

from seqcast.kernels.cuda import driver as driver_module
from seqcast.kernels.cuda import queue as queue_module
from seqcast.kernels.cuda.compiler import cuda
from seqcast.kernels.cuda.kernel_shape import GpuLimits
from seqcast.kernels.cuda.queue import Queue, get_queue, read_gpu_limits


def test_for_each_launches_at_least_n_threads(queue):
    x = queue.zeros(70, np.float32)
    queue.for_each(add_number, 70, x, 1, 50)
    np.testing.assert_array_equal(queue.download(x), np.arange(70) < 50)


@pytest.mark.parametrize("blocks", [0, (2, 0)])
def test_launch_without_blocks_does_nothing(queue, blocks):
    x = queue.zeros(3, np.float32)
    queue.launch(add_number, blocks, 32, x, 1, 3)
    queue.for_each(add_number, 0, x, 1, 3)
    np.testing.assert_array_equal(queue.download(x), [0, 0, 0])


def test_upload_and_download_copy_arrays(queue):
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    there = queue.upload(array[:, ::2])
    array[:] = 7
    back = queue.download(there)
    np.testing.assert_array_equal(back, [[0, 2], [3, 5]])
    assert back.dtype == np.int64


def test_empty_arrays_are_supported(queue):
    empty = queue.zeros(0, np.float32)
    queue.clear(empty)
    assert queue.download(empty).shape == (0,)
    assert queue.download(queue.upload(np.empty((2, 0)))).shape == (2, 0)


def test_copy_accepts_arrays_of_host_and_device(queue):
    one, other = queue.zeros(3, np.float32), queue.upload(np.float32([1, 2, 3]))
    queue.copy(one, other)
    queue.copy(other, np.float32([4, 5, 6]))
    np.testing.assert_array_equal(queue.download(one), [1, 2, 3])
    np.testing.assert_array_equal(queue.download(other), [4, 5, 6])


def test_copy_of_smaller_array_goes_to_the_beginning(queue):
    there = queue.upload(np.float32([1, 2, 3]))
    queue.copy(there, np.float32([4, 5]))
    np.testing.assert_array_equal(queue.download(there), [4, 5, 3])
    queue.copy(there, queue.upload(np.float32([6])))
    np.testing.assert_array_equal(queue.download(there), [6, 5, 3])
    with pytest.raises(ValueError, match="array of 4 numbers does not fit into one of 3"):
        queue.copy(there, np.zeros(4, np.float32))


class OutOfMemoryError(driver_module.CudaAPIError):
    def __init__(self, name="CUDA_ERROR_OUT_OF_MEMORY"):
        self.code, self.msg = SimpleNamespace(name=name), name


@pytest.fixture
def full_gpu(monkeypatch, queue):
    """A GPU without free memory, where uploads of one number fail for another reason."""

    def fails(n, *_, **__):
        raise (
            OutOfMemoryError() if np.size(n) > 1 or n > 1 else OutOfMemoryError("CUDA_ERROR_ILLEGAL_ADDRESS")
        )

    monkeypatch.setattr(Queue, "free_memory", 3 * 2**20)
    monkeypatch.setattr(cuda, "device_array", fails)
    monkeypatch.setattr(cuda, "to_device", fails)


@pytest.mark.usefixtures("full_gpu")
def test_missing_memory_raises_memory_error(queue):
    message = r"^GPU 0 is out of memory: 8\.0 MiB are needed, 3\.0 MiB are free\.$"
    with pytest.raises(MemoryError, match=message):
        queue.zeros(2**20, np.float64)
    with pytest.raises(MemoryError, match=message):
        queue.upload(np.zeros(2**20))
    with pytest.raises(OutOfMemoryError):
        queue.zeros(1, np.float64)


def test_all_threads_share_one_queue(queue):
    found = []
    threads = [threading.Thread(target=lambda: found.append(get_queue(0))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [get_queue(0)] * 3 == [queue] * 3


@pytest.mark.usefixtures("queue")
def test_queue_is_freed_without_garbage_collection():
    """There are no reference cycles."""
    queue = Queue(0)
    queue.for_each(add_number, 3, queue.zeros(3, np.float32), 1, 3)
    queue.synchronize()
    gone = weakref.ref(queue)
    gc.disable()
    try:
        del queue
        assert gone() is None
    finally:
        gc.enable()


def test_limits_are_consistent(queue):
    limits = read_gpu_limits(queue)
    assert limits.shared == queue.shared_limit <= limits.shared_total
    assert limits.registers == 65536


@simulator_only
def test_limits_are_read_from_the_driver(queue, monkeypatch):
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
    assert read_gpu_limits(queue) == GpuLimits(46, 65536, 65536, 1024, 16, 65536, 0)


def test_threads_share_memory_after_a_barrier(queue):
    x = queue.upload(np.arange(12, dtype=np.float32))
    queue.launch(reverse_block, 3, 4, x, True, shared=16)
    np.testing.assert_array_equal(queue.download(x), [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8])


def test_shared_memory_may_exceed_48_kb(queue):
    """A launch with less shared memory follows one with more."""
    assert queue.shared_limit >= 64 * 1024
    for n in (13_000, 16_000, 13_000, 16_000):
        x = queue.upload(np.arange(n, dtype=np.float32))
        queue.launch(reverse_all, 1, 4, x, n, shared=4 * n)
        np.testing.assert_array_equal(queue.download(x), np.arange(n)[::-1])


class Configurable:
    def __getitem__(self, configuration):
        return object()


@simulator_only
def test_configuration_is_kept_for_each_stream(queue, monkeypatch):
    monkeypatch.setattr(queue_module, "SIMULATED", False)
    kernel, found = Configurable(), []
    for stream in (0, 5, 0, 5):
        monkeypatch.setattr(Queue, "stream_address", stream)
        found.append(queue._configure(kernel, 1, 32, 0))
    assert found[0] is found[2] is not found[1]
    assert found[1] is found[3]


@simulator_only
def test_queue_has_a_stream_for_recording(monkeypatch):
    freed = []
    memory = SimpleNamespace(deallocations=SimpleNamespace(clear=lambda: freed.append("memory")))
    context = SimpleNamespace(memory_manager=memory, get_memory_info=lambda: (5, 9))
    cuda = SimpleNamespace(gpus=[nullcontext()], stream=lambda: "stream", current_context=lambda: context)
    monkeypatch.setattr(queue_module, "SIMULATED", False)
    monkeypatch.setattr(queue_module, "cuda", cuda)
    monkeypatch.setattr(queue_module, "free_from_any_thread", lambda: freed.append("can"))
    monkeypatch.setattr(queue_module, "create_nonblocking_stream", lambda: "apart")
    queue = Queue()
    assert (queue.stream, queue.recorder, queue.free_memory) == ("stream", "apart", 5)
    assert freed == ["can", "memory"]
