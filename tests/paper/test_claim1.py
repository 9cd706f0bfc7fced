"""Claim 1: one network is better than another, as published and after its own training."""

from harness.core.claim import Claim
from harness.core.expected import expected
from harness.core.hypotheses import Better, Close, Contender

EXPECTED = expected(__file__)
CLAIM = Claim(
    id="claim1",
    title="ViT is better than BiT",
    quote="ViT-L/16 is better than BiT-R152x4 that was pre-trained on the same images.",
    source="small pictures, table 2",
    not_verifiable={"JFT-300M": "never released"},
)
JFT = Contender("ViT-L/16", "JFT-300M"), Contender("BiT-R152x4", "JFT-300M")
PUBLIC = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")
WITHIN = {"paper": 0.5, "code": 0.5, "evaluate": 0.5, "notebook": 1.0}


@CLAIM.hypotheses([Better(JFT[0], than=JFT[1], on=d) for d in ("imagenet", "imagenet_real", "vtab1k")], EXPECTED)
def test_vit_is_better(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(
    [Better(PUBLIC[0], than=PUBLIC[1], on=d) for d in ("imagenet", "cifar10", "pets", "flowers102")], EXPECTED
)
def test_vit_is_better_with_public_pretraining(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses([Close(PUBLIC[0], to=99.0, on="cifar10", within=WITHIN)], EXPECTED)
def test_accuracy_is_as_published(hypothesis, judge):
    judge(hypothesis)
