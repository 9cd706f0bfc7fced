"""Two frameworks agree if every side's accuracy is equivalent and the verdict the same."""

import numpy as np
import pytest
import scipy.stats

from harness.core.claim import All
from harness.judging.agreement import judge_agreement, least_alike
from harness.judging.evidence import Missing
from harness.judging.judge import RULES, family_evidence
from harness.judging.question import AgreementQuestion, Family
from tests.judging.making import CLAIM, A, B, Source, better, first, measured, runs_side

N = 10_000
BEHIND = (9_000, 9_007, 9_014, 9_021)
"""Examples of 10,000 that the other side gets right, a seed each."""


def evidence(a, b=BEHIND, on="d"):
    return measured({(A, on): runs_side("a", first(*a, n=N)), (B, on): runs_side("b", first(*b, n=N))}, task="t")


def agreed(torch, jax, hypothesis=None, source="gpu", margin=0.5):
    hypothesis = hypothesis or better()
    base = Source(source, "notebook" if source == "gpu" else "")
    question = AgreementQuestion(CLAIM, hypothesis, base, margin, Family("test_f", (hypothesis,)))
    families = {name: family_evidence({hypothesis: found}) for name, found in (("torch", torch), ("jax", jax))}
    return judge_agreement(question, families)


OURS, THEIRS = (9_500, 9_520, 9_490, 9_505), (9_502, 9_518, 9_493, 9_503)


def test_frameworks_agree_if_every_side_is_equivalent_and_the_verdict_the_same():
    found = agreed(evidence(OURS), evidence(THEIRS))
    assert (found.verdict, found.source, found.backend, found.tolerance) == (
        "REPRODUCED", "gpu/notebook@both", "both", 0.5
    )  # fmt: skip
    assert found.estimate == pytest.approx(np.mean(np.subtract(OURS, THEIRS)) / 100)
    assert found.level == pytest.approx(0.90)  # two one-sided tests at alpha each: nothing is divided
    assert -0.5 < found.low < found.high < 0.5
    assert found.reason.startswith("torch: REPRODUCED, jax: REPRODUCED; A (ImageNet-21k), torch minus jax: ")
    assert [each.name for each in found.sides] == ["a, torch", "b, torch", "a, jax", "b, jax"]
    assert (len(found.runs), found.task, found.rule) == (16, "t", f"rules {RULES}; by itself")


def test_seeds_are_paired_between_frameworks():
    # The two frameworks' runs spread by points from seed to seed, and together.
    a = (9_300, 9_700, 9_500, 9_650)
    both = least_alike(
        AgreementQuestion(CLAIM, better(), Source("gpu", "p"), 0.5),
        {"torch": evidence(a), "jax": evidence(np.add(a, (5, -3, 2, 4)))},
    )
    (contender, _), estimate, name = both
    assert (contender, name) == (A, "REPRODUCED")
    # All that differs, differs by seeds: the interval is that of four paired differences.
    t = scipy.stats.ttest_1samp(np.array([-5, 3, -2, -4]) / N, 0).confidence_interval(0.90)
    assert estimate.value == pytest.approx(-0.0002)
    assert (estimate.low, estimate.high) == pytest.approx((t.low, t.high), abs=1e-6)
    assert estimate.high < 0.005


def test_all_sides_must_be_alike_each_at_alpha():
    """The side that is least alike decides: an intersection-union test."""
    for a, b, expected in (
        (THEIRS, BEHIND, "REPRODUCED"),
        (THEIRS, np.add(BEHIND, -200), "REFUTED"),
        (np.add(OURS, -200), BEHIND, "REFUTED"),
    ):
        assert agreed(evidence(OURS), evidence(a, b)).verdict == expected


def test_agreement_holds_at_most_at_alpha_where_one_side_differs_by_the_margin():
    rng = np.random.default_rng(3)
    draws, held = 150, 0
    for _ in range(draws):
        p = rng.random(1_000)
        a, b = (rng.random((2, 4, 1_000)) < p[None, None] * share for share in (0.95, 0.9))
        a[1] &= ~(rng.random(a[1].shape) < 0.0526 * 0.4)  # A differs by about a point
        one, two = (measured({(A, "d"): runs_side("a", a[at]), (B, "d"): runs_side("b", b[at])}) for at in (0, 1))
        held += agreed(one, two, margin=1.0).verdict == "REPRODUCED"
    assert held <= scipy.stats.binom.ppf(0.999, draws, 0.05)


def test_opposite_verdicts_are_no_agreement_however_alike_the_accuracies_are():
    up, down = evidence((9_210, 9_218, 9_223, 9_232)), evidence((9_190, 9_198, 9_203, 9_212), np.add(BEHIND, 250))
    found = agreed(up, down, margin=5)
    assert (found.verdict, found.reason.split("; ")[0]) == ("REFUTED", "torch: REPRODUCED, jax: REFUTED")
    assert abs(found.estimate) < 5


def test_a_difference_in_significance_is_no_significant_difference():
    up, noisy = evidence((9_110, 9_118, 9_123, 9_132)), evidence((9_110, 8_903, 9_326, 9_125))
    found = agreed(up, noisy, margin=5)
    assert (found.verdict, found.reason.split("; ")[0]) == ("INCONCLUSIVE", "torch: REPRODUCED, jax: INCONCLUSIVE")
    assert "within ± 5" in found.reason  # the accuracies are alike


def test_frameworks_that_differ_do_not_agree():
    assert agreed(evidence(OURS), evidence((9_300, 9_318, 9_293, 9_303))).verdict == "REFUTED"
    assert agreed(evidence(OURS), evidence((9_500, 9_320, 9_690, 9_400))).verdict == "INCONCLUSIVE"


def test_the_same_predictions_agree():
    same = agreed(evidence(OURS), evidence(OURS))
    assert (same.verdict, same.estimate, same.method, same.p) == ("REPRODUCED", 0.0, "the same predictions", None)
    # However few they are.
    few = measured({(A, "d"): runs_side("a", first(20, 21, n=30)), (B, "d"): runs_side("b", first(5, 6, n=30))})
    assert agreed(few, few).verdict == "REPRODUCED"


def test_a_framework_that_is_never_worse_has_an_interval_around_its_difference():
    found = agreed(evidence((9_500,), (9_000,)), evidence((9_499,), (9_000,)))
    assert found.estimate == pytest.approx(0.01)
    assert found.low < 0 < found.high


def test_with_one_seed_the_examples_of_one_run_are_compared():
    found = agreed(evidence((9_500,), (9_000,)), evidence((9_510,), (9_000,)))
    assert found.verdict == "REPRODUCED"
    assert found.estimate == pytest.approx(-0.1)


def test_the_micro_study_has_its_own_words():
    found = agreed(evidence(OURS), evidence(THEIRS), source="micro")
    assert (found.verdict, found.source) == ("AGREES", "micro@both")
    assert found.reason.startswith("torch: AGREES, jax: AGREES; ")
    opposite = agreed(evidence(OURS), evidence((8_500, 8_520, 8_490, 8_505)), source="micro", margin=20)
    assert (opposite.verdict, opposite.reason.split("; ")[0]) == ("DISAGREES", "torch: AGREES, jax: DISAGREES")


def test_a_compound_compares_every_side_on_every_dataset():
    both = All((better("d"), better("e")))
    torch = measured({**evidence(OURS).sides, **evidence(OURS, on="e").sides})
    jax = measured({**evidence(THEIRS).sides, **evidence((9_300, 9_318, 9_293, 9_303), on="e").sides})
    found = agreed(torch, jax, both)
    assert found.verdict == "REFUTED"
    assert len(found.sides) == 8
    assert found.estimate == pytest.approx(2.0, abs=0.1)


def test_what_one_framework_lacks_is_lacking_for_their_agreement():
    found = agreed(evidence(OURS), Missing("JAX finds no accelerator here"))
    assert (found.verdict, found.reason) == (
        "NOT RUN", "torch: REPRODUCED, jax: NOT RUN; JAX finds no accelerator here"
    )  # fmt: skip
    assert (found.runs, found.sides) == ((), ())
    assert found.rule == f"rules {RULES}; by itself"  # so that it can be locked before it is run


def test_without_accuracies_agreement_is_open():
    diverged = measured({(A, "d"): runs_side("a", [None]), (B, "d"): runs_side("b", first(9_000, n=N))})
    found = agreed(evidence((9_500,), (9_000,)), diverged)
    assert found.verdict == "INCONCLUSIVE"
    assert found.reason == "torch: REPRODUCED, jax: INCONCLUSIVE; no accuracies to compare"
    assert "a0 diverged" in found.evidence
