"""Run a benchmark once for each CPU target that this processor supports, each in a process of its own."""

from collections.abc import Iterator
from types import ModuleType

from seqcast.kernels.cpu_target import HOST, VARIABLE, find_supported_targets

from . import fresh_process, timing

# A process chooses its CPU target once.
ROWS = """
import json, sys
from importlib import import_module
from benchmarks import timing
timing.SECONDS = float(sys.argv[2])
print(json.dumps(list(import_module(f"benchmarks.bench_{sys.argv[1]}").run())))
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
            found = fresh_process.run_python_for_json(
                "-c", ROWS, name, str(timing.SECONDS), **{VARIABLE: target.name}
            )
            yield from ({"target": target.name, **row} for row in found)
