"""Runs in, verdict out: one rule for the micro study and for the released checkpoints, on either framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.catalog.recipes import recipe_used
from harness.core.claim import Close, Contender, Verdict, VerdictName
from harness.core.specs import Result, Run
from harness.judging.judge import (
    CONDITION,
    FEWEST_SEEDS,
    Evidence,
    Question,
    cells,
    compare_results,
    compare_with_figure,
    comparisons,
    figures,
    in_points,
    judge,
    side_of,
    without_figures,
)
from harness.judging.scoring import Scored, scored
from harness.stats.intervals import Estimate, Undefined, equivalence, paired_examples, paired_t

GiveResults = Callable[[Sequence[Run]], list[Result]]
"""Returns the results of runs, in order, computing what is not stored."""
Score = Callable[[Result], Scored]


@dataclass(frozen=True)
class Planned:
    """The runs of one contender, a seed each, and what stands for it."""

    runs: tuple[Run, ...]
    title: str
    """The contender as a side of the verdict, e.g. "ViT-L/16 (ImageNet-21k) as vit-l16-in21k"."""


def judge_runs(
    question: Question,
    planned: Mapping[Contender, Planned],
    give: GiveResults,
    score: Score = scored,
    task: str = "",
    tolerance: float | None = None,
) -> Verdict:
    """Judge a question on runs.

    Args:
        question: put to the micro study or to the released checkpoints, on one framework.
        planned: the runs of each of the hypothesis' contenders.
        give: returns their results.
        score: how predictions are scored.
        task: what stood for the dataset.
        tolerance: percentage points, for Close.
    """
    runs = list({run.id: run for of in planned.values() for run in of.runs}.values())
    # All at once, so that no accelerator waits for the other side.
    given = {run.id: result for run, result in zip(runs, give(runs), strict=True)}
    results = {contender: [given[run.id] for run in of.runs] for contender, of in planned.items()}
    ids, recipes = tuple(given), tuple(recipe_used(of.runs[0]) for of in planned.values())
    ended = [(contender, run) for contender, of in planned.items() for run in of.runs if given[run.id].diverged]
    if ended:
        (contender, run), more = ended[0], len(ended) - 1
        others = f" (and {more} more run{'s' * (more > 1)})" if more else ""
        reason = f"{contender} diverged with seed {run.seed}{others}, so there is no accuracy: {given[run.id].diverged}"
        return replace(without_figures(question, "INCONCLUSIVE", reason), runs=ids, task=task, recipes=recipes)
    hits = {contender: [score(result) for result in of] for contender, of in results.items()}
    level = 1 - question.alpha
    hypothesis = question.hypothesis
    if isinstance(hypothesis, Close):
        compared: list[tuple[Estimate | Undefined, float | None]] = [
            (compare_with_figure(hits[hypothesis.a], hypothesis.to / 100, level), None)
        ]
    else:
        pairs = [(higher, lower) for higher, lower in comparisons(hypothesis) if lower is not None]
        compared = [compare_results(hits[higher], hits[lower], level) for higher, lower in pairs]
    verdict = judge(
        question,
        Evidence(
            estimates=tuple(estimate for estimate, _ in compared),
            needed=() if isinstance(hypothesis, Close) else tuple(seeds for _, seeds in compared),
            sides=tuple(side_of(planned[contender].title, of) for contender, of in hits.items()),
            tolerance=tolerance,
            runs=ids,
            task=task,
        ),
    )
    return replace(verdict, recipes=recipes)


def agreement(
    question: Question,
    verdicts: Mapping[str, Verdict],
    planned: Mapping[str, Mapping[Contender, Planned]],
    give: GiveResults,
    margin: float,
    score: Score = scored,
) -> Verdict:
    """Return whether two frameworks say the same: the same verdict, and every side's accuracy equivalent.

    Accuracies are compared per contender, paired by seed (or on the examples, with fewer than three seeds), by two
    one-sided tests against the margin, the error rate divided among the contenders; the one that is least alike
    decides. Opposite verdicts are no agreement; a decided and an open one leave it open, for a difference in
    significance is no significant difference.

    Args:
        question: whose source names the backend "both".
        verdicts: each framework's verdict on the hypothesis.
        planned: each framework's runs, the same seeds in the same order.
        give: returns their results.
        margin: percentage points within which accuracies are equivalent.
        score: how predictions are scored.
    """
    (one, first), (two, second) = verdicts.items()
    said = f"{one}: {first.verdict}, {two}: {second.verdict}"
    blank = without_figures(question, "INCONCLUSIVE", said)
    blank = replace(blank, runs=(*first.runs, *second.runs), task=first.task, tolerance=margin)
    unsaid = next((each for each in (first, second) if each.verdict in ("NOT RUN", "NOT VERIFIABLE")), None)
    if unsaid is not None:
        return replace(blank, verdict=unsaid.verdict, reason=f"{said}; {unsaid.reason}", runs=(), tolerance=None)
    opposite = {first.verdict, second.verdict} == {"REPRODUCED", "REFUTED"}
    if not first.sides or not second.sides:
        return replace(blank, reason=f"{said}; no accuracies to compare")
    alpha = question.alpha / len(question.hypothesis.contenders)
    found = []
    for contender in question.hypothesis.contenders:
        a, b = ([score(result) for result in give(planned[name][contender].runs)] for name in (one, two))
        found.append((contender, *_equivalent(a, b, margin / 100, alpha)))
    order: list[VerdictName] = ["REFUTED", "INCONCLUSIVE", "REPRODUCED"]
    name: VerdictName
    contender, estimate, name = min(found, key=lambda each: (order.index(each[2]), -abs(each[1].value)))
    where = {"REPRODUCED": "within", "REFUTED": "outside", "INCONCLUSIVE": "neither inside nor outside"}[name]
    reason = f"{said}; {contender}, {one} minus {two}: {in_points(estimate)}, {where} ± {margin:g}"
    if opposite:
        name = "REFUTED"
    elif first.verdict != second.verdict and name == "REPRODUCED":
        name = "INCONCLUSIVE"
    sides = tuple(
        replace(side, name=f"{side.name}, {backend}") for backend, of in verdicts.items() for side in of.sides
    )
    return replace(blank, verdict=name, reason=reason, sides=sides, **figures(estimate))


def _equivalent(a: Sequence[Scored], b: Sequence[Scored], margin: float, alpha: float) -> tuple[Estimate, VerdictName]:
    """Return the difference of one contender's accuracies on two frameworks, and whether it lies within the margin."""
    differences = [(x.correct - y.correct) / x.n for x, y in zip(a, b, strict=True)]
    level = 1 - 2 * alpha
    try:
        if len(differences) >= FEWEST_SEEDS:
            estimate = replace(paired_t(differences, level), method=f"paired t over {len(a)} seeds, {CONDITION}")
        else:
            estimate = paired_examples(*cells(a[0], b[0]), level)
        tested = equivalence(estimate, margin, alpha)
    except Undefined:
        # Every seed has the same difference, mostly 0: nothing is left to estimate.
        value = differences[0]
        same = Estimate(value, value, value, None, 0.0, None, level, f"the same difference in all {len(a)} seeds")
        return same, "REPRODUCED" if abs(value) < margin else "REFUTED"
    name: VerdictName = "REPRODUCED" if tested.inside else "REFUTED" if tested.outside else "INCONCLUSIVE"
    shown = replace(estimate, p=tested.p, method=f"{estimate.method}; two one-sided tests of equivalence")
    return shown, name
