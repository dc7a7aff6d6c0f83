"""The golden files: what PyTorch computes, written by golden/make_golden.py."""

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"
# Golden file -> name of the cell.
CELLS = {"rnn_tanh": "rnn", "rnn_relu": "rnn_relu", "lstm": "lstm", "gru": "gru"}


def read_cases(kind):
    """The arrays of one golden file as {case: {name: array}}."""
    cases = {}
    with np.load(GOLDEN / f"{kind}.npz") as file:
        for key in file.files:
            case, name = key.split("/")
            cases.setdefault(case, {})[name] = file[key]
    return cases
