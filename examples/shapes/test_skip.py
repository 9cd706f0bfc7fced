"""The example's claim: a deep network with skip connections learns what one without does not."""

from harness.core.claim import Better, Claim, Contender, Statement

CLAIM = Claim(
    id="shapes",
    title="Skip connections help deep networks",
    quote="Residual networks are easier to optimize, and can gain accuracy from considerably increased depth.",
    source="arXiv:1512.03385, abstract",
    negligible=1.0,
)

RESIDUAL, PLAIN = Contender("residual network", "nothing"), Contender("plain network", "nothing")
ON_SHAPES = Better(RESIDUAL, than=PLAIN, on="shapes")


@CLAIM.answered_by(Statement(CLAIM.quote, "with skip connections the network is more accurate", ON_SHAPES))
def test_claim(hypothesis, judge):
    judge(hypothesis)
