"""What one source of evidence says of a whole claim: an answer, and a sentence to quote.

The claim file lists statements, the quoted one first. The first that the source can judge decides: SUPPORTED or
CONTRADICTED. If another one that is decided says the opposite, the answer is MIXED; if the first is open, OPEN. A
verdict that rests on one run, or on the authors' own weights evaluated again, is never enough to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.core.claim import Claim, StatementRecord
from harness.core.measure import figure
from harness.core.source import AGREEMENT, MICRO, Source
from harness.core.verdict import Answer, AnswerName, Verdict
from harness.judging.judge import PAPER_WORDS

HOLDS, FAILS, UNDECIDED = "REPRODUCED", "REFUTED", "INCONCLUSIVE"


def answers(claim: Claim, verdicts: Iterable[Verdict]) -> tuple[Answer, ...]:
    """Return the answer of each source that has verdicts on a claim's statements, in the order they come.

    Whether frameworks agree is no answer to a claim.

    Args:
        claim: with its statements, in order of importance.
        verdicts: of any hypotheses of the claim.
    """
    by_source: dict[str, dict[str, Verdict]] = {}
    stated = {statement.hypothesis for statement in claim.statements}
    for verdict in verdicts:
        source = Source.parse(verdict.source)
        if verdict.hypothesis in stated and source.backend != AGREEMENT:
            by_source.setdefault(str(source), {})[verdict.hypothesis] = verdict
    merged = with_never_released(by_source)
    return tuple(answer(claim, source, found) for source, found in merged.items())


def with_never_released(by_source: Mapping[str, Mapping[str, Verdict]]) -> dict[str, dict[str, Verdict]]:
    """Return the verdicts by source, what was never released ("gpu") under each protocol of released checkpoints."""
    never = by_source.get("gpu", {})
    others = {source: dict(found) for source, found in by_source.items() if source != "gpu"}
    measured = [source for source in others if Source.parse(source).kind == "gpu"]
    for source in measured:
        others[source] = {**never, **others[source]}
    return others if measured or not never else {**others, "gpu": dict(never)}


def answer(claim: Claim, source: str, found: Mapping[str, Verdict]) -> Answer:
    """Return what one source says of a claim.

    Args:
        claim: with its statements.
        source: the source of evidence.
        found: its verdicts by hypothesis.
    """
    known = [(each, found[each.hypothesis]) for each in claim.statements if each.hypothesis in found]
    told = [(statement, verdict) for statement, verdict in known if of_paper(verdict) in (HOLDS, FAILS, UNDECIDED)]
    date = max((verdict.date for _, verdict in known), default="")
    if not told:
        # What lacks here can be brought; what was never released can't, and says so beside its own verdict.
        lacking = [verdict.reason for _, verdict in known if verdict.verdict == "NOT RUN"]
        reason = (lacking or [verdict.reason for _, verdict in known] or ["nothing was judged"])[0]
        return Answer(claim.id, source, "NOT TESTED", f"Not tested: {reason}.", (), date)
    says = [carried(verdict) for _, verdict in told]
    name: AnswerName
    if HOLDS in says and FAILS in says:
        name = "MIXED"
    else:
        name = {HOLDS: "SUPPORTED", FAILS: "CONTRADICTED"}.get(says[0], "OPEN")  # type: ignore[assignment]
    ids = tuple(statement.hypothesis for statement, _ in told)
    return Answer(claim.id, source, name, sentence(source, name, told), ids, date)


def of_paper(verdict: Verdict) -> str:
    """Return a verdict's name in the paper's words."""
    return PAPER_WORDS.get(verdict.verdict, verdict.verdict)


def carried(verdict: Verdict) -> str:
    """Return what a verdict contributes to an answer: nothing decided where it can't carry one."""
    return UNDECIDED if verdict.conditional else of_paper(verdict)


def sentence(source: str, name: AnswerName, told: Sequence[tuple[StatementRecord, Verdict]]) -> str:
    """Return the answer in a sentence that can be quoted: what is said, of what material, with figures."""
    parts = [clause(statement, verdict) for statement, verdict in told]
    head = HEADS[Source.parse(source).kind][name]
    return f"{head}: {'; '.join(parts)}."


PUBLISHED_HEADS: Mapping[AnswerName, str] = {
    "SUPPORTED": "Published figures support the claim",
    "CONTRADICTED": "Published figures contradict the claim",
    "MIXED": "Published figures are mixed",
    "OPEN": "Published figures leave the claim open",
    "NOT TESTED": "Not tested",
}
HEADS: Mapping[str, Mapping[AnswerName, str]] = {
    "published": PUBLISHED_HEADS,
    "micro": {
        "SUPPORTED": "The micro study agrees, on its own networks",
        "CONTRADICTED": "The micro study disagrees, on its own networks",
        "MIXED": "The micro study is mixed, on its own networks",
        "OPEN": "The micro study leaves it open, on its own networks",
        "NOT TESTED": "Not tested",
    },
    "gpu": {
        name: text.replace("Published figures", "Runs on released checkpoints")
        for name, text in PUBLISHED_HEADS.items()
    },
    "measured": {name: text.replace("Published figures", "Measurements") for name, text in PUBLISHED_HEADS.items()},
}
WORDS = {HOLDS: "holds", FAILS: "does not hold", UNDECIDED: "is open"}


def clause(statement: StatementRecord, verdict: Verdict) -> str:
    """Return what a verdict says of one statement, with its figures."""
    micro = Source.parse(verdict.source).kind == MICRO
    material = f" ({statement.material})" if statement.material and not micro else ""
    what = verdict.about if micro and verdict.about else statement.says
    words = WORDS[of_paper(verdict)]
    if verdict.conditional:
        words += f", {verdict.conditional}"
    return f'"{what}"{material} {words} ({figures(verdict)})'


def figures(verdict: Verdict) -> str:
    """Return a verdict's figures in short."""
    if verdict.kind == "Robust" and verdict.estimate is not None:
        positive = sum((each.estimate or 0.0) > 0 for each in verdict.components)
        of = f"{positive} of {len(verdict.components)} specifications"
        return f"median {verdict.estimate:+.2f} points, above 0 in {of}"
    if verdict.components:
        holding = sum(part.holds is True for part in verdict.components)
        failing = sum(part.holds is False for part in verdict.components)
        return f"{holding} of {len(verdict.components)} parts hold, {failing} do not"
    if verdict.kind == "Ratio" and verdict.estimate is not None:
        return f"ratio {verdict.estimate:.3g}"
    if verdict.estimate is None:
        return verdict.reason
    level = f"{100 * (verdict.level or 0):.4g} %"
    ends = (verdict.estimate, verdict.low, verdict.high)
    value, low, high = (figure(0.0 if each is None else each, verdict.unit, signs=True) for each in ends)
    return f"{value} {verdict.unit}, {level} interval {low} to {high}"
