"""The first screen: what each source says of each claim, what changed, and where the report comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.source import MICRO, Source
from harness.core.verdict import Verdict
from harness.report.comparison import Change
from harness.report.html.about import About
from harness.report.html.background import Background
from harness.report.html.headline import Headline, drawn
from harness.report.html.intervals import Scale, scale_of
from harness.report.labels import (
    LOOKS,
    Look,
    group,
    plural,
    source_name,
    stated,
    surprising,
)
from harness.report.session_record import SessionRecord
from harness.report.verdict_store import Key, VerdictStore, moment

FIRST_LOOK = 3
"""Verdicts listed in the summary's first look; more are counted."""
CHANGED = 4
"""Changes listed one by one; more are counted."""


@dataclass(frozen=True)
class Surprise:
    """One verdict that deserves a first look."""

    look: Look
    hypothesis: str
    claim: str
    where: str


@dataclass(frozen=True)
class FirstLook:
    """Unrecorded refutations and verdicts that differ from the record."""

    verdicts: tuple[Surprise, ...]
    more: int
    """How many there are besides those listed."""


@dataclass(frozen=True)
class ClaimAnswers:
    """What sources say of one claim."""

    claim: str
    title: str
    lines: tuple[Headline, ...]


@dataclass(frozen=True)
class ChangeLine:
    """One thing that changed since another report."""

    claim: str
    """Its id; "": of no one claim."""
    text: str


@dataclass(frozen=True)
class Changed:
    """What changed since the last report."""

    lead: str
    listed: tuple[ChangeLine, ...] = ()
    more: str = ""


@dataclass(frozen=True)
class Summary:
    """What the page says first."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    about: About | None
    answers: tuple[ClaimAnswers, ...]
    """By published figures and by released checkpoints."""
    micro: tuple[ClaimAnswers, ...]
    """By the micro study, which speaks of its own networks."""
    lead: str
    """Where there is no verdict at all."""
    age: str
    """Of verdicts that earlier sessions reached."""
    changed: Changed | None
    first_look: FirstLook | None


def summarise(
    store: VerdictStore,
    said: Mapping[str, Sequence[Headline]],
    kept: Collection[Key],
    problems: Sequence[str],
    background: Background | None = None,
) -> Summary:
    """Return the summary of a store of verdicts.

    Args:
        store: claims and verdicts.
        said: what each source says of each claim, by the claim's id.
        kept: keys of the verdicts that earlier sessions reached.
        problems: what went wrong while reporting, one line each.
        background: where the report comes from, and what changed; None: that is not known.
    """
    verdicts = store.sorted()
    background = background or Background()
    first = tuple(problems), (*store.notes, *background.notes), background.about
    if not verdicts:
        return Summary(*first, (), (), "No verdict has been reached yet.", "", None, None)
    age = ""
    if kept:
        oldest = min((store.verdicts[key] for key in kept), key=moment).date[:10]
        age = f"{plural(len(kept), 'verdict')} kept from earlier sessions, the oldest of {oldest or 'unknown date'}."
    answers, micro = claim_answers(store, said)
    changed: Changed | None = None
    if background.changed is not None:
        changed = what_changed(background.changed, background.since)
    elif background.sessions:
        changed = changed_last(background.sessions)
    return Summary(*first, answers, micro, "", age, changed, first_look(verdicts))


def claim_answers(
    store: VerdictStore, found: Mapping[str, Sequence[Headline]]
) -> tuple[tuple[ClaimAnswers, ...], tuple[ClaimAnswers, ...]]:
    """Return what each source says of each claim, and apart from it what the micro study says."""
    parts = []
    for of_micro in (False, True):
        kept = {
            name: [line for line in lines if (Source.parse(line.source).kind == MICRO) == of_micro]
            for name, lines in found.items()
        }
        scale = scale_of_headlines([line for lines in kept.values() for line in lines])
        parts.append(
            tuple(
                ClaimAnswers(name, store.claims[name].title, tuple(drawn(line, scale) for line in lines))
                for name, lines in kept.items()
                if lines
            )
        )
    return parts[0], parts[1]


def scale_of_headlines(lines: Sequence[Headline]) -> Scale:
    """Return the scale that the plots of a list share: of the deciding estimates, without what is behind them."""
    deciding = [line.verdict for line in lines if line.verdict is not None]
    # A curve's median over all specifications would make every other interval a dot.
    return scale_of(replace(verdict, rows=(), components=()) for verdict in deciding if verdict.kind != "Robust")


def what_changed(changed: Sequence[Change], since: str) -> Changed:
    """Return what changed since another report: answers and verdicts first, one by one as long as they are few.

    Args:
        changed: in their order.
        since: which report that is; "": there is none.
    """
    if not since:
        return Changed("This is the first report in this folder.")
    if not changed:
        return Changed(f"Nothing changed since {since}.")
    told = [each for each in changed if each.kind != "coverage"]
    listed = tuple(ChangeLine(each.claim, moved(each)) for each in told[:CHANGED])
    rest = [f"{plural(len(told) - CHANGED, 'more change')}"] if len(told) > CHANGED else []
    rest += [moved(each) for each in changed if each.kind == "coverage"]
    decisive = any(each.decisive for each in changed)
    lead = f"Changed since {since}:" if decisive else f"No answer and no verdict changed since {since}:"
    return Changed(lead, listed, "; ".join(rest[:CHANGED]))


def changed_last(sessions: Sequence[SessionRecord]) -> Changed:
    """Return what changed in a report's last session, as its line of the history says it.

    Args:
        sessions: of the report, the oldest first.
    """
    session = sessions[-1]
    if len(sessions) == 1 and not (session.changed or session.baseline):
        return what_changed((), "")
    against = f", against {session.baseline}" if session.baseline else ""
    when = f"in the session of {session.date[:10]}, the last in this folder{against}"
    if not session.changed:
        return Changed(f"Nothing changed {when}.")
    kinds = [line.partition(" of ")[0] for line in session.changed]
    told = [line for kind, line in zip(kinds, session.changed, strict=True) if kind != "coverage"]
    rest = [line for kind, line in zip(kinds, session.changed, strict=True) if kind == "coverage"]
    listed = tuple(ChangeLine("", line) for line in told[:CHANGED])
    more = [f"{plural(len(told) - CHANGED, 'more change')}"] if len(told) > CHANGED else []
    decisive = {"answer", "verdict"} & set(kinds)
    lead = f"Changed {when}:" if decisive else f"No answer and no verdict changed {when}:"
    return Changed(lead, listed, "; ".join([*more, *rest][:CHANGED]))


def moved(change: Change) -> str:
    """Return a change in words."""
    kind = {"answer": "the answer ", "verdict": "", "coverage": ""}.get(change.kind, f"{change.kind} ")
    return f"{change.subject}: {kind}was {change.before}, is {change.after}"


def first_look(verdicts: Sequence[Verdict]) -> FirstLook | None:
    """Return the verdicts that deserve a first look, None if there are none."""
    found = [verdict for verdict in verdicts if surprising(verdict)]
    if not found:
        return None
    return FirstLook(tuple(surprise(one) for one in found[:FIRST_LOOK]), len(found[FIRST_LOOK:]))


def surprise(verdict: Verdict) -> Surprise:
    """Return one line of the first look; one of the micro study says that it speaks of the scaled-down study."""
    note = ", the scaled-down study" if group(verdict.source) == "micro" else ""
    note += f", recorded as {verdict.known.lower()}" if verdict.known else ""
    return Surprise(LOOKS[verdict.verdict], stated(verdict), verdict.claim, source_name(verdict) + note)
