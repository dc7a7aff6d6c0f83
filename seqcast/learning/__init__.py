"""Networks and their training: parameters, calls of kernels, training loops, and the choice of a device."""
