"""What changed from one report to another: answers, verdicts, and which verdicts came and went."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.verdict import Answer, Verdict
from harness.judging.judge import PAPER_WORDS
from harness.report.verdict_store import VerdictStore, says


@dataclass(frozen=True)
class ChangedAnswer:
    """A claim's answer by one source that is another one now; None: there was none, or there is none any more."""

    was: Answer | None
    now: Answer | None

    @property
    def key(self) -> tuple[str, str]:
        """The claim and the source."""
        one = self.now or self.was
        assert one is not None
        return one.key


@dataclass(frozen=True)
class ChangedVerdict:
    """A verdict that is another one now."""

    was: Verdict
    now: Verdict


@dataclass(frozen=True)
class Changes:
    """What differs between two reports, each part in the report's order."""

    answers: tuple[ChangedAnswer, ...] = ()
    verdicts: tuple[ChangedVerdict, ...] = ()
    new: tuple[Verdict, ...] = ()
    gone: tuple[Verdict, ...] = ()
    first: bool = False
    """Whether there was no verdict before: then everything is new, and nothing of it is listed."""

    @property
    def nothing(self) -> bool:
        """Whether both reports say the same."""
        return not (self.first or self.answers or self.verdicts or self.new or self.gone)


def changes(before: VerdictStore, after: VerdictStore) -> Changes:
    """Return what changed from one store of verdicts to another.

    Dates, estimates and reasons are no change: only what is answered, and which verdict is given. That nothing was
    looked at (NOT RUN) is no verdict, on either side. Records from before the micro study had words of its own count
    as the same verdict.

    Args:
        before: the earlier report.
        after: the later one.
    """
    if not before.verdicts:
        return Changes(first=True)
    was = {verdict.key: verdict for verdict in before.sorted() if says(verdict)}
    now = {verdict.key: verdict for verdict in after.sorted() if says(verdict)}
    return Changes(
        answers=changed_answers(before, after),
        verdicts=tuple(
            ChangedVerdict(was[key], verdict)
            for key, verdict in now.items()
            if key in was and in_paper_words(was[key]) != in_paper_words(verdict)
        ),
        new=tuple(verdict for key, verdict in now.items() if key not in was),
        gone=tuple(verdict for key, verdict in was.items() if key not in now),
    )


def changed_answers(before: VerdictStore, after: VerdictStore) -> tuple[ChangedAnswer, ...]:
    """Return the answers that differ; NOT TESTED is the same as no answer."""
    was = {each.key: each for each in before.answers() if each.answer != "NOT TESTED"}
    now = {each.key: each for each in after.answers() if each.answer != "NOT TESTED"}
    found = []
    for key in (*now, *(key for key in was if key not in now)):
        earlier, later = was.get(key), now.get(key)
        if earlier is None or later is None or earlier.answer != later.answer:
            found.append(ChangedAnswer(earlier, later))
    return tuple(found)


def in_paper_words(verdict: Verdict) -> str:
    """Return a verdict's name in the paper's words."""
    return PAPER_WORDS.get(verdict.verdict, verdict.verdict)
