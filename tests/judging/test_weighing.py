"""Evidence for and against as error rates: of one contrast, of compounds, of a family; held in simulation."""

from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from harness.core.claim import All, AtLeast, Equivalent, Ratio, Robust
from harness.core.hypotheses import Close, Increasing
from harness.judging.evidence import Cost, Evidence
from harness.judging.judge import decided
from harness.judging.weighing import UNDECIDED, alphas, compound, margin, of_curve, weighed
from harness.judging.weighing import Tested as Weighed  # pytest takes a name that begins with Test for tests
from harness.stats.crossed import CrossedEstimate
from harness.stats.joint_permutation import JointTest, OneSided
from harness.stats.specification_curve import SpecificationCurve
from tests.judging.making import A, B, C, better, differing, measured, published, row, runs_side


def two_sided(z):
    return 2 * scipy.stats.norm.sf(abs(z))


@pytest.mark.parametrize("difference", [3.0, -1.7, 0.4])
def test_a_comparison_counts_both_tails(difference):
    found = weighed(better(), differing(better(), difference))
    greater, less = (scipy.stats.norm.sf(sign * difference) for sign in (1, -1))
    assert found.for_it == pytest.approx(min(1, 2 * greater))
    assert found.against == pytest.approx(min(1, 2 * less))
    assert found.p == pytest.approx(two_sided(difference))


@pytest.mark.parametrize(
    "value, error, within", [(0.1, 0.2, 0.5), (0.6, 0.3, 0.5), (-1.5, 0.3, 0.5), (-0.4, 0.05, 0.5)]
)
def test_a_margin_is_tested_from_both_sides_one_tail_each(value, error, within):
    close = Close(A, to=90, on="d", within={"code": within})
    found = weighed(close, published({close: [row("p", (90 + value, error), tolerance=within)]}))
    inside = max(scipy.stats.norm.sf((value + within) / error), scipy.stats.norm.sf((within - value) / error))
    assert found.for_it == pytest.approx(inside)
    assert found.against == pytest.approx(scipy.stats.norm.sf((abs(value) - within) / error))
    # At 5 % it is inside exactly where the 90 % interval lies within the margin, outside where wholly beyond it.
    low, high = scipy.stats.norm.interval(0.90, value, error)
    expected = (
        "REPRODUCED" if -within < low and high < within
        else "REFUTED" if low > within or high < -within
        else "INCONCLUSIVE"
    )  # fmt: skip
    assert decided(found, 0.05) == expected


def test_the_margin_is_the_hypothesis_own_the_recipes_or_the_strictest_of_those_that_enter():
    equal = Equivalent(A, B, on="d", within=0.7)
    assert margin(equal, None, Evidence()) == 0.7
    close = Close(A, to=90, on="d", within={"paper": 0.5, "short": 2})
    runs = measured({(A, "d"): runs_side("a", np.eye(30)[:3])}, tolerance=2)
    from harness.judging.estimate import contrasted

    assert margin(close, contrasted(close, runs, 0.95), runs) == 2
    rows = published({close: [row("p", (90, 1), tolerance=2), row("q", (90, 1), tolerance=0.5)]})
    assert margin(close, contrasted(close, rows, 0.95), rows) == 0.5


P = [0.001, 0.2, 0.03, 0.9]
PARTS = [Weighed(p, 1 - p) for p in P]


@pytest.mark.parametrize(
    "k, expected, against",
    [
        # m - k + 1 times the k-th smallest: Bonferroni for one, no division for all.
        (1, 4 * 0.001, 0.999),
        (2, 3 * 0.03, 1.0),
        (3, 2 * 0.2, 1.0),
        (4, 0.9, 4 * 0.1),
    ],
)
def test_so_many_of_the_parts(k, expected, against):
    found = compound(k, PARTS)
    assert found.for_it == pytest.approx(expected)
    assert found.against == pytest.approx(against)


def test_all_divides_nothing_and_is_refuted_by_one_part_of_several():
    both = All((better("d"), better("e")))
    rows = {
        each.id: differing(each, difference).rows[each.id] for each, difference in zip(both.of, (3, 2), strict=True)
    }
    found = weighed(both, Evidence(rows=rows))
    assert found.for_it == pytest.approx(two_sided(2))
    rows[better("d").id] = differing(better("d"), -3).rows[better("d").id]
    assert weighed(both, Evidence(rows=rows)).against == pytest.approx(2 * two_sided(3))


def test_a_rise_is_all_of_its_steps():
    rise = Increasing((A, B, C), on="d")
    rows = {}
    for step, difference in zip(rise.of, (2.5, 3.0), strict=True):
        rows |= differing(step, difference).rows
    assert weighed(rise, Evidence(rows=rows)).for_it == pytest.approx(two_sided(2.5))


def test_parts_may_be_compound():
    pairs = [All((better("d"), better("e"))), All((better("f"), better("g")))]
    rows = {}
    for part, difference in zip([each for pair in pairs for each in pair.of], (4, 3, 2, 5), strict=True):
        rows |= differing(part, difference).rows
    found = weighed(AtLeast(1, tuple(pairs)), Evidence(rows=rows))
    assert found.for_it == pytest.approx(2 * two_sided(3))


def test_a_part_without_uncertainty_leaves_all_open_and_at_least_one_not():
    known, unknown = better("d"), better("e")
    rows = differing(known, 4).rows | {unknown.id: (row("p", (60, None), (50, 1)),)}
    assert weighed(All((known, unknown)), Evidence(rows=rows)).for_it == 1
    assert weighed(AtLeast(1, (known, unknown)), Evidence(rows=rows)).for_it == pytest.approx(2 * two_sided(4))
    assert weighed(unknown, Evidence(rows=rows)) == UNDECIDED


@pytest.mark.parametrize("a, holds", [(0.68, True), (2.475, True), (2.48, False)])
def test_costs_have_no_error(a, holds):
    ratio = Ratio(A, B, of="days", at_most=0.25)
    costs = tuple(Cost(str(c), value, "days", "t") for c, value in ((A, a), (B, 9.9)))
    assert weighed(ratio, Evidence(costs=costs)) == (Weighed(0.0, 1.0) if holds else Weighed(1.0, 0.0))


def curve(by_examples, overall=None):
    half = OneSided(0.5, 0.5)
    test = JointTest("examples", 100, False, OneSided(*by_examples), half, half)
    found = None if overall is None else crossed_p(*overall)
    return SpecificationCurve((), 0.95, 0.01, 0.8, 0.5, 0.0, test, None, found)


def crossed_p(greater, less):
    return CrossedEstimate(
        0.01, 0.0, 0.02, 2 * min(greater, less), greater, less, 0.005, None, 0.95, "m", 0.004, 0.003, False, False
    )


def test_a_curve_is_decided_over_examples_and_where_it_can_over_pre_trainings_too():
    robust = Robust("s", said="s")
    assert of_curve(curve((0.01, 0.99))) == Weighed(0.02, 1.0)
    assert of_curve(curve((0.001, 0.999), (0.1, 0.9))) == Weighed(0.2, 1.0)
    assert of_curve(curve((0.1, 0.9), (0.001, 0.999))) == Weighed(0.2, 1.0)
    assert of_curve(curve((0.98, 0.02), (0.99, 0.01))) == Weighed(1.0, 0.04)
    assert weighed(robust, Evidence(curve=curve((0.97, 0.03)))) == Weighed(1.0, 0.06)
    assert weighed(robust, Evidence()) == UNDECIDED  # every specification diverged


def test_what_is_decided_is_below_the_error_rate():
    assert decided(Weighed(0.049, 1), 0.05) == "REPRODUCED"
    assert decided(Weighed(0.05, 0.05), 0.05) == "INCONCLUSIVE"
    assert decided(Weighed(1, 0.049), 0.05) == "REFUTED"


@pytest.mark.parametrize("seed", range(5))
def test_a_family_is_decided_as_by_holm(seed):
    rng = np.random.default_rng(seed)
    p = rng.random(7) ** 3
    found = [Weighed(each, 1.0) if at % 2 else Weighed(1.0, each) for at, each in enumerate(p)]
    levels = alphas(found, 0.05)
    rejected = multipletests(p, 0.05, "holm")[0]
    assert [each.p < level for each, level in zip(found, levels, strict=True)] == rejected.tolist()


def test_what_has_no_evidence_takes_its_share_of_the_error_rate():
    assert alphas([Weighed(0.02, 1.0), None, None], 0.05) == pytest.approx([0.05 / 3] * 3)
    assert alphas([Weighed(0.01, 1.0), None, None], 0.05) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2])
    assert alphas([Weighed(0.02, 1.0)], 0.05) == [0.05]


# Error rates, simulated: published differences with known standard error, each decided as its hypothesis is.

DRAWS = 3_000
NORMAL = NormalDist()


def rates(statement, truths, seed):
    """Return how often a statement about differences is decided for and against, in shares of the draws."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((DRAWS, len(truths))) + np.asarray(truths)
    parts = statement.of
    found = []
    for one in z:
        p = [NORMAL.cdf(-each) for each in one]
        told = [Weighed(min(1.0, 2 * each), min(1.0, 2 * (1 - each))) for each in p]
        found.append(decided(compound(statement.k, told), 0.05))
    assert len(parts) == len(truths)
    return found.count("REPRODUCED") / DRAWS, found.count("REFUTED") / DRAWS


def at_most(rate):
    """Return the largest share that chance gives such a rate, 1 in 10,000."""
    return scipy.stats.binom.ppf(0.9999, DRAWS, rate) / DRAWS


FOUR = tuple(better(on) for on in "defg")


@pytest.mark.parametrize(
    "statement, truths",
    [
        # On the border: one part does not hold, the others as clearly as can be, where errors are most frequent.
        (All(FOUR), (0, 9, 9, 9)),
        (All(FOUR), (0, 0, 0, 0)),
        (AtLeast(1, FOUR), (0, 0, 0, 0)),
        (AtLeast(2, FOUR), (9, 0, 0, 0)),
        (AtLeast(3, FOUR), (9, 9, 0, 0)),
    ],
)
def test_false_statements_are_found_to_hold_at_most_at_alpha(statement, truths):
    held, _ = rates(statement, truths, seed=1)
    # A difference of 0 is on the border of both directions: each is found at half of alpha.
    assert held <= at_most(0.025)


@pytest.mark.parametrize(
    "statement, truths",
    [(All(FOUR), (0, 0, 0, 0)), (AtLeast(2, FOUR), (0, 0, -9, -9)), (AtLeast(1, FOUR), (0, -9, -9, -9))],
)
def test_true_statements_are_refuted_at_most_at_alpha(statement, truths):
    _, refuted = rates(statement, truths, seed=2)
    assert refuted <= at_most(0.025)


def test_intersection_union_loses_nothing_where_all_but_one_part_is_clear():
    held, _ = rates(All(FOUR), (2.8, 9, 9, 9), seed=3)
    assert held == pytest.approx(NORMAL.cdf(2.8 - NORMAL.inv_cdf(0.975)), abs=0.03)  # the power of one comparison


def test_a_family_with_no_difference_has_a_false_decision_at_most_at_alpha():
    rng = np.random.default_rng(4)
    false = 0
    for z in rng.standard_normal((DRAWS, 6)):
        z[:2] += 5  # two true differences, which Holm's procedure must not pay for with errors in the others
        found = [Weighed(min(1.0, 2 * NORMAL.cdf(-each)), min(1.0, 2 * NORMAL.cdf(each))) for each in z]
        names = [decided(each, level) for each, level in zip(found, alphas(found, 0.05), strict=True)]
        false += any(name != "INCONCLUSIVE" for name in names[2:])
    assert false / DRAWS <= at_most(0.05)
    assert false / DRAWS > 0.03  # and the error rate is used: divided by six it would be 0.033 at most


def test_equivalence_at_its_margin_is_found_at_alpha():
    equal = Equivalent(A, B, on="d", within=1)
    rng = np.random.default_rng(5)
    found = [
        decided(weighed(equal, differing(equal, 1 + 0.3 * z, error=0.3)), 0.05) for z in rng.standard_normal(DRAWS)
    ]
    assert found.count("REPRODUCED") / DRAWS == pytest.approx(0.05, abs=0.015)
    assert found.count("REFUTED") / DRAWS == pytest.approx(0.05, abs=0.015)
