"""Verdicts follow from intervals, the same way for every source of evidence; every kind of hypothesis once."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from harness.core.claim import All, AtLeast, Average, Claim, Equivalent, Interaction, Ratio, Robust
from harness.core.hypotheses import Close, Expected, Increasing
from harness.core.verdict import RecipeUsed, Searched
from harness.judging.evidence import (
    Cost,
    Evidence,
    LearningRateSearch,
    Missing,
    PipelineCheck,
    PublishedRow,
    PublishedSide,
)
from harness.judging.judge import MICRO_WORDS, RULES, family_evidence, judge
from harness.judging.question import Family
from harness.stats.specification_curve import SpecificationScores, specification_curve
from tests.judging.making import (
    A,
    B,
    C,
    D,
    asked,
    better,
    differing,
    drawn,
    first,
    measured,
    published,
    row,
    runs_side,
)


def judged(hypothesis, evidence, source="published"):
    return judge(asked(hypothesis, source), found=evidence)


def interval(found):
    return (found.estimate, found.low, found.high)


def normal(value, error, level=0.95):
    return tuple(scipy.stats.norm.interval(level, value, error))


@pytest.mark.parametrize(
    "difference, expected",
    [(1.97, "REPRODUCED"), (1.95, "INCONCLUSIVE"), (-1.95, "INCONCLUSIVE"), (-1.97, "REFUTED")],
)
def test_better_is_decided_by_which_side_of_zero_the_interval_lies(difference, expected):
    found = judged(better(), differing(better(), difference))
    assert found.verdict == expected
    assert interval(found) == pytest.approx((difference, *normal(difference, 1)))
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(abs(difference)))
    assert (found.level, found.kind, found.dataset, found.hypothesis) == (0.95, "Better", "d", better().id)


@pytest.mark.parametrize(
    "value, error, expected",
    [(0.1, 0.1, "REPRODUCED"), (0.1, 0.4, "INCONCLUSIVE"), (0.6, 0.3, "INCONCLUSIVE"), (1.5, 0.3, "REFUTED")],
)
def test_close_shows_the_interval_that_decides(value, error, expected):
    close = Close(A, to=90, on="d", within={"code": 0.5})
    found = judged(close, published({close: [row("p", (90 + value, error), tolerance=0.5)]}))
    low, high = normal(value, error, 0.90)  # two one-sided tests at 5 % each
    assert interval(found) == pytest.approx((value, low, high))
    assert (found.level, found.tolerance, found.published) == (pytest.approx(0.90), 0.5, 90)
    inside, outside = low > -0.5 and high < 0.5, low > 0.5 or high < -0.5
    assert found.verdict == ("REPRODUCED" if inside else "REFUTED" if outside else "INCONCLUSIVE") == expected
    # The error rate at which it is decided, either way.
    z = min((0.5 - value) / error, (0.5 + value) / error)
    assert found.p == pytest.approx(scipy.stats.norm.sf(abs(z)))


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize("accuracy", [0.8, 0.825, 0.85])
def test_a_margin_is_decided_by_the_interval_that_is_shown(accuracy, seeds):
    hits = drawn(seeds, accuracy, seeds=seeds, sd=0.02)
    value = 100 * hits.mean()
    for within in np.linspace(0.2, 12, 60):
        close = Close(A, to=80, on="d", within={"quick": within})
        found = judged(close, measured({(A, "d"): hits}, tolerance=within), "gpu/quick")
        assert found.estimate == pytest.approx(value - 80)
        inside = -within < found.low and found.high < within
        outside = found.low > within or found.high < -within
        assert found.verdict == ("REPRODUCED" if inside else "REFUTED" if outside else "INCONCLUSIVE")
        assert (found.p < 0.05) == (inside or outside)


def test_equivalent_over_datasets_by_hand():
    equal = Equivalent(A, B, on=("d", "e"), within=0.5)
    found = judged(equal, published({equal: [row("p", (90, 0.1), (90.1, 0.1), (80, 0.1), (79.8, 0.1))]}))
    assert interval(found) == pytest.approx((0.05, *normal(0.05, 0.1, 0.90)))
    assert (found.verdict, found.tolerance, found.dataset) == ("REPRODUCED", 0.5, "d, e")
    assert found.reason.startswith(f"{A} minus {B}: +0.05 points [")
    assert "within ± 0.5" in found.reason


def test_interaction_by_hand():
    gains = Interaction((A, B), over=(C, D), on="d")
    found = judged(gains, published({gains: [row("p", (50, 1), (60, 1), (50, 1), (53, 1))]}))
    # Terms: B, A, D, C; (50 - 60) - (50 - 53)
    assert interval(found) == pytest.approx((-7, *normal(-7, 2)))
    assert (found.verdict, found.reason.split(":")[0]) == ("REFUTED", "one gain minus the other")


def test_average_by_hand():
    mean = Average((better("d"), better("e")))
    found = judged(mean, published({mean: [row("p", (53, 1), (50, 1), (49, 1), (50, 1))]}))
    assert interval(found) == pytest.approx((1, *normal(1, 1)))  # sqrt(4) / 2
    assert (found.verdict, found.reason.split(":")[0]) == ("INCONCLUSIVE", "mean of 2 differences")


def of_parts(hypothesis, *differences):
    """Return the verdict on a compound hypothesis by one publication, with a difference for each part, error 1."""
    rows = {}
    terms = {}
    for part, difference in zip(hypothesis.of, differences, strict=True):
        evidence = differing(part, difference)
        rows |= evidence.rows
        terms |= evidence.terms
    return judged(hypothesis, Evidence(rows=rows, terms=terms))


@pytest.mark.parametrize(
    "steps, expected, shown",
    [
        ((2.5, 3), "REPRODUCED", 2.5),
        ((3, 1), "INCONCLUSIVE", 1),
        ((3, -1), "INCONCLUSIVE", -1),
        ((3, -2.5), "REFUTED", -2.5),  # twice the p-value of one of two: 0.025
        ((3, -2.1), "INCONCLUSIVE", -2.1),
    ],
)
def test_increasing_needs_every_step_and_is_refuted_by_one(steps, expected, shown):
    found = of_parts(Increasing((A, B, C), on="d"), *steps)
    assert found.verdict == expected
    assert interval(found) == pytest.approx((shown, *normal(shown, 1)))
    assert [part.estimate for part in found.components] == pytest.approx(list(steps))
    assert [part.hypothesis for part in found.components] == [better("d", B, A).id, better("d", C, B).id]


def test_all_by_hand():
    parts = tuple(better(on) for on in "def")
    found = of_parts(All(parts, named="everywhere"), 3, 2, 4)
    assert (found.verdict, found.hypothesis, found.dataset) == ("REPRODUCED", "everywhere", "d, e, f")
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(2))  # the largest, not divided
    assert found.estimate == pytest.approx(2)
    assert [part.holds for part in found.components] == [True] * 3
    assert found.reason.startswith(f"3 of 3 hold, 0 do not, 0 are open; hinges on {parts[1].id}: +2.00 points [")
    assert len(found.rows) == 3
    assert [side.name for side in found.sides] == [f"side {at} on {on}" for on in "def" for at in (0, 1)]


@pytest.mark.parametrize(
    "k, differences, expected, p, shown",
    [
        # The part that decides is the k-th best: it is the estimate on record.
        (1, (3, -4, 0), "REPRODUCED", 3 * 2 * scipy.stats.norm.sf(3), 3),
        (2, (3, -4, 4), "REPRODUCED", 2 * 2 * scipy.stats.norm.sf(3), 3),
        (2, (5, -4, 0.5), "INCONCLUSIVE", None, 0.5),
        # Refuted where m - k + 1 parts are: of three two must not hold, the second clearest decides.
        (2, (5, -4, -3), "REFUTED", 2 * 2 * scipy.stats.norm.sf(3), -3),
        (1, (-5, -4, -3), "REFUTED", 2 * scipy.stats.norm.sf(3), -3),
    ],
)
def test_at_least_is_decided_by_as_many_parts_as_it_asks_for(k, differences, expected, p, shown):
    found = of_parts(AtLeast(k, tuple(better(on) for on in "def")), *differences)
    assert found.verdict == expected
    assert interval(found) == pytest.approx((shown, *normal(shown, 1)))
    if p is not None:
        assert found.p == pytest.approx(p)


def test_at_least_of_pairs_is_decided_by_the_weaker_of_the_better_pair():
    pairs = tuple(All((better(x), better(y))) for x, y in ("de", "fg"))
    evidence = [differing(part, d) for part, d in zip(pairs[0].of + pairs[1].of, (4, 3, 9, -9), strict=True)]
    rows, terms = ({k: v for each in evidence for k, v in getattr(each, name).items()} for name in ("rows", "terms"))
    found = judged(AtLeast(1, pairs), Evidence(rows=rows, terms=terms))
    assert (found.verdict, len(found.components)) == ("REPRODUCED", 4)
    assert found.estimate == pytest.approx(3)


def test_compounds_say_how_much_was_needed_and_whether_it_matters():
    found = of_parts(All((better("d"), better("e"))), 3, 0.5)
    assert found.verdict == "INCONCLUSIVE"
    # What decides is the weaker part: a difference of 1.96 + 0.84 standard errors would be found.
    assert found.smallest_detectable == pytest.approx(scipy.stats.norm.isf([0.025, 0.2]).sum())
    assert found.negligible is False


def test_a_ratio_of_costs_by_hand():
    ratio = Ratio(A, B, of="TPUv3-core-days", at_most=0.25)
    evidence = Evidence(costs=(Cost("a", 680, "days", "t"), Cost("b", 9900, "days", "t")))
    found = judged(ratio, evidence)
    assert (found.verdict, found.estimate, found.p, found.low) == ("REPRODUCED", pytest.approx(680 / 9900), None, None)
    assert found.reason == "a 680 / b 9900 days = 0.0687, stated at most 0.25"
    assert found.evidence == ("a: 680 days", "b: 9900 days")
    other = Evidence(costs=evidence.costs[::-1])
    assert judged(ratio, other).verdict == "REFUTED"


def test_a_curve_is_decided_by_the_joint_test_of_its_median():
    rng = np.random.default_rng(0)
    specifications = [
        SpecificationScores(f"s{at}", (("at", str(at)),), rng.random((1, 400)) < 0.9, rng.random((1, 400)) < good,
                            ("a",), ("b",))
        for at, good in enumerate((0.5, 0.6, 0.88))
    ]  # fmt: skip
    as_floats = [replace(each, a=each.a.astype(float), b=each.b.astype(float)) for each in specifications]

    def wald(a, b, level):
        difference = a.mean(0) - b.mean(0)
        return scipy.stats.ttest_1samp(difference, 0).confidence_interval(level)

    curve = specification_curve(as_floats, wald, np.random.default_rng(1), draws=500)
    robust = Robust("sizes", said="micro A > micro B on t")
    found = judged(robust, Evidence(curve=curve), "micro")
    effects = sorted(100 * (each.a.mean() - each.b.mean()) for each in as_floats)
    assert found.verdict == "AGREES"
    assert found.estimate == pytest.approx(effects[1])
    assert [each.estimate for each in found.components] == pytest.approx(effects)
    assert found.p == pytest.approx(2 / 500)  # no draw is as extreme as what is seen
    assert [each.holds for each in found.components] == [each.low > 0 or None for each in curve.effects]
    nothing = judged(robust, Evidence(), "micro")
    assert (nothing.verdict, nothing.reason) == ("OPEN", "every specification has a run that diverged")


@pytest.mark.parametrize(
    "differences, expected", [((3,), "REPRODUCED"), ((3, 3.1, 2.9, 3), "REPRODUCED"), ((9, -2), "INCONCLUSIVE")]
)
def test_publications_are_judged_together(differences, expected):
    found = judged(better(), differing(better(), *differences))
    assert found.verdict == expected
    assert [each.estimate for each in found.rows] == pytest.approx(list(differences))
    assert [each.weight for each in found.rows] == pytest.approx([1 / len(differences)] * len(differences))
    assert (found.rows[0].low, found.rows[0].high) == pytest.approx(normal(differences[0], 1))
    if len(differences) == 1:
        assert (found.tau, found.i2, found.prediction) == (None, None, None)
    if len(differences) == 2:
        # Two publications 11 points apart: tau by Paule and Mandel is s^2 - 1, t has one degree of freedom.
        s2 = np.var(differences, ddof=1)
        assert found.tau == pytest.approx(math.sqrt(s2 - 1))
        assert found.high - found.estimate == pytest.approx(scipy.stats.t.isf(0.025, 1) * math.sqrt(s2 / 2))
        assert (found.i2, found.prediction) == (pytest.approx(1 - 1 / s2), None)
    if len(differences) == 4:
        # They are more alike than their errors: the safeguard keeps the error at that of the weighted mean.
        assert (found.tau, found.i2) == (0, 0)
        half = scipy.stats.t.isf(0.025, 2) * 0.5
        assert found.prediction == pytest.approx((found.estimate - half, found.estimate + half))


def test_a_row_that_stands_back_is_shown_without_weight():
    again = row("again", (58, 1), (50, 1), origin="re-evaluation")
    found = judged(better(), published({better(): [again, row("p", (54, 1), (50, 1))]}))
    assert [(each.publication, each.weight) for each in found.rows] == [("again", 0.0), ("p", 1.0)]
    assert (found.verdict, found.conditional, found.estimate) == ("REPRODUCED", "", pytest.approx(4))
    alone = judged(better(), published({better(): [again]}))
    assert alone.conditional.startswith("the authors' own weights, evaluated again")
    assert alone.reason.endswith(alone.conditional)


def test_what_cannot_be_estimated_is_inconclusive_with_the_reason():
    found = judged(better(), published({better(): [row("p", (60, None), (50, 1))]}))
    assert (found.verdict, found.estimate) == ("INCONCLUSIVE", None)
    assert found.reason.startswith("no uncertainty is known for a side")


@pytest.mark.parametrize(
    "evidence, said",
    [
        (differing(better(), 0.05, error=0.05), "no difference that matters"),
        (differing(better(), 1.0, error=1.0), "too little data: a difference of 2.80 would be found (80 % power)"),
    ],
)
def test_no_difference_that_matters_is_told_from_too_little_data(evidence, said):
    found = judged(better(), evidence)
    assert found.verdict == "INCONCLUSIVE"
    assert found.reason.endswith(said)
    assert found.negligible == ("matters" in said)


def test_what_matters_is_stated_by_the_claim():
    claim = Claim(id="c", title="t", quote="q", source="s", negligible=5)
    assert judge(asked(better(), "published", claim=claim), found=differing(better(), 1.0)).negligible


def test_missing_evidence_is_not_run_or_not_verifiable_in_one_line():
    question = asked(better(), "gpu/paper@jax")
    found = judge(question, found=Missing("none of 2 sources gave it:\n  hub:a/b: 404\n  gs://c: refused"))
    assert (found.verdict, found.reason) == (
        "NOT RUN",
        "none of 2 sources gave it: hub:a/b: 404; gs://c: refused",
    )
    assert (found.source, found.backend, found.sides, found.estimate) == ("gpu/paper@jax", "jax", (), None)
    assert found.rule == f"rules {RULES}; by itself"
    found = judge(question, found=Missing("never released", "not verifiable"))
    assert (found.verdict, found.reason, found.backend) == ("NOT VERIFIABLE", "never released", "")
    found = judge(asked(better()), found=Missing("not here"))
    assert found.verdict == "NOT RUN"  # the micro study has no word of its own for it


def test_the_micro_study_has_words_and_names_of_its_own():
    names = ((str(A), "micro-a"), (str(B), "micro-b"), ("d", "digits"))
    sides = {(A, "d"): first(90, 91, 93), (B, "d"): first(50, 52, 55)}
    found = judge(asked(better()), found=measured(sides, names=names, task="handwritten digits"))
    assert (found.verdict, found.about, found.task) == ("AGREES", "micro-a > micro-b on digits", "handwritten digits")
    assert found.reason.startswith("micro-a minus micro-b: +39.00 points")
    assert found.hypothesis == better().id
    assert [judge(asked(better(), source), found=measured(sides)).verdict for source in ("gpu/p", "micro@jax")] == [
        "REPRODUCED", "AGREES"
    ]  # fmt: skip
    assert set(MICRO_WORDS.values()) == {"AGREES", "DISAGREES", "OPEN"}


def test_a_published_verdict_shows_sides_citations_the_figure_and_what_is_on_record():
    close = Close(A, to=90, on="d", within={"code": 0.5}, expected={"published": Expected("REFUTED", "r")})
    side = PublishedSide("x", 0.95, ((0.001**2, None),), 1000, 1)
    evidence = published({close: [PublishedRow("p", "p", "replication", (side,), "c", 0.5)]}, citations=("c",))
    found = judged(close, evidence)
    (shown,) = found.sides
    assert (shown.name, shown.n, shown.seeds) == ("x", 1000, 1)
    assert (shown.accuracy, shown.low, shown.high) == pytest.approx((95, *normal(95, 0.1)))
    assert (found.verdict, found.published, found.tolerance, found.known) == ("REFUTED", 90, 0.5, "REFUTED")
    assert (found.citations, found.backend, found.runs) == (("c",), "", ())
    assert found.evidence == ("p: 95 ± 0.1000, replication, on d",)


def test_runs_recipes_searches_and_remarks_are_in_the_verdict():
    rates = (Searched("x", 0.01, 80.0, False), Searched("x", 0.03, 90.0, True))
    found = judge(
        asked(better()),
        found=measured(
            {(A, "d"): runs_side("a", first(90, 91, 93)), (B, "d"): runs_side("b", first(50, 52, 55))},
            task="t",
            searches=(LearningRateSearch(A, rates),),
            pipeline_checks=(PipelineCheck("vit", "w", "imagenet", 85.1), PipelineCheck("bit", "v", "imagenet", None)),
            caveats=("other data",),
        ),
    )
    assert found.verdict == "AGREES"
    assert found.reason.endswith(
        "; mind: other data; the evaluation of bit networks is unchecked, for imagenet or v is not here"
    )
    assert found.runs == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert found.recipes == (RecipeUsed("a", "quick"), RecipeUsed("b", "quick"))
    assert (found.searched, found.task, found.backend) == (rates, "t", "torch")
    assert len(found.evidence) == 6
    a = found.sides[0]
    low, high = scipy.stats.t.interval(0.95, 2, np.mean([90, 91, 93]), np.std([90, 91, 93], ddof=1) / math.sqrt(3))
    assert (a.name, a.n, a.seeds) == ("a", 100, 3)
    assert (a.accuracy, a.low, a.high) == pytest.approx((274 / 3, low, high))


def test_sources_of_variation_and_the_permutation_test_stand_beside_the_interval():
    a, b = drawn(1, 0.8, seeds=5, sd=0.03), drawn(2, 0.78, seeds=5, sd=0.03)
    found = judge(asked(better()), found=measured({(A, "d"): a, (B, "d"): b}))
    x, y = a.mean(1), b.mean(1)
    # The family is this one comparison: its own two sides are pooled.
    assert found.method.endswith("seed variance pooled over 2 sides")
    assert found.se_seeds == pytest.approx(100 * math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 5), rel=0.02)
    expected = scipy.stats.permutation_test(
        (x, y), lambda u, v: u.mean() - v.mean(), permutation_type="independent", n_resamples=np.inf
    )
    assert found.permutation_p == pytest.approx(expected.pvalue)
    assert found.verdict == "OPEN"
    assert f"{found.seeds_needed} seeds would find the difference seen" in found.reason


def test_two_seeds_have_no_permutation_test_and_one_seed_is_conditional():
    two = judge(asked(better()), found=measured({(A, "d"): first(90, 91), (B, "d"): first(50, 52)}))
    assert (two.permutation_p, two.conditional) == (None, "")
    one = judge(asked(better()), found=measured({(A, "d"): first(90), (B, "d"): first(50)}))
    assert (one.verdict, one.conditional, one.se_seeds) == ("AGREES", "one run of each side", None)
    assert one.reason.endswith("conditional on one run of each side")
    assert one.p == pytest.approx(scipy.stats.binomtest(0, 40).pvalue)


def test_more_runs_than_can_be_permuted_are_judged_without():
    found = judge(
        asked(better()), found=measured({(A, "d"): drawn(1, 0.9, seeds=21), (B, "d"): drawn(2, 0.7, seeds=21)})
    )
    assert (found.verdict, found.permutation_p) == ("AGREES", None)


def test_a_bad_seed_is_flagged_and_counted():
    family = {
        (A, "d"): drawn(1, 0.9, seeds=8, sd=0.003), (B, "d"): drawn(2, 0.8, seeds=8, sd=0.003),
        (A, "e"): drawn(3, 0.9, seeds=8, sd=0.003), (B, "e"): drawn(4, 0.8, seeds=8, sd=0.003),
    }  # fmt: skip
    family[B, "d"][3] = drawn(5, 0.5, seeds=1)
    found = judge(asked(better()), found=measured({t: family[t] for t in [(A, "d"), (B, "d")]}))
    assert found.outliers == ("B-d-3",)
    assert "stands out among its seeds, and is counted as the others: B-d-3" in found.reason
    assert found.estimate == pytest.approx(100 * (family[A, "d"].mean() - family[B, "d"].mean()))


def test_seeds_that_agree_by_chance_make_no_other_seed_a_bad_one():
    # One example in a hundred more than two runs that happen to get as many right.
    found = judge(asked(better()), found=measured({(A, "d"): first(90, 90, 91), (B, "d"): first(50, 51, 50)}))
    assert found.outliers == ()


def test_runs_that_diverged_leave_it_open():
    sides = {(A, "d"): runs_side("a", first(90, None, None)), (B, "d"): runs_side("b", first(50, None, 55))}
    found = judge(asked(better()), found=measured(sides))
    assert found.verdict == "OPEN"
    assert found.reason == (
        f"{A} diverged with seed 1 (and 2 more runs), so there is no accuracy: the loss was not finite"
    )
    assert (found.sides, found.estimate, len(found.runs)) == ((), None, 6)
    assert "a1 diverged" in found.evidence


def test_a_grid_on_which_every_rate_diverged_leaves_it_open():
    rates = (Searched("x", 0.01, None, False), Searched("x", 0.03, None, False))
    unchecked = PipelineCheck("bit", "v", "imagenet", None)
    evidence = Evidence(searches=(LearningRateSearch(B, rates),), pipeline_checks=(unchecked,))
    found = judge(asked(better(), "gpu/paper"), found=evidence)
    assert (found.verdict, found.reason) == ("INCONCLUSIVE", f"{B}: every learning rate of the grid diverged")
    assert (found.searched, found.runs) == (rates, ())


# Families.

FAMILY = tuple(better(on) for on in "defg")


def of_family(found, hypothesis, name="test_f"):
    question = asked(hypothesis, "published", Family(name, tuple(found)))
    return judge(question, family_evidence(found))


def test_a_family_shares_one_error_rate_by_holm():
    found = {each: differing(each, z) for each, z in zip(FAMILY, (4, 2.45, 2.3, 1), strict=True)}
    verdicts = [of_family(found, each) for each in FAMILY]
    # p: 0.00006 at 0.05/4, 0.0143 at 0.05/3, 0.0214 at 0.05/2, 0.317 at 0.05
    assert [each.verdict for each in verdicts] == ["REPRODUCED", "REPRODUCED", "REPRODUCED", "INCONCLUSIVE"]
    assert [each.level for each in verdicts] == pytest.approx([1 - 0.05 / m for m in (4, 3, 2, 1)])
    assert {each.family for each in verdicts} == {"4 in test_f, Holm"}
    assert {each.rule for each in verdicts} == {f"rules {RULES}; 4 in test_f, Holm"}
    # The first that is not small enough stops all that follow.
    found[FAMILY[1]] = differing(FAMILY[1], 2.35)
    found[FAMILY[2]] = differing(FAMILY[2], 2.34)
    verdicts = [of_family(found, each) for each in FAMILY]
    assert [each.verdict for each in verdicts] == ["REPRODUCED", *["INCONCLUSIVE"] * 3]
    assert [each.level for each in verdicts[1:]] == pytest.approx([1 - 0.05 / 3] * 3)


def test_what_is_not_run_shares_the_error_rate_and_what_was_never_released_does_not():
    found = {FAMILY[0]: differing(FAMILY[0], 2.1), FAMILY[1]: Missing("never released", "not verifiable")}
    assert of_family(found, FAMILY[0]).verdict == "REPRODUCED"
    assert of_family(found, FAMILY[0]).family == "by itself"
    found[FAMILY[1]] = Missing("not here")
    assert of_family(found, FAMILY[0]).verdict == "INCONCLUSIVE"
    assert of_family(found, FAMILY[0]).family == "2 in test_f, Holm"
    assert of_family(found, FAMILY[1]).verdict == "NOT RUN"


def test_a_diverged_member_does_not_harm_the_others():
    good = measured({(A, "d"): first(90, 91, 93), (B, "d"): first(50, 52, 55)})
    bad = measured({(A, "e"): runs_side("a", first(90, None, 93)), (B, "e"): runs_side("b", first(50, 52, 55))})
    found = {better("d"): good, better("e"): bad}
    family = family_evidence(found)
    question = asked(better("d"), "micro", Family("test_f", tuple(found)))
    assert judge(question, family).verdict == "AGREES"
    assert judge(replace(question, hypothesis=better("e")), family).verdict == "OPEN"
    assert family.pooled.sides == 3  # all but the side with a run that diverged


def test_seed_variance_is_pooled_over_the_family():
    sides = {(c, on): drawn(at, 0.8) for at, (c, on) in enumerate((c, on) for on in "def" for c in (A, B))}
    found = {better(on): measured({(c, on): sides[c, on] for c in (A, B)}) for on in "def"}
    verdict = judge(asked(better("d"), "micro", Family("test_f", tuple(found))), family_evidence(found))
    assert verdict.method == "crossed over 4 seeds and 500 examples, seed variance pooled over 6 sides"


def test_a_look_is_named_in_the_family():
    family = family_evidence({better(): differing(better(), 3)}, 0.001, "look 1 of 4, 3 seeds")
    found = judge(asked(better(), "published"), family)
    assert found.family == "by itself; look 1 of 4, 3 seeds"
    assert (found.verdict, found.level) == ("INCONCLUSIVE", 0.999)


def test_the_statement_that_a_hypothesis_answers_is_in_the_record():
    found = judge(asked(better(), "published", statement="A beats B"), found=differing(better(), 3))
    assert found.statement == "A beats B"
    assert len(found.digest) == 16
