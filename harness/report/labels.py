"""How verdicts and sources of evidence are named, ordered, coloured and written for a reader."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.hypotheses import HYPOTHESIS_KINDS, VerdictName
from harness.core.measure import POINTS, figure
from harness.core.paper import paper
from harness.core.source import AGREEMENT, DEFAULT_BACKEND, Source
from harness.core.verdict import AnswerName, Verdict
from harness.judging.judge import PAPER_WORDS


@dataclass(frozen=True)
class Look:
    """What marks a verdict. The word and the symbol carry the meaning; the colour only helps."""

    word: str
    symbol: str
    slug: str
    """Its CSS class."""
    color: str
    """Readable as text on white (contrast 4.5 or more)."""
    marker: str
    """Matplotlib's name of the marker in figures."""
    hollow: bool = False


LOOKS: dict[VerdictName, Look] = {
    "REPRODUCED": Look("reproduced", "✓", "reproduced", "#116329", "o"),
    "REFUTED": Look("refuted", "✗", "refuted", "#b3261e", "X"),
    "INCONCLUSIVE": Look("inconclusive", "?", "inconclusive", "#8a5a00", "D", hollow=True),
    "AGREES": Look("agrees", "✓", "agrees", "#116329", "o", hollow=True),
    "DISAGREES": Look("disagrees", "✗", "disagrees", "#b3261e", "X", hollow=True),
    "OPEN": Look("open", "?", "open", "#8a5a00", "D", hollow=True),
    "NOT VERIFIABLE": Look("not verifiable", "⊘", "not-verifiable", "#57606a", "s", hollow=True),
    "NOT RUN": Look("not run", "–", "not-run", "#57606a", "s", hollow=True),
}

AGAINST: tuple[VerdictName, ...] = ("REFUTED", "DISAGREES")
"""Verdicts against a hypothesis."""

ANSWER_LOOKS: dict[AnswerName, Look] = {
    "SUPPORTED": Look("supported", "✓", "reproduced", "#116329", "o"),
    "CONTRADICTED": Look("contradicted", "✗", "refuted", "#b3261e", "X"),
    "MIXED": Look("mixed", "±", "inconclusive", "#8a5a00", "D"),
    "OPEN": Look("open", "?", "inconclusive", "#8a5a00", "D"),
    "NOT TESTED": Look("not tested", "–", "not-run", "#57606a", "s"),
}
"""Of answers; they share the verdicts' colours."""

GROUPS = {
    "published": "Published figures",
    "micro": "Micro study",
    "gpu": "Released checkpoints (gpu)",
    "measured": "Own numbers",
}
"""Groups of sources, strongest claim to the paper's own numbers last."""

GROUP_NOTES = {
    "published": "Figures that others measured and published, each with its citation; nothing was computed here.",
    "micro": "These verdicts speak of the scaled-down study (tiny networks, fractal pre-training), not of the paper's"
    " numbers, and in its own words: agrees, disagrees, open.",
    "gpu": "The paper's released checkpoints, fine-tuned and evaluated on the paper's datasets.",
    "measured": "Numbers that functions of the paper's folder measured, in their own units. An estimate is above 0"
    " where the first side is better.",
}

BACKENDS = {"torch": "torch", "jax": "jax", AGREEMENT: "do both agree?"}
"""What computed the runs, in the order of rows; the last row says whether the others agree."""


def stated(verdict: Verdict) -> str:
    """Return the hypothesis with the datasets' names in the place of their ids."""
    if not verdict.dataset:
        return verdict.hypothesis
    ids = rf"(?<= ){re.escape(verdict.dataset)}(?=$|;)"
    return re.sub(ids, lambda _: dataset(verdict), verdict.hypothesis)


def dataset(verdict: Verdict) -> str:
    """Return the names of the paper's datasets."""
    titles = dict(paper().titles)
    return ", ".join(titles.get(name, name) for name in verdict.dataset.split(", "))


@functools.lru_cache(maxsize=1024)
def group(source: str) -> str:
    """Return the group of a source of evidence: its kind."""
    return Source.parse(source).kind


@functools.lru_cache(maxsize=1024)
def base(source: str) -> str:
    """Return a source without its backend: "micro@jax" and "micro" are one source, computed twice."""
    return str(Source.parse(source).base)


def backend(verdict: Verdict) -> str:
    """Return the backend of a verdict's runs, if its source or record says; otherwise ""."""
    source = Source.parse(verdict.source)
    return source.backend if source.measured and source.backend != DEFAULT_BACKEND else verdict.backend


def backends(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the backends that computed verdicts, in order; what names none is PyTorch's beside others."""
    found = {backend(verdict) for verdict in verdicts}
    return sorted({name or "torch" for name in found} if len(found) > 1 else found, key=backend_order)


def by_backend(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Return verdicts by what computed them, in order; one backend that nothing names is ""."""
    listed = list(verdicts)
    names = backends(listed)
    alone = names[0] if len(names) == 1 else "torch"
    found: dict[str, list[Verdict]] = {name: [] for name in names}
    for verdict in listed:
        found[backend(verdict) or alone].append(verdict)
    return found


def backend_order(name: str) -> tuple[int, str]:
    """Return a sort key: PyTorch, JAX, whether they agree, others by name; unnamed before all."""
    known = ["", *BACKENDS]
    return (known.index(name) if name in known else len(known), name)


def source_name(verdict: Verdict) -> str:
    """Return a source with what computed it, e.g. "gpu/paper, torch"."""
    return ", ".join(part for part in (base(verdict.source), backend(verdict)) if part)


def group_order(name: str) -> tuple[int, str]:
    """Return a sort key: the known groups in their order, then others by name."""
    known = list(GROUPS)
    return (known.index(name) if name in known else len(known), name)


@functools.lru_cache(maxsize=1 << 16)
def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key under which 2 comes before 10."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in re.split(r"([0-9]+)", text))


def order(verdict: Verdict) -> tuple[object, ...]:
    """Return a sort key that does not depend on the order in which verdicts came (xdist shuffles it)."""
    return (
        natural(verdict.claim),
        group_order(group(verdict.source)),
        base(verdict.source),
        HYPOTHESIS_KINDS.index(verdict.kind),
        natural(verdict.hypothesis),
        verdict.hypothesis,  # two of one key must not mix their backends
        backend_order(Source.parse(verdict.source).backend),
        verdict.source,
    )


def count(verdicts: Iterable[Verdict]) -> Counter[VerdictName]:
    """Return how many verdicts of each name there are."""
    return Counter(verdict.verdict for verdict in verdicts)


def surprising(verdict: Verdict) -> bool:
    """Whether a verdict deserves a first look: it differs from what is recorded, or refutes without a record."""
    if verdict.verdict in ("NOT RUN", "NOT VERIFIABLE"):
        return False
    if verdict.known:
        return not as_recorded(verdict)
    return verdict.verdict in ("REFUTED", "DISAGREES")


def as_recorded(verdict: Verdict) -> bool:
    """Whether a verdict is the one on record; the micro study's records of before have the paper's words."""
    return verdict.known in (verdict.verdict, PAPER_WORDS.get(verdict.verdict))


def number(value: float, unit: str = POINTS) -> str:
    """Return a percentage with two decimals, or a value in another unit."""
    return figure(value, unit)


def signed(value: float, unit: str = POINTS) -> str:
    """Return percentage points, or a value in another unit, with a sign (a true minus)."""
    text = figure(value, unit, signs=True)
    return figure(0.0, unit) if float(text) == 0 else text.replace("-", "−")


def interval(low: float | None, high: float | None, signs: bool = False, unit: str = POINTS) -> str:
    """Return "[low, high]", or "" where there is no interval."""
    if low is None or high is None:
        return ""
    write = signed if signs else number
    return f"[{write(low, unit)}, {write(high, unit)}]"


def level(fraction: float | None) -> str:
    """Return a confidence level such as "95 %" or "99.38 %", or ""; one that is not 100 % does not read so."""
    if fraction is None:
        return ""
    text = f"{100 * fraction:.4g} %"
    return f"{100 * fraction:.12g} %" if text == "100 %" else text


def probability(p: float | None) -> str:
    """Return a p-value for a reader: three decimals, or a bound."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def plural(number: int, noun: str) -> str:
    """Return "1 claim" or "3 claims"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
