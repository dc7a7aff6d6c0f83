"""Store results as files, and write README.md from them, so that no figure is typed by hand."""

import json
import os
import platform
import subprocess
from datetime import date
from importlib import metadata
from pathlib import Path
from types import ModuleType

import seqcast

FOLDER = Path(__file__).parent
PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "scikit-learn",
    "pandas",
    "joblib",
    "torch",
    "jax",
    "jaxlib",
    "onnx",
    "onnxruntime",
    "numba-cuda",
    "nvidia-nvvm",
    "nvidia-cublas",
)

HEAD = """# Benchmarks

This page is written from the files in `results/` by `python -m benchmarks`. To run all benchmarks and
write the page again, use `make bench`; to run some of them, use for example
`make bench NAMES="one_row start"`.

Absolute times depend on the machine. Ratios compare runs that alternated on the same machine. A library
that was not installed is marked "not installed".
"""


def conditions() -> dict:
    """Return the date, the commit, the machine and the versions of a measurement."""
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
    }


def save(name: str, conditions: dict, rows: list[dict]) -> None:
    """Write the rows of one benchmark, and the conditions at its start, to a file."""
    result = conditions | {"rows": rows}
    (FOLDER / "results" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def commit() -> str:
    """Return the commit, with "changed" if sources of seqcast or of benchmarks differ; "" if unknown."""
    try:
        changes = _git("status", "--porcelain", "../seqcast", "*.py")
        return _git("rev-parse", "--short=10", "HEAD") + (", changed" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=FOLDER, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> dict[str, str | int | None]:
    """Return the processor, as the operating system names it, and the number of cores."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name", platform.machine())
    known = " with AVX-512" if "avx512f" in fields.get("flags", "") else ""
    return f"{name}{known}, family {fields.get('cpu family')}, model {fields.get('model')}"


def versions() -> dict[str, str]:
    # not from metadata, because seqcast may run from its sources
    found = {"seqcast": seqcast.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_readme(benchmarks: dict[str, ModuleType]) -> None:
    """Write README.md from all results that exist."""
    parts = [HEAD]
    for name, benchmark in benchmarks.items():
        path = FOLDER / "results" / f"{name}.json"
        if path.exists():
            parts.append(_section(name, benchmark, json.loads(path.read_text())))
    parts.append((FOLDER / "targets.md").read_text())
    (FOLDER / "README.md").write_text("\n".join(parts))


def fill_front_page(benchmark: ModuleType, name: str) -> None:
    """Write the table of one benchmark between its markers in the README of the repository."""
    page, path = FOLDER.parent / "README.md", FOLDER / "results" / f"{name}.json"
    if not path.exists():
        return
    before, rest = page.read_text().split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- end of {name} -->")
    table = markdown(benchmark, json.loads(path.read_text())["rows"], benchmark.FRONT_COLUMNS)
    page.write_text(f"{before}<!-- {name} -->\n{table}\n<!-- end of {name} -->{after}")


def markdown(benchmark: ModuleType, rows: list[dict], n_columns: int | None = None) -> str:
    """Return a Markdown table of the first `n_columns` columns, or of all columns if None."""
    table = [row[:n_columns] for row in (benchmark.COLUMNS, *benchmark.table(rows))]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join(lines)


def _section(name: str, benchmark: ModuleType, result: dict) -> str:
    machine = f"{result['machine']['processor']}, {result['machine']['cores']} cores"
    versions = ", ".join(f"{package} {version}" for package, version in result["versions"].items())
    rows = result["rows"]
    parts = [benchmark.TEXT, *_figure(name, benchmark, rows), markdown(benchmark, rows)]
    for other in getattr(benchmark, "MORE", ()):
        # further tables of the same rows
        parts += [other.TEXT, markdown(other, rows)]
    commit = f" at commit {result['commit']}" if result.get("commit") else ""
    conditions = f"Measured on {result['date']}{commit}; {machine}; {versions}.\n"
    return "\n\n".join([f"## {benchmark.TITLE}", *parts, conditions])


def _figure(name: str, benchmark: ModuleType, rows: list[dict]) -> list[str]:
    """Save the figure of a benchmark, if it has one, and return the link to it."""
    if not hasattr(benchmark, "figure"):
        return []
    # without the version of matplotlib, so that the same results give the same file
    benchmark.figure(rows).savefig(FOLDER / f"{name}.png", dpi=120, metadata={"Software": None})
    return [f"![{benchmark.TITLE}]({name}.png)"]
