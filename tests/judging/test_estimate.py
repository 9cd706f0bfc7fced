"""What a contrast comes to: from publications by random effects, from runs over seeds and examples."""

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.meta_analysis import combine_effects

from harness.core.claim import Average, Equivalent, Interaction
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Close
from harness.judging.estimate import contrasted, effect_of, entering_rows, pooled_seeds
from harness.judging.evidence import PublishedRow, PublishedSide
from harness.stats.estimate import Undefined
from tests.judging.making import A, B, C, D, better, differing, drawn, first, measured, published, row, runs_side

CLOSE = Close(A, to=90, on="d", within={"paper": 0.5, "code": 0.5, "short": 2})


def test_one_publication_is_a_difference_with_its_own_error():
    found = contrasted(better(), published({better(): [row("p", (93, 0.3), (91.5, 0.4))]}), 0.99)
    low, high = scipy.stats.norm.interval(0.99, 0.015, 0.005)
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx((0.015, low, high))
    assert found.p_greater == pytest.approx(scipy.stats.norm.sf(3))
    assert found.estimate.method == "one report, normal approximation"
    assert (found.entering, found.conditional, found.crossed) == ((0,), "", None)


def test_several_publications_are_random_effects():
    differences, error = [1.2, -0.4, 2.1], 0.5
    found = contrasted(better(), differing(better(), *differences, error=error), 0.95)
    expected = combine_effects(
        np.array(differences) / 100, np.full(3, (error / 100) ** 2), method_re="iterated", use_t=True, atol=1e-14,
        maxiter=1_000,
    )  # fmt: skip
    value, sd = np.mean(differences) / 100, np.std(differences, ddof=1) / 100
    low, high = scipy.stats.t.interval(0.95, 2, value, sd / math.sqrt(3))  # equal variances: a t interval of the mean
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx((value, low, high))
    assert found.synthesis.tau**2 == pytest.approx(expected.tau2, abs=1e-9)
    assert found.entering == (0, 1, 2)


def test_a_spread_from_few_seeds_is_judged_by_t():
    sides = tuple(PublishedSide(name, value, ((0.01**2, None), (0.02**2, 4)), 1000, 5)
                  for name, value in (("a", 0.9), ("b", 0.8)))  # fmt: skip
    found = contrasted(better(), published({better(): [PublishedRow("p", "p", "paper", sides, "c")]}), 0.95)
    error = math.sqrt(2 * (0.01**2 + 0.02**2))
    df = error**4 / (2 * 0.02**4 / 4)  # Welch and Satterthwaite
    low, high = scipy.stats.t.interval(0.95, df, 0.1, error)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high))


def test_snapshots_of_one_evaluation_are_one_publication():
    rows = [row("old", (51, 1), (50, 1), cluster="e"), row("new", (51.2, 1), (50, 1), cluster="e")]
    found = contrasted(better(), published({better(): rows}), 0.95)
    assert found.synthesis.publications == 1
    assert found.estimate.value == pytest.approx(0.011)
    assert found.estimate.standard_error == pytest.approx(math.sqrt(2) / 100)


def entering(hypothesis, *rows):
    return entering_rows(hypothesis, rows, [effect_of(hypothesis, each) for each in rows])


def test_what_is_evaluated_again_stands_back_where_something_replicates():
    again = row("again", (52, 1), (50, 1), origin="re-evaluation")
    paper, replication = row("paper", (51, 1), (50, 1), origin="paper"), row("other", (50, 1), (50, 1))
    assert entering(better(), again, paper, replication) == (1, 2)
    # A first-hand figure without uncertainty can't take its place.
    assert entering(better(), again, row("p", (51, None), (50, 1), origin="paper")) == (0,)
    evidence = published({better(): [again, paper, replication]})
    found = contrasted(better(), evidence, 0.95)
    assert found.estimate.value == pytest.approx(0.005)
    assert found.conditional == ""


def test_only_what_is_evaluated_again_is_a_check_of_the_pipeline():
    found = contrasted(better(), published({better(): [row("a", (59, 1), (50, 1), origin="re-evaluation")]}), 0.95)
    assert found.conditional == "the authors' own weights, evaluated again: a check of the pipeline, no replication"


def test_against_a_figure_only_the_recipes_nearest_to_the_papers_count():
    rows = [
        row("short", (80, 1), tolerance=2),
        row("paper", (90.1, 0.1), tolerance=0.5),
        row("code", (90.3, 0.1), tolerance=0.5),
    ]
    assert entering(CLOSE, *rows) == (1, 2)
    found = contrasted(CLOSE, published({CLOSE: rows}), 0.95)
    assert found.estimate.value == pytest.approx(0.002)
    assert entering(CLOSE, rows[0]) == (0,)
    # Re-evaluations stand back before recipes are compared.
    assert entering(CLOSE, row("again", (90, 1), origin="re-evaluation", tolerance=0.5), rows[0]) == (1,)
    # A difference has no tolerance: every publication enters.
    assert entering(better(), row("p", (51, 1), (50, 1)), row("q", (51, 1), (50, 1))) == (0, 1)


def test_no_known_uncertainty_is_undefined():
    found = contrasted(better(), published({better(): [row("p", (51, None), (50, 1))]}), 0.95)
    assert isinstance(found, Undefined)
    assert str(found).startswith("no uncertainty is known for a side")


def test_weights_of_a_contrast_reach_value_and_variance():
    gains = Interaction((A, B), over=(C, D), on="d")
    found = contrasted(gains, published({gains: [row("p", (60, 0.3), (50, 0.4), (55, 0.5), (52, 0.6))]}), 0.95)
    # (B - A) - (D - C), sides as independent
    assert found.estimate.value == pytest.approx(0.10 - 0.03)
    assert found.estimate.standard_error == pytest.approx(math.sqrt(0.3**2 + 0.4**2 + 0.5**2 + 0.6**2) / 100)
    mean = Average((better("d"), better("e")))
    found = contrasted(mean, published({mean: [row("p", (60, 0.3), (50, 0.4), (55, 0.5), (52, 0.6))]}), 0.95)
    assert found.estimate.value == pytest.approx((0.10 + 0.03) / 2)
    assert found.estimate.standard_error == pytest.approx(math.sqrt(0.3**2 + 0.4**2 + 0.5**2 + 0.6**2) / 200)


# Runs.


def component(hits):
    """Return one side's variance of seed means and the noise in it, by two-way analysis of variance."""
    k, n = hits.shape
    residual = hits - hits.mean(0) - hits.mean(1)[:, None] + hits.mean()
    return hits.mean(1).var(ddof=1), (residual**2).sum() / ((k - 1) * (n - 1)) / n


def over_examples(contrast):
    """Return the variance of the mean difference of 0/1 scores, with two examples added as by Agresti and Min.

    In each both sides are right by the toss of a coin: the squared difference is 1/2 on average.
    """
    n = len(contrast)
    return ((np.square(contrast).sum() + 1) / (n + 2) - (contrast.sum() / (n + 2)) ** 2) / (n + 2)


def test_runs_are_compared_over_seeds_and_examples():
    a, b = drawn(1, 0.80, sd=0.03).astype(float), drawn(2, 0.76, seeds=5, sd=0.03).astype(float)
    found = contrasted(better(), measured({(A, "d"): a, (B, "d"): b}), 0.95)
    (square_a, noise_a), (square_b, noise_b) = component(a), component(b)
    seeds, noise = square_a / 4 + square_b / 5, noise_a / 4 + noise_b / 5
    examples = over_examples(a.mean(0) - b.mean(0))
    assert found.estimate.value == pytest.approx(a.mean() - b.mean())
    assert found.crossed.se_seeds == pytest.approx(math.sqrt(seeds))
    assert found.crossed.se_examples == pytest.approx(math.sqrt(examples))
    assert found.estimate.standard_error == pytest.approx(math.sqrt(examples + max(seeds - noise, 0)))
    assert (found.p_greater < 0.5) == (found.estimate.value > 0)
    assert found.conditional == ""
    # The interval at a level excludes 0 exactly where p is below 1 - level.
    edge = contrasted(better(), measured({(A, "d"): a, (B, "d"): b}), 1 - found.estimate.p)
    assert edge.estimate.low == pytest.approx(0, abs=1e-9)


def test_seed_variance_is_pooled_over_the_sides_of_the_family():
    hits = {(c, "d"): drawn(at, 0.8).astype(float) for at, c in enumerate((A, B, C, D))}
    evidence = [measured({term: hits[term] for term in pair}) for pair in ([(A, "d"), (B, "d")], [(C, "d"), (D, "d")])]
    pooled = pooled_seeds([*evidence, evidence[0]])  # a side that stands in several hypotheses counts once
    squares, noises = zip(*map(component, hits.values()), strict=True)
    assert (pooled.sides, pooled.df) == (4, 12)
    assert pooled.mean_square == pytest.approx(np.mean(squares))
    assert pooled.variance == pytest.approx(max(np.mean(squares) - np.mean(noises), 0))
    found = contrasted(better(), evidence[0], 0.95, pooled)
    assert found.crossed.pooled
    assert found.crossed.se_seeds == pytest.approx(math.sqrt(2 * pooled.variance / 4 + (noises[0] + noises[1]) / 4))


def test_sides_with_one_run_or_none_left_have_no_spread_to_pool():
    one = measured({(A, "d"): first(90), (B, "d"): first(80)})
    assert pooled_seeds([one]) is None
    diverged = measured({(A, "d"): first(90, 91, None), (B, "d"): first(80, 82, 85)})
    assert pooled_seeds([diverged]).sides == 1


def test_new_pre_trainings_and_new_fine_tunings_are_two_variances():
    tuned = measured({(c, "d"): drawn(at, 0.8) for at, c in enumerate((A, B))})
    trained = measured({(C, "d"): runs_side("c", drawn(3, 0.8), upstream=("n", "n", "m", "m"))})
    assert pooled_seeds([tuned]).sides == 2
    assert pooled_seeds([trained]).sides == 1
    assert pooled_seeds([tuned, trained]) is None


def test_one_run_of_each_side_is_mcnemars_and_conditional():
    a, b = np.zeros((1, 200), bool), np.zeros((1, 200), bool)
    a[0, :130], b[0, 12:135] = True, True
    found = contrasted(better(), measured({(A, "d"): a, (B, "d"): b}), 0.95)
    assert found.estimate.p == pytest.approx(scipy.stats.binomtest(5, 17).pvalue)
    assert found.conditional == "one run of each side"
    fixed = {(A, "d"): runs_side("a", a, deterministic=True), (B, "d"): runs_side("b", b, deterministic=True)}
    found = contrasted(better(), measured(fixed), 0.95)
    assert found.estimate.p == pytest.approx(scipy.stats.binomtest(5, 17).pvalue)
    assert found.conditional == ""  # nothing in it is random


def test_datasets_are_independent_groups():
    mean = Average((better("d"), better("e")))
    sides = {(c, on): drawn(at, 0.8 - 0.05 * (c is B), n=300 + 100 * (on == "e")).astype(float)
             for at, (c, on) in enumerate([(A, "d"), (B, "d"), (A, "e"), (B, "e")])}  # fmt: skip
    found = contrasted(mean, measured(sides), 0.95)
    alone = [contrasted(part, measured({t: s for t, s in sides.items() if t[1] == part.on}), 0.95) for part in mean.of]
    assert found.estimate.value == pytest.approx(np.mean([each.estimate.value for each in alone]))
    assert found.crossed.se_examples == pytest.approx(math.hypot(*(each.crossed.se_examples for each in alone)) / 2)
    assert found.crossed.se_seeds == pytest.approx(math.hypot(*(each.crossed.se_seeds for each in alone)) / 2)


def test_an_interaction_on_one_dataset_is_paired_by_example():
    gains = Interaction((A, B), over=(C, D), on="d")
    sides = {(c, "d"): drawn(at, 0.8).astype(float) for at, c in enumerate((A, B, C, D))}
    found = contrasted(gains, measured(sides), 0.95)
    by_example = [sides[c, "d"].mean(0) for c in (A, B, C, D)]
    contrast = (by_example[1] - by_example[0]) - (by_example[3] - by_example[2])
    assert found.estimate.value == pytest.approx(contrast.mean())
    # Each of the two examples that are added has a square of 4 * 1/4.
    n = len(contrast)
    variance = ((np.square(contrast).sum() + 2) / (n + 2) - (contrast.sum() / (n + 2)) ** 2) / (n + 2)
    assert found.crossed.se_examples == pytest.approx(math.sqrt(variance))


def test_a_figure_is_subtracted_once():
    close = Close(A, to=80, on="d", within={"quick": 1})
    hits = drawn(1, 0.83).astype(float)
    found = contrasted(close, measured({(A, "d"): hits}, tolerance=1), 0.95)
    assert found.estimate.value == pytest.approx(hits.mean() - 0.8)
    equal = Equivalent(A, B, on=("d", "e"), within=1)
    sides = {(c, on): hits for c in (A, B) for on in "de"}
    assert contrasted(equal, measured(sides), 0.95).estimate.value == pytest.approx(0)


def test_runs_that_all_agree_leave_nothing_to_judge_by():
    same = {(A, "d"): runs_side("a", first(100), deterministic=True)}
    same[B, "d"] = runs_side("b", first(100), deterministic=True)
    found = contrasted(better(), measured(same), 0.95)
    assert not isinstance(found, Undefined)  # examples that nobody has seen may tell them apart
    assert found.estimate.p == 1
    # Shares of right runs are real numbers, of which nothing unseen is assumed.
    halves = {(c, "d"): runs_side(str(c), first(50, 40, 50, 40), upstream=("n", "n", "m", "m")) for c in (A, B)}
    found = contrasted(better(), measured(halves), 0.95)
    assert isinstance(found, Undefined)
    assert "there is no spread to judge by" in str(found)


@pytest.mark.parametrize("at", [0, 1])
def test_sides_scored_on_different_examples_are_refused(at):
    sides = [runs_side("a", first(90, 91, 92)), runs_side("b", first(80, 81, 82))]
    sides[at] = runs_side("ab"[at], first(90, 91, 92), labels="others")
    with pytest.raises(ClaimsError, match="runs a0 and b0: expected the same scored examples, found other labels"):
        contrasted(better(), measured({(A, "d"): sides[0], (B, "d"): sides[1]}), 0.95)


def test_different_datasets_have_different_examples():
    mean = Average((better("d"), better("e")))
    sides = {(c, on): runs_side(f"{c}{on}", drawn(at, 0.8), labels=on)
             for at, (c, on) in enumerate([(A, "d"), (B, "d"), (A, "e"), (B, "e")])}  # fmt: skip
    assert not isinstance(contrasted(mean, measured(sides), 0.95), Undefined)


def test_one_seed_cannot_be_told_from_noise_but_the_familys_can():
    evidence = measured({(A, "d"): drawn(1, 0.9, seeds=1), (B, "d"): drawn(2, 0.8, seeds=4)})
    assert contrasted(better(), evidence, 0.95).conditional
    others = measured({(c, "e"): drawn(at, 0.8, seeds=6) for at, c in enumerate((A, B, C))})
    pooled = pooled_seeds([evidence, others])
    assert contrasted(better(), evidence, 0.95, pooled).conditional == ""
