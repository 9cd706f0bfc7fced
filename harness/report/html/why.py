"""Why a verdict is what it is, as far as the columns beside it don't say so already."""

from __future__ import annotations

import re

from harness.core.verdict import Verdict
from harness.judging.answer import FAILS, HOLDS, UNDECIDED, of_paper

COMPARED = r"^[^;]*?(?:minus|mean of \d+ differences)[^;]*?: "
"""How a reason begins that says what is compared."""
PARTS = re.compile(r"^(\d+) of (\d+) hold, (\d+) do not, (\d+) are open")


def why(verdict: Verdict) -> str:
    """Return a verdict's reason without the figures that stand in its row, and where its interval lies instead."""
    estimate = figures(verdict.unit)
    if PARTS.match(verdict.reason):
        return re.sub(rf"(hinges on [^;]*?): {estimate}", r"\1", verdict.reason)
    rest, number = re.subn(rf"{COMPARED}{estimate}(?:, )?", "", verdict.reason, count=1)
    if not number:
        return verdict.reason
    rest = rest.removeprefix("; ")
    # A margin's position is in the reason already: "within ± 0.5".
    lies = "" if verdict.tolerance is not None else position(verdict)
    return "; ".join(part for part in (lies, rest) if part)


def figures(unit: str) -> str:
    """Return the pattern of an estimate with its interval and level, which have columns of their own."""
    return rf"[+−-]?\d+(?:\.\d+)?(?:e[+-]\d+)? {re.escape(unit)}(?: \[[^\]]*\])?(?: at [\d.]+ %)?"


def position(verdict: Verdict) -> str:
    """Return where an interval lies with respect to no difference, which decides a comparison."""
    if verdict.low is None or verdict.high is None:
        return ""
    if of_paper(verdict) == HOLDS and verdict.low > 0:
        return "the whole interval is above 0"
    if of_paper(verdict) == FAILS and verdict.high < 0:
        return "the whole interval is below 0"
    return "the interval holds 0" if of_paper(verdict) == UNDECIDED and verdict.low <= 0 <= verdict.high else ""
