"""Compiled loops: recurrent layers, readout, losses and optimisers, their memory layout and their cache."""
