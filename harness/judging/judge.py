"""Evidence in, verdict out: one rule for every source of evidence.

The hypotheses of one test function are a family: they share one error rate for each source, by Holm's procedure, so a
verdict does not depend on which tests are run with it. A simple hypothesis is decided by its contrast, a compound one
by its parts (harness.judging.weighing).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harness.core.hypotheses import (
    Close,
    Compound,
    Equivalent,
    Hypothesis,
    Ratio,
    Robust,
    Simple,
    VerdictName,
    datasets_of,
    simple_parts,
)
from harness.core.paper import paper
from harness.core.source import MEASURED, MICRO
from harness.core.verdict import Component, Verdict
from harness.judging import wording
from harness.judging.digest import evidence_lines, hypothesis_digest
from harness.judging.estimate import Contrasted, contrasted, pooled_seeds
from harness.judging.evidence import ACCURACY, Evidence, MeasuredAs, Missing
from harness.judging.extras import of_contrast, rows_shown, shown
from harness.judging.question import ALPHA, AnyQuestion, Question
from harness.judging.weighing import Tested, alphas, deciding_level, deciding_part, margin, of_curve, simple, weighed
from harness.stats.estimate import Undefined
from harness.stats.seeds import PooledSeeds

RULES = 2
"""Version of the rules by which verdicts are reached, raised by hand whenever the same evidence would give another."""
MICRO_WORDS: Mapping[VerdictName, VerdictName] = {
    "REPRODUCED": "AGREES",
    "REFUTED": "DISAGREES",
    "INCONCLUSIVE": "OPEN",
}
"""The micro study speaks of its own networks."""
PAPER_WORDS: Mapping[VerdictName, VerdictName] = {own: name for name, own in MICRO_WORDS.items()}


@dataclass(frozen=True)
class FamilyEvidence:
    """What a source found on every hypothesis of a family, and what follows for each one's error rate."""

    found: Mapping[Hypothesis, Evidence | Missing]
    pooled: PooledSeeds | None
    alphas: Mapping[Hypothesis, float]
    look: str = ""
    """Which of several looks at the results this is, with its number of seeds; "" for the only one."""

    @property
    def size(self) -> int:
        """How many hypotheses share the error rate: all but those that can't be verified."""
        return sum(not never(each) for each in self.found.values())


def never(found: Evidence | Missing) -> bool:
    """Return whether a hypothesis can't be verified at all, so that it takes no share of the error rate."""
    return isinstance(found, Missing) and found.kind == "not verifiable"


def family_evidence(
    found: Mapping[Hypothesis, Evidence | Missing], alpha: float = ALPHA, look: str = ""
) -> FamilyEvidence:
    """Return a family's evidence with the variance between seeds pooled over it, and each hypothesis' error rate.

    Args:
        found: by hypothesis, all of one family and source.
        alpha: error rate of the family.
        look: which of several looks this is.
    """
    there = [each for each in found.values() if isinstance(each, Evidence)]
    pooled = pooled_seeds(there)
    judged = [hypothesis for hypothesis, each in found.items() if not never(each)]
    results = [weighed_or_none(hypothesis, found[hypothesis], pooled) for hypothesis in judged]
    levels = dict(zip(judged, alphas(results, alpha), strict=True))
    return FamilyEvidence(found, pooled, {hypothesis: levels.get(hypothesis, alpha) for hypothesis in found}, look)


def weighed_or_none(hypothesis: Hypothesis, found: Evidence | Missing, pooled: PooledSeeds | None) -> Tested | None:
    """Return what the evidence says for and against a hypothesis; None where there is none."""
    if isinstance(found, Missing) or wording.why_unscored(found):
        return None
    return weighed(hypothesis, found, pooled)


def judge(question: Question, family: FamilyEvidence | None = None, found: Evidence | Missing | None = None) -> Verdict:
    """Return the verdict on a hypothesis from what one source of evidence found.

    Args:
        question: the hypothesis, the source and the family.
        family: the evidence on its whole family; None for a hypothesis that stands for itself.
        found: the evidence on it, where there is no family.
    """
    if family is None:
        assert found is not None
        family = family_evidence({question.hypothesis: found})
    evidence = family.found[question.hypothesis]
    rule = wording.rule(RULES, family.size, question.family.name)
    if isinstance(evidence, Missing):
        name: VerdictName = "NOT VERIFIABLE" if never(evidence) else "NOT RUN"
        return replace(verdict_of(question, name, wording.one_line(evidence.reason)), rule=rule)
    unscored = wording.why_unscored(evidence)
    if unscored:
        verdict = verdict_of(question, "INCONCLUSIVE", wording.one_line(unscored))
    else:
        verdict = conclude(question, evidence, family)
    remarks = wording.remarks(evidence) if evidence.all_runs or evidence.rows else []
    hypothesis = question.hypothesis
    return replace(
        verdict,
        reason=wording.renamed("; ".join([verdict.reason, *remarks]), evidence.names),
        about=wording.renamed(hypothesis.id, evidence.names) if evidence.names else "",
        sides=() if unscored else shown(hypothesis, evidence),
        citations=evidence.citations,
        runs=evidence.run_ids,
        task=evidence.task,
        published=hypothesis.to if isinstance(hypothesis, Close) and verdict.estimate is not None else None,
        recipes=tuple(side.recipe for side in evidence.runs),
        searched=tuple(rate for search in evidence.searches for rate in search.rates),
        family=wording.family(family.size, question.family.name, family.look),
        evidence=evidence_lines(evidence),
        rule=rule,
    )


def conclude(question: Question, evidence: Evidence, family: FamilyEvidence) -> Verdict:
    """Return what follows from figures."""
    hypothesis = question.hypothesis
    alpha = family.alphas[hypothesis]
    if isinstance(hypothesis, Ratio):
        return of_costs(question, hypothesis, evidence)
    if isinstance(hypothesis, Robust):
        return of_specifications(question, evidence, alpha)
    if isinstance(hypothesis, Compound):
        return of_parts(question, hypothesis, evidence, family.pooled, alpha)
    result = contrasted(hypothesis, evidence, deciding_level(hypothesis, alpha), family.pooled)
    if isinstance(result, Undefined):
        return verdict_of(question, "INCONCLUSIVE", str(result), evidence.measured_as)
    name = decided(simple(hypothesis, result, evidence), alpha)
    verdict = with_estimate(verdict_of(question, name, "", evidence.measured_as), result)
    if isinstance(hypothesis, (Close, Equivalent)):
        within = margin(hypothesis, result, evidence)
        reason = f"{wording.contrast(hypothesis, result, evidence.measured_as)}, {wording.position(name, within)}"
        verdict = replace(verdict, tolerance=within, p=simple(hypothesis, result, evidence).p)
    else:
        reason = wording.contrast(hypothesis, result, evidence.measured_as)
    verdict = replace(
        verdict,
        **of_contrast(question, hypothesis, evidence, result, alpha, family.pooled, is_open=name == "INCONCLUSIVE"),
        rows=rows_shown(hypothesis, evidence, result),
    )
    return replace(verdict, reason="; ".join([reason, *wording.how_sure(verdict, name)]))


def decided(found: Tested, alpha: float) -> VerdictName:
    """Return the verdict at an error rate."""
    if found.for_it < alpha:
        return "REPRODUCED"
    return "REFUTED" if found.against < alpha else "INCONCLUSIVE"


def of_parts(
    question: Question, hypothesis: Compound, evidence: Evidence, pooled: PooledSeeds | None, alpha: float
) -> Verdict:
    """Return the verdict on a compound hypothesis, with what each of its simple parts says."""
    found = weighed(hypothesis, evidence, pooled)
    name = decided(found, alpha)
    parts: dict[Simple, Contrasted | Undefined] = {
        part: contrasted(part, evidence, deciding_level(part, alpha), pooled) for part in simple_parts(hypothesis)
    }
    components = {part: component(part, result, evidence, alpha) for part, result in parts.items()}
    verdict = replace(verdict_of(question, name, "", evidence.measured_as), components=tuple(components.values()))
    known = {part: result for part, result in parts.items() if isinstance(result, Contrasted)}
    shown = None
    if known:
        decides = deciding_part(hypothesis, evidence, name == "REFUTED", pooled)
        at = decides if decides in known else min(known, key=lambda part: known[part].estimate.value)
        shown = components[at]
        verdict = replace(
            with_estimate(verdict, known[at]),
            conditional="; ".join(sorted({result.conditional for result in known.values()} - {""})),
        )
        fields = {
            part: of_contrast(question, part, evidence, result, alpha, pooled, is_open=name == "INCONCLUSIVE")
            for part, result in known.items()
        }
        odd = dict.fromkeys(run for each in fields.values() for run in each.get("outliers", ()))
        # The permutation test is of one comparison and says nothing of several.
        verdict = replace(verdict, **{**fields[at], "permutation_p": None, "outliers": tuple(odd)})
    rows = tuple(row for part, result in known.items() for row in rows_shown(part, evidence, result))
    undefined = next((str(result) for result in parts.values() if isinstance(result, Undefined)), "")
    verdict = replace(verdict, p=found.p, rows=rows)
    reason = wording.parts(hypothesis, verdict.components, shown, undefined, verdict.unit)
    return replace(verdict, reason="; ".join([reason, *wording.how_sure(verdict, name)]))


def component(part: Simple, result: Contrasted | Undefined, evidence: Evidence, alpha: float) -> Component:
    """Return what one part of a compound hypothesis says, in percentage points."""
    if isinstance(result, Undefined):
        return Component(part.id, None, None, None, None, None)
    estimate = result.estimate
    told = simple(part, result, evidence)
    name = decided(told, alpha)
    return Component(
        part.id,
        100 * estimate.value,
        100 * estimate.low,
        100 * estimate.high,
        told.p,
        None if name == "INCONCLUSIVE" else name == "REPRODUCED",
    )


def of_specifications(question: Question, evidence: Evidence, alpha: float) -> Verdict:
    """Return the verdict on an ordering whatever is chosen, with every specification's effect."""
    curve = evidence.curve
    if curve is None:
        return verdict_of(question, "INCONCLUSIVE", "every specification has a run that diverged")
    found = of_curve(curve)
    verdict = verdict_of(question, decided(found, alpha), wording.curve(curve))
    effects = tuple(
        Component(
            each.name,
            100 * each.value,
            None if math.isnan(each.low) else 100 * each.low,
            None if math.isnan(each.high) else 100 * each.high,
            p=None,
            holds=True if each.low > 0 else False if each.high < 0 else None,
        )
        for each in curve.effects
    )
    return replace(
        verdict,
        estimate=100 * curve.median,
        p=found.p,
        method="specification curve: median effect, joint permutation test",
        components=effects,
    )


def of_costs(question: Question, hypothesis: Ratio, evidence: Evidence) -> Verdict:
    """Return the verdict on a ratio of costs, which have no error."""
    a, b = evidence.costs
    name: VerdictName = "REPRODUCED" if a.value <= hypothesis.at_most * b.value else "REFUTED"
    reason = wording.costs(hypothesis, a, b)
    return replace(verdict_of(question, name, reason), estimate=a.value / b.value, method="figures without an error")


def with_estimate(verdict: Verdict, found: Contrasted) -> Verdict:
    """Return a verdict with an estimate, in percentage points."""
    estimate = found.estimate
    return replace(
        verdict,
        estimate=100 * estimate.value,
        low=100 * estimate.low,
        high=100 * estimate.high,
        level=estimate.level,
        p=estimate.p,
        method=estimate.method,
        conditional=found.conditional,
    )


def dataset_of(hypothesis: Hypothesis) -> str:
    """Return the datasets of a hypothesis, or the name of the mean over just these."""
    found = datasets_of(hypothesis)
    return (paper().group_of(found) if len(found) > 1 else "") or ", ".join(found)


def verdict_of(question: AnyQuestion, name: VerdictName, reason: str, measured_as: MeasuredAs = ACCURACY) -> Verdict:
    """Return the record of a question with its verdict, dated now."""
    hypothesis: Hypothesis = question.hypothesis
    source, on_record = question.source, question.expected
    # A paper's own function computes with whatever it likes.
    computed = source.measured and source.kind != MEASURED and name != "NOT VERIFIABLE"
    return Verdict(
        claim=question.claim.id,
        hypothesis=hypothesis.id,
        kind=type(hypothesis).__name__,  # type: ignore[arg-type]
        dataset=dataset_of(hypothesis),
        source=str(source),
        verdict=MICRO_WORDS.get(name, name) if source.kind == MICRO else name,
        reason=reason,
        known=on_record.verdict if on_record else "",
        backend=source.backend if computed else "",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        statement=question.statement,
        digest=hypothesis_digest(hypothesis),
        unit=measured_as.unit,
        better=measured_as.better,
    )
