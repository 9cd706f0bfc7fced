import pytest

from harness.core.specs import Recipe
from harness.cost import dead_time
from harness.cost.dead_time import START, before, saving
from harness.training.api import Execution

RECIPE = Recipe("r", 32, 32, steps=10, learning_rate=0.1)
WIDE = 928_000_000  # weights of a BiT-R152x4


def test_constants_are_those_of_the_loop():
    from harness.training.torch import loop

    assert (Execution().save_every, loop.WORTH) == (dead_time.SAVE_EVERY, dead_time.WORTH)


def test_loading_takes_longer_for_more_weights():
    assert before(0) == START
    assert before(WIDE) - START == pytest.approx(19, abs=1)


def test_a_state_is_saved_every_ten_minutes_and_at_the_end():
    one = saving(RECIPE, WIDE, 40.0)
    assert one == pytest.approx(3, abs=0.1)
    assert saving(RECIPE, WIDE, 20.0) == 0.0
    assert saving(RECIPE, WIDE, 1300.0) == pytest.approx(3 * one)


@pytest.mark.parametrize(
    "changes, bytes_of_a_weight", [({}, 8), ({"momentum_dtype": "bfloat16"}, 6), ({"momentum": 0.0, "polyak": 0.9}, 8)]
)
def test_a_state_holds_weights_momentum_and_averages(changes, bytes_of_a_weight):
    from dataclasses import replace

    assert saving(replace(RECIPE, **changes), 1000, 40.0) == pytest.approx(dead_time.SAVING * 1000 * bytes_of_a_weight)
