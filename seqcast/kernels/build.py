"""The build of the kernels that a wheel brings along: ``python -m seqcast.kernels.build DIRECTORY``.

Every kernel of the registry is compiled by numba for each CPU target, in a process of its own, since numba
reads the processor once. The machine code is linked into one shared library for a target, which needs the C
library only. A C compiler, `cc`, must be installed. Two builds of one commit give the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba as nb
import numpy as np
from numba.core.types import Type

from .cpu.compiling import KERNEL_TYPE
from .cpu.jit import FLAGS
from .cpu.kernels import make_function
from .cpu.workers import LOOP_TYPE, run_worker
from .cpu_target import TARGETS, CpuTarget
from .registry import list_shipped
from .shipped import INTERFACE, MANIFEST, WORKER_SYMBOL, describe_tables, symbol_of
from .source_hash import hash_sources

MODULE = "seqcast.kernels.build"
# No part of the library depends on the directory or the time of the build.
LINK_OPTIONS = ("-shared", "-nostartfiles", "-Wl,--build-id=none", "-Wl,--strip-all", "-Wl,-z,noexecstack")


# Where a function returns an array, numba calls the destructor of memory that its runtime has allocated.
# Kernels allocate none, so this is never reached.
_NO_DESTRUCTOR = """
declare void @llvm.trap()
define void @NRT_MemInfo_call_dtor(ptr %info) {
  call void @llvm.trap()
  unreachable
}
"""
# What a library may take from the C library.
EXTERNAL_FUNCTIONS = {
    *("exp", "expf", "expm1", "lgamma", "log", "log1p", "logf", "pow", "sqrt", "sqrtf"),
    *("memcpy", "memset"),
}


def build(directory: Path) -> None:
    """Write the libraries of all targets, and the manifest, into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    targets = {}
    for target in TARGETS:
        file = f"{target.name}.so"
        _build_in_process(target, directory / file)
        content = (directory / file).read_bytes()
        targets[target.name] = {
            "file": file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "symbols": [symbol for symbol, _, _ in _list_functions(target)],
        }
    manifest = {
        "interface": INTERFACE,
        "sources": hash_sources().hex(),
        "tables": describe_tables(),
        "numba": nb.__version__,
        "llvmlite": llvmlite.__version__,
        "targets": targets,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _build_in_process(target: CpuTarget, path: Path) -> None:
    """Build one library in a process whose numba compiles for this target."""
    # An empty list of features: those of the target's name.
    settings = {"NUMBA_CPU_NAME": target.name, "NUMBA_CPU_FEATURES": "", "NUMBA_OPT": "3"}
    command = [sys.executable, "-m", MODULE, "--target", target.name, str(path)]
    subprocess.run(command, env=os.environ | settings | {"NUMBA_DISABLE_JIT": "0"}, check=True)


def build_library(target: CpuTarget, path: Path) -> None:
    """Compile all functions for a target, which numba must be set to, and link them."""
    machine = _make_machine(target)
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for symbol, function, signature in _list_functions(target):
            objects.append(Path(folder, f"{symbol}.o"))
            objects[-1].write_bytes(_compile(symbol, function, signature, machine))
        Path(folder, "old_symbols.s").write_text(_make_old_symbols(), encoding="ascii")
        # From within the folder, so that its name is not in the library.
        names = ["old_symbols.s", *(file.name for file in objects)]
        subprocess.run(
            ["cc", *LINK_OPTIONS, "-o", str(path.resolve()), *names, "-lm"], cwd=folder, check=True
        )


def _list_functions(target: CpuTarget) -> Iterator[tuple[str, Any, Type]]:
    """Yield symbol, Python function and signature of all functions of a library."""
    for name, cell in list_shipped():
        function = make_function(name, cell, np.dtype(np.float32), target)
        yield symbol_of(name, cell.name if cell else None), function, KERNEL_TYPE
    yield WORKER_SYMBOL, run_worker, LOOP_TYPE


def _make_old_symbols() -> str:
    """Return assembly code by which the library uses the first versions of some functions of the C library.

    The later versions, of glibc 2.29, differ only in how they report errors. With the first versions, the
    library also runs with glibc 2.27.
    """
    return "".join(
        f".globl {name}\n.hidden {name}\n.type {name}, @function\n{name}: jmp old_{name}@PLT\n"
        f".symver old_{name}, {name}@GLIBC_2.2.5\n"
        for name in ("exp", "log", "pow")
    )


def _make_machine(target: CpuTarget) -> llvm.TargetMachine:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=target.name, opt=3, reloc="pic", codemodel="default"
    )


def _compile(symbol: str, function: Any, signature: Type, machine: llvm.TargetMachine) -> bytes:
    """Return the object file of one function, which is visible under its symbol alone."""
    dispatcher = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **FLAGS)(function)
    dispatcher.compile(signature.args)
    compiled = dispatcher.overloads[signature.args]
    module = llvm.parse_assembly(compiled.library.get_llvm_str())
    module.link_in(llvm.parse_assembly(_NO_DESTRUCTOR))
    module.link_in(llvm.parse_assembly(_make_entry(symbol, compiled.fndesc.llvm_func_name, signature)))
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != symbol:
            item.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=0)
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, options))
    _check_external_functions(symbol, module)
    return machine.emit_object(module)


def _check_external_functions(symbol: str, module: llvm.ModuleRef) -> None:
    """Check that a function needs nothing but `EXTERNAL_FUNCTIONS`, such as numba's runtime."""
    needed = {item.name for item in module.functions if item.is_declaration}
    others = {name for name in needed - EXTERNAL_FUNCTIONS if not name.startswith("llvm.")}
    if others:
        raise RuntimeError(
            f"{symbol} needs {sorted(others)}. A shipped function may need the C library only."
        )


def _make_entry(symbol: str, native: str, signature: Type) -> str:
    """Return a function with a plain C signature that calls numba's form of the function.

    Numba's form returns a status, and writes the result to the address in its first argument.
    """
    arguments = ", ".join(f"i64 %a{k}" for k in range(len(signature.args)))
    returns_number = signature.return_type != nb.types.void
    result = "i64" if returns_number else "ptr"
    lines = [
        f'declare i32 @"{native}"(ptr, ptr, {", ".join(["i64"] * len(signature.args))})',
        f"define {'i64' if returns_number else 'void'} @{symbol}({arguments}) {{",
        f"  %result = alloca {result}",
        "  %error = alloca ptr",
        f'  %status = call i32 @"{native}"(ptr %result, ptr %error, {arguments})',
    ]
    if returns_number:
        lines += ["  %value = load i64, ptr %result", "  ret i64 %value", "}"]
    else:
        lines += ["  ret void", "}"]
    return "\n".join(lines)


def main() -> None:
    """Run the build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, help="write the libraries and the manifest into this directory")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for target in TARGETS:
        if target.name == arguments.target:
            build_library(target, arguments.path)
    if arguments.target is None:
        build(arguments.path)


if __name__ == "__main__":
    main()
