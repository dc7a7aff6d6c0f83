"""The number of threads of NumPy's linear algebra."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from seqcast.forecasting.blas import one_blas_thread


def count_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_uses_one_thread_within_the_context():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = count_threads()
    if not before:
        pytest.skip("threadpoolctl does not know this BLAS")
    with one_blas_thread():
        assert set(count_threads()) == {1}
    assert count_threads() == before
