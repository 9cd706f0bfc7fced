"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.claim import Close, Contender, Hypothesis, Verdict
from harness.core.errors import ClaimsError
from harness.core.specs import BACKENDS, Run, build
from harness.core.toml import FOLDER, read_toml
from harness.judging.judge import BOTH, Question, on
from harness.judging.runs import GiveResults, Planned, agreement, judge_runs

SOURCE = "micro"
SEEDS = range(8, 16)
"""Seeds that verdicts are judged on. Seeds 0 to 7 judged an earlier recipe of 60 steps, which took longer than a
laptop should be asked for; the recipe was shortened for that alone, tuned again, and judged on fresh seeds."""
DEVELOPMENT_SEEDS = range(1000, 1003)
"""Seeds that learning rates and hypotheses were chosen on; never judged."""

AGREEMENT = 1.0
"""Percentage points within which two frameworks' accuracies are the same: 8 to 10 of the 800 to 1,000 test examples."""


@cache
def stand_ins() -> Mapping[str, Mapping[str, str]]:
    """Return the table of stand-ins: architectures, pretraining, datasets."""
    table: Mapping[str, Mapping[str, str]] = read_toml(FOLDER / "micro" / "proxies.toml")
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


def runs(hypothesis: Hypothesis, backend: str = "torch") -> dict[Contender, Planned]:
    """Return each contender's runs on a framework, one per seed."""
    task = stand_ins()["datasets"][hypothesis.on]
    planned: dict[Contender, Planned] = {}
    for contender in hypothesis.contenders:
        name = checkpoint_of(contender)
        assert name is not None  # `key` was not None
        chosen = recipe("micro", name, task)
        parts = {"checkpoint": checkpoint(name), "dataset": dataset(task), "recipe": chosen, "backend": backend}
        of_seeds = tuple(build(Run, parts | {"seed": seed}, "micro study") for seed in SEEDS)
        planned[contender] = Planned(of_seeds, f"{contender} as {name}")
    return planned


def answer(question: Question, give: GiveResults) -> Verdict:
    """Judge a question on the micro study's runs.

    Args:
        question: one whose hypothesis has a `key`; its source says on which framework, or that both are compared.
        give: returns the results of runs, computing what is not stored.
    """
    if question.backend == BOTH:
        planned: dict[str, dict[Contender, Planned]] = {each: runs(question.hypothesis, each) for each in BACKENDS}
        verdicts: dict[str, Verdict] = {
            each: answer(replace(question, source=on(SOURCE, each)), give) for each in BACKENDS
        }
        return agreement(question, verdicts, planned, give, AGREEMENT)
    of_contender = runs(question.hypothesis, question.backend)
    first = of_contender[question.hypothesis.contenders[0]].runs[0]
    return judge_runs(question, of_contender, give, task=f"{first.dataset.id}: {first.dataset.title}")
