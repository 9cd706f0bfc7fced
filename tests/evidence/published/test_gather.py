"""What published figures say of a hypothesis: a row each publication, gathered for its parts and judged together."""

from dataclasses import replace

import pytest
import scipy.stats

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import (
    All,
    AtLeast,
    Average,
    Better,
    Close,
    Contender,
    Equivalent,
    Increasing,
    Interaction,
    Ratio,
)
from harness.core.source import Source
from harness.data import registry
from harness.evidence.published import seed_spread
from harness.evidence.published.gather import PublishedFigures, judges
from harness.judging.evidence import Missing
from harness.judging.judge import judge
from harness.judging.question import Question

CLAIM = Claim(id="c", title="t", quote="q", source="s")
K1, K21, JFT = "ImageNet-1k", "ImageNet-21k", "JFT-300M"
VIT, BIT = Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)
VIT_JFT, BIT_JFT = Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)
NOBODY = Contender("Nobody", K21)


def asked(hypothesis):
    return Question(CLAIM, hypothesis, Source("published"))


def gathered(hypothesis):
    return PublishedFigures().gather(asked(hypothesis))


def judged(hypothesis):
    return judge(asked(hypothesis), found=gathered(hypothesis))


def names(hypothesis):
    """The publications that speak of a simple hypothesis."""
    return [row.publication for row in gathered(hypothesis).rows[hypothesis.id]]


def test_a_comparison_combines_test_set_and_seed_uncertainty():
    # Table 2, ImageNet, JFT-300M: 88.1 ± 0.05 and 87.9 ± 0.04 over three runs, 50,000 images.
    hypothesis = Better(VIT_JFT, than=BIT_JFT, on="imagenet")
    evidence = gathered(hypothesis)
    [row] = evidence.rows[hypothesis.id]
    assert (row.publication, row.cluster, row.origin) == ("small-pictures/table-2", "small-pictures", "paper")
    assert evidence.terms == {hypothesis.id: ((VIT_JFT, "imagenet"), (BIT_JFT, "imagenet"))}
    found = judged(hypothesis)
    seeds = 0.05**2 / 3, 0.04**2 / 3
    variance = 100**2 * (0.881 * 0.119 + 0.879 * 0.121) / 50_000 + sum(seeds)
    df = variance**2 / sum(part**2 / 2 for part in seeds)
    low, high = scipy.stats.t.interval(0.95, df, 0.2, variance**0.5)
    assert found.verdict == "INCONCLUSIVE"
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, low, high))
    assert [side.accuracy for side in found.sides] == pytest.approx([88.1, 87.9])
    assert found.citations == ("The tests, Small pictures, Table 2, https://example.org/small-pictures",)
    assert (found.source, found.runs, found.conditional) == ("published", (), "")


def test_every_publication_with_both_sides_is_a_row_of_one_verdict():
    hypothesis = Better(VIT, than=BIT, on="imagenet")
    assert names(hypothesis) == ["course", "csv/384-vs-480", "csv/224-vs-480"]
    found = judged(hypothesis)
    assert [row.publication for row in found.rows] == names(hypothesis)
    assert [row.estimate for row in found.rows] == pytest.approx([0.5, 0.4, 0.1])
    # Three evaluations of the same files are one piece of evidence, and no replication.
    assert [row.weight for row in found.rows] == pytest.approx([1 / 3] * 3)
    assert found.estimate == pytest.approx(1 / 3)
    assert "no replication" in found.conditional


def test_independent_publications_are_synthesised_with_what_they_differ_by():
    hypothesis = Better(Contender("R50+ViT-B/16", K21), than=Contender("ViT-B/16", K21), on="imagenet")
    found = judged(hypothesis)
    assert [row.estimate for row in found.rows] == pytest.approx([-0.8, 1.0])
    assert found.verdict == "INCONCLUSIVE"
    assert found.i2 > 0.5
    assert found.tau > 0.5
    assert found.low < -5 < 5 < found.high  # two publications leave one degree of freedom


def test_a_single_run_gets_the_spread_that_is_published_of_the_dataset():
    [row] = gathered(Better(VIT, than=BIT, on="pets")).rows[Better(VIT, than=BIT, on="pets").id]
    spread = seed_spread("pets")
    for side, value in zip(row.sides, (0.932, 0.926), strict=True):
        examples, seeds = side.parts
        assert examples == (pytest.approx(value * (1 - value) / 3669), None)
        assert seeds == (spread.variance, spread.df)
        assert side.variance == pytest.approx(examples[0] + seeds[0])
    # Of Flowers nobody publishes a spread: the test images are all that is known.
    [row] = gathered(Better(VIT, than=BIT, on="flowers102")).rows[Better(VIT, than=BIT, on="flowers102").id]
    assert [len(side.parts) for side in row.sides] == [1, 1]


def test_weights_that_were_only_evaluated_have_no_seeds():
    rows = gathered(Better(VIT, than=BIT, on="imagenet")).rows[Better(VIT, than=BIT, on="imagenet").id]
    assert [len(side.parts) for row in rows for side in row.sides] == [1] * 6


def test_a_side_that_nobody_published_leaves_nothing_to_judge():
    hypothesis = Better(VIT, than=NOBODY, on="imagenet")
    assert gathered(hypothesis) == Missing(f"no publication has all sides of {hypothesis.id}")
    assert not judges(hypothesis)
    assert judges(Better(VIT, than=BIT, on="imagenet"))
    assert judged(hypothesis).verdict == "NOT RUN"


def test_close_is_not_judged_by_the_paper_itself_nor_by_a_recipe_without_a_tolerance():
    close = Close(VIT, to=99.0, on="cifar10", within={"code": 0.5})
    assert names(close) == ["readme/replication/dropout-0.1"]
    with_notebook = replace(close, within=(("notebook", 1.0),))
    assert names(with_notebook) == ["course"]
    found = judged(with_notebook)
    assert (found.tolerance, found.published) == (1.0, 99.0)
    assert found.estimate == pytest.approx(98.6 - 99.0)


def test_the_recipe_nearest_to_the_papers_judges_a_published_accuracy():
    close = Close(VIT, to=99.0, on="cifar10", within={"code": 0.5, "notebook": 1.0})
    found = judged(close)
    assert {row.publication: row.weight for row in found.rows} == {"readme/replication/dropout-0.1": 1, "course": 0}
    assert (found.tolerance, found.estimate) == (0.5, pytest.approx(98.9 - 99.0))


def test_over_several_datasets_a_publication_speaks_that_has_figures_of_all():
    average = Average((Better(VIT, than=BIT, on="cifar10"), Better(VIT, than=BIT, on="imagenet")))
    [row] = gathered(average).rows[average.id]
    assert row.publication == "course"  # another source has ImageNet alone
    assert [round(100 * side.value, 1) for side in row.sides] == [98.6, 97.1, 85.0, 84.5]
    assert row.citation.count(";") == 1  # one file for each network
    # On ImageNet it evaluated the released weights: no replication as a whole, and linked to other evaluations.
    assert (row.origin, row.cluster) == ("re-evaluation", "course+released-weights")
    assert judged(average).estimate == pytest.approx((1.5 + 0.5) / 2)


def test_tables_of_one_source_are_joined_where_each_dataset_has_its_own():
    average = Average((Better(VIT_JFT, than=VIT, on="cifar10"), Better(VIT_JFT, than=VIT, on="imagenet")))
    [row] = gathered(average).rows[average.id]
    assert row.publication == "small-pictures/table-5 + small-pictures/table-2"
    assert [side.title for side in row.sides] == [str(VIT_JFT), str(VIT)] * 2
    assert judged(average).estimate == pytest.approx(((99.3 - 99.0) + (88.1 - 85.3)) / 2)


def test_an_equivalence_is_judged_on_the_mean_over_its_datasets():
    found = judged(Equivalent(VIT_JFT, BIT_JFT, ("imagenet", "imagenet_real"), within=1.0))
    assert (found.verdict, found.tolerance) == ("REPRODUCED", 1.0)
    assert found.estimate == pytest.approx((0.2 + 0.0) / 2)
    assert [row.publication for row in found.rows] == ["small-pictures/table-2"]


def test_a_network_that_stands_in_both_gains_is_one_side():
    k1 = Contender("ViT-L/16", K1)
    hypothesis = Interaction(gain=(VIT, VIT_JFT), over=(k1, VIT), on="pets")
    [row] = gathered(hypothesis).rows[hypothesis.id]
    assert [side.title for side in row.sides] == [str(VIT_JFT), str(VIT), str(k1)]
    found = judged(hypothesis)
    assert found.estimate == pytest.approx((97.1 - 94.7) - (94.7 - 92.0))
    spread = seed_spread("pets").variance
    variance = sum(w * w * (p * (1 - p) / 3669 + spread) for w, p in ((1, 0.971), (-2, 0.947), (1, 0.92)))
    [reported] = found.rows
    half = scipy.stats.norm.ppf(0.975) * 100 * variance**0.5
    assert (reported.low, reported.high) == pytest.approx((found.estimate - half, found.estimate + half))


def test_a_compound_hypothesis_needs_rows_of_each_of_its_parts():
    rise = Increasing(tuple(Contender("ViT-L/16", name) for name in (K1, K21, JFT)), on="cifar10")
    evidence = gathered(rise)
    assert list(evidence.rows) == [part.id for part in rise.of]
    assert {row.publication for rows in evidence.rows.values() for row in rows} == {"small-pictures/table-5"}
    assert len(evidence.citations) == 1
    found = judged(rise)
    assert [part.estimate for part in found.components] == pytest.approx([99.0 - 97.9, 99.3 - 99.0])
    there, lacking = Better(VIT, than=BIT, on="pets"), Better(VIT, than=NOBODY, on="pets")
    for hypothesis in (All((there, lacking)), AtLeast(1, (there, lacking))):
        assert gathered(hypothesis) == Missing(f"no publication has all sides of {lacking.id}")
        assert not judges(hypothesis)


def test_costs_are_compared_as_figures_without_an_error():
    cheap = Ratio(VIT_JFT, BIT_JFT, of="core-days", at_most=0.1)
    evidence = gathered(cheap)
    assert [(cost.title, cost.value, cost.unit) for cost in evidence.costs] == [
        (str(VIT_JFT), 700, "core-days"),
        (str(BIT_JFT), 9900, "core-days"),
    ]
    assert evidence.citations == ("The tests, Small pictures, Table 2, https://example.org/small-pictures",)
    assert (judged(cheap).verdict, judged(cheap).estimate) == ("REPRODUCED", pytest.approx(700 / 9900))
    assert judged(replace(cheap, at_most=0.05)).verdict == "REFUTED"
    unknown = replace(cheap, b=NOBODY)
    assert judges(cheap)
    assert not judges(unknown)
    assert gathered(unknown) == Missing("no publication says what both sides cost in core-days")


def test_a_dataset_of_the_users_own_tables_has_no_figures_and_an_unknown_one_is_named(monkeypatch):
    own = replace(registry.entries()["pets"], id="mine")
    monkeypatch.setattr(registry, "entries", lambda: {"mine": own})
    assert not judges(Better(VIT, than=BIT, on="mine"))
    with pytest.raises(ClaimsError, match="unknown dataset 'pats' .did you mean 'pets'"):
        judges(Better(VIT, than=BIT, on="pats"))


def test_evidence_is_told_apart_by_its_figures_for_the_lock():
    lines = judged(Better(VIT_JFT, than=BIT_JFT, on="cifar100")).evidence
    assert len(lines) == 1
    assert lines[0].startswith("small-pictures/table-2: 93.9 ± 0.2")
    assert lines[0].endswith(", paper, on cifar100")
