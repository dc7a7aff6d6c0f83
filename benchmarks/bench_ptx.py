"""What the compiler makes of the CUDA kernels: registers, memory, and no numbers wider than asked for.

Needs the CUDA toolkit's compiler, but no GPU: numba is told that there is one.
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

ARCHITECTURES = ((8, 0), (9, 0, "a"))  # A100, H100; "a" as numba asks for it

TITLE = "Machine code of the CUDA kernels"
TEXT = (
    "Each kernel as it is compiled for one size, for an A100 (sm_80) and an H100 (sm_90), without a GPU: "
    "`make ptx`. Registers of a thread, bytes of shared memory of a block (static and dynamic), bytes of "
    "local memory of a thread, and of those that were spilled from registers; as `ptxas -v` tells. Float64 "
    "instructions would be a mistake in a kernel for float32, but for those of distributions; local memory "
    "would be one in a kernel that keeps its weights in registers (stationary)."
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
    for row in measured():
        rows.append(row)
        print(row, flush=True)
    if found := complaints(rows):
        raise SystemExit("\n".join(found))
    return rows


def measured() -> Iterator[dict]:
    """A row for each example of a kernel and each architecture."""
    for module, example in examples():
        yield from rows_of(f"{module}: {example.name}", example)


def examples() -> Iterator[tuple]:
    """Module and example of each kernel in seqcast.kernels.cuda."""
    package = import_module("seqcast.kernels.cuda")
    for name in sorted(info.name for info in iter_modules(package.__path__)):
        for example in getattr(import_module(f"{package.__name__}.{name}"), "ptx_examples", tuple)():
            yield name, example


@contextmanager
def without_gpu() -> Iterator[None]:
    """Let numba believe in a GPU."""
    device = SimpleNamespace(compute_capability=ARCHITECTURES[-1][:2], id=0)
    context = SimpleNamespace(device=device)
    with (
        mock.patch("numba.cuda.cudadrv.devices.get_context", return_value=context),
        mock.patch("numba.cuda.dispatcher.get_current_device", return_value=device),
    ):
        yield


def rows_of(name: str, example) -> list[dict]:
    library = compiled(example.kernel, example.signature)
    return [_row(name, example, library.get_asm_str(cc=architecture)) for architecture in ARCHITECTURES]


def compiled(kernel, signature: tuple):
    """What numba makes of a kernel, and can make text for any architecture of."""
    from numba.cuda.dispatcher import _Kernel

    with without_gpu():
        return _Kernel(kernel.py_func, signature, **kernel.targetoptions).library


def _row(name: str, example, text: str) -> dict:
    return {
        "kernel": name,
        "architecture": re.search(r"\.target (sm_\d+)", text)[1],
        "threads": example.threads,
        "dynamic shared memory": example.shared,
        "stationary": example.stationary,
        "float64": len(re.findall(r"\.f64\b", text)),
        "float64 allowed": example.distributions or "float64" in str(example.signature),
        "local": _local_bytes(text),
        **_assembled(text),
    }


def _local_bytes(text: str) -> int:
    """Local memory as the first compiler leaves it, which knows nothing of registers."""
    return sum(map(int, re.findall(r"\.local \.align \d+ \.b8\s+\S+\[(\d+)\];", text)))


def _assembled(text: str) -> dict[str, int]:
    """What ptxas tells of a kernel; nothing if it is not installed."""
    if (ptxas := find_ptxas()) is None:
        return {}
    architecture = re.search(r"\.target (\w+)", text)[1]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.ptx").write_text(text)
        command = [ptxas, "-v", f"-arch={architecture}", "-o", "kernel.cubin", "kernel.ptx"]
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    return {name: sum(map(int, re.findall(pattern, told))) for name, pattern in PATTERNS.items()}


PATTERNS = {
    "registers": r"Used (\d+) registers",
    "static shared memory": r"(\d+) bytes smem",
    "stack": r"(\d+) bytes stack frame",
    "spilled": r"(\d+) bytes spill stores",
}


def find_ptxas() -> str | None:
    from cuda.pathfinder import find_nvidia_binary_utility

    return find_nvidia_binary_utility("ptxas")


def complaints(rows: list[dict]) -> list[str]:
    """What is wrong with kernels, a line for each."""
    return [f"{row['kernel']}, {row['architecture']}: {text}" for row in rows for text in _wrong(row)]


def _wrong(row: dict) -> Iterator[str]:
    if row["float64"] and not row["float64 allowed"]:
        yield f"{row['float64']} float64 instructions"
    if row["stationary"] and (local := _local(row)):
        yield f"{local} bytes of local memory"
    if row["stationary"] and row.get("spilled"):
        yield f"{row['spilled']} bytes spilled"


def _local(row: dict) -> int:
    """Bytes of local memory, of which ptxas has the last word."""
    return row.get("stack", row["local"])


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    """A line for each kernel, its architectures side by side where they differ."""
    kernels = {row["kernel"]: [other for other in rows if other["kernel"] == row["kernel"]] for row in rows}
    return [_line(kernel, *found) for kernel, found in kernels.items()]


def _line(kernel: str, *rows: dict) -> tuple[str, ...]:
    def both(value) -> str:
        shown = [str(value(row)) for row in rows]
        return shown[0] if len(set(shown)) == 1 else " / ".join(shown)

    return (
        kernel,
        both(lambda row: row["threads"]),
        both(lambda row: row.get("registers", "")),
        both(lambda row: row.get("static shared memory", 0) + row["dynamic shared memory"]),
        both(_local),
        both(lambda row: row.get("spilled", "")),
        both(lambda row: row["float64"]),
        both(lambda row: "yes" if row["stationary"] else ""),
    )
