"""The figures for the whole, and the accuracies that they are drawn from."""

import dataclasses
import re

from harness.core.paper import using
from harness.core.verdict import Side
from harness.report.html.measurements import Measurement, measurements, pairs
from harness.report.html.whole import MODELS, panel, size_lines, whole
from tests.report.samples import BIT, NASTY, VIT, everywhere, store, verdict

SIDE = Side(VIT, 99.05, 98.86, 99.24, 10_000, 1)


def names_of(found):
    return [(one.group, one.dataset, one.name) for one in found]


def test_each_accuracy_stands_once_with_its_architecture_and_pre_training():
    found = measurements([verdict(), verdict(hypothesis="b")])
    assert [(one.name, one.accuracy, one.low, one.high) for one in found] == [
        (BIT, 97.96, 97.68, 98.24),
        (VIT, 99.05, 98.86, 99.24),
    ]
    assert [(one.architecture, one.pretraining, one.plain) for one in found] == [
        ("BiT-R152x4", "ImageNet-21k", True),
        ("ViT-L/16", "ImageNet-21k", True),
    ]
    resolution = verdict(sides=(dataclasses.replace(SIDE, name="ViT-L/16 (ImageNet-21k, 384 px)"),))
    (other,) = measurements([resolution])
    assert (other.architecture, other.pretraining, other.plain) == ("ViT-L/16", "ImageNet-21k", False)
    (odd,) = measurements([verdict(sides=(dataclasses.replace(SIDE, name=NASTY),))])
    assert (odd.architecture, odd.pretraining, odd.plain) == (NASTY, "", False)


def test_the_micro_study_is_drawn_under_its_own_names():
    found = measurements([one for one in store().sorted() if one.source == "micro"])
    assert {one.dataset for one in found} == {"digits-5", "digits-20", "orientation"}
    assert {(one.name, one.architecture) for one in found} == {
        ("micro-vit-m", "micro-vit"),
        ("micro-bit-m", "micro-bit"),
    }


def test_a_mean_or_a_compound_is_no_accuracy_on_a_dataset():
    assert measurements([everywhere(sides=(SIDE,)), verdict(dataset="cifar10, pets"), verdict(dataset="")]) == []


def test_the_paper_s_figure_stands_beside_the_one_that_was_found():
    close = verdict(kind="Close", published=99.16, tolerance=0.5, estimate=-0.11, low=-0.36, high=0.14)
    (pair,) = pairs([close, verdict()])
    assert (pair.paper, round(pair.found, 2), round(pair.low, 2), round(pair.high, 2)) == (99.16, 99.05, 98.8, 99.3)
    assert pair.tolerance == 0.5


def one(architecture, pretraining, accuracy, plain=True):
    name = f"{architecture} ({pretraining})"
    return Measurement("published", "d", name, accuracy, accuracy - 1, accuracy + 1, architecture, pretraining, plain)


def test_lines_go_from_the_smaller_to_the_larger_pre_training_set(tmp_path):
    (tmp_path / "paper.toml").write_text("[pretraining_images]\nsmall = 10\nlarge = 1000\n")
    members = [one("A", "large", 90.0), one("A", "small", 80.0), one("B", "small", 70.0)]
    members += [one("A", "large", 50.0, plain=False), one("A", "unknown", 40.0)]
    with using(tmp_path):
        ((name, points),) = size_lines(members)
        assert (name, [(size, each.accuracy) for size, each in points]) == ("A", [(10, 80.0), (1000, 90.0)])


def test_a_panel_has_the_most_accurate_model_first_and_counts_what_it_leaves_out():
    found = panel("d", [one(f"m{k}", "x", float(k)) for k in range(1, MODELS + 3)])
    assert [line.figures for line in found.lines[:2]] == [f"{MODELS + 2}.00", f"{MODELS + 1}.00"]
    assert (len(found.lines), found.more) == (MODELS, "2 models more")
    places = [line.plot.estimate for line in found.lines]
    assert places == sorted(places, reverse=True)


def test_each_group_of_sources_has_its_own_figures_in_the_page_s_colours(tmp_path):
    sizes = '"ImageNet-1k" = 10\n"ImageNet-21k" = 100\n"JFT-300M" = 1000\n'
    (tmp_path / "paper.toml").write_text(f"[pretraining_images]\n{sizes}")
    with using(tmp_path):
        parts = whole(store().sorted())
    assert [part.title for part in parts] == ["Published figures", "Micro study"]
    published = parts[0]
    assert "cifar10" in [each.title for each in published.panels]
    assert [each.title for each in published.pairs] == ["Paper against measured"]
    (chart,) = [each for each in published.sizes if each.title == "cifar100"]
    assert len(re.findall(r'id="size-published-\d+-point-\d-\d"', chart.svg)) == 3  # ViT-B/32 by three sets
    assert "var(--ink)" in chart.svg
    assert not re.search(r"(fill|stroke): #", chart.svg)
    assert whole([]) == ()


def test_a_hostile_name_stays_text():
    hostile = verdict(sides=(dataclasses.replace(SIDE, name=NASTY),), hypothesis=NASTY, dataset=NASTY)
    close = verdict(kind="Close", published=99.0, tolerance=0.5, hypothesis=NASTY)
    shown = "".join(str(each.svg) for part in whole([hostile, close]) for each in (*part.sizes, *part.pairs))
    assert "<img" not in shown
