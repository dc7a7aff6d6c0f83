"""Fit the GRU of the end-to-end benchmark with darts."""

import logging

import numpy as np
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel
from measured import job, measure

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
TASK = job()
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def fit(series, epochs, steps):
    """Scale the series, because darts does not, and fit the model."""
    scaled = ((series - series.mean()) / series.std()).astype(np.float32)
    model = BlockRNNModel(
        input_chunk_length=TASK["window"],
        output_chunk_length=TASK["horizon"],
        model="GRU",
        hidden_dim=TASK["hidden"],
        n_rnn_layers=1,
        batch_size=TASK["batch"],
        n_epochs=epochs,
        random_state=0,
        pl_trainer_kwargs={"accelerator": "cpu", "max_steps": steps, **QUIET},
    )
    return model.fit(TimeSeries.from_series(scaled))


if __name__ == "__main__":
    measure(fit, lambda model: model.predict(TASK["horizon"]), torch.get_num_threads(), "darts", "torch")
