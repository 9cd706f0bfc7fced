"""What released checkpoints cost: FLOPs that are counted, and times that are measured on one card."""

from dataclasses import replace

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender, Ratio
from harness.core.source import Source
from harness.cost import cache
from harness.evidence.questions import EvidenceRequest, Stated, questions
from harness.evidence.released import gather
from harness.evidence.released.costs import COUNTED, QUANTITIES
from harness.evidence.released.needed_runs import planned
from harness.evidence.source import NotComputed
from harness.judging.digest import hypothesis_digest
from harness.judging.evidence import Missing
from harness.judging.judge import judge
from harness.judging.question import Question
from harness.runs.store import Store
from tests.evidence.providing import Made
from tests.evidence.released.making import tables

CLAIM = Claim(id="c", title="t", quote="q", source="s")
LARGE, CNN = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")


class OnCards(Made):
    """Gives results of runs on a card for each checkpoint, at so many images a second for each seed."""

    def __init__(self, **cards):
        super().__init__(lambda run: run.dataset.test)
        self.cards = cards

    def result(self, run):
        card, speeds = self.cards[run.checkpoint.id.replace("-", "_")]
        made = super().result(run)
        environment = () if card is None else (("device", card),)
        return replace(made, environment=environment, images_per_second=speeds[run.seed])


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    for name, place in (("TABLES", tables(tmp_path / "tables")), ("CACHE", tmp_path / "cache")):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return Contender("ViT-Tiny", "Small"), Contender("BiT-Tiny", "Small")


def gathered(hypothesis, provider=None, protocol="notebook"):
    question = Question(CLAIM, hypothesis, Source("gpu", protocol))
    found = gather.ReleasedCheckpoints(provider or Made(lambda run: 0)).gather(question)
    return found if isinstance(found, Missing) else (found, judge(question, found=found))


def test_flops_are_counted_without_weights_images_or_a_card(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_counts", {})  # as in another process
    found, verdict = gathered(Ratio(LARGE, CNN, "FLOPs an image", 1.0, on="cifar10"))
    vit, bit = found.costs
    # 61.6 billion multiplications and additions at 224 pixels (timm's table of its models), 2 FLOPs each.
    assert vit.value == pytest.approx(2 * 61.6, rel=0.002)
    assert "as vit-l16-in21k (notebook-vit: one image at 224 pixels)" in vit.title
    assert verdict.estimate == pytest.approx(vit.value / bit.value)
    assert (verdict.verdict, verdict.dataset, verdict.runs) == (
        "REPRODUCED" if vit.value <= bit.value else "REFUTED",
        "cifar10",
        (),
    )
    # A large network is traced once and not in every session.
    assert len(list((tmp_path / "counted").glob("*.json"))) == 2
    assert any(line.startswith("ViT-L/16") and line.endswith("GFLOP") for line in verdict.evidence)


def test_fine_tuning_counts_every_step_forward_and_backward():
    found, _ = gathered(Ratio(LARGE, CNN, "fine-tuning FLOPs", 1.0, on="cifar10"))
    image, _ = gathered(Ratio(LARGE, CNN, "FLOPs an image", 1.0, on="cifar10"))
    (steps, batch) = (15_320, 32)
    assert f"{steps:,} steps of {batch} images at 224 pixels" in found.costs[0].title
    # Forward once, and backward about twice as much: only the first layer's input needs no gradient.
    forward = steps * batch * image.costs[0].value * 1e9
    assert 2.98 < found.costs[0].value * 1e15 / forward < 3.0


def test_time_is_the_median_over_seeds_on_one_card(tiny):
    fast, slow = ("card", (100.0, 90.0, 10.0)), ("card", (30.0, 30.0, 40.0))
    hypothesis = Ratio(*tiny, "fine-tuning seconds an image", 0.5, on="stripes")
    found, verdict = gathered(hypothesis, OnCards(tiny_vit=fast, tiny_bit=slow), "quick")
    assert [each.value for each in found.costs] == pytest.approx([1 / 90, 1 / 30])
    assert verdict.verdict == "REPRODUCED"
    assert verdict.estimate == pytest.approx(1 / 3)
    assert len(verdict.runs) == 6
    assert [side.name for side in verdict.sides] == ["ViT-Tiny (Small) as tiny-vit", "BiT-Tiny (Small) as tiny-bit"]
    _, other = gathered(replace(hypothesis, at_most=0.3), OnCards(tiny_vit=fast, tiny_bit=slow), "quick")
    assert other.verdict == "REFUTED"


@pytest.mark.parametrize(
    "cards, said", [(("cpu", "cpu"), "found cpu;"), (("one", "two"), "found one, two;"), ((None, None), "one kind")]
)
def test_times_of_a_cpu_or_of_two_cards_are_not_compared(tiny, cards, said):
    made = {name: (card, (1.0, 1.0, 1.0)) for name, card in zip(("tiny_vit", "tiny_bit"), cards, strict=True)}
    found = gathered(Ratio(*tiny, "fine-tuning seconds an image", 0.5, on="stripes"), OnCards(**made), "quick")
    assert isinstance(found, Missing)
    assert said in found.reason


def test_what_is_only_evaluated_has_no_cost_of_fine_tuning():
    found = gathered(Ratio(LARGE, CNN, "fine-tuning FLOPs", 1.0, on="imagenet"))
    assert isinstance(found, Missing)
    assert "not fine-tuned on imagenet" in found.reason


@pytest.mark.parametrize("of", QUANTITIES)
def test_which_questions_a_cost_puts(of, tmp_path):
    for backend, frameworks in (("torch", ["torch"]), ("both", ["torch", "jax"])):
        stated = Stated("test", (Ratio(LARGE, CNN, of, 0.5, on="cifar10"),))
        asked = questions(CLAIM, [stated], EvidenceRequest(backend=backend))
        counted = of in COUNTED
        assert [each.source.kind for each in asked] == ["gpu"] * len(asked)
        assert [each.source.backend for each in asked] == (["torch"] if counted else frameworks)
        # What is counted needs no run.
        assert bool(planned(asked, 3, Store(tmp_path))) is not counted


def test_an_unknown_cost_is_one_line():
    stated = Stated("test", (Ratio(LARGE, CNN, "fine-tuning flops", 0.5, on="cifar10"),))
    with pytest.raises(ClaimsError, match=r"unknown cost on a dataset 'fine-tuning flops' \(did you mean"):
        questions(CLAIM, [stated])


def test_the_digest_of_a_published_ratio_is_older_than_costs_on_datasets():
    published = Ratio(LARGE, CNN, "TPUv3-core-days", 0.5)
    assert hypothesis_digest(published) != hypothesis_digest(replace(published, on="cifar10"))
    assert hypothesis_digest(replace(published, at_most=0.25)) != hypothesis_digest(published)


def test_nothing_is_asked_for_that_this_session_does_not_compute(tiny):
    class Closed(Made):
        def results_for(self, runs):
            raise NotComputed("no accelerator here")

    found = gathered(Ratio(*tiny, "fine-tuning seconds an image", 0.5, on="stripes"), Closed(lambda run: 0), "quick")
    assert found == Missing("no accelerator here")
