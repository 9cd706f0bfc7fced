"""The example's claim: pre-training on bars helps a tiny Vision Transformer."""

from harness.core.claim import All, Better, Claim, Contender, Statement

CLAIM = Claim(
    id="bars",
    title="Pre-training on bars helps",
    quote="A tiny Vision Transformer that has learned which way bars point is better at reading digits, and at counting"
    " discs, than one that has learned nothing.",
    source="examples/bars/README.md",
    negligible=1.0,  # the test sets have 797 and 1,000 examples
)

BARS = Contender("ViT-tiny", pretrained_on="bars")
NOTHING = Contender("ViT-tiny", pretrained_on="nothing")
ON_EACH = tuple(Better(BARS, than=NOTHING, on=d) for d in ("digits", "count"))


@CLAIM.answered_by(Statement(CLAIM.quote, "bars help on both tasks", All(ON_EACH)))
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_EACH)
def test_pretraining_helps(hypothesis, judge):
    judge(hypothesis)
