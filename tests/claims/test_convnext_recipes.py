"""ConvNeXt fine-tuned by the protocols' recipes: what they state, and runs of a tiny network of timm's."""

import math
from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file

from harness.catalog.checkpoint_files import pinned
from harness.catalog.checkpoints import checkpoint, checkpoints
from harness.catalog.datasets import pinned_dataset, unpinned_dataset
from harness.catalog.recipes import protocol, protocols, recipe_used, resolve, with_rate
from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Better, Contender
from harness.core.run import Run
from harness.core.source import Source
from harness.evidence.questions import Answers
from harness.evidence.released.gather import ReleasedCheckpoints
from harness.judging.question import Question
from harness.runs.run import measure
from harness.runs.store import Store
from tests.evidence.released import making

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TINY = """
[tiny-convnext]
family = "convnext"
architecture = "ConvNeXt-Tiny"
pretrained_on = "Small"
layout = "timm"
timm = "test_convnext"
semantics = "timm"
resolution = 32
classes = 12
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
interpolation = "bicubic"
file = "convnext.safetensors"
"""
SHORT = """
[short-notebook]
based_on = "notebook-convnext"
resolution = 32
batch_size = 16
epochs = 1
learning_rate_grid = [0.01, 0.1]
precision = "float32"
"""


@pytest.mark.parametrize("name", ["notebook", "code", "paper"])
@pytest.mark.parametrize("on", ["cifar10", "cifar100", "pets", "flowers"])
def test_every_protocol_has_a_recipe_for_every_convnext_that_is_fine_tuned(name, on):
    for entry in checkpoints().values():
        if entry.family == "convnext" and entry.classes == 21841:
            found = resolve(protocol(name, "convnext"), entry, unpinned_dataset(on))
            assert (found.mean, found.std) == (MEAN, STD)
            assert (found.test_interpolation, found.test_resize, found.test_crop_share) == ("bicubic", "square", 1.0)
            assert found.learning_rate is None
            assert found.learning_rate_grid


def test_the_authors_fine_tuning_is_theirs_where_the_engine_can():
    found = resolve("convnext", checkpoint("convnext-b-in22k"), unpinned_dataset("cifar10"))
    # arXiv:2201.03545v2, appendix A.2; facebookresearch/ConvNeXt, TRAINING.md.
    assert (found.batch_size, found.weight_decay, found.warmup_steps, found.resolution) == (512, 1e-8, 0, 384)
    assert found.steps == 30 * math.ceil(50_000 / 512)
    assert (found.schedule, found.clip_norm, found.mixup) == ("cosine", None, 0)
    sources = dict(found.sources)
    assert "SGD in place of AdamW" in sources["momentum"]
    assert "layer-wise decay" in sources["learning_rate_grid"]


def test_convnext_is_fine_tuned_as_long_as_vit_where_images_are_few():
    convnext, vit = checkpoint("convnext-b-in22k"), checkpoint("augreg-b16-in21k")
    for name, on in (
        ("paper", "pets"),
        ("paper", "flowers"),
        *(("notebook", on) for on in ("cifar10", "pets", "flowers")),
    ):
        ours, theirs = (resolve(protocol(name, entry.family), entry, unpinned_dataset(on)) for entry in (convnext, vit))
        assert (ours.steps, ours.batch_size, ours.resolution) == (theirs.steps, theirs.batch_size, theirs.resolution)
        assert ours.trains_on == theirs.trains_on


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Lay out a tiny ConvNeXt with random weights beside the tiny ViT and the images; return a store."""
    own = making.tables(tmp_path / "tables")
    for name, text in (("checkpoints", TINY), ("recipes", SHORT)):
        (own / f"{name}.toml").write_text((own / f"{name}.toml").read_text() + text)
    torch.manual_seed(1)
    save_file(timm.create_model("test_convnext", num_classes=12).state_dict(), own / "convnext.safetensors")
    for name, place in (("TABLES", own), ("CACHE", tmp_path / "cache"), ("HOME", tmp_path)):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return Store(tmp_path / "store")


def short(name, **changed):
    """Return a run of the tiny ConvNeXt by a protocol's recipe, cut to four steps of small images."""
    weights, images = pinned(checkpoint("tiny-convnext"), offline=True), pinned_dataset("stripes")
    found = resolve(protocol(name, "convnext"), weights, images)
    cut = {"steps": 4, "batch_size": 8, "resolution": 32, "precision": "float32"}
    return Run(weights, images, replace(with_rate(found, found.learning_rate_grid[-1]), **cut | changed), seed=0)


@pytest.mark.parametrize("name", ["notebook", "paper"])
def test_a_run_by_each_protocol_is_trained_and_scored(name, tiny, one_thread):
    a_run = short(name)
    assert (a_run.recipe.mean, a_run.recipe.std) == (MEAN, STD)
    result = measure(a_run, tiny)
    assert (len(result.predictions), len(result.loss_history)) == (30, 4)
    assert result.loss_history[0] == pytest.approx(math.log(2))  # the new head is zero
    assert result.loss_history[-1] != result.loss_history[0]
    # The network sees levels that are normalised channel by channel: with one number it learns otherwise.
    grey = measure(short(name, mean=0.5, std=0.5), tiny)
    assert grey.loss_history[0] == result.loss_history[0]
    assert grey.loss_history[1:] != result.loss_history[1:]
    assert {field: value for field, value, _ in recipe_used(a_run).settings}["mean"] == "0.485, 0.456, 0.406"


def test_jax_refuses_it_in_one_line(tiny):
    with pytest.raises(ClaimsError, match=r"^tiny-convnext: .*found timm; use the backend torch$"):
        measure(replace(short("notebook"), backend="jax"), tiny)


class Computing:
    """A provider that computes every run."""

    fetches, seeds, looks = False, 2, (2,)

    def __init__(self, store):
        self.store = store

    def results_for(self, runs):
        return [measure(run, self.store) for run in runs]

    def stored(self, runs):
        return self.results_for(runs)


def test_a_hypothesis_is_judged_after_a_search_for_each_sides_rate(tiny, one_thread):
    convnext, vit = Contender("ConvNeXt-Tiny", "Small"), Contender("ViT-Tiny", "Small")
    claim = Claim(id="c", title="t", quote="q", source="s")
    asked = Question(claim, Better(convnext, than=vit, on="stripes"), Source("gpu", "short-notebook"))
    evidence = ReleasedCheckpoints(Computing(tiny)).gather(asked)
    assert [[rate.learning_rate for rate in search.rates] for search in evidence.searches] == [[0.01, 0.1]] * 2
    assert [len(side.runs) for side in evidence.sides.values()] == [2, 2]
    verdict = Answers(Computing(tiny), [asked]).answer(asked)
    accuracies = [sum(run.correct / run.n for run in side.scored) / 2 for side in evidence.sides.values()]
    assert verdict.estimate == pytest.approx(100 * (accuracies[0] - accuracies[1]))
    assert [side.seeds for side in verdict.sides] == [2, 2]


def test_every_protocol_names_a_recipe_of_the_family():
    assert {name: table.get("convnext") for name, table in protocols().items()} == {
        "paper": "convnext",
        "code": "convnext",
        "notebook": "notebook-convnext",
    }
