"""How long the micro study's runs take on this machine, by those that are stored."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.result import Result
from harness.core.run import Run
from harness.cost.cpu_time import CpuTime, cpu_times, line
from harness.runs.store import Store

SEEDS = range(4)


def run(seed, steps=8, backend="torch"):
    chosen = replace(recipe("micro", "micro-vit-s", "digits"), steps=steps, warmup_steps=0)
    return Run(checkpoint("micro-vit-s"), dataset("digits"), chosen, seed, backend)


def stored(store, *runs, seconds):
    for each in runs:
        labels = (0,) * each.dataset.test
        store.put(each, Result(each.id, labels, labels, (), seconds, 1.0, 1, ()))


def test_runs_are_priced_at_the_speed_of_the_stored_ones(tmp_path):
    store = Store(tmp_path)
    stored(store, run(0), run(1), seconds=2.0)
    (same,) = cpu_times([run(seed) for seed in SEEDS], store, tmp_path)
    assert (same.runs, same.stored, same.left, same.backend) == (4, 2, 2, "torch")
    assert same.seconds == pytest.approx(4.0)
    # Twice the training, and the same evaluation.
    (longer,) = cpu_times([run(0), run(2), run(3, steps=16)], store, tmp_path)
    assert 2.0 + 2.0 < longer.seconds < 2.0 + 4.0
    (done,) = cpu_times([run(0), run(1)], store, tmp_path)
    assert (done.left, done.seconds) == (0, 0.0)


def test_a_framework_without_a_stored_run_is_priced_by_another_one_and_says_so(tmp_path):
    store = Store(tmp_path)
    nothing = cpu_times([run(0), run(0, backend="jax")], store, tmp_path)
    assert [each.seconds for each in nothing] == [None, None]
    stored(store, run(0), seconds=3.0)
    torch, jax = cpu_times([run(0), run(0, backend="jax")], store, tmp_path)
    assert (torch.seconds, torch.by, jax.by) == (0.0, "torch", "torch")
    assert jax.seconds == pytest.approx(3.0)
    assert "at the speed of the stored ones of torch, for none of jax is" in line(jax, 2)


@pytest.mark.parametrize(
    "each, jobs, said",
    [
        (CpuTime("torch", 5, 5, 0.0, "torch"), 2, "micro study, torch: 5 runs, 5 stored, 0 to compute."),
        (CpuTime("torch", 5, 0, None, "torch"), 2, "how long these take is not known, as none is stored"),
        (CpuTime("torch", 5, 1, 100.0, "torch"), 2, "4 to compute: about 50 s with 2 processes"),
        (CpuTime("torch", 5, 1, 600.0, "torch"), 1, "4 to compute: about 10 min with one process"),
        (CpuTime("torch", 5, 1, 36_000.0, "torch"), 2, "about 5.0 h with 2 processes"),
    ],
)
def test_a_time_is_said_as_a_reader_would(each, jobs, said):
    assert said in line(each, jobs)
