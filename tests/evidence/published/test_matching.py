"""The reader of published figures against malformed files, and the pairing rule against its cases."""

import itertools
import json
import re
import subprocess
import sys

import pytest
from scipy import stats

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.evidence.published import (
    Figure,
    figures,
    load,
    matching_figures,
    published_comparisons,
    single,
)
from harness.stats import intervals as st

K1, K21, JFT = "ImageNet-1k", "ImageNet-21k", "JFT-300M"


RECORD = {
    "source": "paper-a",
    "table": "Table 1",
    "model": "ViT-B/16",
    "architecture": "ViT-B/16",
    "family": "vit",
    "pretrain": "ImageNet-21k",
    "variant": "orig",
    "dataset": "cifar10",
    "metric": "top1",
    "value": 98.9,
}
SOURCE = """
[paper-a]
title = "A (2021)"
url = "https://example.org/a"
kind = "paper"
recipe = "paper"
origin = "paper"
tables = [["Table 1", "table-1"]]
"""


def read(tmp_path, *records, source=SOURCE):
    (tmp_path / "figures.json").write_text(json.dumps(records))
    (tmp_path / "sources.toml").write_text(source)
    return figures.read(tmp_path / "figures.json", tmp_path / "sources.toml")


def ids(found):
    return [comparison.publication for comparison in found]


def only(contender, dataset, publication):
    [found] = [r.published for r in single(contender, dataset) if r.publication == publication]
    return found


def test_each_record_is_a_line_of_its_own():
    first, *records, last = paper().table("published/figures.json").read_text().splitlines()
    assert (first, last) == ("[", "]")
    assert [json.loads(record.rstrip(","))["value"] for record in records] == [figure.value for figure in load()]


def test_loading_needs_no_heavy_library():
    code = "import sys, harness.evidence.published as e; e.load(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "harness.evidence.published.matching" in modules
    assert not {"torch", "timm", "jax", "pandas", "scipy", "numpy", "matplotlib"} & set(modules)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"valu": 1}, "record 2: unknown key 'valu' .did you mean 'value'?."),
        ({"value": 101}, "record 2: value: "),
        ({"value": "high"}, "record 2: value: .*'high'"),
        ({"pretrain": "in21k"}, "record 2: unknown pretrain 'in21k'.*expected one of: ImageNet-1k, ImageNet-21k"),
        ({"source": "paper-b"}, "record 2: unknown source 'paper-b' .did you mean 'paper-a'?."),
        ({"table": "Table 2"}, "record 2: unknown table of paper-a 'Table 2' .did you mean 'Table 1'?."),
        ({"dataset": "cifar-100"}, "record 2: unknown dataset 'cifar-100' .did you mean 'cifar100'?."),
        ({"range": [98.0, 98.5]}, "record 2: .*expected the value within its range"),
        ({"std": 0.1, "range": [98.0, 99.0]}, "record 2: .*a std or a range, not both"),
    ],
)
def test_a_malformed_record_is_named_in_one_line(tmp_path, change, message):
    with pytest.raises(ClaimsError, match=message.replace("?", r"\?")) as caught:
        read(tmp_path, RECORD, RECORD | change)
    assert str(caught.value).startswith("figures.json ")
    assert "\n" not in str(caught.value)


def test_a_missing_key_and_a_record_that_is_none_are_named(tmp_path):
    without = {key: value for key, value in RECORD.items() if key != "metric"}
    with pytest.raises(ClaimsError, match="record 1: key 'metric' is missing"):
        read(tmp_path, without)
    with pytest.raises(ClaimsError, match="record 2: expected an object, found 3"):
        read(tmp_path, RECORD, 3)


@pytest.mark.parametrize("text", ["[{,", '{"a": 1}'])
def test_a_file_that_is_no_list_is_refused(tmp_path, text):
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(ClaimsError, match=r"^figures.json: expected"):
        figures.read(tmp_path / "figures.json", paper().table("published/sources.toml"))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('kind = "paper"', 'kinds = "paper"', "unknown key 'kinds' .did you mean 'kind'?."),
        ('recipe = "paper"', 'recipe = "guess"', "unknown recipe 'guess'; expected one of: code"),
        ("[paper-a]", '["paper a"]', "id: "),
    ],
)
def test_a_malformed_source_is_named(tmp_path, old, new, message):
    with pytest.raises(ClaimsError, match=r"sources.toml \[.*\]: " + message.replace("?", r"\?")):
        read(tmp_path, RECORD, source=SOURCE.replace(old, new))


def test_find_treats_the_vtab_mean_as_its_top1():
    [figure] = matching_figures("ViT-L/16", JFT, dataset="vtab1k")
    assert (figure.metric, figure.value) == ("mean_top1", 76.0)
    assert {figure.metric for figure in matching_figures(metric="top5")} == {"top5"}
    assert len(matching_figures()) == len(load()) - 1


def test_looking_up_all_weights_one_by_one_finds_each_figure_once():
    every = {(figure.architecture, figure.pretrain, figure.variant): None for figure in load()}
    found = {weights: matching_figures(*weights) for weights in every}
    assert all((f.architecture, f.pretrain, f.variant) == weights for weights in every for f in found[weights])
    together = [figure for figures_of_weights in found.values() for figure in figures_of_weights]
    assert len(together) == len(set(together))
    assert set(together) == set(matching_figures())


@pytest.mark.parametrize(
    "key, name, nearest",
    [
        ("architecture", "ViT-L16", "ViT-L/16"),
        ("pretrain", "ImageNet21k", "ImageNet-21k"),
        ("variant", "augregg", "augreg"),
        ("dataset", "cifar-10", "cifar10"),
        ("source", "small_pictures", "small-pictures"),
        ("metric", "top-1", "top1"),
    ],
)
def test_find_names_the_nearest(key, name, nearest):
    with pytest.raises(ClaimsError, match=f"unknown {key} '{name}' .did you mean '{nearest}'"):
        matching_figures(**{key: name})


def test_every_source_with_both_sides_is_found_and_every_pair_of_resolutions():
    vit, bit = Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)
    assert ids(published_comparisons([vit, bit], "cifar10")) == ["course"]
    found = published_comparisons([vit, bit], "imagenet")
    # One side was evaluated at two resolutions and the other at a third: every combination is shown.
    assert ids(found) == ["course", "csv/384-vs-480", "csv/224-vs-480"]
    assert [side.value for side in found[1].sides] == pytest.approx([0.852, 0.848])
    # Two sources have one side only: figures of different sources are never compared.
    assert not {"small-pictures", "large-networks", "readme"} & {comparison.source for comparison in found}


def test_a_table_with_both_sides_is_found_whatever_its_metric():
    vit, bit = Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)
    [real] = published_comparisons([vit, bit], "imagenet_real")
    assert real.publication == "small-pictures/table-2"
    assert [side.value for side in real.sides] == pytest.approx([0.905, 0.905])
    [vtab] = published_comparisons([vit, bit], "vtab1k")
    assert [side.n for side in vtab.sides] == [None, None]


@pytest.mark.parametrize("dataset", ["cifar10", "pets"])
def test_three_sides_are_found_in_their_order(dataset):
    steps = [Contender("ViT-L/16", pretrain) for pretrain in (K1, K21, JFT)]
    [found] = published_comparisons(steps, dataset)
    assert found.publication == "small-pictures/table-5"
    assert [side.figures[0].pretrain for side in found.sides] == [K1, K21, JFT]


def test_equal_resolutions_are_paired_where_sides_share_some():
    found = published_comparisons(
        [Contender("ViT-B/32", K21, "augreg"), Contender("ViT-B/32", K1, "augreg")], "imagenet"
    )
    assert sorted(ids(found)) == ["csv/224", "csv/384"]
    for comparison in found:
        assert len({side.resolution for side in comparison.sides}) == 1


def test_equal_settings_are_paired_where_sides_share_some():
    both = published_comparisons([Contender("R50+ViT-B/16", JFT), Contender("ViT-B/16", JFT)], "imagenet_real")
    assert ids(both) == ["small-pictures/table-6/7-epochs", "small-pictures/table-6/14-epochs"]
    assert [side.value for side in both[0].sides] == pytest.approx([0.897, 0.894])
    assert [side.value for side in both[1].sides] == pytest.approx([0.898, 0.9])
    # Tables 2 and 5 hold one side: table 6 alone has both.
    unequal = published_comparisons([Contender("ViT-H/14", JFT), Contender("R50+ViT-B/16", JFT)], "cifar10")
    assert ids(unequal) == ["small-pictures/table-6/14-epochs-vs-7-epochs"]


def test_each_setting_of_a_table_is_a_publication_of_its_own():
    found = published_comparisons([Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)], "imagenet")
    by_id = {c.publication: c.sides[0].value - c.sides[1].value for c in found}
    assert by_id["readme/replication/dropout-0.0"] == pytest.approx(0.837 - 0.845)
    assert by_id["readme/replication/dropout-0.1"] == pytest.approx(0.851 - 0.841)


def test_tables_of_a_source_are_combined_only_where_none_has_all_sides():
    [found] = published_comparisons([Contender("BiT-R152x4", JFT), Contender("BiT-R152x4", K21)], "cifar100")
    assert found.publication == "large-networks/table-1-vs-table-2"
    assert [side.value for side in found.sides] == pytest.approx([0.935, 0.922])


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
    side = only(Contender("ViT-B/16", K21), "cifar100", "readme/replication")
    assert (side.value, side.seeds, len(side.figures)) == (pytest.approx(0.925), 2, 2)
    seeds = stats.sem([0.923, 0.927]) ** 2
    assert side.variance == pytest.approx(0.925 * (1 - 0.925) / 10_000 + seeds)


def test_a_std_over_seeds_is_added_to_the_binomial_variance():
    side = only(Contender("ViT-L/16", JFT), "cifar100", "small-pictures/table-2")
    assert side.variance == pytest.approx(0.939 * 0.061 / 10_000 + 0.0005**2 / 3)
    assert (side.n, side.seeds) == (10_000, 3)


def test_the_spread_of_a_median_is_wider_than_that_of_a_mean():
    [figure] = matching_figures("BiT-R152x4", JFT, dataset="cifar100", source="large-networks")
    side = only(Contender("BiT-R152x4", JFT), "cifar100", "large-networks/table-1")
    seeds = side.variance - side.value * (1 - side.value) / 10_000
    # The variance of the median of three normal values is 1.346 times that of their mean.
    assert seeds == pytest.approx(1.346 * (figure.std / 100) ** 2 / 3, rel=1e-3)


def test_a_range_over_five_runs_becomes_a_standard_deviation():
    side = only(Contender("ViT-B/32", K21, "augreg"), "pets", "readme/augreg")
    sd = (0.940 - 0.936) / 2.326
    assert side.variance == pytest.approx(0.938 * (1 - 0.938) / 3669 + sd**2 / 5, rel=1e-3)


def test_without_examples_or_spread_there_is_no_variance():
    side = only(Contender("BiT-R152x4", K21), "vtab1k", "large-networks/table-2")
    assert side.variance is None
    with pytest.raises(st.Undefined):
        st.unpaired(side, side)


def test_examples_that_an_evaluation_dropped_do_not_count():
    side = only(Contender("ViT-L/16", K21), "cifar10", "readme/replication/dropout-0.1")
    assert side.n == 9_728 == 10_000 // 512 * 512


def test_single_labels_the_recipe_and_leaves_sources_out():
    vit = Contender("ViT-L/16", K21)
    assert "small-pictures/table-2" in [reading.publication for reading in single(vit, "imagenet")]
    left = single(vit, "imagenet", exclude_sources=["small-pictures"])
    found = {reading.publication: reading.recipe for reading in left}
    assert found["course"] == "evaluate"
    assert found["csv/384"] == "evaluate"
    assert found["readme/replication/dropout-0.0"] == "code"
    assert not any(publication.startswith("small-pictures") for publication in found)
    assert [(r.publication, r.recipe) for r in single(vit, "pets", ["small-pictures"])] == [("course", "notebook")]
    short = single(Contender("ViT-B/16", K21), "cifar10")
    assert {r.recipe for r in short if "short" in r.publication} == {"short"}
    with pytest.raises(ClaimsError, match="did you mean 'small-pictures'"):
        single(vit, "pets", exclude_sources=["small-picture"])


def test_citations_lead_to_the_table():
    side = only(Contender("BiT-R152x4", K21), "imagenet", "course")
    assert side.citation == "a course's notebooks, bit.json, https://example.org/course"


def test_what_nobody_published_gives_nothing_and_an_unknown_dataset_is_named():
    released = Contender("R50+ViT-L/32", K21)
    assert published_comparisons([released, Contender("ViT-L/16", K21)], "cifar10") == ()
    assert single(Contender("Swin-B", K21), "cifar10") == ()
    with pytest.raises(ClaimsError, match="did you mean 'flowers102'"):
        published_comparisons([released, released], "flowers")


def test_figures_are_hashable_and_frozen():
    figure = load()[0]
    assert figure == Figure(**vars(figure))
    assert len(set(load())) == len(load()) > 50
    with pytest.raises(AttributeError):
        figure.value = 1.0
