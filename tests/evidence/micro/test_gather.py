"""What the micro study gathers: which runs it rests on, and that verdicts follow from those runs' examples."""

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Average, Better, Contender, Increasing, Robust
from harness.core.paper import paper
from harness.core.source import Source
from harness.evidence.micro import gather as micro
from harness.evidence.micro import proxies as proxies_module
from harness.evidence.micro import specifications as specifications_module
from harness.evidence.micro.proxies import proxies
from harness.evidence.micro.specifications import specifications
from harness.evidence.questions import answer
from harness.judging.question import Question
from tests.evidence.providing import Made

CLAIM = Claim(id="c", title="t", quote="q", source="s")
VIT, BIT = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")
SETS = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")
NOISE = np.array([3, -2, 5, 1, -4, 2, 0, -5])
"""What the seeds of a side differ by, of 1,000 examples."""


def asked(hypothesis, source="micro"):
    return Question(CLAIM, hypothesis, Source.parse(source))


def noisy(level):
    """A provider whose networks get so many right, by checkpoint, give or take what a seed does."""
    judged = proxies().judged
    return Made(lambda run: level[run.checkpoint.id] + int(NOISE[judged.index(run.seed)]))


def test_both_sides_are_fine_tuned_on_what_stands_for_the_dataset_with_every_seed():
    hypothesis = Better(VIT, than=BIT, on="cifar10")
    provider = noisy({"micro-vit-m": 900, "micro-bit-m": 850})
    found = micro.MicroStudy(provider).gather(asked(hypothesis))
    assert list(found.sides) == [(VIT, "cifar10"), (BIT, "cifar10")]
    for (_, side), name in zip(found.sides.items(), ("micro-vit-m", "micro-bit-m"), strict=True):
        assert side.title.endswith(f" as {name}")
        assert side.upstream == (name,) * 8
        assert len(side.scored) == 8
        assert not side.deterministic
        assert side.recipe.checkpoint == name
    (runs,) = provider.asked  # all at once
    assert [run.seed for run in runs] == [*proxies().judged] * 2
    assert {(run.dataset.id, run.split, run.backend) for run in runs} == {("orientation", "test", "torch")}
    assert found.task.startswith("orientation: ")
    assert dict(found.names) == {str(VIT): "micro-vit-m", str(BIT): "micro-bit-m", "cifar10": "orientation"}


def test_the_verdict_is_in_the_studys_own_words_and_names():
    hypothesis = Better(VIT, than=BIT, on="cifar10")
    found = answer(asked(hypothesis), noisy({"micro-vit-m": 900, "micro-bit-m": 850}))
    assert found.verdict == "AGREES"
    assert found.estimate == pytest.approx(5.0)
    assert found.about == "micro-vit-m > micro-bit-m on orientation"
    assert found.reason.startswith("micro-vit-m minus micro-bit-m")
    assert [side.accuracy for side in found.sides] == pytest.approx([90.0, 85.0])
    assert [side.seeds for side in found.sides] == [8, 8]
    assert len(found.runs) == 16 == len(set(found.runs))
    opposite = answer(asked(hypothesis), noisy({"micro-vit-m": 850, "micro-bit-m": 900}))
    assert opposite.verdict == "DISAGREES"
    same = answer(asked(hypothesis), noisy({"micro-vit-m": 900, "micro-bit-m": 900}))
    assert same.verdict == "OPEN"


def test_another_framework_computes_runs_of_its_own():
    provider = noisy({"micro-vit-m": 900, "micro-bit-m": 850})
    found = answer(asked(Better(VIT, than=BIT, on="cifar10"), "micro@jax"), provider)
    assert (found.source, found.backend) == ("micro@jax", "jax")
    assert {run.backend for run in provider.asked[0]} == {"jax"}


def test_a_rise_is_judged_by_its_steps():
    rise = Increasing(tuple(Contender("ViT-L/16", name) for name in SETS), on="pets")
    provider = noisy({"micro-vit-s": 300, "micro-vit-m": 500, "micro-vit-l": 450})
    found = answer(asked(rise), provider)
    assert found.verdict == "DISAGREES"
    assert [part.holds for part in found.components] == [True, False]
    assert [part.estimate for part in found.components] == pytest.approx([100 * 200 / 797, -100 * 50 / 797])
    assert found.estimate == pytest.approx(-100 * 50 / 797)  # the step that decides
    assert len(found.runs) == 24


def test_a_mean_over_datasets_has_runs_on_each():
    average = Average(tuple(Better(VIT, than=BIT, on=on) for on in ("cifar10", "pets")))
    found = micro.MicroStudy(noisy({"micro-vit-m": 500, "micro-bit-m": 450})).gather(asked(average))
    assert {on for _, on in found.sides} == {"cifar10", "pets"}
    assert found.task.count(": ") == 2
    judged = answer(asked(average), noisy({"micro-vit-m": 500, "micro-bit-m": 450}))
    assert judged.estimate == pytest.approx((100 * 50 / 1000 + 100 * 50 / 797) / 2)


def test_a_run_that_diverged_leaves_the_question_open():
    provider = Made(lambda run: None if run.seed == 9 else 700)
    found = answer(asked(Better(VIT, than=BIT, on="cifar10")), provider)
    assert found.verdict == "OPEN"
    assert "not finite" in found.reason


def test_every_run_uses_the_rate_that_was_chosen_and_only_judged_seeds():
    rates = json.loads((paper().folder / "micro" / "learning_rates.json").read_text())["chosen"]
    for runs in micro.runs(Better(VIT, than=BIT, on="flowers102")).values():
        for run in runs.runs:
            assert run.recipe.learning_rate == rates[run.checkpoint.id][run.dataset.id]
            assert run.split == "test"
    assert not set(proxies().judged) & set(proxies().development)


def test_a_dataset_that_is_measured_in_one_way_has_its_own_recipe():
    for of in micro.runs(Better(VIT, than=BIT, on="cifar10_5shot")).values():
        assert {(run.recipe.id, run.recipe.method, run.recipe.shots) for run in of.runs} == {
            ("fewshot-5", "least squares", 5)
        }
        assert {run.dataset.id for run in of.runs} == {"digits"}
        assert [run.seed for run in of.runs] == [*proxies().judged]  # which images are drawn


@pytest.fixture
def pretrained_twice(monkeypatch):
    """micro-vit-m was pre-trained twice, and each network is fine-tuned with two seeds of its own."""
    table = replace(proxies(), upstream=(("micro-vit-m", ((8, 9), (10, 11))),))
    first = checkpoint

    def again(name):
        return replace(first(name.removesuffix("-2")), id=name, sha256=f"{len(name):064}")

    for module in (proxies_module, micro, specifications_module):
        monkeypatch.setattr(module, "proxies", lambda: table)
    monkeypatch.setattr(micro, "checkpoint", again)


def test_each_pre_training_of_a_network_has_seeds_of_its_own(pretrained_twice, monkeypatch):
    monkeypatch.setattr(micro, "recipe", lambda *_: paper_recipe)
    from harness.catalog.recipes import recipe

    paper_recipe = recipe("micro", "micro-vit-m", "orientation")
    runs = micro.runs(Better(VIT, than=BIT, on="cifar10"))[VIT, "cifar10"]
    assert [(run.checkpoint.id, run.seed) for run in runs.runs] == [
        ("micro-vit-m", 8), ("micro-vit-m", 9), ("micro-vit-m-2", 10), ("micro-vit-m-2", 11)
    ]  # fmt: skip
    assert runs.title == f"{VIT} as micro-vit-m, pre-trained 2 times"
    found = micro.MicroStudy(Made(lambda run: 700 + run.seed)).gather(asked(Better(VIT, than=BIT, on="cifar10")))
    assert found.sides[VIT, "cifar10"].upstream == ("micro-vit-m",) * 2 + ("micro-vit-m-2",) * 2
    assert found.caveats == ("micro-bit-m was pre-trained once, and the verdict is conditional on that pre-training",)


def test_networks_that_were_pre_trained_once_are_named():
    found = micro.MicroStudy(Made(lambda run: 700)).gather(asked(Better(VIT, than=BIT, on="cifar10")))
    assert found.caveats == (
        "micro-vit-m and micro-bit-m were pre-trained once each, and the verdict is conditional on that",
    )


CURVE = Robust("corpus-vit", said="micro ViT-L > micro ViT-S on digits")


def test_an_ordering_whatever_is_chosen_is_judged_by_every_specification():
    provider = Made(lambda run: 600 + 40 * (run.checkpoint.id[-1] == "l") + run.seed)
    found = answer(asked(CURVE), provider)
    of_statement = [each for each in specifications("reduced") if each.statement == "corpus-vit"]
    assert found.verdict == "AGREES"
    assert [part.hypothesis for part in found.components] == [each.name for each in of_statement]
    assert [part.estimate for part in found.components] == pytest.approx([100 * 40 / 797] * len(of_statement))
    assert found.estimate == pytest.approx(100 * 40 / 797)
    assert set(found.runs) == {run.id for each in of_statement for run in each.runs}
    assert len(found.evidence) == len(found.runs)
    assert "not every network was pre-trained several times" in found.reason
    assert answer(asked(CURVE), Made(lambda run: 640 - 40 * (run.checkpoint.id[-1] == "l"))).verdict == "DISAGREES"


def test_the_full_grid_is_a_source_of_its_own():
    provider = Made(lambda run: 600)
    micro.MicroStudy(provider).gather(asked(CURVE, "micro/full"))
    assert {run.id for runs in provider.asked for run in runs} == {
        run.id for each in specifications("full") if each.statement == "corpus-vit" for run in each.runs
    }


def test_a_curve_without_any_finished_run_is_open():
    assert answer(asked(CURVE), Made(lambda run: None)).verdict == "OPEN"


def test_a_statement_that_the_table_has_not_is_one_line():
    with pytest.raises(
        ClaimsError, match=r"specifications.toml: unknown statement 'corpus-vti' .did you mean 'corpus-vit'"
    ):
        micro.specification_runs(Robust("corpus-vti", said="x"), "reduced")
