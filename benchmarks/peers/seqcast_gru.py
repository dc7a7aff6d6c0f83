"""The GRU of the end-to-end benchmark in seqcast."""

import numba
from measured import job, measure

from seqcast import SeqForecaster

TASK = job()


def fit(series, epochs, steps):
    """Every epoch is a whole number of batches, so `epochs` alone gives the updates."""
    model = SeqForecaster(
        TASK["horizon"],
        TASK["window"],
        "gru",
        TASK["hidden"],
        batch_size=TASK["batch"],
        max_iter=epochs,
        n_iter_no_change=epochs,
        early_stopping=False,
        random_state=0,
        # the network alone, step by step, as the peers'
        segment=1,
        linear=False,
        naive_fallback=False,
        ema=None,
        dropout=0.0,
        loss="squared",
    )
    return model.fit(series)


if __name__ == "__main__":
    measure(fit, lambda model: model.forecast(), numba.get_num_threads(), "seqcast", "numba")
