"""The example's claim: gradient descent with momentum needs fewer steps than without."""

from harness.core.claim import All, Better, Claim, Contender, Statement

CLAIM = Claim(
    id="search",
    title="Momentum needs fewer steps",
    quote="On quadratic functions, gradient descent with momentum needs fewer steps than gradient descent.",
    source="examples/search/README.md",
    measure="steps",
)

MOMENTUM, PLAIN = Contender("momentum"), Contender("gradient descent")
# ">" means better, and the measure says that fewer steps are.
ON_EACH = tuple(Better(MOMENTUM, than=PLAIN, on=d) for d in ("10 dimensions", "100 dimensions"))


@CLAIM.answered_by(Statement(CLAIM.quote, "momentum needs fewer steps in 10 and in 100 dimensions", All(ON_EACH)))
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_EACH)
def test_momentum_needs_fewer(hypothesis, judge):
    judge(hypothesis)
