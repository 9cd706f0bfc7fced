"""Which sources are asked, what is never asked, and the error rate of each question."""

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Better, Close, Contender, Expected, Increasing
from harness.core.specs import BACKENDS
from harness.evidence.micro.proxies import proxies
from harness.evidence.questions import EvidenceRequest, questions, runs_of
from harness.judging.question import ALPHA, AgreementQuestion, Question

CLAIM = Claim(id="c", title="t", quote="q", source="s", not_verifiable={"JFT-300M": "never released"})
SETS = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")


def vit(pretrained_on, size="L"):
    return Contender(f"ViT-{size}/16", pretrained_on)


def bit(pretrained_on):
    return Contender("BiT-R152x4", pretrained_on)


def asked(*stated):
    return [(q.hypothesis.on, str(q.source)) for q in questions(CLAIM, stated)]


def test_every_source_for_which_the_hypothesis_means_something():
    jft = Better(vit("JFT-300M"), than=bit("JFT-300M"), on="cifar10")
    assert asked(jft) == [("cifar10", "published/small-pictures/table-2"), ("cifar10", "micro"), ("cifar10", "gpu")]


def test_a_published_accuracy_means_nothing_to_the_micro_study():
    sources = asked(Close(vit("ImageNet-21k"), to=99.0, on="cifar10", within={"code": 0.5}))
    assert ("cifar10", "gpu/notebook") in sources
    assert not [source for _, source in sources if source.startswith("micro")]


@pytest.mark.parametrize("dataset", ["imagenet_real", "vtab1k"])
def test_datasets_without_a_proxy_are_not_asked_of_the_micro_study(dataset):
    assert (dataset, "micro") not in asked(Better(vit("JFT-300M"), than=bit("JFT-300M"), on=dataset))


def test_two_hypotheses_with_the_same_proxies_are_judged_once():
    large, base = (Better(vit("JFT-300M", size), than=bit("JFT-300M"), on="pets") for size in "LB")
    assert asked(large, base).count(("pets", "micro")) == 1


def test_alpha_is_divided_by_the_comparisons_put_to_the_same_source():
    increasing = Increasing(tuple(vit(s) for s in SETS), on="cifar10")
    better = Better(vit("JFT-300M"), than=vit("ImageNet-21k"), on="pets")
    by_source = {(str(q.source), q.hypothesis.on): q.alpha for q in questions(CLAIM, [increasing, better])}
    assert by_source["micro", "cifar10"] == by_source["micro", "pets"] == pytest.approx(ALPHA / 3)
    assert by_source["published/small-pictures/table-2", "pets"] == pytest.approx(ALPHA)


def test_the_runs_of_a_micro_question_are_every_side_and_seed_once():
    increasing = Increasing(tuple(vit(s) for s in SETS), on="cifar10")
    better = Better(vit("JFT-300M"), than=vit("ImageNet-21k"), on="cifar10")
    runs = runs_of(questions(CLAIM, [increasing, better]))
    assert len(runs) == 3 * len(proxies().judged) == len({run.id for run in runs})
    assert {run.dataset.id for run in runs} == {"orientation"}
    assert len(proxies().judged) >= 8


def test_a_record_against_a_source_that_does_not_judge_is_refused():
    on_record = {"published/nobody": Expected("REFUTED", "r")}
    with pytest.raises(ClaimsError, match="expected a verdict of published/nobody, which does not judge it; these do"):
        questions(CLAIM, [Better(vit("JFT-300M"), than=bit("JFT-300M"), on="cifar10", expected=on_record)])


def test_two_frameworks_are_asked_each_and_whether_they_agree():
    better = Better(vit("ImageNet-21k"), than=bit("ImageNet-21k"), on="cifar10")
    found = [q for q in questions(CLAIM, [better], EvidenceRequest("both", "paper")) if q.source.measured]
    assert [str(q.source) for q in found] == [
        "micro", "micro@jax", "micro@both", "gpu/paper", "gpu/paper@jax", "gpu/paper@both"
    ]  # fmt: skip
    assert [type(q) for q in found] == [Question, Question, AgreementQuestion] * 2
    *_, agreement = found
    assert agreement.margin == 0.5
    assert [str(part.source) for part in agreement.parts.values()] == ["gpu/paper", "gpu/paper@jax"]
    assert {part.alpha for part in agreement.parts.values()} == {agreement.alpha} == {ALPHA}
    runs = runs_of(found)
    assert {run.backend for run in runs} == set(BACKENDS)
    assert len(runs) == 2 * 2 * len(proxies().judged)
