"""PTX of the CUDA kernels, without a GPU, and its check by the benchmark; the simulator compiles nothing."""

import importlib.util
import re
from pathlib import Path

import pytest

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed", allow_module_level=True)

from numba import float32, float64, int64

from seqcast.kernels.cuda.compiler import Example, cuda, cuda_kernel, device_function, has_toolkit

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


def compile_row(kernel, signature=(float32[::1],), **options):
    """Return the row of the last architecture."""
    return bench_ptx.measure_example("a kernel", Example("", kernel, signature, **options))[-1]


def compile_ptx(kernel, signature):
    return bench_ptx.compile_library(kernel, signature).get_asm_str(cc=bench_ptx.ARCHITECTURES[-1])


def test_product_and_sum_are_fused_and_division_is_exact():
    @cuda_kernel
    def divide(x, y):
        x[0] = (x[0] * x[1] + x[2]) / y[0]

    text = compile_ptx(divide, (float32[::1], float32[::1]))
    assert text.count("fma.rn.f32") == 1
    assert text.count("div.rn.f32") == 1
    assert ".target sm_90a" in text


def test_comparison_recognizes_nan():
    @cuda_kernel
    def find(x):
        x[1] = float32(0) if x[0] == x[0] else float32(1)

    assert re.search(r"setp\.\w+\.f32|testp", compile_ptx(find, (float32[::1],)))


def test_float64_in_float32_kernel_is_reported():
    assert bench_ptx.list_problems([compile_row(make_scale(float32, 3))]) == []
    wrong = compile_row(make_scale(float64, 3))
    assert bench_ptx.list_problems([wrong]) == [f"a kernel, sm_90: {wrong['float64']} float64 instructions"]
    assert wrong["float64"] > 0
    assert bench_ptx.list_problems([compile_row(make_scale(float64, 3), distributions=True)]) == []
    assert bench_ptx.list_problems([compile_row(make_scale(float64, 3), (float64[::1],))]) == []


def test_local_memory_in_stationary_kernel_is_reported():
    anywhere = make_sum(40, device_function(lambda x: int64(x)))
    assert bench_ptx.list_problems([compile_row(anywhere)]) == []
    row = compile_row(anywhere, stationary=True)
    assert bench_ptx.list_problems([row]) == ["a kernel, sm_90: 160 bytes of local memory"]
    assert bench_ptx.list_problems([row | {"spilled": 4}])[1:] == ["a kernel, sm_90: 4 bytes spilled"]
    without_ptxas = {name: value for name, value in row.items() if name not in bench_ptx.PATTERNS}
    assert bench_ptx.list_problems([without_ptxas]) == ["a kernel, sm_90: 160 bytes of local memory"]
    fixed = make_sum(40, device_function(lambda x: 2))
    assert bench_ptx.list_problems([compile_row(fixed, stationary=True)]) == []


@pytest.mark.skipif(bench_ptx.find_ptxas() is None, reason="ptxas is not installed")
def test_output_of_assembler_is_read():
    @cuda_kernel
    def shared(x):
        memory = cuda.shared.array(5, float32)
        memory[cuda.threadIdx.x] = x[cuda.threadIdx.x]
        cuda.syncthreads()
        x[cuda.threadIdx.x] = memory[0]

    row = compile_row(shared, threads=5, shared=7)
    assert 4 < row["registers"] < 64
    assert (row["stack"], row["spilled"], row["static shared memory"]) == (0, 0, 20)
    (line,) = bench_ptx.table([row, row | {"architecture": "sm_80", "registers": 7}])
    assert line == ("a kernel", "5", f"{row['registers']} / 7", "27", "0", "0", "0", "")


@pytest.mark.slow
def test_machine_code_of_all_kernels_is_accepted():
    rows = list(bench_ptx.measure_all())
    assert len(rows) > 20
    assert bench_ptx.list_problems(rows) == []
