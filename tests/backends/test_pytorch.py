"""Fine-tuning: the loop's arithmetic against a second one, and what may differ does not change the outcome."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.backends import Execution
from harness.backends.layouts import read
from harness.backends.models import load
from harness.backends.pytorch import EVALUATION_BATCH, fine_tune, predict, three_channels, to_inputs, train
from harness.data.splits import batch_indices, select
from harness.datasets import dataset
from harness.micro import tasks
from harness.recipes import recipe
from harness.schedule import learning_rate
from harness.spec import Run
from harness.zoo import checkpoint, file_of

FAMILIES = ["micro-vit-s", "micro-bit-s", "micro-hybrid-s"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def run(name="micro-vit-s", **changed):
    short = replace(recipe("micro"), **{"steps": 4, "batch_size": 8, "warmup_steps": 2} | changed)
    return Run(checkpoint(name), dataset("digits-5"), short, seed=3)


def data_of(a_run):
    return select(tasks.load(a_run.dataset), a_run)


def plain_loop(a_run):
    """Fine-tune with the update rules written out: v = m v + g, w = w - lr v, g clipped at a global norm."""
    data, r = data_of(a_run), a_run.recipe
    model = load(read(file_of(a_run.checkpoint)), classes=10, resolution=r.resolution).double().train()
    images = to_inputs(data.train.array(), r.resolution).double()
    labels = torch.from_numpy(data.train.labels)
    weights = list(model.parameters())
    velocity = [torch.zeros_like(w) for w in weights]
    losses = []
    for step in range(r.steps):
        index = torch.from_numpy(batch_indices(len(labels), r.batch_size, step, a_run.seed))
        logits = model(images[index].repeat(1, 3, 1, 1))
        loss = (torch.logsumexp(logits, 1) - logits[torch.arange(len(index)), labels[index]]).mean()
        gradients = torch.autograd.grad(loss, weights)
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        # PyTorch guards against a zero norm with 1e-6.
        scale = min(1.0, float(r.clip_norm / (norm + 1e-6))) if r.clip_norm else 1.0
        with torch.no_grad():
            for w, v, g in zip(weights, velocity, gradients, strict=True):
                v.mul_(r.momentum).add_(scale * g)
                w.sub_(learning_rate(r, step) * v)
        losses.append(float(loss.detach()))
    return model, losses


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("clip_norm", [1.0, None])
def test_the_loop_is_sgd_with_momentum_warm_up_cosine_and_clipping(name, clip_norm):
    a_run = run(name, clip_norm=clip_norm)
    data = data_of(a_run)
    model = load(read(file_of(a_run.checkpoint)), classes=10, resolution=32).double()
    images, labels = to_inputs(data.train.array(), 32).double(), torch.from_numpy(data.train.labels)
    losses = train(model, images, labels, a_run, Execution())
    expected, expected_losses = plain_loop(a_run)
    assert losses == pytest.approx(expected_losses, rel=1e-9)
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_the_head_starts_at_zero_so_the_first_loss_is_that_of_guessing():
    a_run = run()
    losses = fine_tune(a_run, read(file_of(a_run.checkpoint)), data_of(a_run), Execution()).losses
    assert losses[0] == pytest.approx(np.log(10), rel=1e-6)
    assert losses[1] == pytest.approx(np.log(10), rel=1e-6)  # the first update has learning rate 0
    assert losses[3] < losses[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_is_the_whole_batch_s_however_memory_splits_it(name):
    a_run = run(name)
    data = data_of(a_run)
    images, labels = to_inputs(data.train.array(), 32).double(), torch.from_numpy(data.train.labels)
    trained = []
    for micro_batch in (None, 3):
        model = load(read(file_of(a_run.checkpoint)), classes=10, resolution=32).double()
        train(model, images, labels, a_run, Execution(micro_batch=micro_batch))
        trained.append(torch.cat([w.flatten() for w in model.parameters()]))
    assert torch.allclose(trained[0], trained[1], rtol=0, atol=1e-9)


def test_the_same_run_twice_gives_the_same_predictions():
    a_run = run()
    weights, data = read(file_of(a_run.checkpoint)), data_of(a_run)
    first, second = (fine_tune(a_run, weights, data, Execution()) for _ in range(2))
    assert np.array_equal(first.predictions, second.predictions)
    assert first.losses == second.losses
    other = fine_tune(replace(a_run, seed=4), weights, data_of(replace(a_run, seed=4)), Execution())
    assert other.losses != first.losses


def test_every_example_is_predicted_the_last_partial_batch_included():
    images = to_inputs(tasks.read("digits").test.array(), 32)
    assert len(images) % EVALUATION_BATCH
    model = load(read(file_of(checkpoint("micro-vit-s"))))
    together = predict(model, images, "cpu")
    one_by_one = np.concatenate([predict(model, image[None], "cpu") for image in images[-3:]])
    assert len(together) == 797
    assert np.array_equal(together[-3:], one_by_one)


def test_another_resolution_is_fine_tuned_with_interpolated_positions():
    outcome = fine_tune(run(resolution=48), read(file_of(checkpoint("micro-vit-s"))), data_of(run()), Execution())
    assert len(outcome.predictions) == 797


def test_inputs_are_resized_by_the_half_pixel_rule_and_scaled_to_one():
    image = np.array([[[0, 255], [255, 0]]], np.uint8)
    assert to_inputs(image, 2).flatten().tolist() == [-1, 1, 1, -1]
    # Bilinear 2 -> 4, half-pixel centres: sources at -0.25, 0.25, 0.75, 1.25, cut to [0, 1].
    at = np.clip((np.arange(4) + 0.5) / 2 - 0.5, 0, 1)
    y, x = np.meshgrid(at, at, indexing="ij")
    expected = (y * (1 - x) + x * (1 - y)) * 2 - 1
    assert torch.allclose(to_inputs(image, 4)[0, 0], torch.from_numpy(expected).float(), atol=1e-6)
    colour = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert to_inputs(colour, 2).shape == (1, 3, 2, 2)
    assert to_inputs(colour, 2)[0, 1, 0, 1] == pytest.approx((4 - 127.5) / 127.5)
    assert three_channels(to_inputs(image, 2)).shape == (1, 3, 2, 2)
