"""What the gpu evidence rests on: the pipeline check, the scores, the caveats, and the agreement of two frameworks."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import unpinned_dataset
from harness.core.claim import Claim
from harness.core.errors import ClaimsError, TooLittleMemory
from harness.core.hypotheses import All, Better, Close, Contender
from harness.core.result import Divergence, Result
from harness.core.run import Run
from harness.core.source import Source
from harness.evidence.released import gather
from harness.evidence.released.trial import Material, caveats, material, trial
from harness.evidence.source import NotComputed
from harness.judging.evidence import Missing
from harness.judging.judge import judge
from harness.judging.question import Question
from tests.evidence.released.making import tables

A, B = Contender("A", "ImageNet-21k"), Contender("B", "ImageNet-21k")


def result(correct, n=10_000, run_id="r"):
    return Result(run_id, tuple(int(i >= correct) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ())


def test_on_imagenet_a_fine_tuned_checkpoint_is_evaluated_and_any_other_fine_tuned():
    large = Contender("ViT-L/16", "ImageNet-21k", resolution=384)
    evaluated = trial(large, "imagenet_real", "notebook")
    assert (evaluated.checkpoint.id, evaluated.entry.id) == ("vit-l16-in21k-in1k-384", "imagenet")
    assert evaluated.by_real_labels
    assert evaluated.seeds(3) == (0,)
    hybrid = trial(Contender("R50+ViT-L/32", "ImageNet-21k"), "imagenet", "paper")
    assert (hybrid.checkpoint.id, hybrid.entry.id) == ("hybrid-r50-l32-in21k", "imagenet-train")
    assert hybrid.recipe.id == "paper"
    assert hybrid.searches
    flowers = trial(Contender("BiT-R152x4", "ImageNet-21k"), "flowers102", "notebook")
    assert (flowers.entry.id, flowers.recipe.id) == ("flowers", "notebook-bit")
    assert flowers.seeds(3) == (0, 1, 2)


def test_a_dataset_that_is_measured_in_one_way_is_so_by_any_protocol():
    for protocol in ("notebook", "paper"):
        found = trial(Contender("ViT-L/16", "ImageNet-21k"), "cifar10_5shot", protocol)
        assert (found.entry.id, found.recipe.id, found.recipe.shots) == ("cifar10", "fewshot-5", 5)
        assert not found.searches
        assert found.seeds(3) == (0, 1, 2)  # other images are drawn


def test_another_optimiser_is_said():
    sam = Contender("ViT-B/16", "ImageNet-1k", "sam")
    (said,) = caveats((Contender("ViT-B/16", "ImageNet-21k"), sam))
    assert "differ in the optimiser" in said
    assert caveats((A, B)) == ()


def gathered(claim, hypothesis, provider):
    return gather.ReleasedCheckpoints(provider).gather(Question(claim, hypothesis, Source("gpu", "notebook")))


class Closed:
    """A provider with nothing stored that computes nothing."""

    seeds = 3
    looks = (3,)
    fetches = False

    def results_for(self, asked: list[Run]) -> list[Result]:
        raise NotComputed("no accelerator here")


def test_nothing_here_is_not_run_and_never_released_is_not_verifiable(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    public = Better(Contender("ViT-L/16", "ImageNet-21k"), than=Contender("BiT-R152x4", "ImageNet-21k"), on="cifar10")
    found = gathered(claim, public, Closed())
    assert (found.kind, found.reason) == (
        "not run",
        "not on this machine: vit-l16-in21k, cifar10, bit-m-r152x4; pytest -m gpu, where there is an accelerator,"
        " fetches them",
    )
    jft = Better(Contender("ViT-L/16", "JFT-300M"), than=Contender("BiT-R152x4", "JFT-300M"), on="cifar10")
    found = gathered(claim, jft, Closed())
    assert found.kind == "not verifiable"
    assert found.reason.startswith("ViT-L/16 (JFT-300M): ")
    said = replace(claim, not_verifiable=(("JFT-300M", "never released"),))
    assert gathered(said, jft, Closed()) == Missing("JFT-300M: never released", "not verifiable")


def test_a_recipe_that_the_figure_means_nothing_for_is_not_run():
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    close = Close(Contender("ViT-L/16", "ImageNet-21k"), to=99.16, on="cifar10", within={"paper": 0.5, "code": 0.5})
    found = gathered(claim, close, Closed())
    assert found.reason.startswith("a run by the recipe notebook-vit is not judged by the published 99.16 %")
    assert "paper, code; choose one with --recipe" in found.reason


def test_a_figure_among_several_parts_needs_its_recipe_too():
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    vit = Contender("ViT-L/16", "ImageNet-21k")
    known = Close(vit, to=99.0, on="cifar10", within={"notebook": 1.0, "notebook-vit": 1.0})
    unknown = Close(vit, to=94.7, on="pets", within={"paper": 0.5})
    found = gathered(claim, All((known, unknown)), Closed())
    assert found.reason.startswith("a run by the recipe notebook-vit is not judged by the published 94.7 %")


def test_images_to_lay_by_hand_are_missed_before_weights_are_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    evaluated = trial(Contender("ViT-L/16", "ImageNet-21k", resolution=384), "imagenet", "notebook")
    with pytest.raises(ClaimsError, match="^imagenet: "):
        material(evaluated, fetch=True)


def test_what_does_not_fit_this_machine_is_not_run(monkeypatch):
    weights = replace(checkpoint("vit-l16-in21k-in1k-384"), sha256="a" * 64)
    here = Material(weights, unpinned_dataset("imagenet", train=False))
    monkeypatch.setattr(gather, "material", lambda of, fetch: here)

    class Small(Closed):
        def results_for(self, runs):
            raise TooLittleMemory("expected memory to evaluate one image, found too little")

    large, small = (Contender(name, "ImageNet-21k") for name in ("ViT-L/16", "BiT-R152x4"))
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    found = gathered(claim, Better(large, than=small, on="imagenet"), Small())
    assert found == Missing("expected memory to evaluate one image, found too little")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    for name, place in (("TABLES", tables(tmp_path / "tables")), ("CACHE", tmp_path / "cache"), ("HOME", tmp_path)):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return Better(Contender("ViT-Tiny", "Small"), than=Contender("BiT-Tiny", "Small"), on="stripes")


class Grid(Closed):
    """A provider whose runs with the learning rates `diverging` diverge, and whose others get all but one right."""

    def __init__(self, *diverging):
        self.diverging = diverging
        self.asked = []

    def results_for(self, asked):
        self.asked.append([(run.checkpoint.id, run.split, run.recipe.learning_rate, run.seed) for run in asked])
        return [self.result(run) for run in asked]

    def result(self, run):
        if run.recipe.learning_rate in self.diverging:
            return Result(run.id, (), (), (), 1.0, 1.0, 1, (), diverged=Divergence(1, 0.1, (1, 2)))
        n = run.dataset.dev if run.split == "dev" else run.dataset.test
        return result(n - 1, n=n, run_id=run.id)


def searched(hypothesis, recipe, provider):
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    return gather.ReleasedCheckpoints(provider).gather(Question(claim, hypothesis, Source("gpu", recipe)))


def test_both_grids_are_computed_at_once_then_the_final_runs_with_the_chosen_rates(tiny):
    provider = Grid(0.1)
    found = searched(tiny, "searched", provider)
    names, rates = ("tiny-vit", "tiny-bit"), (0.003, 0.1)
    assert provider.asked == [
        [(name, "dev", rate, 1000) for name in names for rate in rates],
        [(name, "test", 0.003, seed) for name in names for seed in range(3)],
    ]
    assert [search.contender for search in found.searches] == [tiny.a, tiny.than]
    assert [[(row.learning_rate, row.accuracy, row.chosen) for row in search.rates] for search in found.searches] == [
        [(0.003, pytest.approx(87.5), True), (0.1, None, False)]
    ] * 2
    assert [side.title for side in found.sides.values()] == [
        "ViT-Tiny (Small) as tiny-vit",
        "BiT-Tiny (Small) as tiny-bit",
    ]
    assert [len(side.scored) for side in found.sides.values()] == [3, 3]


def test_published_accuracies_of_several_networks_are_judged_by_the_recipes_tolerance(tiny):
    def close(contender, to):
        return Close(contender, to=to, on="stripes", within={"quick": 40.0})

    # All but one of 30 images are right: 96.67 %.
    for figures, verdict in (((96.0, 97.0), "REPRODUCED"), ((96.0, 10.0), "REFUTED")):
        both = All((close(tiny.a, figures[0]), close(tiny.than, figures[1])))
        question = Question(Claim(id="c", title="t", quote="q", source="s"), both, Source("gpu", "quick"))
        evidence = gather.ReleasedCheckpoints(Grid()).gather(question)
        assert {side.recipe.recipe for side in evidence.sides.values()} == {"quick"}
        found = judge(question, found=evidence)
        assert found.verdict == verdict
        assert [part.estimate for part in found.components] == pytest.approx([100 * 29 / 30 - to for to in figures])


def test_nothing_is_run_where_every_rate_of_a_grid_diverged(tiny):
    provider = Grid(1e9, 1e10)
    found = searched(tiny, "all-wild", provider)
    assert len(provider.asked) == 1
    assert found.sides == {}
    assert [search.chosen for search in found.searches] == [None, None]
