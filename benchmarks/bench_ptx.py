"""Machine code of the CUDA kernels: registers, memory, and instructions wider than necessary.

It needs the compiler of the CUDA toolkit, but no GPU: numba is told that there is one.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import SimpleNamespace
from unittest import mock

# A100 and H100; numba compiles for "sm_90a".
ARCHITECTURES = ((8, 0), (9, 0, "a"))

TITLE = "Machine code of the CUDA kernels"
TEXT = (
    "Each kernel compiled for one size, for an A100 (sm_80) and an H100 (sm_90), without a GPU (`make "
    "ptx`): registers of a thread, bytes of shared memory of a block (static and dynamic), bytes of local "
    "memory of a thread, and bytes spilled from registers, as reported by `ptxas -v`. Float64 instructions "
    "are a mistake in kernels for float32, except in those of distributions. Local memory is a mistake in "
    "kernels that keep their weights in registers (stationary)."
)
COLUMNS = (
    "kernel",
    "threads",
    "registers, sm_80 / sm_90",
    "shared memory",
    "local memory",
    "spilled",
    "float64 instructions",
    "stationary",
)


def run() -> list[dict]:
    rows = []
    for row in measure_all():
        rows.append(row)
        print(row, flush=True)
    if found := list_problems(rows):
        raise SystemExit("\n".join(found))
    return rows


def measure_all() -> Iterator[dict]:
    """Yield a row for each example of a kernel and each architecture."""
    for module, example in list_examples():
        yield from measure_example(f"{module}: {example.name}", example)


def list_examples() -> Iterator[tuple]:
    """Yield module and example of each kernel in seqcast.kernels.cuda."""
    package = import_module("seqcast.kernels.cuda")
    for name in sorted(info.name for info in iter_modules(package.__path__)):
        for example in getattr(import_module(f"{package.__name__}.{name}"), "ptx_examples", tuple)():
            yield name, example


@contextmanager
def pretend_gpu() -> Iterator[None]:
    """Let numba compile as if there were a GPU."""
    device = SimpleNamespace(compute_capability=ARCHITECTURES[-1][:2], id=0)
    context = SimpleNamespace(device=device)
    with (
        mock.patch("numba.cuda.cudadrv.devices.get_context", return_value=context),
        mock.patch("numba.cuda.dispatcher.get_current_device", return_value=device),
    ):
        yield


def measure_example(name: str, example) -> list[dict]:
    library = compile_library(example.kernel, example.signature)
    return [_make_row(name, example, library.get_asm_str(cc=architecture)) for architecture in ARCHITECTURES]


def compile_library(kernel, signature: tuple):
    """Return numba's library of a kernel, which provides PTX for any architecture."""
    from numba.cuda.dispatcher import _Kernel

    with pretend_gpu():
        return _Kernel(kernel.py_func, signature, **kernel.targetoptions).library


def _make_row(name: str, example, text: str) -> dict:
    return {
        "kernel": name,
        "architecture": re.search(r"\.target (sm_\d+)", text)[1],
        "threads": example.threads,
        "dynamic shared memory": example.shared,
        "stationary": example.stationary,
        "float64": len(re.findall(r"\.f64\b", text)),
        "float64 allowed": example.distributions or "float64" in str(example.signature),
        "local": _count_ptx_local_bytes(text),
        **_read_assembler(text),
    }


def _count_ptx_local_bytes(text: str) -> int:
    """Return the bytes of local memory in the PTX, before registers are allocated."""
    return sum(map(int, re.findall(r"\.local \.align \d+ \.b8\s+\S+\[(\d+)\];", text)))


def _read_assembler(text: str) -> dict[str, int]:
    """Return the resources of a kernel as ptxas reports them; nothing if it is not installed."""
    if (ptxas := find_ptxas()) is None:
        return {}
    architecture = re.search(r"\.target (\w+)", text)[1]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.ptx").write_text(text)
        command = [ptxas, "-v", f"-arch={architecture}", "-o", "kernel.cubin", "kernel.ptx"]
        output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    return {name: sum(map(int, re.findall(pattern, output))) for name, pattern in PATTERNS.items()}


PATTERNS = {
    "registers": r"Used (\d+) registers",
    "static shared memory": r"(\d+) bytes smem",
    "stack": r"(\d+) bytes stack frame",
    "spilled": r"(\d+) bytes spill stores",
}


def find_ptxas() -> str | None:
    from cuda.pathfinder import find_nvidia_binary_utility

    return find_nvidia_binary_utility("ptxas")


def list_problems(rows: list[dict]) -> list[str]:
    """Return the problems of kernels, one line for each."""
    return [f"{row['kernel']}, {row['architecture']}: {text}" for row in rows for text in _list_problems(row)]


def _list_problems(row: dict) -> Iterator[str]:
    if row["float64"] and not row["float64 allowed"]:
        yield f"{row['float64']} float64 instructions"
    if row["stationary"] and (local := _count_local_bytes(row)):
        yield f"{local} bytes of local memory"
    if row["stationary"] and row.get("spilled"):
        yield f"{row['spilled']} bytes spilled"


def _count_local_bytes(row: dict) -> int:
    """Return the bytes of local memory, as ptxas reports them if it is installed."""
    return row.get("stack", row["local"])


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    """Return a line for each kernel, with the values of its architectures side by side where they differ."""
    kernels = {row["kernel"]: [other for other in rows if other["kernel"] == row["kernel"]] for row in rows}
    return [_format_kernel(kernel, *found) for kernel, found in kernels.items()]


def _format_kernel(kernel: str, *rows: dict) -> tuple[str, ...]:
    def join_values(value) -> str:
        shown = [str(value(row)) for row in rows]
        return shown[0] if len(set(shown)) == 1 else " / ".join(shown)

    return (
        kernel,
        join_values(lambda row: row["threads"]),
        join_values(lambda row: row.get("registers", "")),
        join_values(lambda row: row.get("static shared memory", 0) + row["dynamic shared memory"]),
        join_values(_count_local_bytes),
        join_values(lambda row: row.get("spilled", "")),
        join_values(lambda row: row["float64"]),
        join_values(lambda row: "yes" if row["stationary"] else ""),
    )
