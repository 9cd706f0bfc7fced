"""What changed between a verdict on record and the one found now, and why."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.hypotheses import Expected
from harness.core.verdict import Verdict
from harness.judging.judge import MICRO_WORDS, PAPER_WORDS


@dataclass(frozen=True)
class Change:
    """What became of a verdict on record."""

    line: str = ""
    """Was, is, because; "" where it is as recorded."""
    fails: bool = False
    """Whether it is a failure: all changes are, except another verdict on the same runs on another processor."""


def changed(expected: Expected | None, found: Verdict, machine: str = "") -> Change:
    """Return what changed.

    Args:
        expected: the verdict on record; None: there is none.
        found: the verdict now. One that is not run here changes nothing.
        machine: the processor that computes runs here.
    """
    if expected is None or found.verdict == "NOT RUN":
        return Change()
    same = same_verdict(expected.verdict, found)
    if not expected.hypothesis:  # written by hand: only the verdict is on record
        return Change() if same else Change(f"{was_is(expected, found)}: {found.reason}", fails=True)
    reasons, predictions_alone, elsewhere = why(expected, found, machine)
    if same and (not reasons or predictions_alone):
        return Change()  # other versions of the libraries round otherwise; the verdict is what counts
    because = "; ".join(reasons) or unexplained(found)
    line = f"{was_is(expected, found)}, because {because}"
    return Change(line, fails=not (predictions_alone and elsewhere))


def same_verdict(recorded: str, found: Verdict) -> bool:
    """Return whether a verdict is the one on record; the micro study's old words mean its own."""
    return recorded in (found.verdict, PAPER_WORDS.get(found.verdict), MICRO_WORDS.get(found.verdict))


def was_is(expected: Expected, found: Verdict) -> str:
    """Return what a verdict was and is."""
    if same_verdict(expected.verdict, found):
        return f"{found.source}: still {found.verdict}"
    return f"{found.source}: was {expected.verdict} ({expected.reason or 'no reason on record'}), is {found.verdict}"


def why(expected: Expected, found: Verdict, machine: str) -> tuple[list[str], bool, bool]:
    """Return what differs of hypothesis, rule and evidence.

    Returns:
        The reasons; whether the same runs gave other predictions and nothing else differs; whether that was on another
        processor.
    """
    reasons = []
    if expected.hypothesis != found.digest:
        reasons.append("the hypothesis was changed")
    if expected.rule != found.rule:
        reasons.append(f"the rule was {expected.rule}, is {found.rule}")
    gone = [line for line in expected.evidence if line not in found.evidence]
    new = [line for line in found.evidence if line not in expected.evidence]
    same_runs = bool(gone and new) and runs_in(gone) == runs_in(new) != set()
    elsewhere = bool(expected.machine and machine) and expected.machine != machine
    if same_runs:
        where = f" on another processor ({machine}, recorded on {expected.machine})" if elsewhere else ""
        reasons.append(f"{len(gone)} of its runs gave other predictions{where}, e.g. run {gone[0].partition(' ')[0]}")
    elif gone or new:
        reasons.append(difference(gone, new))
    return reasons, same_runs and len(reasons) == 1, elsewhere


def unexplained(found: Verdict) -> str:
    """Return what can have changed a verdict that rests on what is on record, by the rule that is on record.

    Holm's procedure and the pooled seed variance make a verdict depend on what its whole family rests on.
    """
    _, _, family = found.rule.partition("; ")
    if not family.endswith(", Holm"):
        return "the code that judges changed"
    return f"the evidence on another hypothesis of its family changed ({family}), or the code that judges"


def runs_in(lines: list[str]) -> set[str]:
    """Return the runs that lines of evidence name; none where a line is of something else."""
    return set() if any(":" in line for line in lines) else {line.partition(" ")[0] for line in lines}


def difference(gone: list[str], new: list[str]) -> str:
    """Return in words which figure or run changed.

    Args:
        gone: lines of evidence that are on record only.
        new: lines that are found only.
    """
    more = f" and {len(new or gone) - 1} more" if len(new or gone) > 1 else ""
    if gone and new:
        return f"the evidence changed: {gone[0]} is now {new[0]}{more}"
    return f"there is new evidence: {new[0]}{more}" if new else f"evidence is gone: {gone[0]}{more}"
