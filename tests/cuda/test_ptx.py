"""What the compiler makes of the CUDA kernels, without a GPU; the simulator compiles nothing."""

import importlib.util
import re
from pathlib import Path

import pytest

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed", allow_module_level=True)

from numba import float32, float64, int64

from seqcast.cells import find_cell
from seqcast.kernels.cuda.compiler import (
    Example,
    cuda,
    cuda_kernel,
    device_function,
    has_toolkit,
    variant_of,
)
from seqcast.kernels.jit import unrolled_load

if not has_toolkit():
    pytest.skip("the compiler of the CUDA toolkit is not installed", allow_module_level=True)

PATH = Path(__file__).parents[2] / "benchmarks" / "bench_ptx.py"
SPEC = importlib.util.spec_from_file_location("bench_ptx", PATH)
bench_ptx = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(bench_ptx)


def make_scale(real, factor):
    @cuda_kernel(threads=64)
    def scale(x):
        i = cuda.threadIdx.x
        x[i] = x[i] * real(factor) + real(1)

    return scale


def make_sum(n, index):
    @cuda_kernel
    def kernel_with_array(x):
        numbers = cuda.local.array(n, float32)
        for k in range(n):
            numbers[k] = x[k]
        for k in range(n):
            x[k] = numbers[index(numbers[k])]

    return kernel_with_array


def row_of(kernel, signature=(float32[::1],), **options):
    """That of the last architecture."""
    return bench_ptx.rows_of("a kernel", Example("", kernel, signature, **options))[-1]


def text_of(kernel, signature):
    return bench_ptx.compiled(kernel, signature).get_asm_str(cc=bench_ptx.ARCHITECTURES[-1])


def test_a_product_and_a_sum_become_one_instruction_and_division_stays_exact():
    @cuda_kernel
    def divide(x, y):
        x[0] = (x[0] * x[1] + x[2]) / y[0]

    text = text_of(divide, (float32[::1], float32[::1]))
    assert text.count("fma.rn.f32") == 1
    assert text.count("div.rn.f32") == 1
    assert ".target sm_90a" in text


def test_not_a_number_is_seen():
    @cuda_kernel
    def find(x):
        x[1] = float32(0) if x[0] == x[0] else float32(1)

    assert re.search(r"setp\.\w+\.f32|testp", text_of(find, (float32[::1],)))


def test_float64_in_a_kernel_for_float32_is_found():
    assert bench_ptx.complaints([row_of(make_scale(float32, 3))]) == []
    wrong = row_of(make_scale(float64, 3))
    assert bench_ptx.complaints([wrong]) == [f"a kernel, sm_90: {wrong['float64']} float64 instructions"]
    assert wrong["float64"] > 0
    assert bench_ptx.complaints([row_of(make_scale(float64, 3), distributions=True)]) == []
    assert bench_ptx.complaints([row_of(make_scale(float64, 3), (float64[::1],))]) == []


def test_local_memory_in_a_kernel_of_registers_is_found():
    anywhere = make_sum(40, device_function(lambda x: int64(x)))
    assert bench_ptx.complaints([row_of(anywhere)]) == []
    row = row_of(anywhere, stationary=True)
    assert bench_ptx.complaints([row]) == ["a kernel, sm_90: 160 bytes of local memory"]
    assert bench_ptx.complaints([row | {"spilled": 4}])[1:] == ["a kernel, sm_90: 4 bytes spilled"]
    without_ptxas = {name: value for name, value in row.items() if name not in bench_ptx.PATTERNS}
    assert bench_ptx.complaints([without_ptxas]) == ["a kernel, sm_90: 160 bytes of local memory"]
    fixed = make_sum(40, device_function(lambda x: 2))
    assert bench_ptx.complaints([row_of(fixed, stationary=True)]) == []


@pytest.mark.skipif(bench_ptx.find_ptxas() is None, reason="ptxas is not installed")
def test_what_the_assembler_tells_is_read():
    @cuda_kernel
    def shared(x):
        memory = cuda.shared.array(5, float32)
        memory[cuda.threadIdx.x] = x[cuda.threadIdx.x]
        cuda.syncthreads()
        x[cuda.threadIdx.x] = memory[0]

    row = row_of(shared, threads=5, shared=7)
    assert 4 < row["registers"] < 64
    assert (row["stack"], row["spilled"], row["static shared memory"]) == (0, 0, 20)
    (line,) = bench_ptx.table([row, row | {"architecture": "sm_80", "registers": 7}])
    assert line == ("a kernel", "5", f"{row['registers']} / 7", "27", "0", "0", "0", "")


def variants(*kernels):
    return [variant_of(kernel.py_func, kernel.targetoptions["launch_bounds"]) for kernel in kernels]


def inside(function):
    """As if it were the package's own."""
    function.__module__ = "seqcast.kernels.cuda.somewhere"
    return function


def test_kernels_that_differ_in_a_constant_have_names_of_their_own():
    def make(real, sizes, load=None):
        def kernel(x):
            x[0] = real(sizes[0]) + load(x, 1, 0)[0]

        return inside(kernel)

    loads = [inside(unrolled_load(blocks).py_func) for blocks in ((0,), (1,))]
    differing = [
        make(float32, (1, 2), loads[0]),
        make(float64, (1, 2), loads[0]),
        make(float32, (1, 3), loads[0]),
        make(float32, (1, 2.0), loads[0]),
        make(float32, (1, 2), loads[1]),
        make(float32, (1, 2), device_function(loads[0])),
        make(float32, (1, 2), find_cell("lstm").step),
        make(float32, (1, 2), find_cell("gru").step),
    ]
    names = [variant_of(kernel, 64) for kernel in differing]
    names.append(variant_of(differing[0], 128))
    assert len(set(names)) == len(names) == 9
    assert variant_of(make(float32, (1, 2), loads[0]), 64) == names[0]
    assert names[0].startswith("cuda-kernel-")


def test_what_refers_to_code_of_a_user_has_no_name():
    def make(function):
        def kernel(x):
            x[0] = function(x[0])

        return inside(kernel)

    assert variant_of(make(lambda x: x), None) is None
    assert variant_of(make(object()), None) is None


def test_names_are_the_same_in_every_process(run_python):
    script = """
from numba import float32
from seqcast.kernels.cuda.products import make_product
print(make_product(float32, 16, 4, 16, "a")._cache.variant)
"""
    one, other = (run_python(script, PYTHONHASHSEED=seed) for seed in (1, 2))
    assert one == other


COMPILED = """
import sys, unittest.mock
from types import SimpleNamespace
from numba import float32
from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices
from seqcast.kernels.cuda.products import ptx_examples

device = SimpleNamespace(compute_capability=(9, 0), id=0)
devices.get_context = lambda *_: SimpleNamespace(device=device)
dispatcher.get_current_device = lambda: device
dispatcher._Kernel.bind = lambda self: self.library.get_cubin()
*_, example = ptx_examples()
example.kernel.compile(example.signature)
(kernel,) = example.kernel.overloads.values()
import hashlib
print(sum(example.kernel._cache_misses.values()), hashlib.sha256(kernel.library.get_cubin().code).hexdigest())
"""


def test_a_later_process_finds_the_compiled_kernel(run_python, tmp_path):
    """As far as it goes without a GPU, which would load the machine code."""

    def run():
        misses, code = run_python(COMPILED, SEQCAST_CACHE_DIR=tmp_path).split()
        return int(misses), code, [path.read_bytes() for path in tmp_path.iterdir()]

    misses, code, files = run()
    assert (misses, len(files)) == (1, 1)
    assert run() == (0, code, files)
    (path,) = tmp_path.glob("cuda-add_parts-*.kernel")
    path.write_bytes(files[0][:-1])  # damaged
    misses, code, files = run()
    assert misses == 1
    assert run() == (0, code, files)


@pytest.mark.slow
def test_all_kernels_pass_the_gate():
    rows = list(bench_ptx.measured())
    assert len(rows) > 20
    assert bench_ptx.complaints(rows) == []
