"""What is timed against each other computes the same."""

import pytest
import torch

from bench import cases, evaluation, loops
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


def test_parts_of_a_batch_are_the_same_work():
    case = cases.micro("vit", STEPS).changed("micro", warmup_steps=1)
    whole, parts = loops.bare(case), loops.bare(case, part=16)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)
    assert loops.trainer(case, part=16).losses[0] == pytest.approx(sum(whole.losses) / STEPS, rel=1e-5)


def test_both_evaluations_predict_the_same():
    case = cases.micro("bit", 1).changed("micro", head="library")
    here = device_context("cpu", case.run.recipe)
    model = network(case.run, case.weights)
    ours = evaluation.ours(case, model, here, torch.contiguous_format)
    plain = evaluation.plain(case, model, here, torch.contiguous_format, evaluation.plain_loader(case, here, 0))
    assert ours[1].tolist() == plain[1].tolist()
    assert ours[0].images == plain[0].images == len(case.data.test)
    with pytest.raises(RuntimeError):
        evaluation.alike(case, ours[1], (plain[1] + 1) % 10)
