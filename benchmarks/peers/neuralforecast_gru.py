"""Fit the GRU of the end-to-end benchmark with neuralforecast, with its smallest decoder."""

import logging

import torch
from measured import job, measure
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import GRU

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
TASK = job()
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}


def fit(series, epochs, steps):
    """Fit the model. neuralforecast draws each batch at random, and counts updates instead of epochs."""
    model = GRU(
        h=TASK["horizon"],
        input_size=TASK["window"],
        encoder_hidden_size=TASK["hidden"],
        encoder_n_layers=1,
        decoder_layers=1,
        loss=MSE(),
        max_steps=steps,
        windows_batch_size=TASK["batch"],
        scaler_type="identity",
        accelerator="cpu",
        enable_model_summary=False,
        **QUIET,
    )
    forecast = NeuralForecast([model], freq="h", local_scaler_type="standard")
    forecast.fit(series.rename_axis("ds").rename("y").reset_index().assign(unique_id="OT"))
    return forecast


if __name__ == "__main__":
    measure(fit, lambda model: model.predict(), torch.get_num_threads(), "neuralforecast", "torch")
