"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.claim import Contender, Hypothesis
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.specs import Backend, build
from harness.evidence.contender_runs import ContenderRuns, gather_sides
from harness.evidence.micro.proxies import checkpoint_of, proxies
from harness.evidence.source import RunProvider
from harness.judging.evidence import Evidence
from harness.judging.question import Question


@dataclass(frozen=True)
class MicroStudy:
    """Gathers from the micro study's runs."""

    provider: RunProvider

    def gather(self, question: Question) -> Evidence:
        """Return what the runs of every side gave.

        Args:
            question: one whose hypothesis has a key (proxies.key); its source says on which framework.
        """
        (backend,) = question.backends
        planned = runs(question.hypothesis, backend)
        task = planned[question.hypothesis.contenders[0]].runs[0].dataset
        return Evidence(gather_sides(planned, self.provider), task=f"{task.id}: {task.title}")


def runs(hypothesis: Hypothesis, backend: Backend = "torch") -> dict[Contender, ContenderRuns]:
    """Return each contender's runs on a framework, one per seed."""
    table, name_of_recipe = proxies(), paper().defaults.micro
    task = table.task_of(hypothesis.on)
    assert task is not None  # the hypothesis has a key
    planned: dict[Contender, ContenderRuns] = {}
    for contender in hypothesis.contenders:
        name = checkpoint_of(contender)
        assert name is not None  # the hypothesis has a key
        chosen = recipe(name_of_recipe, name, task)
        parts = {"checkpoint": checkpoint(name), "dataset": dataset(task), "recipe": chosen, "backend": backend}
        of_seeds = tuple(build(Run, parts | {"seed": seed}, "micro study") for seed in table.judged)
        planned[contender] = ContenderRuns(of_seeds, f"{contender} as {name}")
    return planned
