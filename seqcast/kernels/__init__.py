"""Compiled loops: the product (matmul), the recurrent loops (cpu), their layout in memory (layout) and their
cache (cache)."""
