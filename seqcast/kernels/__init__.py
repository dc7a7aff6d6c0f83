"""Kernels: their tables and memory layout; `cpu` and `cuda` hold the compiled loops."""
