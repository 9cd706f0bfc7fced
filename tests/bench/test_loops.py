"""What is timed against each other computes the same."""

import importlib

import pytest
import torch

from bench import cases, evaluation, loops, timm_loop
from bench.rows import Clock
from bench.step_clock import StepClock
from harness.training.torch.device import device_context
from harness.training.torch.network import network

STEPS = 6


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_three_loops_train_the_same_network_on_the_same_batches(precision):
    case = cases.micro("vit", STEPS).changed("micro", precision=precision, warmup_steps=1)
    ours = loops.ours(case, skip=1).lap
    assert ours.images == (STEPS - 1) * case.run.recipe.batch_size
    bare = loops.bare(case, skip=1)
    tolerance = 1e-5 if precision == "float32" else 1e-2
    assert len(ours.losses) == STEPS
    assert len(set(ours.losses)) > STEPS / 2
    assert bare.losses == pytest.approx(ours.losses, rel=tolerance)
    trainer = loops.trainer(case, skip=1)
    assert trainer.losses[0] == pytest.approx(sum(ours.losses) / STEPS, rel=tolerance)
    assert ours.images == bare.images == trainer.images


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_clock_stops_before_the_state_is_saved(framework, monkeypatch):
    """However long training took; the last step's state is saved once that is worth it."""
    module = importlib.import_module(f"harness.training.{framework}.loop")
    ours = importlib.import_module("bench.loops" if framework == "torch" else "bench.jax_loops").ours
    done = []
    lap = Clock.lap
    monkeypatch.setattr(module, "WORTH", 0.0)
    saves = module.Saver if framework == "torch" else module
    monkeypatch.setattr(saves, "save", lambda *_: done.append("saved"))
    monkeypatch.setattr(Clock, "lap", lambda *given, **how: (done.append("timed"), lap(*given, **how))[1])
    ours(cases.micro("vit", 3).changed("micro", head="library", warmup_steps=1), skip=1)
    assert done == ["timed", "saved"]


def test_reports_that_lag_are_timed_where_they_keep_the_pace(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    waited = []
    clock = StepClock(cases.micro("vit", 8), skip=2, lag=4, wait=lambda: waited.append(1))
    waited.clear()
    before = next(now)
    for step in range(8):
        clock.report(step)
    assert clock.lap.images == 2 * 32  # steps 2 and 3: the others come together, in the end
    assert waited == []
    assert next(now) == before + 3  # the clock was read twice
    with pytest.raises(ValueError, match="more than 7 steps, found 7"):
        StepClock(cases.micro("vit", 7), skip=3, lag=4, wait=lambda: None)


def test_parts_of_a_batch_are_the_same_work():
    case = cases.micro("vit", STEPS).changed("micro", warmup_steps=1)
    whole, parts = loops.bare(case), loops.bare(case, part=16)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)
    assert loops.trainer(case, part=16).losses[0] == pytest.approx(sum(whole.losses) / STEPS, rel=1e-5)


def test_all_evaluations_predict_the_same():
    case = cases.micro("bit", 1).changed("micro", head="library")
    here = device_context("cpu", case.run.recipe)
    model = network(case.run, case.weights)
    ours = evaluation.ours(case, model, here, torch.contiguous_format)
    plain = evaluation.plain(case, model, here, torch.contiguous_format, evaluation.plain_loader(case, here, 0))
    assert ours[1].tolist() == plain[1].tolist()
    assert ours[0].images == plain[0].images == len(case.data.test)
    with pytest.raises(RuntimeError):
        evaluation.alike(case, ours[1], (plain[1] + 1) % 10)


def test_a_loop_as_timms_predicts_the_same():
    case = cases.small_bit(steps=1, tests=300)
    here = device_context("cpu", case.run.recipe)
    model = network(case.run, case.weights)
    ours = evaluation.ours(case, model, here, torch.contiguous_format)
    batches = timm_loop.loader(case, here, 0)
    timms, found = timm_loop.validated(case, model, torch.contiguous_format, batches)
    assert found.tolist() == ours[1].tolist()
    assert len(set(found.tolist())) > 1
    assert timms.images == 300
    assert len(timms.losses) == 2
