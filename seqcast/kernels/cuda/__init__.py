"""The kernels on a GPU, by numba.cuda; requires the extra: pip install "seqcast[cuda]"."""
