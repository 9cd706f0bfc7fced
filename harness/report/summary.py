"""The beginning of the claims section: the counts, the matrix of claims by sources, what to look at first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.core.verdict import Verdict
from harness.report.labels import (
    ANSWER_LOOKS,
    GROUPS,
    LOOKS,
    Look,
    count,
    group,
    group_order,
    plural,
    source_name,
    stated,
    surprising,
)
from harness.report.verdict_counts import BackendChips, chips_by_backend
from harness.report.verdict_store import Key, VerdictStore, moment

FIRST_LOOK = 8
"""Verdicts listed in the summary's first look; more are counted."""


@dataclass(frozen=True)
class MatrixRow:
    """One claim in the matrix."""

    claim: str
    title: str
    cells: tuple[tuple[BackendChips, ...], ...]
    """Of each group of sources; () where nothing was judged."""


@dataclass(frozen=True)
class Matrix:
    """Claims (rows) by groups of sources (columns)."""

    groups: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


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
class AnswerLine:
    """What one source says of a claim."""

    look: Look
    source: str
    sentence: str


@dataclass(frozen=True)
class ClaimAnswers:
    """What each source says of one claim."""

    claim: str
    title: str
    lines: tuple[AnswerLine, ...]


@dataclass(frozen=True)
class Summary:
    """What the page says first."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    answers: tuple[ClaimAnswers, ...]
    lead: str
    age: str
    """Of verdicts that earlier sessions reached."""
    matrix: Matrix | None
    first_look: FirstLook | None


def summarise(store: VerdictStore, kept: Collection[Key], problems: Sequence[str]) -> Summary:
    """Return the summary of a store of verdicts.

    Args:
        store: claims and verdicts.
        kept: keys of the verdicts that earlier sessions reached.
        problems: what went wrong while reporting, one line each.
    """
    verdicts = store.sorted()
    said = tuple(problems), tuple(store.notes)
    if not verdicts:
        return Summary(*said, (), "No verdict has been reached yet.", "", None, None)
    age = ""
    if kept:
        oldest = min((store.verdicts[key] for key in kept), key=moment).date[:10]
        age = f"{plural(len(kept), 'verdict')} kept from earlier sessions, the oldest of {oldest or 'unknown date'}."
    return Summary(
        *said, claim_answers(store), lead(store, verdicts), age, matrix(store, verdicts), first_look(verdicts)
    )


def claim_answers(store: VerdictStore) -> tuple[ClaimAnswers, ...]:
    """Return what each source says of each claim, claim by claim."""
    found: dict[str, list[AnswerLine]] = {}
    for each in store.answers():
        found.setdefault(each.claim, []).append(AnswerLine(ANSWER_LOOKS[each.answer], each.source, each.sentence))
    return tuple(ClaimAnswers(name, store.claims[name].title, tuple(lines)) for name, lines in found.items())


def lead(store: VerdictStore, verdicts: Sequence[Verdict]) -> str:
    """Return how many verdicts there are on how many claims, and how they came out."""
    counts = count(verdicts)
    parts = ", ".join(f"{counts[name]} {look.word}" for name, look in LOOKS.items() if counts[name])
    claims = plural(len(store.claim_ids()), "claim")
    sources = plural(len({verdict.source for verdict in verdicts}), "source")
    return f"{claims}, judged by {sources} of evidence: {plural(len(verdicts), 'verdict')}, of which {parts}."


def matrix(store: VerdictStore, verdicts: Sequence[Verdict]) -> Matrix:
    """Return the counts of every claim by group of sources."""
    groups = sorted({*GROUPS, *(group(verdict.source) for verdict in verdicts)}, key=group_order)
    parts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault((verdict.claim, group(verdict.source)), []).append(verdict)
    rows = []
    for name in store.claim_ids():
        claim = store.claims.get(name)
        found = (parts.get((name, one), []) for one in groups)
        cells = tuple(chips_by_backend(part) if part else () for part in found)
        rows.append(MatrixRow(name, claim.title if claim else name, cells))
    return Matrix(tuple(GROUPS.get(one, one) for one in groups), tuple(rows))


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
