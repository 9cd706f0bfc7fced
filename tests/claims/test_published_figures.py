"""The published figures of the ViT paper: none lost, as printed, and what they say of the claims."""

import itertools
import json
import math
import re
from collections import Counter

import pytest
from scipy import stats

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.evidence.published import (
    load,
    matching_figures,
    publications,
    published_comparisons,
    single,
)
from harness.stats import intervals as st

K1, K21, JFT = "ImageNet-1k", "ImageNet-21k", "JFT-300M"

# (source, table): (number of figures, sum of their values), added up from the collection that the data were made from.
COLLECTED = {
    ("vit-paper", "Table 2"): (30, 2748.920),
    ("vit-paper", "Table 5"): (84, 7667.350),
    ("vit-paper", "Table 6"): (108, 10049.410),
    ("vit-paper", "Table 7"): (20, 1829.260),
    ("bit-paper", "Table 1"): (6, 552.960),
    ("bit-paper", "Table 2"): (12, 1056.620),
    ("bit-paper", "sec. 3.4 text"): (3, 291.800),
    ("course", "notebooks/experiments/vit.json"): (5, 469.131),
    ("course", "notebooks/experiments/resnet.json"): (5, 459.542),
    ("vit-readme", "replication table (imagenet21k)"): (30, 2746.730),
    ("vit-readme", "short schedules table"): (4, 377.770),
    ("vit-readme", "recommended AugReg checkpoints table"): (9, 741.440),
    ("vit-readme-2021-05", "replication table, two runs per row"): (30, 2750.960),
    ("vit-readme-2021-05-text", "text: -224 checkpoints"): (2, 163.900),
    ("bit-readme", "CIFAR results"): (48, 3460.800),
    ("bit-readme", "ImageNet results"): (8, 413.560),
    ("bit-readme", "VTAB-1k results"): (8, 599.120),
    ("bit-readme", "Distilled models"): (2, 163.300),
    ("big-vision", "module docstring"): (5, 466.380),
    ("timm", "results/results-imagenet.csv"): (130, 11654.964),
    ("timm", "results/results-imagenet-real.csv"): (130, 12038.041),
    ("timm-2021-01", "results/results-imagenet.csv"): (12, 1000.746),
    ("timm-2021-01", "results/results-imagenet-real.csv"): (12, 1054.112),
    ("timm-2021-02", "results/results-imagenet.csv"): (13, 1082.282),
    ("timm-2021-02", "results/results-imagenet-real.csv"): (13, 1140.205),
    ("timm-2021-04", "results/results-imagenet.csv"): (13, 1082.280),
    ("timm-2021-04", "results/results-imagenet-real.csv"): (13, 1140.213),
    ("plsc-pr-124", "PR description"): (2, 163.080),
    ("vit-issue-39", "comment andsteing 2020-12-04"): (1, 85.082),
    ("transformers-issue-28264", "description 2023-12-27"): (2, 161.640),
    ("vit-pr-215", "comment andsteing 2022-07-28"): (5, 481.440),
    ("vit-colab", "cell 37 comment"): (1, 97.700),
    # Added since, summed when they were entered.
    ("convnext-paper", "Table 1"): (20, 1696.600),
    ("convnext-paper", "Table 2"): (6, 488.500),
    ("plsc-readme", "Models"): (1, 77.972),
    ("jeonsworld", "imagenet-21k"): (6, 574.480),
    ("jeonsworld", "shorter train"): (4, 380.250),
    ("vit-issue-46", "description 2020-12-08"): (1, 84.100),
    ("vit-issue-85", "description 2021-04-01"): (1, 84.100),
    ("vit-issue-168", "description 2022-03-21"): (1, 83.700),
    ("vit-issue-130", "description 2021-08-17"): (1, 81.200),
    ("timm-issue-266", "comment saareliad 2020-11-18"): (1, 80.500),
    ("timm-issue-549", "description 2021-04-08"): (1, 83.470),
    ("vit-readme-2020-10-29", "expected results, two runs per row"): (6, 548.170),
    ("vit-readme-2020-10-22", "expected results, two runs per row"): (4, 382.280),
}


# Read from the papers: (source, table, architecture, pre-training, dataset, setting, percent).
PRINTED = [
    ("vit-paper", "Table 2", "ViT-H/14", JFT, "imagenet", "", 88.55),
    ("vit-paper", "Table 2", "ViT-L/16", JFT, "cifar10", "", 99.42),
    ("vit-paper", "Table 2", "ViT-L/16", K21, "vtab1k", "", 72.72),
    ("vit-paper", "Table 2", "BiT-R152x4", JFT, "pets", "", 96.62),
    ("vit-paper", "Table 5", "ViT-B/16", K1, "imagenet", "", 77.91),
    ("vit-paper", "Table 5", "ViT-L/32", K21, "imagenet_real", "", 85.65),
    ("vit-paper", "Table 5", "ViT-L/16", JFT, "flowers102", "", 99.56),
    ("vit-paper", "Table 6", "R50+ViT-B/32", JFT, "imagenet", "7 epochs", 84.90),
    ("vit-paper", "Table 6", "R50+ViT-L/16", JFT, "cifar100", "14 epochs", 93.89),
    ("vit-paper", "Table 6", "BiT-R200x3", JFT, "imagenet", "14 epochs", 87.22),
    ("bit-paper", "Table 1", "BiT-R152x4", JFT, "flowers102", "", 99.63),
    ("bit-paper", "Table 2", "BiT-R152x4", K21, "imagenet", "", 85.39),
    ("bit-paper", "Table 2", "BiT-R152x4", K1, "cifar100", "", 86.21),
    ("jeonsworld", "imagenet-21k", "ViT-L/32", K21, "cifar100", "", 92.73),
    ("jeonsworld", "shorter train", "ViT-B/16", K21, "cifar100", "1000 steps", 92.16),
    ("plsc-readme", "Models", "ViT-B/16", K1, "imagenet", "", 77.972),
    ("convnext-paper", "Table 2", "ConvNeXt-B (isotropic)", K1, "imagenet", "", 82.0),
]


def test_nothing_was_lost():
    counted = Counter((figure.source, figure.table) for figure in load())
    assert counted == {key: count for key, (count, _) in COLLECTED.items()}
    assert len(load()) == sum(counted.values()) == len(set(load())) == 819
    for key, (_, total) in COLLECTED.items():
        values = [figure.value for figure in load() if (figure.source, figure.table) == key]
        assert math.fsum(values) == pytest.approx(total, abs=0.0006), key


def test_each_table_of_each_source_is_used():
    declared = {(source.id, table) for source in publications().values() for table, _ in source.tables}
    assert declared == set(COLLECTED)
    assert len(publications()) == 28


@pytest.mark.parametrize("source, table, architecture, pretrain, dataset, setting, percent", PRINTED)
def test_figures_are_as_printed(source, table, architecture, pretrain, dataset, setting, percent):
    found = matching_figures(architecture, pretrain, "orig", dataset, source)
    [figure] = [figure for figure in found if (figure.table, figure.setting) == (table, setting)]
    assert figure.value == percent


@pytest.mark.parametrize(
    "model, architecture",
    [
        ("ViT-H/14", "ViT-H/14"),
        ("R50x1+ViT-B/32", "R50+ViT-B/32"),
        ("R+ViT-Ti/16", "R+ViT-Ti/16"),
        ("ResNet152x2", "BiT-R152x2"),
        ("BiT-L (ResNet152x4)", "BiT-R152x4"),
        ("BiT-M (ResNet50x1)", "BiT-R50x1"),
        ("BiT-S (ResNet152x4)", "BiT-R152x4"),
        ("resnetv2_152x4_bitm", "BiT-R152x4"),
        ("resnetv2_152x4_bit.goog_in21k_ft_in1k", "BiT-R152x4"),
        ("resnetv2_50x1_bit.goog_distilled_in1k", "BiT-R50x1"),
        ("vit_large_patch16_384", "ViT-L/16"),
        ("vit_large_patch16_384.augreg_in21k_ft_in1k", "ViT-L/16"),
        ("vit_base_patch8_224.augreg2_in21k_ft_in1k", "ViT-B/8"),
        ("vit_base_patch32_224.sam_in1k", "ViT-B/32"),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "ViT-Ti/16"),
        ("vit_base_resnet50_384", "R50+ViT-B/16"),
        ("vit_base_r50_s16_384.orig_in21k_ft_in1k", "R50+ViT-B/16"),
        ("vit_large_r50_s32_224.augreg_in21k_ft_in1k", "R50+ViT-L/32"),
        ("vit_small_r26_s32_384.augreg_in21k_ft_in1k", "R26+ViT-S/32"),
        ("vit_tiny_r_s16_p8_224.augreg_in21k_ft_in1k", "R+ViT-Ti/16"),
        ("convnext_base.fb_in22k_ft_in1k_384", "ConvNeXt-B"),
        ("convnext_xlarge.fb_in22k_ft_in1k", "ConvNeXt-XL"),
    ],
)
def test_architectures_have_one_name_whatever_a_source_calls_them(model, architecture):
    assert {figure.architecture for figure in load() if figure.model == model} == {architecture}


def test_architectures_are_named_after_their_family():
    shape = {
        "vit": r"ViT-(Ti|S|B|L|H)/(8|14|16|32)",
        "bit": r"BiT-R(50|101|152|200)x[1-4]",
        "hybrid": r"R(26|50)?\+ViT-(Ti|S|B|L)/(16|32)",
        "convnext": r"ConvNeXt-(T|S|B|L|XL)( \(isotropic\))?",
        "other": "EfficientNet-L2",
    }
    assert [f for f in load() if not re.fullmatch(shape[f.family], f.architecture)] == []


@pytest.mark.parametrize("architecture", ["ViT-B/32", "ViT-B/16", "ViT-L/32", "ViT-L/16"])
@pytest.mark.parametrize("dataset", ["cifar10", "imagenet_real", "pets"])
def test_claim_2_is_table_5(architecture, dataset):
    steps = [Contender(architecture, pretrain) for pretrain in (K1, K21, JFT)]
    [found] = published_comparisons(steps, dataset)
    assert found.publication == "vit-paper/table-5"
    assert [side.figures[0].pretrain for side in found.sides] == [K1, K21, JFT]


def ids(found):
    return [comparison.publication for comparison in found]


def only(contender, dataset, publication):
    [found] = [r.published for r in single(contender, dataset) if r.publication == publication]
    return found


def test_each_record_is_a_line_of_its_own():
    first, *records, last = paper().table("published/figures.json").read_text().splitlines()
    assert (first, last) == ("[", "]")
    assert [json.loads(record.rstrip(","))["value"] for record in records] == [figure.value for figure in load()]


def test_find_treats_the_vtab_mean_as_its_top1():
    [figure] = matching_figures("ViT-L/16", JFT, dataset="vtab1k")
    assert (figure.metric, figure.value) == ("mean_top1_19_tasks", 76.28)
    assert {figure.metric for figure in matching_figures(metric="top5")} == {"top5"}
    assert len(matching_figures()) == 633 + 9


def test_looking_up_all_weights_one_by_one_finds_each_figure_once():
    every = {(figure.architecture, figure.pretrain, figure.variant): None for figure in load()}
    found = {weights: matching_figures(*weights) for weights in every}
    assert all((f.architecture, f.pretrain, f.variant) == weights for weights in every for f in found[weights])
    together = [figure for figures_of_weights in found.values() for figure in figures_of_weights]
    assert len(together) == len(set(together))
    assert set(together) == set(matching_figures())


def test_claim_1_on_imagenet21k_finds_the_course_and_three_evaluations_by_timm():
    vit, bit = Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)
    assert ids(published_comparisons([vit, bit], "cifar10")) == ["course"]
    found = published_comparisons([vit, bit], "imagenet")
    # timm evaluated ViT-L/16 at two resolutions and BiT at 480 only: every combination is shown.
    assert ids(found) == [
        "course",
        *(f"timm-2021-0{month}/{pair}" for month in (1, 2, 4) for pair in ("384-vs-480", "224-vs-480")),
    ]
    assert [side.value for side in found[1].sides] == pytest.approx([0.85166, 0.84948])
    # The two papers each have one side only: figures of different sources are never compared.
    assert not {"vit-paper", "bit-paper"} & {comparison.source for comparison in found}


def test_claim_1_on_jft_is_table_2():
    vit, bit = Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)
    [real] = published_comparisons([vit, bit], "imagenet_real")
    assert real.publication == "vit-paper/table-2"
    assert [side.value for side in real.sides] == pytest.approx([0.9054, 0.9054])
    [vtab] = published_comparisons([vit, bit], "vtab1k")
    assert [side.n for side in vtab.sides] == [None, None]


def test_claim_3_pairs_equal_pretraining_epochs():
    both = published_comparisons([Contender("R50+ViT-L/16", JFT), Contender("ViT-L/16", JFT)], "imagenet_real")
    # Table 2 and table 5 hold the ViT, not the hybrid: table 6 alone has both.
    assert ids(both) == ["vit-paper/table-6/7-epochs", "vit-paper/table-6/14-epochs"]
    assert [side.value for side in both[0].sides] == pytest.approx([0.8972, 0.8943])
    assert [side.value for side in both[1].sides] == pytest.approx([0.8976, 0.8999])
    unequal = published_comparisons([Contender("ViT-H/14", JFT), Contender("R50+ViT-B/16", JFT)], "cifar10")
    assert ids(unequal) == ["vit-paper/table-6/14-epochs-vs-7-epochs"]


def test_claim_3_on_imagenet21k_shows_that_dropout_decides():
    found = published_comparisons([Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)], "imagenet")
    by_id = {c.publication: c.sides[0].value - c.sides[1].value for c in found}
    assert by_id["vit-readme/replication/dropout-0.0"] == pytest.approx(0.8372 - 0.8453)
    assert by_id["vit-readme/replication/dropout-0.1"] == pytest.approx(0.8508 - 0.8412)


def test_tables_of_a_source_are_combined_only_where_none_has_all_sides():
    [found] = published_comparisons([Contender("BiT-R152x4", JFT), Contender("BiT-R152x4", K21)], "cifar100")
    assert found.publication == "bit-paper/table-1-vs-table-2"
    assert [side.value for side in found.sides] == pytest.approx([0.9351, 0.9217])


def test_publication_ids_are_unique_and_plain():
    contenders = {Contender(f.architecture, f.pretrain, f.variant) for f in load()}
    ordered = sorted(contenders, key=str)
    for dataset in ("imagenet", "cifar10"):
        for pair in itertools.combinations(ordered, 2):
            found = ids(published_comparisons(pair, dataset))
            assert len(set(found)) == len(found)
            assert all(re.fullmatch(r"[\w./-]+", publication) for publication in found)
        for contender in ordered:
            readings = ids(single(contender, dataset))
            assert len(set(readings)) == len(readings)


def test_repeated_runs_are_averaged_and_their_own_spread_counts():
    side = only(Contender("ViT-B/16", K21), "cifar100", "vit-readme-2021-05/replication")
    assert (side.value, side.seeds, len(side.figures)) == (pytest.approx(0.9245), 2, 2)
    seeds = stats.sem([0.9226, 0.9264]) ** 2
    assert side.variance == pytest.approx(0.9245 * (1 - 0.9245) / 10_000 + seeds)


def test_a_std_over_seeds_is_added_to_the_binomial_variance():
    side = only(Contender("ViT-L/16", JFT), "cifar100", "vit-paper/table-2")
    assert side.variance == pytest.approx(0.939 * 0.061 / 10_000 + 0.0005**2 / 3)
    assert (side.n, side.seeds) == (10_000, 3)


def test_the_spread_of_a_median_is_wider_than_that_of_a_mean():
    [figure] = matching_figures("BiT-R152x4", JFT, dataset="cifar100", source="bit-paper")
    side = only(Contender("BiT-R152x4", JFT), "cifar100", "bit-paper/table-1")
    seeds = side.variance - side.value * (1 - side.value) / 10_000
    # The variance of the median of three normal values is 1.346 times that of their mean.
    assert seeds == pytest.approx(1.346 * (figure.std / 100) ** 2 / 3, rel=1e-3)


def test_a_range_over_five_runs_becomes_a_standard_deviation():
    side = only(Contender("ViT-B/32", K21, "augreg"), "pets", "big-vision")
    sd = (0.9400 - 0.9362) / 2.326
    assert side.variance == pytest.approx(0.9378 * (1 - 0.9378) / 3669 + sd**2 / 5, rel=1e-3)


def test_without_examples_or_spread_there_is_no_variance():
    side = only(Contender("BiT-R152x4", K21), "vtab1k", "bit-paper/table-2")
    assert side.variance is None
    with pytest.raises(st.Undefined):
        st.unpaired(side, side)


def test_examples_that_an_evaluation_dropped_do_not_count():
    side = only(Contender("ViT-L/16", K21), "cifar10", "vit-readme/replication/dropout-0.1")
    assert side.n == 9_728 == 10_000 // 512 * 512


def test_single_labels_the_recipe_and_leaves_sources_out():
    vit = Contender("ViT-L/16", K21)
    found = {reading.publication: reading.recipe for reading in single(vit, "imagenet", exclude_sources=["vit-paper"])}
    assert found["course"] == "evaluate"
    assert found["timm-2021-04/384"] == "evaluate"
    assert found["vit-readme/replication/dropout-0.0"] == "code"
    assert not any(publication.startswith("vit-paper") for publication in found)
    assert [(r.publication, r.recipe) for r in single(vit, "pets", ["vit-paper"])] == [("course", "notebook")]
    short = single(Contender("ViT-B/16", K21), "cifar10")
    assert {r.recipe for r in short if "short-schedules" in r.publication} == {"short"}
    with pytest.raises(ClaimsError, match="did you mean 'vit-paper'"):
        single(vit, "pets", exclude_sources=["vit-papers"])


def test_citations_lead_to_the_table():
    side = only(Contender("BiT-R152x4", K21), "imagenet", "course")
    assert side.citation.startswith("re_vit notebooks (mohammed183/re_vit @d17897d), notebooks/experiments/resnet.json")
    assert side.citation.endswith("/notebooks/experiments/resnet.json")
