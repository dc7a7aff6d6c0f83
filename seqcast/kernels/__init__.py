"""Compiled loops: recurrent layers, readout, losses and optimizers, their memory layout and their cache."""
