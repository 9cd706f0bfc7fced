"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.hypotheses import Hypothesis, terms_of
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.specs import Backend, build
from harness.evidence.contender_runs import ContenderRuns, gather_sides
from harness.evidence.micro.proxies import checkpoint_of, own_names, proxies
from harness.evidence.source import RunProvider
from harness.judging.evidence import Evidence, Term
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
        tasks = {of.runs[0].dataset.id: of.runs[0].dataset.title for of in planned.values()}
        task = "; ".join(f"{name}: {title}" for name, title in tasks.items())
        return Evidence(gather_sides(planned, self.provider), task=task, names=own_names(question.hypothesis))


def runs(hypothesis: Hypothesis, backend: Backend = "torch") -> dict[Term, ContenderRuns]:
    """Return each contender's runs on each dataset on a framework, one per seed."""
    table, name_of_recipe = proxies(), paper().defaults.micro
    planned: dict[Term, ContenderRuns] = {}
    for contender, on in terms_of(hypothesis):
        name, task = checkpoint_of(contender), table.task_of(on)
        assert name is not None
        assert task is not None
        chosen = recipe(name_of_recipe, name, task)
        parts = {"checkpoint": checkpoint(name), "dataset": dataset(task), "recipe": chosen, "backend": backend}
        of_seeds = tuple(build(Run, parts | {"seed": seed}, "micro study") for seed in table.judged)
        planned[contender, on] = ContenderRuns(of_seeds, f"{contender} as {name}")
    return planned
