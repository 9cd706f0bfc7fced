"""Claim 2: more pre-training is better."""

from harness.core.claim import Claim
from harness.core.expected import expected
from harness.core.hypotheses import Contender, Increasing

CLAIM = Claim(
    id="claim2",
    title="More pre-training is better",
    quote="Accuracy rises with the size of the pre-training set.",
    source="small pictures, table 5",
    not_verifiable={"JFT-300M": "never released"},
)
SETS = tuple(Contender("ViT-L/16", name) for name in ("ImageNet-1k", "ImageNet-21k", "JFT-300M"))


@CLAIM.hypotheses([Increasing(SETS, on=d) for d in ("cifar10", "pets")], expected(__file__))
def test_accuracy_rises(hypothesis, judge):
    judge(hypothesis)
