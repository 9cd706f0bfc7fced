"""Which sources of evidence each hypothesis of a claim is put to, and at what error rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from harness.claim import Claim, Hypothesis, Verdict
from harness.errors import ClaimsError
from harness.evidence import judge as published
from harness.micro import judge as micro
from harness.spec import Result, Run
from harness.verdict import ALPHA, Question, comparisons, without_figures

KINDS = ("published", "micro", "gpu")
"""The sources of evidence, each a pytest marker."""


def never_released(claim: Claim, hypothesis: Hypothesis) -> str | None:
    """Return why a hypothesis can't be measured on the paper's own material, or None."""
    reasons = dict(claim.not_verifiable)
    for contender in hypothesis.contenders:
        for name in (str(contender), contender.architecture, contender.pretrained_on):
            if name in reasons:
                return f"{name}: {reasons[name]}"
    return None


def sources_of(claim: Claim, hypothesis: Hypothesis, judged: set[tuple[str, ...]]) -> list[str]:
    """Return the sources for which a hypothesis means something.

    Args:
        claim: whose hypothesis it is.
        hypothesis: what is stated.
        judged: the micro study's comparisons that earlier hypotheses of the claim already ask for;
            this one's is added.
    """
    sources = [f"published/{publication}" for publication in published.publications(hypothesis)]
    key = micro.key(hypothesis)
    if key is not None and key not in judged:
        judged.add(key)
        sources.append(micro.SOURCE)
    if never_released(claim, hypothesis):
        sources.append("gpu")
    unknown = set(dict(hypothesis.known)) - set(sources)
    if unknown:
        raise ClaimsError(
            f"{claim.id}, {hypothesis.id}: known names {sorted(unknown)}, expected sources that judge it: {sources}"
        )
    return sources


def questions(claim: Claim, stated: Sequence[Hypothesis]) -> tuple[Question, ...]:
    """Return every question that a claim's hypotheses put, with the error rate of each.

    ALPHA is divided by the comparisons that the claim puts to the same source, all of them, whether
    or not they are run tonight.
    """
    judged: set[tuple[str, ...]] = set()
    pairs = [(hypothesis, source) for hypothesis in stated for source in sources_of(claim, hypothesis, judged)]
    sizes: Counter[str] = Counter()
    for hypothesis, source in pairs:
        sizes[source] += len(comparisons(hypothesis))
    return tuple(Question(claim, hypothesis, source, ALPHA / sizes[source]) for hypothesis, source in pairs)


def runs_of(questions_asked: Iterable[Question]) -> list[Run]:
    """Return the runs that questions need, in order, each once."""
    planned: dict[str, Run] = {}
    for question in questions_asked:
        if question.kind == "micro":
            for of_contender in micro.runs(question.hypothesis).values():
                planned |= {run.id: run for run in of_contender}
    return list(planned.values())


def answer(question: Question, give: Callable[[Sequence[Run]], list[Result]]) -> Verdict:
    """Return the verdict on a question.

    Args:
        question: what is asked, of which source.
        give: returns the results of runs, computing what is not stored.
    """
    if question.kind == "published":
        return published.answer(question)
    if question.kind == "micro":
        return micro.answer(question, give)
    reason = never_released(question.claim, question.hypothesis)
    assert reason is not None  # no other question is put to the gpu source yet
    return without_figures(question, "NOT VERIFIABLE", reason)
