"""Which differences a session could find, from published spreads, before anything is computed."""

import json
import math
from dataclasses import replace

import pytest
import scipy.stats

from harness.core.claim import Claim
from harness.core.hypotheses import All, Average, Better, Contender
from harness.core.paper import using
from harness.core.source import Source
from harness.evidence.released.detectable import TELL_APART, accuracy, detectable, lines, of_comparison
from harness.judging.question import Family, Question
from tests.evidence.released.making import tables

CLAIM = Claim(id="c", title="t", quote="q", source="s")
VIT, BIT, LOST, OWN, TWIN = (
    Contender(name, "Small") for name in ("ViT-Tiny", "BiT-Tiny", "ViT-Lost", "ViT-Own", "ViT-Twin")
)
N = 4_000
SD = 0.3
"""Published standard deviation from seed to seed, points, of five runs each."""
SOURCES = """
[first]
title = "a report"
url = "https://example.org/first"
kind = "repo"
recipe = "r"
origin = "replication"
tables = [["t", ""]]
"""
RELEASED = "".join(
    f"""
[tiny-{name}]
family = "vit"
architecture = "ViT-{name.capitalize()}"
pretrained_on = "Small"
layout = "vit-npz"
resolution = 32
classes = 2
file = "vit-m.npz"
"""
    for name in ("own", "twin")
)
EVALUATE = """
[evaluate]
batch_size = 8
steps = 0
resolution = 32
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a paper that published accuracies the current one, with a tiny zoo."""
    own = tables(tmp_path / "tables")
    for name, text in (("checkpoints", RELEASED), ("recipes", EVALUATE)):
        (own / f"{name}.toml").write_text((own / f"{name}.toml").read_text() + text)
    for name, place in (("TABLES", own), ("CACHE", tmp_path / "cache"), ("HOME", tmp_path)):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    folder = tmp_path / "paper"
    (folder / "published").mkdir(parents=True)
    (folder / "paper.toml").write_text(
        f'title = "t"\nidentifier = "t"\n[test_examples]\nstripes = {N}\nnowhere = {N}\n'
        '[heads.stripes]\nclasses = 2\nscored = ["stripes"]\ntraining = "stripes"\n'
    )
    (folder / "published" / "sources.toml").write_text(SOURCES)
    alike = {"source": "first", "table": "t", "family": "vit", "variant": "orig", "metric": "top1"}
    listed = [
        alike
        | {"model": of.architecture, "architecture": of.architecture, "pretrain": of.pretrained_on, "value": value}
        | {"dataset": on}
        | ({"seeds": 5, "std": SD} if on == "stripes" else {})
        for on in ("stripes", "nowhere")
        for of, value in ((VIT, 90.0), (BIT, 80.0), (OWN, 88.0), (TWIN, 87.0), (LOST, 70.0))
    ]
    (folder / "published" / "figures.json").write_text(json.dumps(listed))
    with using(folder):
        yield folder


def asked(*hypotheses, source="gpu/quick"):
    family = Family("test_f", hypotheses)
    return [Question(CLAIM, each, Source.parse(source), family) for each in hypotheses]


def better(a=VIT, than=BIT, on="stripes"):
    return Better(a, than=than, on=on)


def apart(a, b):
    """Return the share of examples that two accuracies are planned to tell apart."""
    return TELL_APART * (a * (1 - b) + b * (1 - a))


def test_by_the_published_spread_over_seeds_and_examples(folder):
    found = of_comparison("c", better(), seeds=20, sides=50, alpha=0.05)
    within = min(apart(0.9, 0.8), (0.1 + 0.2) / 2)
    variance = (apart(0.9, 0.8) - within) / N + (2 * (SD / 100) ** 2 + within / N) / 20
    # Many seeds pooled over many sides: normal quantiles. A tenth is judged by its own variance, which costs a little.
    normal = 100 * math.sqrt(variance) * scipy.stats.norm.isf([0.025, 0.2]).sum()
    assert found.points == pytest.approx(normal, rel=0.06)
    assert found.points > normal
    assert (found.seeds, found.seed_sd, found.sides) == (20, pytest.approx(SD), 50)


def test_more_seeds_sides_and_error_find_smaller_differences(folder):
    base = of_comparison("c", better(), 3, 4, 0.05).points
    assert of_comparison("c", better(), 5, 4, 0.05).points < base
    assert of_comparison("c", better(), 3, 20, 0.05).points < base
    assert of_comparison("c", better(), 3, 4, 0.01).points > base


def test_the_worst_comparison_of_each_dataset_at_its_share_of_the_error_rate(folder):
    near, far = better(VIT, BIT), better(BIT, VIT)
    (found,) = detectable(asked(near, better(VIT, LOST), far), 5)
    assert (found.claim, found.dataset, found.seeds, found.sides) == ("c", "stripes", 5, 3)
    worst, other = (of_comparison("c", each, 5, 3, 0.05 / 3).points for each in (better(VIT, LOST), near))
    assert (found.points, found.best) == (pytest.approx(worst), pytest.approx(other))
    assert worst > other  # with the lower accuracy more examples tell the two apart


def test_what_cannot_be_measured_takes_a_share_of_the_error_rate_and_is_no_side(folder):
    (found,) = detectable(asked(better(), better(VIT, Contender("ViT-Huge", "Small"))), 5)
    assert found.sides == 2
    assert found.points == pytest.approx(of_comparison("c", better(), 5, 2, 0.05 / 2).points)


def test_comparisons_within_compounds_count_and_other_kinds_do_not(folder):
    both = All((better(), better(BIT, VIT)))
    assert [each.dataset for each in detectable(asked(both), 3)] == ["stripes"]
    assert detectable(asked(Average((better(), better(BIT, VIT)))), 3) == []


@pytest.mark.parametrize("source", ["published", "micro", "gpu", "gpu/nonsense"])
def test_only_released_checkpoints_are_planned(folder, source):
    assert detectable(asked(better(), source=source), 3) == []


def test_nothing_is_planned_without_a_published_spread_or_accuracy(folder):
    assert of_comparison("c", better(on="nowhere"), 3, 4, 0.05) is None
    assert of_comparison("c", better(on="elsewhere"), 3, 4, 0.05) is None
    assert of_comparison("c", better(Contender("ViT-Huge", "Small")), 3, 4, 0.05) is None
    assert accuracy(VIT, "stripes") == pytest.approx(0.9)
    assert accuracy(Contender("ViT-Huge", "Small"), "stripes") is None


def test_what_is_evaluated_as_released_has_no_seeds(folder):
    found = of_comparison("c", better(on="nowhere"), 0, 4, 0.05)
    expected = 100 * math.sqrt(apart(0.9, 0.8) / N) * scipy.stats.norm.isf([0.025, 0.2]).sum()
    assert found.points == pytest.approx(expected)
    assert (found.seeds, found.seed_sd) == (0, 0)
    # A checkpoint with the dataset's own head is only evaluated; with one that is fine-tuned, seeds enter.
    alone = detectable(asked(better(OWN, TWIN)), 5)
    assert [(each.seeds, each.sides) for each in alone] == [(0, 0)]
    mixed = detectable(asked(better(OWN, BIT)), 5)
    assert [(each.seeds, each.sides) for each in mixed] == [(5, 1)]


def test_lines_for_the_plan(folder):
    assert lines([]) == []
    seeds, fixed = of_comparison("c", better(), 5, 4, 0.05), of_comparison("c", better(on="nowhere"), 0, 4, 0.05)
    head, line, assumed = lines([fixed, seeds])
    assert head == "Smallest difference found with 80 % power, percentage points, 5 seeds:"
    assert line == f"  c: nowhere {fixed.points:.2f} (as released), stripes {seeds.points:.2f}"
    both = replace(seeds, best=seeds.points / 2)
    assert lines([both])[1] == f"  c: stripes {seeds.points / 2:.2f} to {seeds.points:.2f}"
    assert "60%" in assumed
