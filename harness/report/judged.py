"""The verdict that a test passes to the session, as one typed property of its report."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic.dataclasses import dataclass

from harness.core.claim import Claim
from harness.core.specs import STRICT
from harness.core.verdict import Verdict
from harness.report.serialise import from_json, to_json

PROPERTY = "vit-claims"
"""Its name in `user_properties`, which xdist carries from the workers as plain values."""


@dataclass(frozen=True, config=STRICT)
class Judged:
    """A hypothesis that was judged."""

    verdict: Verdict
    claim: Claim
    """What the verdict is about."""
    stated: tuple[str, ...]
    """Ids of all hypotheses of the claim, judged in this session or not."""
    notes: tuple[str, ...] = ()
    """What a reader must be told and what is no fault, e.g. a damaged result that was computed again."""
    answers: tuple[tuple[str, str], ...] = ()
    """(source, answer) pairs that are on record of the claim."""
    answering: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(source, ids of the hypotheses that answer the claim by it) pairs, whether or not they were selected."""
    problems: tuple[str, ...] = ()
    """What went wrong although the hypothesis was judged, e.g. a result that could not be stored."""

    def as_property(self) -> tuple[str, str]:
        """Return the record as an item of a test's `user_properties`.

        Raises:
            ClaimsError: a figure of the verdict is not finite.
        """
        return PROPERTY, to_json(self)


def judged_in(properties: Iterable[tuple[str, object]], where: str) -> Judged | None:
    """Return what a test report carries, None if its test judged nothing.

    Args:
        properties: the report's `user_properties`.
        where: the test, for the error.

    Raises:
        ClaimsError: the property is not what `as_property` writes.
    """
    found = dict(properties).get(PROPERTY)
    return None if found is None else from_json(Judged, str(found), where)
