"""The figures of a comparison, and how they are shown."""

import pytest

from bench.rows import Goal, Lap, Row, compared, rounds, same_work
from bench.table import line, plain


def laps(*seconds):
    return [Lap(wall, wall / 2, 10) for wall in seconds]


def test_ratios_are_taken_pair_by_pair():
    row = compared("x", laps(1, 2, 4), laps(2, 2, 2), "other", Goal(">=", 1.0))
    assert (row.value, row.other) == (5, 5)  # of 10, 5 and 2.5 images per second, and of 5, 5 and 5
    assert (row.ratio.least, row.ratio.median, row.ratio.most) == (0.5, 1, 2)
    assert row.ratio == row.cpu_ratio
    assert row.met is True


@pytest.mark.parametrize(("relation", "value", "met"), [(">=", 1.0, True), (">=", 0.99, False), ("<", 1.0, False)])
def test_a_goal_is_reached_or_not(relation, value, met):
    row = Row("x", "s", value, goal=Goal(relation, 1.0))
    assert row.met is met
    assert ("MISSED" in line(row)) is not met
    assert Row("x", note="not measured", goal=Goal(relation, 1.0)).met is None
    assert "not measured" in line(Row("x", note="not measured"))


def test_sides_take_turns_and_the_first_round_does_not_count():
    calls = []

    def side(name):
        calls.append(name)
        return Lap(len(calls), 0, 1)

    found = rounds({name: lambda name=name: side(name) for name in "ab"}, 2)
    assert "".join(calls) == "abbaab"
    assert [lap.wall for lap in found["a"]] == [4, 5]


def test_sides_that_compute_something_else_are_not_compared():
    same_work("x", (1.0, 2.0), (1.00001, 2.0), 1e-4)
    for other in ((1.0, 2.1), (1.0,)):
        with pytest.raises((RuntimeError, ValueError)):
            same_work("x", (1.0, 2.0), other, 1e-4)


def test_json_has_what_is_not_empty_to_five_digits():
    assert plain(Row("x", "s", 1.234567)) == {"name": "x", "unit": "s", "value": 1.2346}
