"""Which differences a session could find, before it computes anything: smallest detectable differences by dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.core.hypotheses import Better, Contender, simple_parts, terms_of
from harness.core.source import GPU
from harness.evidence.published.figures import examples_by_dataset
from harness.evidence.published.matching import single
from harness.evidence.published.seed_spread import seed_spread
from harness.evidence.released.needed_runs import trials_by_term
from harness.judging.evidence import Term
from harness.judging.question import ALPHA, AnyQuestion, Family
from harness.stats.power import Design, independent_discordance, planned

TELL_APART = 0.6
"""Examples that two networks tell apart, as a share of those they would if their errors had nothing to do with each
other: an assumption. That two runs of one recipe tell apart as many examples as they get wrong is what is seen (Jiang
et al. 2022, arXiv:2106.13799), which is half of that; two recipes differ a little more."""


@dataclass(frozen=True)
class Detectable:
    """The smallest differences that a claim's comparisons find on one dataset with 80 % power."""

    claim: str
    dataset: str
    points: float
    """Percentage points, of the comparison that finds the least."""
    best: float
    """The same of the comparison that finds the most: of networks that err less, in a smaller family."""
    seeds: int
    """0: its sides are evaluated as they were released, and no seed enters."""
    seed_sd: float
    """Published standard deviation from seed to seed, percentage points; 0 without seeds."""
    sides: int
    """Sides over which the variance between seeds is pooled."""


def detectable(questions: Iterable[AnyQuestion], seeds: int) -> list[Detectable]:
    """Return what is found by each claim's comparisons on each dataset, where a spread is published.

    Args:
        questions: of any source; those on released checkpoints count.
        seeds: of final runs.
    """
    found: dict[tuple[str, str], Detectable] = {}
    families: dict[tuple[str, str, Family], dict[Term, int]] = {}
    for question in questions:
        if question.source.kind != GPU or not trials_by_term(question):
            continue
        members = question.family.hypotheses or (question.hypothesis,)
        key = (question.claim.id, str(question.source.base), Family(question.family.name, members))
        if key not in families:
            families[key] = runs_of_sides(question, seeds)
        runs_of = families[key]
        for part in simple_parts(question.hypothesis):
            if not isinstance(part, Better):
                continue
            # The fewest of both sides, where one has its own number of released runs.
            runs = min((runs_of[term] for term in terms_of(part) if runs_of[term]), default=0)
            sides = sum(map(bool, runs_of.values()))
            each = of_comparison(question.claim.id, part, runs, sides, ALPHA / len(members))
            if each is not None:
                at = (each.claim, each.dataset)
                others = found.get(at, each)
                worst = max(others, each, key=lambda one: one.points)
                found[at] = replace(worst, best=min(others.best, each.best))
    return list(found.values())


def runs_of_sides(question: AnyQuestion, seeds: int) -> dict[Term, int]:
    """Return of each side of a question's family that can be measured how many fine-tuning runs it has.

    `seeds` if it is fine-tuned, the number of its files if its authors released several runs, and 0 if one file is
    evaluated.
    """
    members = question.family.hypotheses or (question.hypothesis,)
    found: dict[Term, int] = {}
    for member in members:
        for term, (first, *others) in trials_by_term(replace(question, hypothesis=member)).items():
            released = 1 + len(others) if others else 0
            found[term] = released if first.recipe.evaluates_only else seeds
    return found


def of_comparison(claim: str, part: Better, seeds: int, sides: int, alpha: float) -> Detectable | None:
    """Return the smallest difference that one comparison finds; None where nothing is published to plan by.

    Args:
        claim: its id.
        part: the comparison.
        seeds: of each side; 0 where both are evaluated as they were released.
        sides: of the family that are fine-tuned.
        alpha: error rate.
    """
    n = examples_by_dataset().get(part.on)
    if not n:  # a mean over many, or a dataset of the user's own, of which nothing is published
        return None
    spread = seed_spread(part.on)
    accuracies = [accuracy(contender, part.on) for contender in (part.a, part.than)]
    if (seeds and spread is None) or None in accuracies:
        return None
    a, b = (value for value in accuracies if value is not None)
    apart = TELL_APART * independent_discordance(a, b)
    within = min(apart, (2 - a - b) / 2)
    sd = spread.sd if seeds and spread is not None else 0.0
    # A design of one run speaks of the examples alone.
    points = 100 * planned(Design(n, max(seeds, 1), sd, apart, within, sides), 1 - alpha)
    return Detectable(claim, part.on, points, points, seeds, 100 * sd, sides)


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
        released = "" if each.seeds else " (as released)"
        best = f"{each.best:.2f} to " if f"{each.best:.2f}" != f"{each.points:.2f}" else ""
        by_claim.setdefault(each.claim, []).append(f"{each.dataset} {best}{each.points:.2f}{released}")
    listed = [f"{claim}: {', '.join(each)}" for claim, each in by_claim.items()]
    seeds = max(each.seeds for each in found)
    runs = f"{seeds} seed{'s' * (seeds > 1)}" if seeds else "no seeds"
    return [
        f"Smallest difference found with 80 % power, percentage points, {runs}:",
        *(f"  {line}" for line in listed),
        "  (at the published spread from seed to seed, pooled over a family's sides, and if two networks tell apart"
        f" {TELL_APART:.0%} of the examples that unrelated ones would; as released: evaluated, not fine-tuned)",
    ]
