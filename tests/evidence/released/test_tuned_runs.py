"""A contender whose authors released several runs that they fine-tuned on the dataset: each file is evaluated as it is,
and the evaluations are judged as independent runs, on real files of BiT's layout."""

import math

import numpy as np
import pytest
import torch

from harness.core.claim import Claim
from harness.core.hypotheses import Average, Better, Contender, Equivalent
from harness.core.source import Source
from harness.data import registry
from harness.evidence.questions import Answers
from harness.evidence.released.detectable import detectable, runs_of_sides
from harness.evidence.released.gather import ReleasedCheckpoints
from harness.evidence.released.needed_runs import at_hand, planned
from harness.evidence.released.trial import trials
from harness.judging.question import Family, Question
from harness.judging.upstream import score_rows
from harness.models.architectures import BitArchitecture
from harness.models.initialise import initial_arrays
from harness.models.npz import write
from harness.models.torch import build
from harness.runs.run import measure
from harness.runs.store import Store
from tests.evidence.released.making import stripes, tables

CLAIM = Claim(id="c", title="t", quote="q", source="s")
VIT, TUNED = Contender("ViT-Tiny", "Small"), Contender("BiT-Narrow", "Small", "tuned")
RUNS = """
["narrow-{task}-run{run}"]
family = "bit"
architecture = "BiT-Narrow"
pretrained_on = "Small"
layout = "bit-npz"
variant = "tuned"
tuned_on = "{dataset}"
file = "narrow-{task}-run{run}.npz"
resolution = 32
mean = 0.5
std = 0.5
class_names = ["across", "down"]
["narrow-{task}-run{run}".each]
task = [{ task = "s", dataset = "stripes" }, { task = "m", dataset = "more-stripes" }]
run = ["0", "1", "2"]
"""
MORE = """
[more-stripes]
title = "Stripes again"
reader = "folder"
path = "more"
classes = 2
train = 40
test = 24
dev_fraction = 0.2
"""
NAMES = {on: [f"narrow-{task}-run{run}" for run in range(3)] for task, on in (("s", "stripes"), ("m", "more-stripes"))}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Lay out the tables, the images and six files with heads of their own; return a store."""
    own = tables(tmp_path / "tables")
    for name, text in (("checkpoints", RUNS), ("datasets", MORE)):
        (own / f"{name}.toml").write_text((own / f"{name}.toml").read_text() + text)
    for part, count, first in (("train", 20, 3000), ("test", 12, 5000)):
        for across in (0, 1):
            place = own / "more" / part / ("down", "across")[across]
            place.mkdir(parents=True)
            for index in range(count):
                (place / f"{index:03d}.png").write_bytes(stripes(first + 2 * index + across, across))
    for name, place in (("TABLES", own), ("CACHE", tmp_path / "cache"), ("HOME", tmp_path)):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    images = registry.load_parts(registry.entries()["stripes"], own / "stripes").test
    for seed, name in enumerate([*NAMES["stripes"], *NAMES["more-stripes"]]):
        write(own / f"{name}.npz", with_drawn_head(images, seed))
    return Store(tmp_path / "store")


def with_drawn_head(images, seed):
    """Return a tiny network of BiT's layout whose head is drawn anew and tells images apart."""
    arrays = initial_arrays(BitArchitecture(stem_width=32, stages=((1, 128),), classes=2), 1)
    model = build.load(arrays).eval()
    levels = np.stack([images.pixels(index)[4:36, 4:36] for index in range(len(images))]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        features = model.forward_head(model.forward_features(torch.tensor(levels / 127.5 - 1).float()), pre_logits=True)
    kernel = np.random.default_rng(seed).normal(size=arrays["resnet/head/conv2d/kernel"].shape).astype(np.float32)
    bias = -features.mean(0).numpy() @ kernel[0, 0]
    return arrays | {"resnet/head/conv2d/kernel": kernel, "resnet/head/conv2d/bias": bias}


class Computing:
    """A provider that computes every run."""

    fetches = False

    def __init__(self, store, seeds=2):
        self.store, self.seeds, self.looks = store, seeds, (seeds,)

    def results_for(self, runs):
        return [measure(run, self.store) for run in runs]

    def stored(self, runs):
        return self.results_for(runs)


def components(side):
    """Return the variance of runs' accuracies, and its part from runs and examples together (two-way ANOVA)."""
    hits = np.array([run.hits for run in side.scored], dtype=float)
    rest = hits - hits.mean(1, keepdims=True) - hits.mean(0) + hits.mean()
    runs, examples = hits.shape
    return hits.mean(1).var(ddof=1), (rest**2).sum() / ((runs - 1) * (examples - 1)) / examples


def better(on):
    return Better(VIT, than=TUNED, on=on)


def question(hypothesis, *family):
    return Question(CLAIM, hypothesis, Source("gpu", "quick"), Family("test_f", family or (hypothesis,)))


def test_each_file_is_a_trial_on_its_own_dataset_whatever_the_protocol(store):
    for on, names in NAMES.items():
        found = trials(TUNED, on, "quick")
        assert [each.checkpoint.id for each in found] == names
        assert {(each.entry.id, each.recipe.id, each.seeds(5)) for each in found} == {(on, "evaluate", (0,))}
    (alone,) = trials(VIT, "stripes", "quick")
    assert (alone.recipe.id, alone.seeds(5)) == ("quick", (0, 1, 2, 3, 4))


def test_the_plan_has_an_evaluation_of_each_file_and_the_seeds_of_the_other_side(store):
    check, *found = planned([question(better("stripes"))], 5, store)
    assert check.purpose == "pipeline check"  # of the side that is fine-tuned, and not of the files
    assert [(run.checkpoint.id, run.recipe.id, run.seed) for run in found] == [
        *(("tiny-vit", "quick", seed) for seed in range(5)),
        *((name, "evaluate", 0) for name in NAMES["stripes"]),
    ]
    assert len({run.run_id for run in found} - {""}) == 8
    here = at_hand([question(better("stripes"))], 5, store, ["torch"])
    assert [run.id for run in here] == [run.run_id for run in found]


def test_the_files_are_runs_of_one_network_crossed_with_the_examples(store, one_thread):
    hypothesis = better("stripes")
    evidence = ReleasedCheckpoints(Computing(store)).gather(question(hypothesis))
    vit, bit = evidence.sides[VIT, "stripes"], evidence.sides[TUNED, "stripes"]
    assert (len(vit.runs), len(bit.runs)) == (2, 3)
    assert (bit.deterministic, bit.no_more, vit.no_more) == (False, True, False)
    assert bit.title == "BiT-Narrow (Small, tuned) as narrow-s-run0 and 2 more released runs"
    assert len({run.run_id for run in bit.scored}) == len({run.digest for run in bit.scored}) == 3
    rows = score_rows(bit)
    assert (rows.unit, rows.scores.shape) == ("run", (3, 30))
    verdict = Answers(Computing(store), [question(hypothesis)]).answer(question(hypothesis))
    accuracies = [[run.correct / run.n for run in side.scored] for side in (vit, bit)]
    assert verdict.estimate == pytest.approx(100 * (np.mean(accuracies[0]) - np.mean(accuracies[1])))
    assert verdict.method.startswith("crossed over 2 to 3 seeds and 30 examples")
    assert not verdict.conditional
    # By hand: what another run changes, pooled over both sides, and the noise of runs and examples together.
    (square, noise), (other_square, other_noise) = (components(side) for side in (vit, bit))
    pooled = max((square + 2 * other_square - noise - 2 * other_noise) / 3, 0)  # 1 and 2 degrees of freedom
    assert verdict.method.endswith("seed variance pooled over 2 sides")
    assert verdict.se_seeds == pytest.approx(100 * math.sqrt((pooled + noise) / 2 + (pooled + other_noise) / 3))
    assert [(side.seeds, side.n) for side in verdict.sides] == [(2, 30), (3, 30)]
    assert set(verdict.runs) == {run.run_id for side in (vit, bit) for run in side.scored}


def test_a_mean_over_datasets_has_each_ones_files(store, one_thread):
    both = tuple(NAMES)
    hypothesis = Average(tuple(better(on) for on in both), named="ViT > BiT on average over the tasks of many")
    provider = Computing(store, seeds=3)
    evidence = ReleasedCheckpoints(provider).gather(question(hypothesis))
    files = {term[1]: len(side.runs) for term, side in evidence.sides.items() if term[0] == TUNED}
    assert files == dict.fromkeys(both, 3)
    verdict = Answers(provider, [question(hypothesis)]).answer(question(hypothesis))
    parts = [Answers(provider, [question(better(on))]).answer(question(better(on))) for on in both]
    assert verdict.estimate == pytest.approx(np.mean([part.estimate for part in parts]))
    assert verdict.method.startswith("crossed over 3 seeds and 24 to 30 examples, seed variance pooled over 4 sides")
    assert math.isfinite(verdict.se_seeds)
    assert len(verdict.runs) == 2 * (3 + 3)
    alike = Equivalent(VIT, TUNED, on=both, within=100.0)
    assert Answers(provider, [question(alike)]).answer(question(alike)).verdict == "REPRODUCED"


def test_the_number_of_files_is_that_of_the_runs_a_plan_can_count_on(store):
    assert runs_of_sides(question(better("stripes")), 5) == {(VIT, "stripes"): 5, (TUNED, "stripes"): 3}
    assert detectable([question(better("stripes"))], 5) == []  # nothing is published of these stripes
    mean = Average(tuple(better(on) for on in NAMES))
    assert detectable([question(mean)], 5) == []
