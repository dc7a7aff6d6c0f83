"""Run a benchmark once for each CPU target that this processor supports, each in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

from seqcast.kernels.cpu_target import HOST, VARIABLE, find_supported_targets

from . import timing
from .fresh_process import TOP

# Prints one row a line as JSON after this mark. A process chooses its CPU target once.
MARK = "row: "
ROWS = f"""
import json, sys
from importlib import import_module
from benchmarks import timing
timing.SECONDS = float(sys.argv[2])
for row in import_module("benchmarks.bench_" + sys.argv[1]).run():
    print({MARK!r} + json.dumps(row), flush=True)
"""


def run(name: str, benchmark: ModuleType) -> Iterator[dict]:
    """Yield the rows of a benchmark; those of a module with ``BY_TARGET`` name their CPU target."""
    targets = find_supported_targets()
    if not getattr(benchmark, "BY_TARGET", False):
        yield from benchmark.run()
    elif len(targets) < 2:
        yield from ({"target": HOST.name, **row} for row in benchmark.run())
    else:
        for target in targets:
            yield from ({"target": target.name, **row} for row in _run_for(target.name, name))


def _run_for(target: str, name: str) -> Iterator[dict]:
    command = [sys.executable, "-c", ROWS, name, str(timing.SECONDS)]
    environment = os.environ | {VARIABLE: target}
    with subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(MARK):
                yield json.loads(line.removeprefix(MARK))
            else:
                print(target, line, end="", flush=True)
    if process.returncode:
        raise RuntimeError(f"The benchmark {name} failed for the CPU target {target}.")
