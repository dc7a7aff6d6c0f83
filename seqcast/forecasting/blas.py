"""The threads of NumPy's linear algebra."""

from threadpoolctl import threadpool_limits


def one_blas_thread() -> threadpool_limits:
    """A context in which sums of products have the same bits whatever the number of cores.

    They are also quicker so: threads of BLAS wait for each other (a fit of two years of hours took 7.5 s of CPU
    instead of 2.9).
    """
    return threadpool_limits(1, user_api="blas")
