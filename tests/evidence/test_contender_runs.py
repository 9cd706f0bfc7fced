"""What the runs of both sides gave: asked for at once, each once, scored or diverged."""

from dataclasses import replace

from harness.core.hypotheses import Contender
from harness.core.result import Divergence, Result
from harness.evidence.contender_runs import ContenderRuns, gather_sides
from harness.judging.evidence import DivergedRun
from harness.judging.scoring import Scored, scored
from tests.runs.test_executor import runs

A, B = Contender("A", "X"), Contender("B", "X")


class Provider:
    def __init__(self):
        self.asked = []

    def results_for(self, asked):
        self.asked.append([run.id for run in asked])
        return [self.result(run) for run in asked]

    def result(self, run):
        values = ((), 1.0, 1.0, 1, ())
        if run.seed == 1:
            return Result(run.id, (), (), *values, diverged=Divergence(7, 0.1, (1, 2)))
        return Result(run.id, (0, 1), (0, 0), *values)


def test_runs_that_two_sides_share_are_asked_for_once_and_all_at_once():
    first, second, third = runs(3)
    provider = Provider()
    a, b = (A, "d"), (B, "d")
    planned = {a: ContenderRuns((first, second), "a as x"), b: ContenderRuns((first, third), "b as y")}
    found = gather_sides(planned, provider)
    assert provider.asked == [[first.id, second.id, third.id]]
    assert [side.title for side in found.values()] == ["a as x", "b as y"]
    assert found[b].runs == (scored(provider.result(first)), scored(provider.result(third)))
    assert found[a].scored == (scored(provider.result(first)),)
    (ended,) = found[a].diverged
    assert (ended.run_id, ended.seed) == (second.id, 1)
    assert isinstance(ended, DivergedRun)
    assert ended.reason.startswith("the loss was not finite at step 7")
    assert found[a].recipe.checkpoint == first.checkpoint.id
    assert found[a].upstream == (first.checkpoint.id, second.checkpoint.id)
    assert not found[a].deterministic


def test_each_datasets_predictions_are_scored_its_own_way():
    (run,) = runs(1)

    def all_right(result):
        return Scored(result.run_id, (True, True), "other labels")

    planned = {(A, on): ContenderRuns((run,), "a") for on in ("usual", "other")}
    found = gather_sides(planned, Provider(), {"other": all_right})
    assert [side.scored[0].accuracy for side in found.values()] == [50.0, 100.0]


def test_nothing_is_random_in_an_evaluation():
    (run,) = runs(1)
    evaluation = replace(run, recipe=replace(run.recipe, steps=0, learning_rate=None, warmup_steps=0))
    found = gather_sides({(A, "d"): ContenderRuns((evaluation,), "a")}, Provider())
    assert found[A, "d"].deterministic
