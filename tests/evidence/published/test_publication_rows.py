"""Which rows the published record gives, which of them are independent, and what they say together."""

import json

import pytest
from scipy import stats

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.evidence.published import figures, load, publications, published_comparisons, rows, rows_of_one
from harness.evidence.published.publication_rows import linked
from harness.stats.intervals import Undefined
from harness.stats.synthesis import synthesise
from tests.evidence.published.test_matching import JFT, K21, RECORD, SOURCE

HYBRID_MINUS_VIT = Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)
VIT_MINUS_BIT = Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)
DIFFERENCE = 1, -1


def together(found, weights=DIFFERENCE, level=0.95):
    return synthesise([row.effect(weights) for row in found], [row.cluster for row in found], level)


def test_a_row_is_what_one_publication_says():
    found = rows(HYBRID_MINUS_VIT, "imagenet")
    compared = published_comparisons(HYBRID_MINUS_VIT, "imagenet")
    assert [(row.publication, row.source, row.sides) for row in found] == [
        (each.publication, each.source, each.sides) for each in compared
    ]
    assert [row.recipes for row in found] == [("code", "code"), ("code", "code")]
    assert all(len(row.citations) == 1 for row in found)


def test_columns_of_one_table_that_are_runs_of_their_own_are_independent():
    found = rows(HYBRID_MINUS_VIT, "imagenet")
    assert {row.publication: (row.cluster, row.origin) for row in found} == {
        "readme/replication/dropout-0.0": ("readme/dropout-0.0", "replication"),
        "readme/replication/dropout-0.1": ("readme/dropout-0.1", "replication"),
    }
    both = together(found)
    variances = [sum(p * (1 - p) / 50_000 for p in pair) for pair in ((0.837, 0.845), (0.851, 0.841))]
    assert both.publications == 2
    assert both.q == pytest.approx(0.018**2 / sum(variances))


def test_evaluations_of_released_weights_are_one_cluster_and_replicate_nothing():
    found = rows([Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)], "imagenet")
    assert {row.source for row in found} == {"course", "csv"}
    assert {(row.cluster, row.origin) for row in found} == {("released-weights", "re-evaluation")}
    assert together(found).method.startswith("one report")
    [pets] = rows([Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)], "pets")
    assert (pets.cluster, pets.origin) == ("course", "replication")


def test_pretrainings_are_independent_and_a_row_of_sides_from_two_links_them():
    found = rows([Contender("R50+ViT-B/16", JFT), Contender("ViT-B/16", JFT)], "imagenet_real")
    assert [row.cluster for row in found] == ["small-pictures/7-epochs", "small-pictures"]
    assert {row.origin for row in found} == {"paper"}
    [mixed] = rows([Contender("ViT-H/14", JFT), Contender("R50+ViT-B/16", JFT)], "cifar10")
    assert mixed.publication.endswith("14-epochs-vs-7-epochs")
    assert mixed.cluster == "small-pictures+small-pictures/7-epochs"


def test_rows_with_a_cluster_in_common_have_one_name_directly_or_through_others():
    clusters = [frozenset(each) for each in ("ab", "c", "d", "bc", "e")]
    assert linked(clusters) == ["a+b+c", "a+b+c", "d", "a+b+c", "e"]
    assert linked([]) == []


def test_one_side_of_the_authors_own_weights_makes_a_re_evaluation():
    augreg, orig = Contender("ViT-B/32", K21, "augreg", 384), Contender("ViT-L/16", K21, resolution=384)
    [mixed] = [row for row in rows([augreg, orig], "imagenet") if row.source == "csv"]
    assert (mixed.origin, mixed.cluster) == (
        "re-evaluation",
        "csv+readme/dropout-0.0+readme/dropout-0.1+released-weights",
    )
    [alone] = [row for row in rows_of_one(augreg, "imagenet") if row.source == "csv"]
    assert (alone.origin, alone.cluster) == ("replication", "csv")


def test_figures_of_one_contender_can_be_limited_to_recipes():
    contender = Contender("ViT-L/16", K21, resolution=384)
    found = rows_of_one(contender, "imagenet", exclude_sources=("small-pictures",), recipes=("code",))
    assert {row.publication for row in found} == {"readme/replication/dropout-0.0", "readme/replication/dropout-0.1"}
    assert {row.recipes for row in found} == {("code",)}
    everything = rows_of_one(contender, "imagenet", exclude_sources=("small-pictures",))
    assert {row.source for row in everything} == {"readme", "csv"}
    effect = found[0].effect((1,), target=0.8515)
    assert effect.value == pytest.approx(found[0].sides[0].value - 0.8515)


def test_a_spread_over_three_runs_has_few_degrees_of_freedom():
    # VTAB-1k has no one number of test examples: nothing but two spreads over three runs.
    [row] = rows(VIT_MINUS_BIT, "vtab1k")
    given = stats.ttest_ind_from_stats(0.76, 0.005, 3, 0.755, 0.01, 3, equal_var=False)
    found = together([row])
    assert found.p == pytest.approx(given.pvalue)
    assert found.df == pytest.approx((0.005**2 + 0.01**2) ** 2 / ((0.005**4 + 0.01**4) / 2))


def test_test_examples_count_as_known_and_seeds_do_not():
    [row] = rows(VIT_MINUS_BIT, "imagenet")
    effect = row.effect(DIFFERENCE)
    examples = (0.881 * 0.119 + 0.879 * 0.121) / 50_000
    seeds = 0.0005**2 / 3, 0.0004**2 / 3
    assert effect.variance == pytest.approx(examples + sum(seeds))
    assert effect.df == pytest.approx(effect.variance**2 / sum(part**2 / 2 for part in seeds))
    assert [side.spread_of for side in row.sides] == [3, 3]
    assert row.effect((2, 0)).variance == pytest.approx(4 * (0.881 * 0.119 / 50_000 + seeds[0]))


def test_repeated_runs_have_the_degrees_of_freedom_of_their_own_spread():
    [row] = rows_of_one(Contender("ViT-B/16", K21), "cifar100")
    [side] = row.sides
    assert side.parts == (
        (pytest.approx(0.925 * 0.075 / 10_000), None),
        (pytest.approx(stats.sem([0.923, 0.927]) ** 2), 1),
    )


def test_a_side_without_any_variance_gives_an_effect_without_one():
    [row] = [r for r in rows_of_one(Contender("BiT-R152x4", K21), "vtab1k") if r.source == "large-networks"]
    assert row.effect((1,)).variance is None
    with pytest.raises(Undefined, match="no uncertainty"):
        together([row], (1,))


def test_each_side_needs_a_weight():
    [row] = rows(VIT_MINUS_BIT, "pets")
    with pytest.raises(Undefined, match=r"small-pictures/table-2: expected 2 weights, found 1"):
        row.effect((1,))


def test_contenders_that_nobody_published_have_no_rows():
    assert rows([Contender("Nobody", K21), Contender("ViT-B/16", K21)], "cifar10") == ()
    with pytest.raises(ClaimsError, match="unknown dataset"):
        rows(HYBRID_MINUS_VIT, "cifar")


def test_who_made_the_weights_follows_from_the_source_unless_a_part_says_otherwise():
    origins = {(figure.source, publications()[figure.source].origin_of(figure)) for figure in load()}
    assert origins == {
        ("small-pictures", "paper"),  # the paper's own publication
        ("large-networks", "replication"),
        ("readme", "replication"),
        ("course", "replication"),
        ("course", "re-evaluation"),
        ("csv", "re-evaluation"),
        ("csv", "replication"),
    }


@pytest.mark.parametrize(
    "parts, message",
    [
        ('parts = [{ setting = "x", cluster = "c" }]', r"parts: expected figures of .'setting': 'x'., found none"),
        ('parts = [{ cluster = "c" }]', "a part needs one of table, setting, dataset"),
        ('parts = [{ dataset = "cifar10" }]', "a part says an origin or a cluster"),
        ('parts = [{ dataset = "cifar10", origin = "guess" }]', "origin"),
        ('cluster = "a b"', "cluster"),
    ],
)
def test_a_malformed_part_is_named_in_one_line(tmp_path, parts, message):
    (tmp_path / "figures.json").write_text(json.dumps([RECORD]))
    (tmp_path / "sources.toml").write_text(SOURCE + parts + "\n")
    with pytest.raises(ClaimsError, match=message) as caught:
        figures.read(tmp_path / "figures.json", tmp_path / "sources.toml")
    assert str(caught.value).startswith("sources.toml [paper-a]")
    assert "\n" not in str(caught.value)


def test_the_first_part_that_has_a_figure_decides(tmp_path):
    first = '{ table = "Table 1", cluster = "c" }'
    second = '{ dataset = "cifar10", origin = "replication", cluster = "d" }'
    (tmp_path / "figures.json").write_text(json.dumps([RECORD]))
    (tmp_path / "sources.toml").write_text(SOURCE + f"parts = [{first}, {second}]\n")
    [figure], known = figures.read(tmp_path / "figures.json", tmp_path / "sources.toml")
    assert known["paper-a"].cluster_of(figure) == "c"
    assert known["paper-a"].origin_of(figure) == "replication"
