"""Fit the GRU of the end-to-end benchmark with seqcast."""

import numba
from measured import job, measure

from seqcast import SeqForecaster

TASK = job()


def fit(series, epochs, steps):
    """Fit the model. Each epoch is a whole number of batches, so `epochs` determines the updates."""
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
        # only the network, which reads single steps, as in the other libraries
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
