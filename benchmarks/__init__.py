"""Measurements of seqcast beside its peers: ``python -m benchmarks`` (or ``make bench``)."""
