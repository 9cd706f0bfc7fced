"""The specification curve: what it sums up, and its overall effect against the crossed analysis by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.stats.crossed import Group, crossed
from harness.stats.estimate import Interval, Undefined
from harness.stats.seeds import SideScores
from harness.stats.specification_curve import medians_by_level, overall, specification_curve
from tests.stats.scored_specifications import generator, random_scores, scores


def plus_minus_tenth(a, b, level):
    value = a.mean() - b.mean()
    return Interval(value - 0.1, value + 0.1)


def test_the_curve_is_sorted_and_summed_up():
    n = 10
    of = {"x": 0.4, "y": -0.2, "z": 0.1, "w": 0.0}
    listed = [
        scores([1.0] * round(5 + 10 * gain) + [0.0] * (5 - round(10 * gain)), [1.0] * 5 + [0.0] * 5, name)
        for name, gain in of.items()
    ]
    found = specification_curve(listed, plus_minus_tenth, generator(), level=0.9)
    assert [each.name for each in found.effects] == ["y", "w", "z", "x"]
    assert [each.value for each in found.effects] == pytest.approx([-0.2, 0.0, 0.1, 0.4])
    assert (found.effects[0].low, found.effects[0].high) == pytest.approx((-0.3, -0.1))
    assert found.median == pytest.approx(0.05)
    assert (found.holds, found.decided_for, found.decided_against) == (0.5, 0.25, 0.25)
    assert found.level == 0.9
    assert found.by_networks is None
    assert len(listed[0].a[0]) == n


def test_an_interval_that_can_not_be_made_is_no_decision():
    def refuses(a, b, level):
        raise Undefined("no spread")

    found = specification_curve([scores([1, 1, 1], [0, 0, 0])], refuses, generator())
    assert math.isnan(found.effects[0].low)
    assert (found.holds, found.decided_for, found.decided_against) == (1.0, 0.0, 0.0)


def test_a_real_difference_is_found_in_its_direction():
    rng = generator(17)
    listed = [random_scores(rng, n=300, gain=0.2, name=str(i)) for i in range(5)]
    found = specification_curve(listed, plus_minus_tenth, rng)
    assert found.holds == found.decided_for == 1.0
    for statistic, below in (("median", 0.01), ("mean_z", 0.01), ("share", 0.2)):  # five signs alone say little
        assert getattr(found.by_examples, statistic).greater < below
        assert getattr(found.by_examples, statistic).less > 0.9
    assert found.by_examples.median.greater == 1 / 4_000
    assert found.by_networks is not None
    assert found.by_networks.median.greater == found.by_networks.smallest == 0.05


def test_many_recipes_on_three_networks_are_still_three_networks():
    one = random_scores(generator(23), networks=3, n=200, gain=0.1)
    alone = crossed([Group((SideScores(one.a), SideScores(one.b, -1.0)))], 0.95)
    assert overall([one] * 20) == alone
    turned = replace(one, a=one.a[::-1], networks_a=one.networks_a[::-1])
    assert overall([one, turned]) == alone


def test_the_overall_effect_is_the_mean_over_specifications_of_all_blocks():
    rng = generator(29)
    listed = [random_scores(rng, n=100, gain=0.2) for _ in range(3)]
    listed.append(replace(random_scores(rng, n=100), networks_a=("c0", "c1", "c2"), networks_b=("d0", "d1", "d2")))
    found = overall(listed)
    assert found.value == pytest.approx(np.mean([each.effect for each in listed]))
    assert specification_curve(listed, plus_minus_tenth, rng).overall == found
    # Examples are shared by all blocks, networks by none: both standard errors, by hand.
    contrast = np.mean([each.a.mean(axis=0) - each.b.mean(axis=0) for each in listed], axis=0)
    assert found.se_examples == pytest.approx(contrast.std(ddof=1) / 10)
    averaged = replace(
        listed[0],
        a=np.mean([each.a for each in listed[:3]], axis=0),
        b=np.mean([each.b for each in listed[:3]], axis=0),
    )
    variances = [
        share**2 * rows.mean(axis=1).var(ddof=1) / 3
        for share, one in ((0.75, averaged), (0.25, listed[3]))
        for rows in (one.a, one.b)
    ]
    assert found.se_seeds == pytest.approx(math.sqrt(sum(variances)))


def test_three_networks_a_side_can_decide_overall_where_their_labels_can_not():
    rng = generator(31)
    listed = [random_scores(rng, n=300, gain=0.25, name=str(i)) for i in range(5)]
    found = specification_curve(listed, plus_minus_tenth, rng)
    assert found.by_networks.smallest == 0.05
    assert found.overall.p < 0.01


def test_an_overall_effect_without_a_spread_is_none():
    nothing = replace(scores([[0.5, 0.5]] * 2, [[0.25, 0.25]] * 2), networks_a=("a", "b"), networks_b=("c", "d"))
    assert overall([nothing]) is None


def test_a_seeded_generator_gives_the_same_curve():
    listed = [random_scores(generator(19), gain=0.05)]
    assert specification_curve(listed, plus_minus_tenth, generator(4)) == specification_curve(
        listed, plus_minus_tenth, generator(4)
    )


def test_medians_say_which_choice_moves_the_answer():
    listed = [
        scores([1, 1, 1, 0], [1, 0, 0, 0], levels=[("rate", "x1"), ("steps", "40")]),
        scores([1, 1, 0, 0], [1, 0, 0, 0], levels=[("rate", "x1"), ("steps", "80")]),
        scores([1, 0, 0, 0], [1, 1, 0, 0], levels=[("rate", "x2"), ("steps", "40")]),
    ]
    found = specification_curve(listed, plus_minus_tenth, generator())
    assert medians_by_level(found.effects) == {
        "rate": {"x1": 0.375, "x2": -0.25},
        "steps": {"40": 0.125, "80": 0.25},
    }


def test_a_curve_needs_specifications():
    with pytest.raises(Undefined, match=r"on one test set, found \[\] examples"):
        specification_curve([], plus_minus_tenth, generator())
