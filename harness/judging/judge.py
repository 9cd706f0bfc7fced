"""Evidence in, verdict out: one rule for every source of evidence.

A hypothesis is a handful of comparisons: one for Better and Close, one per step for Increasing. Each
is judged by an interval at level 1 - alpha/m, where m counts the comparisons that the claim states
for the source, so a verdict does not depend on which others are run with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harness.core.claim import Close, Contender, Hypothesis, Verdict, VerdictName
from harness.core.specs import Backend
from harness.judging import wording
from harness.judging.compare import Comparison, compare, compare_frameworks, comparisons, shown
from harness.judging.evidence import Evidence, Missing, RunsSide
from harness.judging.question import AgreementQuestion, AnyQuestion, Question
from harness.judging.scoring import Scored
from harness.stats.intervals import Equivalence, Estimate, Undefined, equivalence


@dataclass(frozen=True)
class Conclusion:
    """What follows from figures."""

    verdict: VerdictName
    reason: str
    estimate: Estimate | None = None
    """The difference that decided; None where there is none."""


def judge(question: Question, found: Evidence | Missing) -> Verdict:
    """Return the verdict on a hypothesis from what one source of evidence found.

    Args:
        question: the hypothesis, the source and the error rate.
        found: the source's evidence, or why it has none.
    """
    if isinstance(found, Missing):
        name: VerdictName = "NOT VERIFIABLE" if found.kind == "not verifiable" else "NOT RUN"
        return verdict_of(question, Conclusion(name, wording.one_line(found.reason)))
    hypothesis = question.hypothesis
    unscored = why_unscored(found)
    if unscored:
        conclusion = Conclusion("INCONCLUSIVE", unscored)
    else:
        compared = compare(hypothesis, found.sides, 1 - question.alpha)
        conclusion = conclude(question, compared, found.tolerance)
    # Remarks are on accuracies: without final runs there is nothing to keep them in mind for.
    reason = "; ".join([conclusion.reason, *(wording.remarks(found) if found.sides else [])])
    return replace(
        verdict_of(question, replace(conclusion, reason=reason)),
        sides=() if unscored else tuple(shown(side) for side in found.sides.values()),
        citations=found.citations,
        runs=found.run_ids,
        task=found.task,
        tolerance=found.tolerance,
        published=hypothesis.to if isinstance(hypothesis, Close) and conclusion.estimate else None,
        recipes=tuple(side.recipe for side in found.runs),
        searched=tuple(rate for search in found.searches for rate in search.rates),
    )


def why_unscored(evidence: Evidence) -> str:
    """Return why a contender has no accuracy, for training diverged; "" if each has one."""
    for search in evidence.searches:
        if search.chosen is None:
            return wording.every_rate_diverged(search.contender)
    diverged = {
        contender: side.diverged
        for contender, side in evidence.sides.items()
        if isinstance(side, RunsSide) and side.diverged
    }
    if not diverged:
        return ""
    contender = next(iter(diverged))
    return wording.runs_diverged(contender, diverged[contender], sum(map(len, diverged.values())) - 1)


def conclude(question: Question, compared: Sequence[Comparison], tolerance: float | None) -> Conclusion:
    """Return what a hypothesis' comparisons say of it.

    Args:
        question: the hypothesis and the error rate.
        compared: its comparisons, in its order.
        tolerance: percentage points, for Close.
    """
    defined = {at: each.estimate for at, each in enumerate(compared) if isinstance(each.estimate, Estimate)}
    undefined = next((each.estimate for each in compared if isinstance(each.estimate, Undefined)), None)
    hypothesis = question.hypothesis
    if isinstance(hypothesis, Close):
        if undefined is not None:
            return Conclusion("INCONCLUSIVE", str(undefined))
        assert tolerance is not None  # a source gathers for Close only where the hypothesis names one
        return conclude_close(hypothesis, defined[0], tolerance, question.alpha)
    refuting = {at: each for at, each in defined.items() if each.high < 0}
    # One step down refutes a rise, whatever is known of the others; a rise needs every step.
    if undefined is not None and not refuting:
        return Conclusion("INCONCLUSIVE", str(undefined))
    name: VerdictName
    if refuting:
        name = "REFUTED"
        at = min(refuting, key=lambda index: refuting[index].high)
    else:
        name = "REPRODUCED" if all(each.low > 0 for each in defined.values()) else "INCONCLUSIVE"
        at = min(defined, key=lambda index: defined[index].value)
    higher, lower = comparisons(hypothesis)[at]
    reason = wording.difference(higher, lower, defined[at])
    if name == "INCONCLUSIVE":
        reason = f"{reason}; {wording.still_open(compared[at].seeds_needed)}"
    return Conclusion(name, reason, defined[at])


def conclude_close(hypothesis: Close, estimate: Estimate, tolerance: float, alpha: float) -> Conclusion:
    """Return what two one-sided tests against the tolerance (percentage points) say of a difference to a figure."""
    tested = equivalence(estimate, tolerance / 100, alpha)
    decided = replace(
        estimate,
        low=tested.interval.low,
        high=tested.interval.high,
        p=tested.p,
        level=1 - 2 * alpha,
        method=f"{estimate.method}; two one-sided tests",
    )
    name = equivalent(tested)
    difference = wording.difference(hypothesis.a, f"{hypothesis.to:g}", decided)
    return Conclusion(name, f"{difference}, {wording.position(name, tolerance)}", decided)


def equivalent(tested: Equivalence) -> VerdictName:
    """Return the verdict on "within the margin"."""
    return "REPRODUCED" if tested.inside else "REFUTED" if tested.outside else "INCONCLUSIVE"


def judge_agreement(question: AgreementQuestion, found: Mapping[Backend, Evidence | Missing]) -> Verdict:
    """Return whether two frameworks say the same: the same verdict, and every side's accuracy equivalent.

    Accuracies are compared per contender, paired by seed (or on the examples, with fewer than three seeds), by two
    one-sided tests against the margin, the error rate divided among the contenders; the one that is least alike
    decides. Opposite verdicts are no agreement; a decided and an open one leave it open, for a difference in
    significance is no significant difference.

    Args:
        question: the hypothesis, the source and the margin.
        found: what the source found on each framework, the same seeds in the same order.
    """
    verdicts = {backend: judge(part, found[backend]) for backend, part in question.parts.items()}
    said = wording.by_framework(verdicts)
    for each in verdicts.values():
        if each.verdict in ("NOT RUN", "NOT VERIFIABLE"):
            unsaid = verdict_of(question, Conclusion(each.verdict, f"{said}; {each.reason}"))
            return replace(unsaid, task=next(iter(verdicts.values())).task)
    evidence = {backend: each for backend, each in found.items() if isinstance(each, Evidence)}
    if all(each.sides for each in verdicts.values()):
        conclusion = agreement(question, {backend: each.verdict for backend, each in verdicts.items()}, evidence)
        conclusion = replace(conclusion, reason=f"{said}; {conclusion.reason}")
        sides = tuple(
            replace(side, name=f"{side.name}, {backend}") for backend, of in verdicts.items() for side in of.sides
        )
    else:
        conclusion, sides = Conclusion("INCONCLUSIVE", f"{said}; no accuracies to compare"), ()
    return replace(
        verdict_of(question, conclusion),
        sides=sides,
        runs=tuple(run for of in verdicts.values() for run in of.runs),
        task=next(iter(verdicts.values())).task,
        tolerance=question.margin,
    )


def agreement(
    question: AgreementQuestion, verdicts: Mapping[Backend, VerdictName], found: Mapping[Backend, Evidence]
) -> Conclusion:
    """Return whether every contender's accuracy is the same on both frameworks, and the verdict with it.

    Args:
        question: the hypothesis, the source and the margin.
        verdicts: what each framework says of the hypothesis.
        found: the runs of each framework, all of them scored.
    """
    one, two = question.backends
    alpha = question.alpha / len(question.hypothesis.contenders)
    compared: list[tuple[Contender, Estimate, VerdictName]] = []
    for contender in question.hypothesis.contenders:
        a, b = (_scored(found[backend], contender) for backend in (one, two))
        estimate, tested = compare_frameworks(a, b, question.margin / 100, alpha)
        if tested is None:
            same: VerdictName = "REPRODUCED" if abs(estimate.value) < question.margin / 100 else "REFUTED"
            compared.append((contender, estimate, same))
        else:
            compared.append((contender, estimate, equivalent(tested)))
    order: list[VerdictName] = ["REFUTED", "INCONCLUSIVE", "REPRODUCED"]
    contender, estimate, name = min(compared, key=lambda each: (order.index(each[2]), -abs(each[1].value)))
    reason = f"{contender}, {wording.difference(one, two, estimate)}, {wording.position(name, question.margin)}"
    if set(verdicts.values()) == {"REPRODUCED", "REFUTED"}:
        name = "REFUTED"
    elif len(set(verdicts.values())) > 1 and name == "REPRODUCED":
        name = "INCONCLUSIVE"
    return Conclusion(name, reason, estimate)


def _scored(evidence: Evidence, contender: Contender) -> Sequence[Scored]:
    side = evidence.sides[contender]
    assert isinstance(side, RunsSide)  # published figures are of no framework
    return side.scored


def verdict_of(question: AnyQuestion, conclusion: Conclusion) -> Verdict:
    """Return a conclusion as the record of a question, in percentage points, dated now."""
    hypothesis: Hypothesis = question.hypothesis
    source, estimate, on_record = question.source, conclusion.estimate, question.expected
    computed = source.measured and conclusion.verdict != "NOT VERIFIABLE"
    return Verdict(
        claim=question.claim.id,
        hypothesis=hypothesis.id,
        kind=type(hypothesis).__name__,  # type: ignore[arg-type]
        dataset=hypothesis.on,
        source=str(source),
        verdict=conclusion.verdict,
        reason=conclusion.reason,
        estimate=100 * estimate.value if estimate else None,
        low=100 * estimate.low if estimate else None,
        high=100 * estimate.high if estimate else None,
        level=estimate.level if estimate else None,
        p=estimate.p if estimate else None,
        method=estimate.method if estimate else "",
        known=on_record.verdict if on_record else "",
        backend=source.backend if computed else "",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
