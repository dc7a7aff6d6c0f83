"""The threads of NumPy's linear algebra."""

from threadpoolctl import threadpool_limits


def one_blas_thread() -> threadpool_limits:
    """A context in which sums of products have the same bits whatever the number of cores.

    They are also quicker so, as threads of BLAS wait for each other: a fit to two years of hours took 2.9 s
    of CPU time, and 7.5 s with two.
    """
    return threadpool_limits(1, user_api="blas")
