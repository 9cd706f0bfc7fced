"""Two frameworks agree if every side's accuracy is equivalent and the verdict the same."""

import pytest
import scipy.stats

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.source import Source
from harness.core.verdict import RecipeUsed
from harness.judging.evidence import DivergedRun, Evidence, Missing, RunsSide
from harness.judging.judge import judge_agreement
from harness.judging.question import AgreementQuestion
from harness.judging.scoring import Scored

A, B = Contender("A", "ImageNet-21k"), Contender("B", "ImageNet-21k")
CLAIM = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
BEHIND = (9_000, 9_007, 9_014, 9_021)
"""Examples of 10,000 that the other side gets right, a seed each."""


def side(name, hits):
    runs = tuple(Scored(f"{name}{seed}", tuple(i < right for i in range(10_000)), "labels")
                 for seed, right in enumerate(hits))  # fmt: skip
    return RunsSide(name, runs, RecipeUsed(name, "quick"))


def evidence(a, b=BEHIND):
    return Evidence({A: side("a", a), B: side("b", b)}, task="t")


def agreed(torch, jax):
    question = AgreementQuestion(CLAIM, Better(A, than=B, on="cifar10"), Source("gpu", "notebook"), 0.05, margin=0.5)
    return judge_agreement(question, {"torch": torch, "jax": jax})


def test_frameworks_agree_if_every_side_is_equivalent_and_the_verdict_the_same():
    ours, theirs = (9_500, 9_520, 9_490, 9_505), (9_502, 9_518, 9_493, 9_503)
    found = agreed(evidence(ours), evidence(theirs))
    assert (found.verdict, found.source, found.backend, found.tolerance) == (
        "REPRODUCED", "gpu/notebook@both", "both", 0.5
    )  # fmt: skip
    differences = [(x - y) / 100 for x, y in zip(ours, theirs, strict=True)]
    # Two one-sided tests, at half the error rate each contender.
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(1 - 2 * 0.05 / 2)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.reason.startswith("torch: REPRODUCED, jax: REPRODUCED; A (ImageNet-21k), torch minus jax: ")
    assert [each.name for each in found.sides] == ["a, torch", "b, torch", "a, jax", "b, jax"]
    assert len(found.runs) == 16


def test_opposite_verdicts_are_no_agreement_however_alike_the_accuracies_are():
    up, down = evidence((9_010, 9_018, 9_023, 9_032)), evidence((8_990, 8_998, 9_003, 9_012))
    found = agreed(up, down)
    assert (found.verdict, found.reason.split("; ")[0]) == ("REFUTED", "torch: REPRODUCED, jax: REFUTED")
    assert abs(found.estimate) < 0.5


def test_a_difference_in_significance_is_no_significant_difference():
    up, noisy = evidence((9_010, 9_018, 9_023, 9_032)), evidence((9_010, 9_003, 9_026, 9_025))
    found = agreed(up, noisy)
    assert (found.verdict, found.reason.split("; ")[0]) == ("INCONCLUSIVE", "torch: REPRODUCED, jax: INCONCLUSIVE")


def test_frameworks_that_differ_do_not_agree():
    ours = (9_500, 9_520, 9_490, 9_505)
    assert agreed(evidence(ours), evidence((9_300, 9_318, 9_293, 9_303))).verdict == "REFUTED"
    assert agreed(evidence(ours), evidence((9_500, 9_320, 9_690, 9_400))).verdict == "INCONCLUSIVE"
    same = agreed(evidence(ours), evidence(ours))
    assert (same.verdict, same.estimate) == ("REPRODUCED", 0.0)


def test_with_fewer_than_three_seeds_the_examples_of_one_run_are_compared():
    found = agreed(evidence((9_500,), (9_000,)), evidence((9_510,), (9_000,)))
    assert found.verdict == "REPRODUCED"
    assert found.estimate == pytest.approx(-0.1)


def test_what_one_framework_lacks_is_lacking_for_their_agreement():
    found = agreed(evidence((9_500, 9_520, 9_490, 9_505)), Missing("JAX finds no accelerator here"))
    assert (found.verdict, found.reason) == (
        "NOT RUN", "torch: REPRODUCED, jax: NOT RUN; JAX finds no accelerator here"
    )  # fmt: skip
    assert (found.runs, found.sides) == ((), ())


def test_without_accuracies_agreement_is_open():
    diverged = RunsSide("a", (DivergedRun("a0", 0, "the loss was not finite"),), RecipeUsed("a", "quick"))
    found = agreed(evidence((9_500,), (9_000,)), Evidence({A: diverged, B: side("b", (9_000,))}))
    assert found.verdict == "INCONCLUSIVE"
    assert found.reason == "torch: REPRODUCED, jax: INCONCLUSIVE; no accuracies to compare"
