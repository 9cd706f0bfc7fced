"""What a source answered in the last sessions: a strip of squares beside the answer of a claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.labels import ANSWER_LOOKS, Look
from harness.report.session_record import SessionRecord

LAST = 30
"""Sessions that are drawn."""


@dataclass(frozen=True)
class Square:
    """One session's answer."""

    look: Look
    date: str


@dataclass(frozen=True)
class AnswerHistory:
    """A source's answers to one claim, the oldest first."""

    squares: tuple[Square, ...]
    said: str
    """The same in words."""


def answer_histories(sessions: Sequence[SessionRecord]) -> dict[tuple[str, str], AnswerHistory]:
    """Return the answers of the last sessions by claim and source; none of an answer that only one session gave.

    Args:
        sessions: the oldest first.
    """
    squares: dict[tuple[str, str], list[Square]] = {}
    for session in sessions[-LAST:]:
        for claim, source, answer in session.answers:
            # A later version may have answers of other names.
            look = next((look for name, look in ANSWER_LOOKS.items() if name == answer), None)
            if look is not None:
                squares.setdefault((claim, source), []).append(Square(look, session.date[:16].replace("T", " ")))
    return {key: AnswerHistory(tuple(of), said(of)) for key, of in squares.items() if len(of) > 1}


def said(squares: Sequence[Square]) -> str:
    """Return a history in words, the most frequent answer first."""
    counts = Counter(square.look.word for square in squares)
    found = ", ".join(f"{word} in {count}" for word, count in counts.most_common())
    return f"last {len(squares)} sessions: {found}"
