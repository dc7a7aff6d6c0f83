"""Calls of the driver, replaced where they need a GPU."""

import threading
import time
from types import SimpleNamespace

import pytest
from numba import float32
from small_kernels import FakeDriver, simulator_only

from seqcast.kernels.cuda import driver as driver_module
from seqcast.kernels.cuda.driver import allow_shared_memory, free_from_any_thread


@pytest.fixture
def fake_driver(monkeypatch):
    driver = FakeDriver()
    monkeypatch.setattr(driver_module, "cuda_driver", lambda: driver)
    return driver


@simulator_only
def test_nonblocking_stream_ignores_the_default_stream(monkeypatch):
    driver = SimpleNamespace(cuStreamCreate=lambda flags: {1: 7}[flags])  # CU_STREAM_NON_BLOCKING
    monkeypatch.setattr(driver_module, "cuda_driver", lambda: driver)
    monkeypatch.setattr(driver_module, "cuda", SimpleNamespace(external_stream=lambda handle: [handle]))
    assert driver_module.create_nonblocking_stream() == [7]


@simulator_only
def test_any_thread_frees_memory_in_its_own_context(fake_driver, monkeypatch):
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


@simulator_only
def test_wait_for_frees_waits_for_other_threads():
    waiting = threading.Thread(target=driver_module.wait_for_frees)
    with driver_module.free_lock:
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


@simulator_only
@pytest.mark.usefixtures("fake_driver")
def test_threads_free_memory_one_at_a_time(monkeypatch):
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


@simulator_only
def test_errors_of_a_failed_gpu_are_ignored_when_freeing(fake_driver, monkeypatch):
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


@simulator_only
def test_driver_allows_shared_memory(fake_driver):
    function = SimpleNamespace(handle="function", device=SimpleNamespace(id="gpu"))
    library = SimpleNamespace(get_cufunc=lambda: function)
    kernel = SimpleNamespace(compile=lambda signature: SimpleNamespace(library=library))
    allow_shared_memory(kernel, (float32,), 50_000)
    attribute = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
    assert fake_driver.calls == [("cuKernelSetAttribute", attribute, 50_000, "function", "gpu")]
