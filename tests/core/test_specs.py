"""Specs are strict: a bad value is one line with its place."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.specs import Recipe, build

RECIPE = {"id": "r", "steps": 60, "batch_size": 32, "learning_rate": 0.03, "resolution": 32}
LEAST_SQUARES = {"method": "least squares", "steps": 0, "learning_rate": None, "shots": 5, "l2": 1.0}


@pytest.mark.parametrize(
    "values, message",
    [
        (
            RECIPE | {"batchsize": 3},
            r"^f\.toml \[r\]: unknown key 'batchsize' \(did you mean 'batch_size'\?\); expected keys: id, batch_size",
        ),
        ({"id": "r"}, r"^f\.toml \[r\]: key 'batch_size' is missing; add it$"),
        (RECIPE | {"steps": -1}, r"^f\.toml \[r\]: steps: expected a value greater than or equal to 0, found -1$"),
        (RECIPE | {"steps": None}, r"expected either steps or epochs"),
        (RECIPE | {"epochs": 3}, r"expected either steps or epochs"),
        (RECIPE | {"learning_rate": None}, r"expected learning_rate or learning_rate_grid"),
        (RECIPE | {"schedule": "staircase"}, r"a staircase needs decay_at"),
        (RECIPE | {"crop": "random"}, r"a random crop needs train_resize"),
        (RECIPE | {"crop": "random", "train_resize": 16}, r"expected train_resize of at least the resolution 32"),
        (RECIPE | {"method": "least squares", "l2": 1.0}, r"expected steps = 0 and l2 for the method least squares"),
        (RECIPE | LEAST_SQUARES | {"l2": None}, r"expected steps = 0 and l2 for the method least squares"),
        (RECIPE | {"shots": 5}, r'expected shots and l2 only for the method "least squares"'),
        (RECIPE | {"steps": 0, "l2": 1.0}, r'expected shots and l2 only for the method "least squares"'),
        (RECIPE | LEAST_SQUARES | {"l2": 0.0}, r"l2: expected a value greater than 0, found 0.0"),
        (RECIPE | {"sources": {"step": "x"}}, r"sources cites 'step' \(did you mean 'steps'\?\), which is no field"),
    ],
)
def test_bad_values_are_one_line(values, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        build(Recipe, values, "f.toml [r]")
    assert "\n" not in str(caught.value)
