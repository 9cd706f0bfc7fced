"""Looks at 3, 5, 8 and 12 seeds: alpha is kept over all of them, and seeds are added only where they can decide."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from harness.core.claim import All
from harness.judging.evidence import Missing
from harness.judging.judge import decided, family_evidence, judge
from harness.judging.question import ALPHA
from harness.judging.sequential import worth_more_seeds
from harness.judging.weighing import weighed
from harness.stats.sequential import LOOKS, boundaries
from tests.judging.making import A, B, asked, better, differing, drawn, first, measured, runs_side

BOUNDS = boundaries(LOOKS, ALPHA)


def of_real_scores(rng, difference, n=60, seed_sd=0.02):
    """Return two sides of 12 runs with real scores, whose true difference is given."""
    from harness.stats.seeds import SideScores

    shared = rng.normal(0.7, 0.1, n)
    sides = []
    for shift in (difference / 2, -difference / 2):
        own = rng.normal(0, seed_sd, (12, 1)) + rng.normal(0, 0.05, (12, n)) + rng.normal(0, 0.05, n)
        sides.append(SideScores(shared + shift + own))
    return sides


def p_values(sides):
    """Return the two-sided p-value of a comparison at each look."""
    from harness.stats.crossed import Group, crossed
    from harness.stats.seeds import SideScores, pool, seed_variance

    found = []
    for seeds in LOOKS:
        parts = [SideScores(side.scores[:seeds], weight) for side, weight in zip(sides, (1.0, -1.0), strict=True)]
        found.append(crossed([Group(tuple(parts))], 0.95, pool([seed_variance(parts)])).p)
    return np.array(found)


def test_four_looks_keep_alpha_and_four_looks_without_bounds_do_not():
    rng = np.random.default_rng(7)
    p = np.stack([p_values(of_real_scores(rng, 0.0)) for _ in range(600)])
    most = scipy.stats.binom.ppf(0.999, len(p), ALPHA)
    assert (p < BOUNDS).any(axis=1).sum() <= most
    assert (p < ALPHA).any(axis=1).sum() > most


def test_a_clear_difference_is_found_before_the_last_look():
    rng = np.random.default_rng(8)
    decided_at = np.stack([p_values(of_real_scores(rng, 0.12)) for _ in range(60)]) < BOUNDS
    assert decided_at.any(axis=1).all()
    assert decided_at.argmax(axis=1).mean() < 2


def look(found, at):
    """Return a family's evidence as it is judged at a look."""
    return family_evidence(found, BOUNDS[at], f"look {at + 1} of 4, {LOOKS[at]} seeds")


def worth(hypothesis, evidence, at=0):
    return worth_more_seeds(hypothesis, look({hypothesis: evidence}, at), LOOKS[-1], BOUNDS[-1])


def two(a, b, seeds=3, sd=0.01):
    return measured({(A, "d"): drawn(1, a, seeds=seeds, sd=sd), (B, "d"): drawn(2, b, seeds=seeds, sd=sd)})


def test_what_is_open_and_could_be_decided_gets_more_seeds():
    undecided = measured({(A, "d"): drawn(1, 0.83, seeds=3, sd=0.03), (B, "d"): drawn(2, 0.78, seeds=3, sd=0.03)})
    family = look({better(): undecided}, 0)
    assert decided(weighed(better(), undecided, family.pooled), family.alphas[better()]) == "INCONCLUSIVE"
    assert worth(better(), undecided)


def test_what_is_decided_gets_no_more():
    clear = two(0.9, 0.5)
    family = look({better(): clear}, 0)
    assert decided(weighed(better(), clear, family.pooled), family.alphas[better()]) == "REPRODUCED"
    assert not worth(better(), clear)


def test_what_more_seeds_would_not_decide_gets_no_more():
    same = drawn(1, 0.8, seeds=3)
    assert not worth(better(), measured({(A, "d"): same, (B, "d"): same[::-1]}))


@pytest.mark.parametrize(
    "evidence",
    [
        Missing("not here"),
        differing(better(), 0.5),  # published: no seeds can be added
        measured({(A, "d"): runs_side("a", first(90), True), (B, "d"): runs_side("b", first(88), True)}),
    ],
)
def test_what_has_no_seeds_gets_none(evidence):
    assert not worth(better(), evidence)


def test_one_part_that_could_be_decided_is_enough():
    same = drawn(1, 0.8, seeds=3)
    hopeless = {(A, "e"): same, (B, "e"): same[::-1]}
    sides = {(A, "d"): drawn(1, 0.83, seeds=3, sd=0.03), (B, "d"): drawn(2, 0.78, seeds=3, sd=0.03)}
    both = All((better("d"), better("e")))
    assert worth(both, measured(sides | hopeless))
    assert not worth(All((better("e"), better("f"))), measured(hopeless | {(c, "f"): same for c in (A, B)}))


def test_a_verdict_is_at_the_looks_bound():
    found = look({better(): two(0.83, 0.8)}, 1)
    verdict = judge(replace(asked(better(), "gpu/paper")), found)
    assert verdict.level == pytest.approx(1 - BOUNDS[1])
    assert verdict.family == "by itself; look 2 of 4, 5 seeds"
