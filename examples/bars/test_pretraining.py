"""The example's claim: pre-training on bars helps a tiny Vision Transformer."""

from harness.core.claim import Better, Claim, Contender
from harness.core.expected import expected

EXPECTED = expected(__file__)
CLAIM = Claim(
    id="bars",
    title="Pre-training on bars helps",
    quote="A tiny Vision Transformer that has learned which way bars point is better at reading digits, and at counting"
    " discs, than one that has learned nothing.",
    source="examples/bars/README.md",
)

BARS = Contender("ViT-tiny", pretrained_on="bars")
NOTHING = Contender("ViT-tiny", pretrained_on="nothing")


@CLAIM.hypotheses((Better(BARS, than=NOTHING, on=d) for d in ("digits", "count")), EXPECTED)
def test_pretraining_helps(hypothesis, judge):
    judge(hypothesis)
