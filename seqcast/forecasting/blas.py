"""The threads of NumPy's linear algebra."""

from threadpoolctl import threadpool_limits


def one_blas_thread() -> threadpool_limits:
    """Return a context in which BLAS uses one thread, so that results do not depend on the number of cores.

    It is also faster, since threads of BLAS wait for each other: a fit to two years of hourly values took
    2.9 s of CPU time, and 7.5 s with two threads.
    """
    return threadpool_limits(1, user_api="blas")
