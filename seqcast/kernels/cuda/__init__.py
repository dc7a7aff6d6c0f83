"""The same loops on a GPU, by numba.cuda; needs the extra: pip install "seqcast[cuda]"."""
