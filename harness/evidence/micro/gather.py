"""The micro study as a source of evidence: tiny networks stand for the paper's, and are really fine-tuned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe, resolve
from harness.core.errors import unknown
from harness.core.hypotheses import Hypothesis, Robust, terms_of
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.source import Source
from harness.core.specs import Backend, build
from harness.evidence.contender_runs import ContenderRuns, gather_sides, outcome
from harness.evidence.micro.proxies import networks_of, own_names, proxies
from harness.evidence.micro.specification_table import Grid, specification_table
from harness.evidence.micro.specifications import curves, specifications
from harness.evidence.source import RunProvider
from harness.judging.evidence import Evidence, Term
from harness.judging.question import Question
from harness.judging.scoring import scored

if TYPE_CHECKING:
    from harness.stats.crossed import CrossedEstimate
    from harness.stats.joint_permutation import Floats


@dataclass(frozen=True)
class MicroStudy:
    """Gathers from the micro study's runs."""

    provider: RunProvider

    def gather(self, question: Question) -> Evidence:
        """Return what the runs of every side gave.

        Args:
            question: one whose hypothesis has a key (proxies.key); its source says on which framework.
        """
        if isinstance(question.hypothesis, Robust):
            return self._curve(question.hypothesis, grid_of(question.source))
        (backend,) = question.backends
        planned = runs(question.hypothesis, backend)
        tasks = {of.runs[0].dataset.id: of.runs[0].dataset.title for of in planned.values()}
        return Evidence(
            gather_sides(planned, self.provider),
            task="; ".join(f"{name}: {title}" for name, title in tasks.items()),
            names=own_names(question.hypothesis),
            caveats=pretrained_once(planned.values()),
        )

    def _curve(self, hypothesis: Robust, grid: Grid) -> Evidence:
        (found,) = curves(grid, self.provider, difference, statement=hypothesis.of)
        asked = specification_runs(hypothesis, grid)
        results = self.provider.results_for(asked)
        scored_runs = tuple(outcome(run, result, scored) for run, result in zip(asked, results, strict=True))
        tasks = dict.fromkeys(f"{run.dataset.id}: {run.dataset.title}" for run in asked)
        once = found.curve is not None and found.curve.by_networks is None
        caveats = (
            ("not every network was pre-trained several times, and the verdict is conditional on that",) if once else ()
        )
        return Evidence(task="; ".join(tasks), curve=found.curve, curve_runs=scored_runs, caveats=caveats)


def grid_of(source: Source) -> Grid:
    """Return the grid of specifications that a source of the micro study stands for."""
    return "full" if source.detail == "full" else "reduced"


def specification_runs(hypothesis: Robust, grid: Grid) -> list[Run]:
    """Return the runs of a statement's specifications, each once.

    Raises:
        ClaimsError: the table has no such statement.
    """
    known = dict(specification_table().statements)
    if hypothesis.of not in known:
        raise unknown("statement", hypothesis.of, known, "specifications.toml")
    asked = (run for each in specifications(grid, hypothesis.of) for run in each.runs)
    return list({run.id: run for run in asked}.values())


def difference(a: Floats, b: Floats, level: float) -> CrossedEstimate:
    """Return the difference of two sides' scores, shape (networks, examples), with its interval."""
    from harness.stats.crossed import Group, crossed
    from harness.stats.seeds import SideScores

    return crossed([Group((SideScores(a), SideScores(b, -1.0)))], level)


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
            weights, images, own = checkpoint(network.checkpoint), dataset(task), paper().measured_by_on(on)
            chosen = resolve(own, weights, images) if own else recipe(name_of_recipe, network.checkpoint, task)
            parts = {"checkpoint": weights, "dataset": images, "recipe": chosen, "backend": backend}
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
