"""Check an installed wheel with shipped kernels: nothing is compiled, and results equal compiled ones.

Run by `make wheel`, outside of the source tree, in an environment with the wheel and its dependencies only.
"""

import json
import os
import subprocess
import sys
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


def run(script: str, **environment: str) -> str:
    """Run a script in a new process."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main() -> None:
    """Compare shipped kernels with kernels that numba compiles for the same CPU target."""
    info = json.loads(run("from seqcast.cli import main; main(['info', '--json'])"))
    assert info["kernels"]["shipped"] > 30, info
    target = info["processor"]["target"]
    print(f"{info['kernels']['shipped']} shipped functions for {target}")
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


if __name__ == "__main__":
    main()
