"""Whether two frameworks say the same of a hypothesis: the same verdict, and every side's accuracy equivalent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.core.hypotheses import VerdictName
from harness.core.specs import Backend
from harness.core.verdict import Verdict
from harness.judging import wording
from harness.judging.evidence import Evidence, Missing, Term
from harness.judging.judge import PAPER_WORDS, FamilyEvidence, judge, verdict_of
from harness.judging.question import ALPHA, AgreementQuestion
from harness.judging.upstream import score_rows
from harness.stats.equivalence import equivalence
from harness.stats.estimate import Estimate, Undefined


def judge_agreement(question: AgreementQuestion, families: Mapping[Backend, FamilyEvidence]) -> Verdict:
    """Return whether two frameworks say the same: the same verdict, and every side's accuracy equivalent.

    Accuracies are compared per contender and dataset by two one-sided tests against the margin. All of them must be
    alike, which is an intersection-union test: each is at alpha, and the one that is least alike decides. Opposite
    verdicts are no agreement; a decided and an open one leave it open, for a difference in significance is no
    significant difference.

    Args:
        question: the hypothesis, the source and the margin.
        families: what the source found on each framework on the hypothesis' family.
    """
    verdicts = {backend: judge(part, families[backend]) for backend, part in question.parts.items()}
    said = wording.by_framework(verdicts)
    task, rule = next((each.task, each.rule) for each in verdicts.values())
    for each in verdicts.values():
        if each.verdict in ("NOT RUN", "NOT VERIFIABLE"):
            return replace(verdict_of(question, each.verdict, f"{said}; {each.reason}"), task=task, rule=rule)
    found: dict[Backend, Evidence | Missing] = {
        backend: families[backend].found[part.hypothesis] for backend, part in question.parts.items()
    }
    evidence = {backend: each for backend, each in found.items() if isinstance(each, Evidence)}
    runs = tuple(run for of in verdicts.values() for run in of.runs)
    lines = tuple(sorted(line for of in verdicts.values() for line in of.evidence))
    if not all(each.sides for each in verdicts.values()):
        verdict = verdict_of(question, "INCONCLUSIVE", f"{said}; no accuracies to compare")
        return replace(verdict, runs=runs, task=task, tolerance=question.margin, evidence=lines, rule=rule)
    names = {PAPER_WORDS.get(each.verdict, each.verdict) for each in verdicts.values()}
    term, estimate, name = least_alike(question, evidence)
    one, two = question.backends
    reason = f"{term[0]}, {wording.difference(one, two, estimate)}, {wording.position(name, question.margin)}"
    if names == {"REPRODUCED", "REFUTED"}:
        name = "REFUTED"
    elif len(names) > 1 and name == "REPRODUCED":
        name = "INCONCLUSIVE"
    sides = tuple(
        replace(side, name=f"{side.name}, {backend}") for backend, of in verdicts.items() for side in of.sides
    )
    return replace(
        verdict_of(question, name, f"{said}; {reason}"),
        estimate=100 * estimate.value,
        low=100 * estimate.low,
        high=100 * estimate.high,
        level=estimate.level,
        p=estimate.p,
        method=estimate.method,
        sides=sides,
        runs=runs,
        task=task,
        tolerance=question.margin,
        evidence=lines,
        rule=rule,
    )


def least_alike(question: AgreementQuestion, found: Mapping[Backend, Evidence]) -> tuple[Term, Estimate, VerdictName]:
    """Return the side whose accuracies on two frameworks are least alike, their difference, and what it says.

    Args:
        question: with the margin.
        found: the runs of each framework, all of them scored.
    """
    from harness.stats.crossed import Group, crossed
    from harness.stats.seeds import SideScores

    one, two = question.backends
    compared: list[tuple[Term, Estimate, VerdictName]] = []
    margin = question.margin / 100
    for term in found[one].sides:
        a, b = (found[backend].sides[term] for backend in (one, two))
        # The same seeds draw the same batches on both frameworks: their difference is one side's score.
        scores = score_rows(a).scores - score_rows(b).scores
        if not scores.any():
            nothing = Estimate(0.0, 0.0, 0.0, None, 0.0, None, 1 - 2 * ALPHA, "the same predictions")
            compared.append((term, nothing, "REPRODUCED"))
            continue
        difference = SideScores(scores, deterministic=a.deterministic)
        try:
            both = crossed([Group((difference,))], level=1 - 2 * ALPHA)
            estimate = Estimate(
                both.value, both.low, both.high, both.p, both.standard_error, both.df, both.level, both.method
            )
            tested = equivalence(estimate, margin, ALPHA)
            name: VerdictName = "REPRODUCED" if tested.inside else "REFUTED" if tested.outside else "INCONCLUSIVE"
            method = f"{estimate.method}; two one-sided tests of equivalence"
            # A difference that is never below 0 would be taken for an accuracy, and its interval cut there.
            low, high = tested.interval.low, tested.interval.high
            compared.append((term, replace(estimate, low=low, high=high, p=tested.p, method=method), name))
        except Undefined:
            value = float(scores.mean())
            alike: VerdictName = "REPRODUCED" if abs(value) < margin else "REFUTED"
            method = "the same difference on every example"
            compared.append((term, Estimate(value, value, value, None, 0.0, None, 1 - 2 * ALPHA, method), alike))
    order: list[VerdictName] = ["REFUTED", "INCONCLUSIVE", "REPRODUCED"]
    return min(compared, key=lambda each: (order.index(each[2]), -abs(each[1].value)))
