"""The rule by which a learning rate is chosen."""

import pytest

from harness.evidence.lr_search import best_rate


@pytest.mark.parametrize(
    "accuracies, expected",
    [
        ({0.001: 90.0, 0.003: 92.0, 0.01: 91.0}, 0.003),
        ({0.01: 92.0, 0.003: 92.0}, 0.003),
        ({0.003: 10.0, 0.03: None}, 0.003),
        ({0.03: None}, None),
        ({}, None),
    ],
)
def test_the_best_on_the_dev_split_the_lower_of_two_equals_never_one_that_diverged(accuracies, expected):
    assert best_rate(accuracies) == expected
