"""Check an installed wheel with shipped kernels: nothing is compiled, and results equal compiled ones.

Run by `make wheel`, outside of the source tree, in an environment with the wheel and its dependencies only.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FITS = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from seqcast import Recurrent, SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor
results = []
series = np.sin(np.arange(400.0) / 3) + np.random.RandomState(0).normal(size=400) / 9
sequences = np.random.RandomState(1).normal(size=(90, 12))
for cell in ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before"):
    regressor = SeqRegressor(cell, 9, 2, bidirectional=True, dropout=0.2, max_iter=3, random_state=0)
    results.append(regressor.fit(sequences, sequences[:, 3:5]).predict(sequences))
    layer = Recurrent(cell, 3, 7, n_layers=2, random_state=0)
    output, _ = layer.forward(np.random.RandomState(2).normal(size=(40, 9, 3)), training=True)
    results += [output, layer.backward(np.ones_like(output))[0]]
for optimizer in ("sgd", "rmsprop"):
    model = SeqRegressor(hidden_size=4, optimizer=optimizer, max_iter=3, random_state=0)
    results.append(model.fit(sequences, sequences[:, 0]).predict(sequences))
classifier = SeqClassifier(hidden_size=6, max_iter=3, random_state=0)
results.append(classifier.fit(sequences, np.arange(90) % 3).predict_proba(sequences))
results.append(SeqEncoder(hidden_size=6, max_iter=3, random_state=0).fit_transform(sequences))
for loss in ("absolute", "quantile", "gaussian", "student_t"):
    model = SeqForecaster(12, 36, hidden_size=9, max_iter=3, loss=loss, naive_fallback=False, random_state=0)
    results.append(model.fit(series).forecast(12, level=80).to_numpy())
counts = np.random.RandomState(3).poisson(3, 300).astype(float)
options = {"loss": "negative_binomial", "normalization": "none", "scaling": "none"}
model = SeqForecaster(6, 18, **options, max_iter=3, random_state=0)
results.append(model.fit(counts).forecast(6, level=80).to_numpy())
print(json.dumps([np.asarray(result, float).ravel().tolist() for result in results]))
"""


# A fit and forecasts in one process, and in children of it; in Python without compilation, for few numbers.
SMALL = """
import json, multiprocessing, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from joblib import Parallel, delayed
from seqcast import SeqRegressor

def fit(seed=0):
    X = np.random.RandomState(seed).normal(size=(40, 6))
    return SeqRegressor("rnn", 4, max_iter=2, random_state=0).fit(X, X[:, 2]).predict(X).tolist()

def main():
    if sys.argv[1:] == ["alone"]:
        return fit()
    if sys.argv[1:] == ["loky"]:
        return Parallel(n_jobs=2)(delayed(fit)() for _ in range(2))[1]
    expected = fit()
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        return pool.apply(fit)

if __name__ == "__main__":
    print(json.dumps(main()))
"""
FORECAST = """
import pickle, sys
model = pickle.load(open(sys.argv[1], "rb"))
model.forecast()
model.forecast(100)
print(*sorted({"numba", "llvmlite", "matplotlib", "rich"} & sys.modules.keys()))
"""
PICKLE = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from seqcast import SeqForecaster
model = SeqForecaster(12, 36, hidden_size=9, max_iter=3, naive_fallback=False, random_state=0)
pickle.dump(model.fit(np.sin(np.arange(400.0) / 3)), open(sys.argv[1], "wb"))
"""


def run(script: str, *arguments: str, **environment: str) -> str:
    """Run a script in a new process."""
    path = Path("script.py")
    path.write_text(script)
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def get_info() -> dict:
    """Return what `seqcast info --json` prints."""
    return json.loads(run("from seqcast.cli import main; main(['info', '--json'])"))


def check_results(target: str) -> None:
    """Compare shipped kernels with kernels that numba compiles for the same CPU target."""
    shipped = json.loads(run(FITS))
    cached = sorted(path.name for path in Path(os.environ["SEQCAST_CACHE_DIR"]).glob("*.kernel"))
    assert not cached, cached
    print("nothing was compiled")
    hide = "import seqcast.kernels.shipped as s; s.DIRECTORY = s.DIRECTORY / 'nowhere'\n"
    compiled = json.loads(run(hide + FITS, NUMBA_CPU_NAME=target, NUMBA_CPU_FEATURES=""))
    assert shipped == compiled
    print("the results have the bits of kernels that are compiled here for the same target")
    for n_threads in ("1", "3"):
        assert json.loads(run(FITS, NUMBA_NUM_THREADS=n_threads)) == shipped
    print("any number of threads gives the same bits")


def check_processes() -> list[float]:
    """Compare the results of child processes, and those of Python without compilation."""
    expected = json.loads(run(SMALL, "alone"))
    for kind in ("fork", "spawn", "loky"):
        assert json.loads(run(SMALL, kind)) == expected, kind
    print("forked, spawned and loky's processes give the same bits")
    plain = json.loads(run(SMALL, "alone", NUMBA_DISABLE_JIT="1"))
    assert max(abs(a - b) for a, b in zip(plain, expected, strict=True)) < 1e-5
    print("NUMBA_DISABLE_JIT=1 computes in Python")
    return expected


def check_imports() -> None:
    """Check that a fitted model forecasts without numba."""
    run(PICKLE, "model.pickle")
    assert run(FORECAST, "model.pickle").split() == []
    print("a model is loaded and forecasts without importing numba")


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Replace the content of an installed file for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def check_damage(kernels: Path, target: str, expected: list[float]) -> None:
    """Check that damaged or outdated kernels are never run, and that kernels are then compiled."""
    library, manifest = (kernels / "shipped_libraries" / name for name in (f"{target}.so", "manifest.json"))
    source = kernels / "cpu" / "windows.py"
    cases = {
        "a truncated library": (library, library.read_bytes()[:-4096]),
        "a falsified manifest": (manifest, manifest.read_bytes().replace(b'"sources": "', b'"sources": "0')),
        "no manifest": (manifest, b""),
        "an edited source": (source, source.read_bytes() + b"# edited\n"),
    }
    for name, (path, content) in cases.items():
        with changed(path, content):
            found = get_info()["kernels"]
            assert found["shipped"] == 0, name
            assert found["reason"].startswith("shipped kernels were refused"), found
            result = json.loads(run(SMALL, "alone"))
            assert max(abs(a - b) for a, b in zip(result, expected, strict=True)) < 1e-5
        print(f"{name}: kernels are compiled")
    assert get_info()["kernels"]["shipped"] > 30


def main() -> None:
    """Run all checks."""
    info = get_info()
    assert info["kernels"]["shipped"] > 30, info
    target = info["processor"]["target"]
    print(f"{info['kernels']['shipped']} shipped functions for {target}")
    check_results(target)
    check_imports()
    expected = check_processes()
    check_damage(Path(info["kernels"]["library"]).parents[1], target, expected)


if __name__ == "__main__":
    main()
