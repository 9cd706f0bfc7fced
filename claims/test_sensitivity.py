"""The course's "things to try": how do the answers depend on learning rate, epochs, seed, and what else is chosen?"""

from harness.core.claim import Claim, Robust, Statement

CLAIM = Claim(
    id="sensitivity",
    title="The answers do not depend on learning rate, number of epochs or seed",
    quote="We have experimented with some fine-tuning hyperparameters that yielded good results, but we can explore"
    " more and try to improve the performance of the models.",
    source="the course's experiments, things to try",
)

# Statements and choices are in micro/specifications.toml; every combination is a run of the micro study.
VIT = Robust("corpus-vit", "micro ViT-L > micro ViT-S on digits")
BIT = Robust("corpus-bit", "micro BiT-L > micro BiT-S on digits")
FAMILIES = Robust("vit-bit", "micro ViT > micro BiT on digits")


@CLAIM.answered_by(
    Statement(CLAIM.quote, "the micro ViT gains from a larger pre-training set, whatever is chosen", VIT),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses((BIT, FAMILIES))
def test_other_orderings(hypothesis, judge):
    judge(hypothesis)
