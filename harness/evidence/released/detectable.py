"""Which differences a session could find, before it computes anything: smallest detectable differences by dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.core.hypotheses import Better, Contender, simple_parts, terms_of
from harness.core.source import GPU
from harness.evidence.published.figures import examples_by_dataset
from harness.evidence.published.matching import single
from harness.evidence.published.seed_spread import seed_spread
from harness.evidence.released.needed_runs import trials_of
from harness.judging.question import ALPHA, AnyQuestion
from harness.stats.power import Design, independent_discordance, planned

TELL_APART = 0.6
"""Examples that two networks tell apart, as a share of those they would if their errors had nothing to do with each
other: an assumption. That two runs of one recipe tell apart as many examples as they get wrong is what is seen (Jiang
et al. 2022, arXiv:2106.13799), which is half of that; two recipes differ a little more."""


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that a claim's comparisons find on one dataset with 80 % power."""

    claim: str
    dataset: str
    points: float
    """Percentage points, of the comparison that finds the least."""
    seeds: int
    seed_sd: float
    """Published standard deviation from seed to seed, percentage points."""
    sides: int
    """Sides over which the variance between seeds is pooled."""


def detectable(questions: Iterable[AnyQuestion], seeds: int) -> list[Detectable]:
    """Return what is found by each claim on each dataset by the worst of its comparisons, where a spread is published.

    Args:
        questions: of any source; those on released checkpoints that are fine-tuned count.
        seeds: of final runs.
    """
    found: dict[tuple[str, str], Detectable] = {}
    for question in questions:
        if question.source.kind != GPU or not list(trials_of(question)):
            continue
        members = question.family.hypotheses or (question.hypothesis,)
        sides = len({term for member in members for term in terms_of(member)})
        for part in simple_parts(question.hypothesis):
            if not isinstance(part, Better):
                continue
            each = of_comparison(question.claim.id, part, seeds, sides, ALPHA / len(members))
            if each is not None:
                key = (each.claim, each.dataset)
                found[key] = max(found.get(key, each), each, key=lambda one: one.points)
    return list(found.values())


def of_comparison(claim: str, part: Better, seeds: int, sides: int, alpha: float) -> Detectable | None:
    """Return the smallest difference that one comparison finds; None where nothing is published to plan by."""
    n = examples_by_dataset().get(part.on)
    if not n:
        return None
    spread = seed_spread(part.on)
    accuracies = [accuracy(contender, part.on) for contender in (part.a, part.than)]
    if spread is None or None in accuracies:
        return None
    a, b = (value for value in accuracies if value is not None)
    apart = TELL_APART * independent_discordance(a, b)
    within = min(apart, (2 - a - b) / 2)
    points = 100 * planned(Design(n, seeds, spread.sd, apart, within, sides), 1 - alpha)
    return Detectable(claim, part.on, points, seeds, 100 * spread.sd, sides)


def accuracy(contender: Contender, on: str) -> float | None:
    """Return a contender's mean published accuracy (a fraction); None: nobody published one."""
    found = [reading.published.value for reading in single(contender, on)]
    return sum(found) / len(found) if found else None


def lines(found: Sequence[Detectable]) -> list[str]:
    """Return what is found, a line for each claim, and what that assumes."""
    if not found:
        return []
    by_claim: dict[str, list[str]] = {}
    for each in found:
        by_claim.setdefault(each.claim, []).append(f"{each.dataset} {each.points:.2f}")
    listed = [f"{claim}: {', '.join(each)}" for claim, each in by_claim.items()]
    return [
        f"Smallest difference found with 80 % power, percentage points, {found[0].seeds} seeds:",
        *(f"  {line}" for line in listed),
        "  (at the published spread from seed to seed, pooled over a family's sides, and if two networks tell apart"
        f" {TELL_APART:.0%} of the examples that unrelated ones would)",
    ]
