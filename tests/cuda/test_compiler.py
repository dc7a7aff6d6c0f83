"""Names and cache of compiled kernels, without a GPU."""

import importlib.util

import pytest

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed", allow_module_level=True)

from numba import float32, float64

from seqcast.cells import find_cell
from seqcast.kernels.cpu.jit import unrolled_load
from seqcast.kernels.cuda.compiler import device_function, has_toolkit, name_variant

if not has_toolkit():
    pytest.skip("the compiler of the CUDA toolkit is not installed", allow_module_level=True)


def claim_for_package(function):
    """Return a function that seems to be defined in the package."""
    function.__module__ = "seqcast.kernels.cuda.somewhere"
    return function


def test_kernels_with_other_constants_have_other_names():
    def make(real, sizes, load=None):
        def kernel(x):
            x[0] = real(sizes[0]) + load(x, 1, 0)[0]

        return claim_for_package(kernel)

    loads = [claim_for_package(unrolled_load(blocks).py_func) for blocks in ((0,), (1,))]
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
    names = [name_variant(kernel, 64) for kernel in differing]
    names.append(name_variant(differing[0], 128))
    assert len(set(names)) == len(names) == 9
    assert name_variant(make(float32, (1, 2), loads[0]), 64) == names[0]
    assert names[0].startswith("cuda-kernel-")


def test_kernel_that_refers_to_user_code_has_no_name():
    def make(function):
        def kernel(x):
            x[0] = function(x[0])

        return claim_for_package(kernel)

    assert name_variant(make(lambda x: x), None) is None
    assert name_variant(make(object()), None) is None


def test_names_are_the_same_in_every_process(run_python):
    script = """
from numba import float32
from seqcast.kernels.cuda.tiled_products import Tiling, make_product
print(make_product(float32, Tiling(16, 4, 16), "a")._cache.variant)
"""
    one, other = (run_python(script, PYTHONHASHSEED=seed) for seed in (1, 2))
    assert one == other


COMPILE_SCRIPT = """
import sys, unittest.mock
from types import SimpleNamespace
from numba import float32
from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices
from seqcast.kernels.cuda.tiled_products import ptx_examples

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


def test_later_process_loads_the_compiled_kernel(run_python, tmp_path):
    """Without a GPU the machine code is not loaded."""

    def run():
        misses, code = run_python(COMPILE_SCRIPT, SEQCAST_CACHE_DIR=tmp_path).split()
        return int(misses), code, [path.read_bytes() for path in tmp_path.iterdir()]

    misses, code, files = run()
    assert (misses, len(files)) == (1, 1)
    assert run() == (0, code, files)
    (path,) = tmp_path.glob("cuda-add_parts-*.kernel")
    # A damaged file is compiled again.
    path.write_bytes(files[0][:-1])
    misses, code, files = run()
    assert misses == 1
    assert run() == (0, code, files)
