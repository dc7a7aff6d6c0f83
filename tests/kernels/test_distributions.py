"""Names of distributions, and the order of their outputs."""

import pytest

from seqcast.kernels.distributions import DISTRIBUTIONS, output_probabilities, parameter_count


def test_quantiles_are_ordered_from_the_median():
    assert output_probabilities((0.1, 0.25, 0.5, 0.8, 0.9)).tolist() == [0.5, 0.8, 0.9, 0.25, 0.1]


@pytest.mark.parametrize(("name", "expected"), [*zip(DISTRIBUTIONS, [1, 3, 2, 3, 2], strict=True)])
def test_each_distribution_has_its_number_of_parameters(name, expected):
    assert parameter_count(name, (0.1, 0.5, 0.9)) == expected
