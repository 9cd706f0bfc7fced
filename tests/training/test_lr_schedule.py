"""The learning rate of every step, against the authors' formulas written out."""

import math
from dataclasses import replace

import pytest

from harness.core.specs import Recipe
from harness.training.lr_schedule import learning_rate

RECIPE = Recipe("r", steps=100, batch_size=4, learning_rate=0.03, resolution=32, warmup_steps=10)
STAIRS = replace(RECIPE, schedule="staircase", decay_at=(30, 60, 90))


def test_the_first_update_has_rate_zero_and_the_peak_comes_after_the_warm_up():
    rates = [learning_rate(RECIPE, step) for step in range(100)]
    assert rates[0] == 0
    assert rates[5] == pytest.approx(0.03 * 0.5)
    assert max(rates) == rates[10] == pytest.approx(0.03)
    assert rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("step", [10, 55, 99])
def test_cosine_decay(step):
    assert learning_rate(RECIPE, step) == pytest.approx(0.03 * math.cos(math.pi / 2 * (step - 10) / 90) ** 2)


def test_without_warm_up_it_starts_at_the_peak():
    assert learning_rate(replace(RECIPE, warmup_steps=0), 0) == 0.03


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0), (5, 0.015), (10, 0.03), (30, 0.03), (31, 0.003), (60, 0.003), (61, 0.0003), (90, 0.0003), (99, 0.00003)],
)
def test_a_staircase_falls_strictly_after_its_steps(step, expected):
    assert learning_rate(STAIRS, step) == pytest.approx(expected)


def test_a_constant_rate_is_constant_after_the_warm_up():
    flat = replace(RECIPE, schedule="constant")
    assert [learning_rate(flat, step) for step in (0, 5, 10, 99)] == pytest.approx([0, 0.015, 0.03, 0.03])


def test_an_unresolved_recipe_has_no_rate():
    with pytest.raises(ValueError, match="expected a learning rate and a number of steps"):
        learning_rate(replace(RECIPE, learning_rate=None, learning_rate_grid=(0.1, 0.2)), 0)
