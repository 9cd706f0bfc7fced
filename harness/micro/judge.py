"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from harness.claim import Close, Contender, Hypothesis, Verdict
from harness.datasets import dataset
from harness.errors import ClaimsError
from harness.recipes import recipe
from harness.spec import Result, Run
from harness.tables import PACKAGE, read_toml
from harness.verdict import Evidence, Question, compare_results, comparisons, judge, side_of
from harness.zoo import checkpoint

SOURCE = "micro"
SEEDS = range(8, 16)
"""Seeds that verdicts are judged on. Seeds 0 to 7 judged an earlier recipe of 60 steps, which took longer than a
laptop should be asked for; the recipe was shortened for that alone, tuned again, and judged on fresh seeds."""
DEVELOPMENT_SEEDS = range(1000, 1003)
"""Seeds that learning rates and hypotheses were chosen on; never judged."""

GiveResults = Callable[[Sequence[Run]], list[Result]]


@cache
def stand_ins() -> Mapping[str, Mapping[str, str]]:
    """Return the table of stand-ins: architectures, pretraining, datasets."""
    table: Mapping[str, Mapping[str, str]] = read_toml(PACKAGE / "micro" / "stand_ins.toml")
    if set(table) != {"architectures", "pretraining", "datasets"}:
        raise ClaimsError(
            f"stand_ins.toml: expected tables architectures, pretraining, datasets, found {', '.join(sorted(table))}"
        )
    return table


def checkpoint_of(contender: Contender) -> str | None:
    """Return the id of the checkpoint that stands for a contender, if one does."""
    family = stand_ins()["architectures"].get(contender.architecture)
    corpus = stand_ins()["pretraining"].get(contender.pretrained_on)
    return f"micro-{family}-{corpus}" if family and corpus and contender.variant == "orig" else None


def key(hypothesis: Hypothesis) -> tuple[str, ...] | None:
    """Return what the micro study would compare, or None where the hypothesis means nothing to it.

    Two hypotheses of a claim with the same key (B/16 and L/16 have one stand-in) are judged once. A
    published accuracy means nothing at this scale.
    """
    task = stand_ins()["datasets"].get(hypothesis.on)
    names = tuple(checkpoint_of(contender) for contender in hypothesis.contenders)
    if isinstance(hypothesis, Close) or task is None or None in names:
        return None
    return (type(hypothesis).__name__, task, *(name for name in names if name is not None))


def runs(hypothesis: Hypothesis) -> dict[Contender, list[Run]]:
    """Return each contender's runs, one per seed."""
    task = stand_ins()["datasets"][hypothesis.on]
    planned: dict[Contender, list[Run]] = {}
    for contender in hypothesis.contenders:
        name = checkpoint_of(contender)
        assert name is not None  # `key` was not None
        chosen = recipe("micro", name, task)
        planned[contender] = [Run(checkpoint(name), dataset(task), chosen, seed) for seed in SEEDS]
    return planned


def answer(question: Question, give: GiveResults) -> Verdict:
    """Judge a question on the micro study's runs.

    Args:
        question: one whose hypothesis has a `key`.
        give: returns the results of runs, computing what is not stored.
    """
    planned = runs(question.hypothesis)
    results = {contender: give(of_contender) for contender, of_contender in planned.items()}
    level = 1 - question.alpha
    compared = [
        compare_results(results[higher], results[lower], level)
        for higher, lower in comparisons(question.hypothesis)
        if lower is not None
    ]
    first = planned[question.hypothesis.contenders[0]][0]
    return judge(
        question,
        Evidence(
            estimates=tuple(estimate for estimate, _ in compared),
            needed=tuple(seeds for _, seeds in compared),
            sides=tuple(side_of(f"{c} as {planned[c][0].checkpoint.id}", results[c]) for c in planned),
            runs=tuple(run.id for of_contender in planned.values() for run in of_contender),
            task=f"{first.dataset.id}: {first.dataset.title}",
        ),
    )
