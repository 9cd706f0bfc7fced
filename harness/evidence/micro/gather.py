"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.hypotheses import Hypothesis, terms_of
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.specs import Backend, build
from harness.evidence.contender_runs import ContenderRuns, gather_sides
from harness.evidence.micro.proxies import networks_of, own_names, proxies
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
        return Evidence(
            gather_sides(planned, self.provider),
            task="; ".join(f"{name}: {title}" for name, title in tasks.items()),
            names=own_names(question.hypothesis),
            caveats=pretrained_once(planned.values()),
        )


def runs(hypothesis: Hypothesis, backend: Backend = "torch") -> dict[Term, ContenderRuns]:
    """Return each contender's runs on each dataset on a framework, one per seed, spread over its networks."""
    table, name_of_recipe = proxies(), paper().defaults.micro
    planned: dict[Term, ContenderRuns] = {}
    for contender, on in terms_of(hypothesis):
        networks, task = networks_of(contender), table.task_of(on)
        assert networks
        assert task is not None  # the hypothesis has a key
        of_seeds: list[Run] = []
        for network in networks:
            chosen = recipe(name_of_recipe, network.checkpoint, task)
            pinned = {"checkpoint": checkpoint(network.checkpoint), "dataset": dataset(task)}
            parts = pinned | {"recipe": chosen, "backend": backend}
            of_seeds += [build(Run, parts | {"seed": seed}, "micro study") for seed in network.seeds]
        name, times = networks[0].checkpoint, len(networks)
        title = f"{contender} as {name}" + (f", pre-trained {times} times" if times > 1 else "")
        planned[contender, on] = ContenderRuns(tuple(of_seeds), title)
    return planned


def pretrained_once(planned: Iterable[ContenderRuns]) -> tuple[str, ...]:
    """Return a remark on the networks that were pre-trained once, if there are any: nothing speaks of another time."""
    once = [names.pop() for names in ({run.checkpoint.id for run in of.runs} for of in planned) if len(names) == 1]
    if not once:
        return ()
    if len(set(once)) > 1:
        return (
            f"{' and '.join(dict.fromkeys(once))} were pre-trained once each, and the verdict is conditional on that",
        )
    return (f"{once[0]} was pre-trained once, and the verdict is conditional on that pre-training",)
