"""Measure the peak memory of training on a very long series."""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from . import fresh_process, timing

N_ROWS, WINDOW, HORIZON, HIDDEN, SAMPLE, BATCH = 10_000_000, 336, 24, 64, 20_000, 128

TITLE = "Memory"
TEXT = (
    f"`SeqForecaster(max_samples={SAMPLE:,}, max_iter=1)`, a GRU of {HIDDEN} units with window {WINDOW} "
    f"and horizon {HORIZON}, on one series of {N_ROWS:,} rows (float64, 80 MB). The fit trains one epoch"
    " on a subset of the windows, and computes the validation loss on as many later windows. The table "
    "gives the peak resident memory of a new process, minus the memory after the imports, in MiB. It "
    "includes the series."
)
COLUMNS = ("stage", "MiB above the imports", "seconds")


def run() -> list[dict]:
    sample = max(BATCH, round(SAMPLE * min(1, timing.SECONDS)))
    # compile first, because compiling needs memory, too
    fresh_process.run_python("-m", __name__, "10000", str(BATCH))
    rows = [fresh_process.run_python_for_json("-m", __name__, str(N_ROWS), str(sample))]
    print(rows[-1], flush=True)
    return rows


def measure(n_rows: int, sample: int) -> dict:
    """Create the series and fit the forecaster, in this process."""
    from seqcast import SeqForecaster

    model = SeqForecaster(
        HORIZON, WINDOW, "gru", HIDDEN, batch_size=BATCH, max_samples=sample, max_iter=1, random_state=0
    )
    imported = _peak_bytes()
    series = np.random.RandomState(0).standard_normal(n_rows)
    peaks, begin = {"series only": _peak_bytes()}, time.perf_counter()
    with warnings.catch_warnings():
        # one epoch is not meant to converge
        warnings.simplefilter("ignore")
        model.fit(series)
    seconds, peaks["fit"] = time.perf_counter() - begin, _peak_bytes()
    above = {what: (peak - imported) / 2**20 for what, peak in peaks.items()}
    return {"mebibytes": above, "seconds": {"fit": seconds}}


def _peak_bytes() -> int:
    try:
        # not getrusage, whose peak on Linux is at least the memory of the parent process at the fork
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS counts bytes, other systems KiB
        return peak if sys.platform == "darwin" else 1024 * peak
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    (row,) = rows
    return [_line(what, above, row["seconds"].get(what)) for what, above in row["mebibytes"].items()]


def _line(what: str, mebibytes: float, seconds: float | None) -> tuple[str, ...]:
    return (what, f"{mebibytes:.0f}", "" if seconds is None else f"{seconds:.1f}")


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
