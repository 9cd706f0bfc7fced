"""How the micro study's answers depend on how they are measured: the runs of a specification grid and its curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.paper import paper
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import Recipe, build
from harness.core.verdict import RecipeUsed
from harness.evidence.micro.proxies import UpstreamNetwork, proxies
from harness.evidence.micro.specification_table import Choices, Grid, Statement, specification_table
from harness.evidence.source import RunProvider
from harness.judging.evidence import RunsSide
from harness.judging.scoring import scored
from harness.judging.upstream import score_rows
from harness.stats.joint_permutation import SpecificationScores
from harness.stats.specification_curve import SpecificationCurve, specification_curve

if TYPE_CHECKING:
    from harness.stats.joint_permutation import Floats
    from harness.stats.specification_curve import HasInterval

WITH_DROPOUT = ("vit", "hybrid")
"""Families that have a transformer."""


@dataclass(frozen=True)
class Specification:
    """One way of asking one statement, with its runs."""

    statement: str
    """Its short name in the table."""
    text: str
    """What is stated."""
    levels: tuple[tuple[str, str], ...]
    """(factor, level) pairs, every factor of the table."""
    a: tuple[Run, ...]
    """Of the side that is said to be better, one a pre-trained network."""
    b: tuple[Run, ...]

    @property
    def name(self) -> str:
        """The specification in one line."""
        return ", ".join(f"{factor} {level}" for factor, level in self.levels)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of both sides."""
        return (*self.a, *self.b)


@dataclass(frozen=True)
class StatementCurve:
    """What a grid says of one statement."""

    statement: str
    text: str
    curve: SpecificationCurve | None
    """None: a run of every specification diverged."""
    diverged: tuple[str, ...]
    """Names of specifications without a difference, for a run of them diverged."""


def specifications(grid: Grid, statement: str | None = None) -> tuple[Specification, ...]:
    """Return every specification of a grid, statement by statement; none for a paper without a table of them.

    The combination in which nothing is chosen is that of the judged runs, and has their run ids.

    Args:
        grid: which of the paper's grids.
        statement: the name of one statement; None: of every one.

    Raises:
        ClaimsError: the table is malformed, or names what does not exist.
    """
    table = specification_table()
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Specification] = {}
    for box in table.boxes(grid):
        for name, stated in table.statements:
            if statement not in (None, name):
                continue
            for pair in stated.pairs:
                if len(stated.pairs) > 1 and box.pretraining and pair[0] not in box.pretraining:
                    continue
                for choices in box:
                    one = specification(name, stated, pair, choices)
                    found.setdefault((name, one.levels), one)
    order = list(dict(table.statements))
    return tuple(sorted(found.values(), key=lambda each: order.index(each.statement)))


def specification(name: str, statement: Statement, pair: tuple[str, str], choices: Choices) -> Specification:
    """Return one specification of a statement.

    Args:
        name: the statement's short name.
        statement: what is stated.
        pair: what the two sides were pre-trained on.
        choices: how the comparison is made.
    """
    a_networks, b_networks = (
        proxies().networks(side.architecture, corpus)
        for side, corpus in zip((statement.a, statement.b), pair, strict=True)
    )
    if not any(map(has_dropout, (*a_networks, *b_networks))):
        choices = replace(choices, dropout=None)  # otherwise one specification would count as two
    a, b = (tuple(run(each, statement.task, choices) for each in of) for of in (a_networks, b_networks))
    base = recipe(paper().defaults.micro)
    levels = {
        "learning rate": f"x{choices.learning_rate:g}",
        "steps": str(derived(base, choices).steps),
        "dropout": f"{base.dropout if choices.dropout is None else choices.dropout:g}",
        "resolution": str(choices.resolution or base.resolution),
        "seed": str(choices.seed),
        "backend": choices.backend,
        "pre-training": " and ".join(dict.fromkeys(pair)),
    }
    return Specification(name, statement.text, tuple(levels.items()), a, b)


def has_dropout(network: UpstreamNetwork) -> bool:
    """Return whether a recipe's dropout has a part in training a network."""
    return checkpoint(network.checkpoint).family in WITH_DROPOUT


def run(network: UpstreamNetwork, task: str, choices: Choices) -> Run:
    """Return the run of one network under some choices."""
    weights = checkpoint(network.checkpoint)
    tuned = recipe(paper().defaults.micro, network.checkpoint, task)
    if not has_dropout(network):
        choices = replace(choices, dropout=None)
    # Past the last of a network's seeds it begins again, for sides of which one was pre-trained once.
    seed = network.seeds[(choices.seed - 1) % len(network.seeds)]
    parts = {"checkpoint": weights, "dataset": dataset(task), "recipe": derived(tuned, choices), "seed": seed}
    return build(Run, parts | {"backend": choices.backend}, "specification")


def derived(base: Recipe, choices: Choices) -> Recipe:
    """Return a recipe with what was chosen; `base` itself where nothing was."""
    assert base.steps is not None  # the micro study's recipe counts in steps
    values: dict[str, object] = {}
    if choices.learning_rate != 1 and base.learning_rate is not None:
        values["learning_rate"] = base.learning_rate * choices.learning_rate
    if choices.steps != 1:
        values["steps"] = max(1, round(base.steps * choices.steps))
        values["warmup_steps"] = round(base.warmup_steps * choices.steps)
    if choices.dropout is not None and choices.dropout != base.dropout:
        values["dropout"] = choices.dropout
    if choices.resolution is not None and choices.resolution != base.resolution:
        values["resolution"] = choices.resolution
    if not values:
        return base
    name = f"{base.id}, {', '.join(f'{field} {value:g}' for field, value in values.items() if field != 'warmup_steps')}"
    cited = dict(base.sources) | dict.fromkeys(values, "a specification of the grid (micro/specifications.toml)")
    return replace(base, id=name, **values, sources=tuple(cited.items()))  # type: ignore[arg-type]


def curves(
    grid: Grid,
    provider: RunProvider,
    interval: Callable[[Floats, Floats, float], HasInterval],
    level: float = 0.95,
    statement: str | None = None,
) -> tuple[StatementCurve, ...]:
    """Return the curve of each statement of a grid.

    Args:
        grid: which of the paper's grids.
        provider: returns the results of runs, computing what is not stored.
        interval: returns the difference of two arrays of scores (networks, examples) with its interval at a level.
        level: of each specification's interval.
        statement: its name; None: of every statement.

    Raises:
        NotComputed: a run is not stored and nothing is computed.
    """
    import numpy as np

    asked = specifications(grid, statement)
    runs = list({run.id: run for each in asked for run in each.runs}.values())
    results = dict(zip((run.id for run in runs), provider.results_for(runs), strict=True))
    found = []
    for name, text in dict.fromkeys((each.statement, each.text) for each in asked):
        of_statement = [each for each in asked if each.statement == name]
        measured = list(scores_of(of_statement, results))
        lost = tuple(each.name for each in of_statement if each.name not in {one.name for one in measured})
        generator = np.random.default_rng(specification_table().generator)
        curve = specification_curve(measured, interval, generator, level) if measured else None
        found.append(StatementCurve(name, text, curve, lost))
    return tuple(found)


def scores_of(asked: list[Specification], results: dict[str, Result]) -> Iterator[SpecificationScores]:
    """Yield the scores of the specifications none of whose runs diverged."""
    for each in asked:
        if any(results[run.id].diverged is not None for run in each.runs):
            continue
        a, b = (
            score_rows(
                RunsSide(
                    each.name,
                    tuple(scored(results[run.id]) for run in runs),
                    RecipeUsed(runs[0].checkpoint.id, runs[0].recipe.id),
                    upstream=tuple(run.checkpoint.id for run in runs),
                )
            )
            for runs in (each.a, each.b)
        )
        yield SpecificationScores(each.name, each.levels, a.scores, b.scores, a.networks, b.networks)
