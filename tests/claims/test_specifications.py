"""The ViT paper's specification grids: runs differ from the judged ones by what is chosen alone, and are affordable."""

import pytest

from harness.catalog.recipes import recipe
from harness.core.run import identity
from harness.evidence.micro.proxies import proxies
from harness.evidence.micro.specification_table import GRIDS
from harness.evidence.micro.specifications import specifications

AFFORDABLE = 90
"""Runs of 40 steps at 32 pixels that a minute on two cores allows, with some in reserve: 1.15 s of a core each."""


def runs_of(grid):
    return {run.id: run for each in specifications(grid) for run in each.runs}


def changed(run):
    """Return what of a run's recipe is not as in the judged runs of its checkpoint and task."""
    judged = identity(recipe("micro", run.checkpoint.id, run.dataset.id))
    found = identity(run.recipe)
    return {name: found.get(name) for name in {*judged, *found} if judged.get(name) != found.get(name)}


def test_the_combination_without_choices_is_the_judged_runs():
    found = [each for each in specifications("reduced") if not any(map(changed, each.runs))]
    assert {dict(each.levels)["seed"] for each in found} == {"1", "2", "3"}
    judged = {network: seeds for network, seeds in by_network().items() if "hybrid" not in network}
    for each in found:
        for run in each.runs:
            assert run.seed in judged[run.checkpoint.id]
            assert run.recipe == recipe("micro", run.checkpoint.id, run.dataset.id)


def by_network():
    table = proxies()
    return {
        network.checkpoint: network.seeds
        for architecture in dict(table.architectures).values()
        for corpus in dict(table.pretraining).values()
        for network in table.networks(architecture, corpus)
    }


@pytest.mark.parametrize("grid", GRIDS)
def test_each_specification_is_there_once_and_differs_by_its_levels_alone(grid):
    found = specifications(grid)
    assert len({(each.statement, each.levels) for each in found}) == len(found)
    runs = {tuple(run.id for run in each.runs) for each in found}
    assert len(runs) == len(found)  # no choice without an effect is counted as another specification
    for each in found:
        levels = dict(each.levels)
        for side in (each.a, each.b):
            assert len({run.checkpoint.id for run in side}) == len(side)
            assert len({run.checkpoint.family for run in side}) == 1
        for run in each.runs:
            assert (str(run.recipe.steps), run.backend, run.split) == (levels["steps"], levels["backend"], "test")
            tuned = recipe("micro", run.checkpoint.id, run.dataset.id).learning_rate
            assert run.recipe.learning_rate == tuned * float(levels["learning rate"][1:])
            assert str(run.recipe.resolution) == levels["resolution"]
            assert run.recipe.dropout == (float(levels["dropout"]) if run.checkpoint.family == "vit" else 0.0)
            assert set(changed(run)) <= {"learning_rate", "steps", "warmup_steps", "dropout", "resolution"}


def test_the_reduced_grid_is_part_of_the_full_one_and_is_affordable():
    full = {(each.statement, each.levels) for each in specifications("full")}
    assert {(each.statement, each.levels) for each in specifications("reduced")} < full
    more = [run for run in runs_of("reduced").values() if changed(run)]
    # Costs grow with the number of pixels or tokens.
    assert sum(run.recipe.steps / 40 * (run.recipe.resolution / 32) ** 2 for run in more) <= AFFORDABLE
    assert {run.backend for run in more} == {"torch"}  # another framework compiles for longer than it trains
    assert runs_of("reduced").keys() < runs_of("full").keys()


def test_every_factor_of_the_full_grid_has_several_levels():
    levels = {}
    for each in specifications("full"):
        for factor, level in each.levels:
            levels.setdefault(factor, set()).add(level)
    assert {factor: len(of) for factor, of in levels.items() if factor != "pre-training"} == {
        "learning rate": 3,
        "steps": 3,
        "dropout": 2,
        "resolution": 3,
        "seed": 3,
        "backend": 2,
    }
