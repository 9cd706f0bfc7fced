"""What the runs of both sides gave: asked for at once, each once, scored or diverged."""

from harness.core.hypotheses import Contender
from harness.core.result import Divergence, Result
from harness.evidence.contender_runs import ContenderRuns, gather_sides
from harness.judging.evidence import DivergedRun
from harness.judging.scoring import scored
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
    planned = {A: ContenderRuns((first, second), "a as x"), B: ContenderRuns((first, third), "b as y")}
    found = gather_sides(planned, provider)
    assert provider.asked == [[first.id, second.id, third.id]]
    assert [side.title for side in found.values()] == ["a as x", "b as y"]
    assert found[B].runs == (scored(provider.result(first)), scored(provider.result(third)))
    assert found[A].scored == (scored(provider.result(first)),)
    (ended,) = found[A].diverged
    assert (ended.run_id, ended.seed) == (second.id, 1)
    assert isinstance(ended, DivergedRun)
    assert ended.reason.startswith("the loss was not finite at step 7")
    assert found[A].recipe.checkpoint == first.checkpoint.id
