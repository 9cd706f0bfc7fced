"""The example's claim: a random forest classifies better than a single tree."""

from harness.core.claim import All, Average, Better, Claim, Contender, Statement

CLAIM = Claim(
    id="forests",
    title="Random forests beat single trees",
    quote="Significant improvements in classification accuracy have resulted from growing an ensemble of trees and"
    " letting them vote for the most popular class.",
    source="Breiman 2001, Machine Learning 45, section 1",
    measure="accuracy",
    negligible=0.5,
)

FOREST, TREE = Contender("random forest"), Contender("single tree")
ON_EACH = tuple(Better(FOREST, than=TREE, on=d) for d in ("cancer", "digits", "wine"))


@CLAIM.answered_by(
    Statement(CLAIM.quote, "a random forest is more accurate than a single tree on average", Average(ON_EACH)),
    Statement(CLAIM.quote, "a random forest is more accurate on all three tables", All(ON_EACH)),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_EACH)
def test_forests_are_better(hypothesis, judge):
    judge(hypothesis)
