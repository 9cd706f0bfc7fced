"""Specification grids: runs differ from the judged ones by what is chosen alone, and curves follow from the runs."""

from dataclasses import replace

import numpy as np
import pytest

from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.core.result import Divergence, Result
from harness.core.run import identity
from harness.evidence.micro import specifications as module
from harness.evidence.micro.proxies import proxies
from harness.evidence.micro.specification_table import GRIDS, Choices, read_specifications, specification_table
from harness.evidence.micro.specifications import curves, derived, specifications
from harness.stats.estimate import Interval


def by_levels(grid="reduced", statement="vit-bit"):
    return {each.levels: each for each in specifications(grid) if each.statement == statement}


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


def test_a_recipe_has_what_was_chosen_and_says_so():
    base = recipe("micro", "micro-vit-l", "digits")
    assert base.learning_rate == 0.03
    found = derived(base, Choices(learning_rate=0.5, steps=2, dropout=0.1, resolution=48))
    assert (found.learning_rate, found.steps, found.warmup_steps) == (base.learning_rate / 2, 80, 8)
    assert (found.dropout, found.resolution) == (0.1, 48)
    assert found.id == "micro, learning_rate 0.015, steps 80, dropout 0.1, resolution 48"
    assert dict(found.sources)["steps"].startswith("a specification of the grid")
    assert dict(found.sources)["batch_size"] == dict(base.sources)["batch_size"]
    assert derived(base, Choices(dropout=base.dropout, resolution=base.resolution)) is base


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


class Results:
    """A provider whose runs get the first so many of 100 examples right."""

    def __init__(self, right, diverges=lambda run: False):
        self.right, self.diverges, self.asked = right, diverges, 0

    def results_for(self, runs):
        self.asked += 1
        assert len({run.id for run in runs}) == len(runs)
        return [self.result(run) for run in runs]

    def result(self, run):
        if self.diverges(run):
            return Result(run.id, (), (), (), 1.0, 1.0, 1, (), diverged=Divergence(7, 0.1, (1, 2)))
        right = self.right(run)
        return Result(run.id, (0,) * right + (1,) * (100 - right), (0,) * 100, (), 1.0, 1.0, 1, ())


def within_a_point(a, b, level):
    value = a.mean() - b.mean()
    return Interval(value - 0.01, value + 0.01)


def test_the_curve_of_each_statement_follows_from_its_runs():
    def right(run):
        vit = run.checkpoint.family == "vit"
        return 50 + 10 * vit + 5 * (run.checkpoint.id.split("-")[2] == "l") - 20 * vit * (run.recipe.steps == 20)

    provider = Results(right)
    found = {each.statement: each for each in curves("reduced", provider, within_a_point)}
    assert provider.asked == 1
    assert list(found) == list(dict(specification_table().statements))
    corpora = found["corpus-vit"].curve
    assert [each.value for each in corpora.effects] == pytest.approx([0.05] * len(corpora.effects))
    assert (corpora.holds, corpora.decided_for) == (1.0, 1.0)
    families = found["vit-bit"].curve
    short = sum(dict(levels)["steps"] == "20" for levels in by_levels())
    assert len(families.effects) == len(by_levels())
    np.testing.assert_allclose(sorted({round(each.value, 6) for each in families.effects}), [-0.1, 0.1])
    assert families.holds == pytest.approx(1 - short / len(by_levels()))
    assert families.decided_against == pytest.approx(short / len(by_levels()))
    assert all(each.diverged == () for each in found.values())


def test_a_specification_that_diverged_is_left_out_and_named():
    provider = Results(lambda run: 50, diverges=lambda run: run.recipe.dropout > 0 and "vit-l" in run.checkpoint.id)
    found = {each.statement: each for each in curves("reduced", provider, within_a_point)}
    (lost,) = found["corpus-vit"].diverged
    assert "dropout 0.1" in lost
    assert len(found["corpus-vit"].curve.effects) == len(by_levels(statement="corpus-vit")) - 1
    everywhere = curves("reduced", Results(lambda run: 50, diverges=lambda run: True), within_a_point)
    assert all(each.curve is None and each.diverged for each in everywhere)


def test_sides_with_several_networks_bring_a_row_for_each(monkeypatch):
    seeds = ((8, 9), (10, 11))
    table = replace(proxies(), upstream=(("micro-vit-l", seeds), ("micro-vit-s", seeds)))
    monkeypatch.setattr(module, "proxies", lambda: table)
    shipped = module.checkpoint
    monkeypatch.setattr(
        module, "checkpoint", lambda name: replace(shipped(name.removesuffix("-2")), id=name, sha256=f"{len(name):064}")
    )
    one = next(each for each in specifications("reduced") if each.statement == "corpus-vit")
    assert [(run.checkpoint.id, run.seed) for run in one.a] == [("micro-vit-l", 8), ("micro-vit-l-2", 10)]
    found = {each.statement: each for each in curves("reduced", Results(lambda run: run.seed * 5), within_a_point)}
    assert found["corpus-vit"].curve.by_networks.relabellings == 6
    assert found["vit-bit"].curve.by_networks is None


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("steps = [0.5, 2.0]", "steps = [0.0]", r"specifications\.toml: grids.*greater than 0"),
        ("dropout = [0.1]", "dropouts = [0.1]", r"specifications\.toml: unknown key .*dropouts"),
        ("[[grids.full]]", "[[grids.whole]]", r"specifications\.toml: grids.*'reduced' or 'full'"),
        ('pretraining = ["s", "m", "l"] }', 'pretraining = ["s"] }', "as many pre-training sets on both sides"),
    ],
)
def test_a_malformed_table_is_one_line(tmp_path, old, new, message):
    from harness.core.paper import paper

    text = (paper().folder / "micro" / "specifications.toml").read_text()
    assert old in text
    path = tmp_path / "specifications.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ClaimsError, match=message) as caught:
        read_specifications(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_grid_is_one_line():
    with pytest.raises(ClaimsError, match="unknown specification grid 'ful' \\(did you mean 'full'\\?\\)"):
        specifications("ful")
