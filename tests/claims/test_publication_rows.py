"""Which rows the ViT paper's published record gives, which are independent, and what they say together."""

import pytest
from scipy import stats

from harness.core.hypotheses import Contender
from harness.evidence.published import (
    load,
    publications,
    published_comparisons,
    rows,
    rows_of_one,
)
from harness.stats.intervals import Undefined
from harness.stats.synthesis import synthesise
from tests.evidence.published.test_matching import JFT, K1, K21

HYBRID_MINUS_VIT = Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)
DIFFERENCE = 1, -1


def together(found, weights=DIFFERENCE, level=0.95):
    return synthesise([row.effect(weights) for row in found], [row.cluster for row in found], level)


def test_a_row_is_what_one_publication_says():
    found = rows(HYBRID_MINUS_VIT, "imagenet")
    compared = published_comparisons(HYBRID_MINUS_VIT, "imagenet")
    assert [(row.publication, row.source, row.sides) for row in found] == [
        (each.publication, each.source, each.sides) for each in compared
    ]
    assert {row.recipes for row in found} == {("code", "code"), ("evaluate", "evaluate")}
    assert all(len(row.citations) == 1 for row in found)


def test_the_hybrid_on_imagenet_is_undecided_by_four_independent_sets_of_figures():
    # One README's two columns say -0.81 and +0.96 points; an older one +0.37; timm, four times, +0.78.
    found = together(rows(HYBRID_MINUS_VIT, "imagenet"))
    assert found.publications == 4
    assert found.q == pytest.approx(35.6, abs=0.05)
    assert (found.df, found.i2) == (3, pytest.approx(0.92, abs=0.005))
    assert 100 * found.tau == pytest.approx(0.76, abs=0.005)
    assert (100 * found.value, 100 * found.low, 100 * found.high) == pytest.approx((0.32, -0.94, 1.59), abs=0.006)


def test_snapshots_of_one_evaluation_are_one_cluster_and_replicate_nothing():
    found = {row.publication: row for row in rows(HYBRID_MINUS_VIT, "imagenet")}
    assert {name: row.cluster for name, row in found.items() if row.origin == "re-evaluation"} == {
        f"timm{snapshot}/384": "released-weights" for snapshot in ("", "-2021-01", "-2021-02", "-2021-04")
    }
    real = rows(HYBRID_MINUS_VIT, "imagenet_real")
    assert len(real) == 4
    assert {row.origin for row in real} == {"re-evaluation"}
    assert together(real).method.startswith("one report")


def test_the_course_on_imagenet_evaluated_the_files_that_timm_evaluated():
    found = rows([Contender("ViT-L/16", K21, resolution=384), Contender("BiT-R152x4", K21)], "imagenet")
    assert {row.source for row in found} == {"course", "timm-2021-01", "timm-2021-02", "timm-2021-04"}
    assert {(row.cluster, row.origin) for row in found} == {("released-weights", "re-evaluation")}
    [pets] = rows([Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)], "pets")
    assert (pets.cluster, pets.origin) == ("course", "replication")


def test_columns_of_one_table_that_are_runs_of_their_own_are_independent():
    found = rows_of_one(Contender("ViT-L/16", K21), "cifar10", exclude_sources=("vit-paper",))
    assert {row.publication: row.cluster for row in found if row.source == "vit-readme"} == {
        "vit-readme/replication/dropout-0.0": "vit-readme/dropout-0.0",
        "vit-readme/replication/dropout-0.1": "vit-readme/dropout-0.1",
    }
    assert {row.origin for row in found} == {"replication"}


def test_pretrainings_of_the_paper_are_independent_and_its_tables_of_one_pretraining_are_not():
    found = rows([Contender("R50+ViT-L/16", JFT), Contender("ViT-L/16", JFT)], "pets")
    assert [row.cluster for row in found] == ["vit-paper/7-epochs", "vit-paper"]
    several = rows([Contender("ViT-H/14", JFT), Contender("ViT-L/16", JFT)], "cifar100")
    assert len(several) == 3
    assert {(row.cluster, row.origin) for row in several} == {("vit-paper", "paper")}


def test_a_row_of_sides_from_two_clusters_links_them():
    [mixed] = rows([Contender("ViT-H/14", JFT), Contender("R50+ViT-B/16", JFT)], "cifar10")
    assert mixed.publication.endswith("14-epochs-vs-7-epochs")
    assert mixed.cluster == "vit-paper+vit-paper/7-epochs"


def test_rows_that_share_one_side_are_one_cluster():
    # timm evaluated the ConvNeXt of the paper's table, against another ViT than the table has.
    sides = Contender("ConvNeXt-B", K21, resolution=384), Contender("ViT-B/16", K21, "augreg", 384)
    found = {row.source: row for row in rows(sides, "imagenet")}
    assert set(found) == {"convnext-paper", "timm"}
    assert found["convnext-paper"].cluster == found["timm"].cluster == "augreg-weights+convnext-weights"
    assert [found[source].origin for source in ("convnext-paper", "timm")] == ["paper", "re-evaluation"]
    assert together(list(found.values())).publications == 1


def test_one_side_of_the_authors_own_weights_makes_a_re_evaluation():
    [sam] = rows([Contender("ViT-B/16", K21), Contender("ViT-B/16", K1, "sam")], "imagenet")
    assert sam.origin == "re-evaluation"
    [augreg] = rows([Contender("ViT-B/16", K21, "augreg", 384), Contender("ViT-B/16", K1, "augreg", 384)], "imagenet")
    assert augreg.origin == "replication"


def test_figures_of_one_contender_can_be_limited_to_recipes():
    contender = Contender("ViT-L/16", K21, resolution=384)
    found = rows_of_one(contender, "imagenet", exclude_sources=("vit-paper",), recipes=("code",))
    assert {row.source for row in found} == {"vit-readme", "vit-readme-2021-05"}
    assert {row.recipes for row in found} == {("code",)}
    everything = rows_of_one(contender, "imagenet", exclude_sources=("vit-paper",))
    assert len(everything) > len(found)
    value = together(found, (1,)).value
    effect = found[0].effect((1,), target=0.8515)
    assert effect.value == pytest.approx(found[0].sides[0].value - 0.8515)
    assert 0.84 < value < 0.855


def test_a_spread_over_three_runs_has_few_degrees_of_freedom():
    # VTAB-1k has no one number of test examples: nothing but two spreads over three runs.
    [row] = rows([Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)], "vtab1k")
    given = stats.ttest_ind_from_stats(0.7628, 0.0046, 3, 0.7629, 0.0170, 3, equal_var=False)
    found = together([row], level=1 - 0.05 / 7)
    assert found.p == pytest.approx(given.pvalue)
    assert 100 * (found.high - found.low) / 2 == pytest.approx(9.5, abs=0.05)


def test_test_examples_count_as_known_and_seeds_do_not():
    [row] = rows([Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)], "imagenet")
    effect = row.effect(DIFFERENCE)
    examples = 0.8776 * 0.1224 / 50_000 + 0.8754 * 0.1246 / 50_000
    seeds = 0.0003**2 / 3, 0.0002**2 / 3
    assert effect.variance == pytest.approx(examples + sum(seeds))
    assert effect.df == pytest.approx(effect.variance**2 / sum(part**2 / 2 for part in seeds))
    assert [side.spread_of for side in row.sides] == [3, 3]
    assert row.effect((2, 0)).variance == pytest.approx(4 * (0.8776 * 0.1224 / 50_000 + seeds[0]))


def test_repeated_runs_have_the_degrees_of_freedom_of_their_own_spread():
    [row] = [r for r in rows(HYBRID_MINUS_VIT, "cifar100") if r.source == "vit-readme-2021-05"]
    parts = [part for side in row.sides for part in side.parts]
    assert [df for _, df in parts] == [None, 1, None, 1]
    assert [variance for variance, df in parts if df] == pytest.approx(
        [stats.sem([0.9235, 0.9239]) ** 2, stats.sem([0.9226, 0.9264]) ** 2]
    )


def test_a_side_without_any_variance_gives_an_effect_without_one():
    [row] = [r for r in rows_of_one(Contender("BiT-R152x4", K21), "vtab1k") if r.publication == "bit-paper/table-2"]
    assert row.effect((1,)).variance is None
    with pytest.raises(Undefined, match="no uncertainty"):
        together([row], (1,))


def test_figures_made_with_evaluation_alone_are_re_evaluations_unless_trained_again_by_others():
    for figure in load():
        source = publications()[figure.source]
        evaluated = (figure.recipe or source.recipe) == "evaluate"
        origin = source.origin_of(figure)
        if evaluated and figure.variant != "augreg":
            assert origin == "re-evaluation", figure
        if not evaluated:
            assert origin != "re-evaluation", figure


def test_two_readmes_of_one_repository_print_no_run_twice():
    # The columns of the newer table are clusters of their own only if they aren't the older runs.
    def by_cell(source, setting=""):
        found = {}
        for figure in load():
            if figure.source == source and figure.setting == setting and figure.variant == "orig":
                found.setdefault((figure.architecture, figure.dataset), set()).add(figure.value)
        return found

    old = by_cell("vit-readme-2021-05")
    for setting in ("dropout 0.0", "dropout 0.1"):
        new = by_cell("vit-readme", setting)
        assert set(new) == set(old)
        same = [cell for cell in new if new[cell] & old[cell]]
        # Two digits after the point: among 15 cells of two runs that differ by 0.1, one or two agree by chance.
        assert len(same) <= 2, same


def test_columns_that_the_paper_prints_twice_are_one_cluster():
    def columns(table):
        found = {}
        for figure in load():
            if (figure.source, figure.table, figure.pretrain) == ("vit-paper", table, JFT):
                column = found.setdefault((figure.architecture, figure.setting), {})
                column[figure.dataset] = (figure.value, publications()["vit-paper"].cluster_of(figure))
        return found

    repeated = set()
    for (architecture, _), first in columns("Table 5").items():
        for (other, setting), second in columns("Table 6").items():
            values = [{d: value for d, (value, _) in column.items()} for column in (first, second)]
            if architecture == other and values[0] == values[1]:
                assert first == second, (architecture, setting)
                repeated.add((architecture, setting))
    short = {(f"ViT-{name}", "7 epochs") for name in ("B/16", "B/32", "L/32")}
    assert repeated == short | {("ViT-L/16", "14 epochs")}


def test_a_table_that_repeats_another_is_no_second_report():
    found = rows([Contender("ViT-B/16", JFT), Contender("ViT-B/32", JFT)], "pets")
    assert [row.publication for row in found] == ["vit-paper/table-5", "vit-paper/table-6/7-epochs"]
    assert together(found).method.startswith("one report")
