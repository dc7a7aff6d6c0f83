"""Results as files, and the README made from them: no figure in it is typed."""

import json
import os
import platform
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

`make bench` measures everything below and writes this page from `results/`, and
`make bench NAMES="one_row start"` a part of it. Absolute times depend on the machine; the ratios
come from runs that took turns. A peer that is not installed is named as such.
"""


def save(name: str, rows: list[dict]) -> None:
    """Write one benchmark's rows with the machine, the versions and the date."""
    result = {"date": date.today().isoformat(), "machine": machine(), "versions": versions(), "rows": rows}
    (FOLDER / "results" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def machine() -> dict[str, str | int | None]:
    """The processor, as the operating system names it, and its cores."""
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
    return f"{name}, family {fields.get('cpu family')}, model {fields.get('model')}"


def versions() -> dict[str, str]:
    found = {"seqcast": seqcast.__version__}  # not from metadata: it may run from its sources
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_readme(benchmarks: dict[str, ModuleType]) -> None:
    """Write README.md from the results that are there."""
    parts = [HEAD]
    for name, benchmark in benchmarks.items():
        path = FOLDER / "results" / f"{name}.json"
        if path.exists():
            parts.append(_section(name, benchmark, json.loads(path.read_text())))
    parts.append((FOLDER / "targets.md").read_text())
    (FOLDER / "README.md").write_text("\n".join(parts))


def fill_front_page(benchmark: ModuleType, name: str) -> None:
    """Write one benchmark's table between its markers in the front page."""
    page, path = FOLDER.parent / "README.md", FOLDER / "results" / f"{name}.json"
    if not path.exists():
        return
    before, rest = page.read_text().split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- end of {name} -->")
    table = markdown(benchmark, json.loads(path.read_text())["rows"], benchmark.FRONT_COLUMNS)
    page.write_text(f"{before}<!-- {name} -->\n{table}\n<!-- end of {name} -->{after}")


def markdown(benchmark: ModuleType, rows: list[dict], n_columns: int | None = None) -> str:
    """A table of the first columns, all of them if None."""
    table = [row[:n_columns] for row in (benchmark.COLUMNS, *benchmark.table(rows))]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join(lines)


def _section(name: str, benchmark: ModuleType, result: dict) -> str:
    where = f"{result['machine']['processor']}, {result['machine']['cores']} cores"
    with_ = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    shown = [benchmark.TEXT, *_picture(name, benchmark, result["rows"]), markdown(benchmark, result["rows"])]
    for other in getattr(benchmark, "MORE", ()):  # further tables of the same rows
        shown += [other.TEXT, markdown(other, result["rows"])]
    return "\n\n".join([f"## {benchmark.TITLE}", *shown, f"{result['date']}; {where}; {with_}.\n"])


def _picture(name: str, benchmark: ModuleType, rows: list[dict]) -> list[str]:
    """Draw a benchmark's figure, where it has one, and link to it."""
    if not hasattr(benchmark, "figure"):
        return []
    # without the drawing library's version in it, so that the same results give the same file
    benchmark.figure(rows).savefig(FOLDER / f"{name}.png", dpi=120, metadata={"Software": None})
    return [f"![{benchmark.TITLE}]({name}.png)"]
