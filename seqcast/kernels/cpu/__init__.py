"""Kernels for the CPU, compiled by numba: recurrent layers, readout, losses and optimizers."""
