"""Networks, and how they learn: parameters and batches (network), epochs and early stopping (training)."""
