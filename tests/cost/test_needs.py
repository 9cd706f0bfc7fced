"""What runs take: how many share an accelerator, and which are begun first."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.cost.cards import card
from harness.cost.needs import needs_on, share
from harness.cost.run_cost import Cost, Seconds
from harness.cost.step_time import StepTime
from harness.runs.store import Store
from tests.runs.test_executor import runs

H100 = card("h100")


def cost(products, rest, host, memory):
    seconds = Seconds(100.0, 10.0, 5.0, "modelled", StepTime(products, rest, host))
    return Cost(hours=1.0, seconds=seconds, memory=memory, fits=True)


@pytest.mark.parametrize(
    "found, expected",
    [
        (cost(0.010, 0.005, 0.002, 1 << 30), 1.0),  # the card computes all the time
        (cost(0.002, 0.001, 0.0065, 1 << 30), 1 / 2),  # it waits for the host more than half of the time
        (cost(0.001, 0.000, 0.0200, 1 << 30), 1 / 4),
        (cost(0.001, 0.000, 0.0200, 30 << 30), 1 / 2),  # 80 GB
        (cost(0.001, 0.000, 0.0200, 60 << 30), 1.0),
        (Cost(), 1.0),
        (replace(cost(0.001, 0.000, 0.0200, 1 << 30), fits=False), 1.0),
    ],
)
def test_runs_that_leave_an_accelerator_idle_share_it(found, expected):
    assert share(found, H100) == pytest.approx(expected)


def test_on_the_cpu_more_images_take_longer_and_nothing_is_shared(tmp_path):
    need = needs_on(None, Store(tmp_path), tmp_path, tmp_path)
    (short,), (long,) = runs(1, steps=3), runs(1, steps=300)
    assert 0 < need(short).work < need(long).work
    assert need(short).seconds is None
    assert need(short).share == 1.0


def test_on_an_accelerator_seconds_and_memory_are_those_of_the_plan(tmp_path):
    need = needs_on(H100, Store(tmp_path), tmp_path, tmp_path)
    large = replace(checkpoint("vit-l16-in21k"), sha256="0" * 64)
    short, long = (
        need(replace(run, checkpoint=large, recipe=replace(run.recipe, resolution=224, steps=steps)))
        for steps in (100, 10_000)
        for run in runs(1)
    )
    assert 0 < short.seconds < long.seconds
    assert short.memory > 4 * 4 * 304_000_000  # four copies of its weights
