"""The fused kernels in Triton's interpreter, against PyTorch's own operations: test_kernels.py runs this file."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from timm.layers.std_conv import StdConv2d
from torch.nn import functional

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.architectures import BitArchitecture
from harness.models.torch.bit import bit_module
from harness.models.torch.folding import standardised
from harness.training.api import Execution
from harness.training.torch import loop as loop_module
from harness.training.torch.device import device_context
from harness.training.torch.fused import convolutions as fused_convolutions
from harness.training.torch.fused import norm
from harness.training.torch.fused.bit import BitPath
from harness.training.torch.fused.convolutions import StandardisedWeights
from harness.training.torch.fused.norm import NormRelu
from harness.training.torch.loop import Loop


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Small images and rows take several turns, too, and the interpreter less time."""
    monkeypatch.setattr(norm, "TILE", 64)
    monkeypatch.setattr(fused_convolutions, "BLOCK", 128)


def convolutions(memory_format):
    """1 x 1 and 3 x 3 kernels, shorter and longer than what a program takes at a time."""
    torch.manual_seed(0)
    made = [StdConv2d(i, o, k, eps=1e-10) for i, o, k in ((3, 5, 7), (64, 6, 1), (130, 4, 3))]
    return [each.to(memory_format=memory_format) for each in made]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_weights_are_standardised_as_a_convolution_does_it(memory_format):
    plain = convolutions(memory_format)
    fused = StandardisedWeights(plain, torch.float32)
    fused.standardise()
    for conv, kernel in zip(plain, fused.kernels, strict=True):
        assert kernel.stride() == conv.weight.stride()
        torch.testing.assert_close(kernel, standardised(conv), rtol=1e-5, atol=1e-6)
    lower = StandardisedWeights(plain, torch.bfloat16)
    lower.standardise()
    for kernel, exact in zip(lower.kernels, fused.kernels, strict=True):
        torch.testing.assert_close(kernel, exact.bfloat16(), rtol=2**-7, atol=1e-6)


def test_an_update_is_that_of_sgd_with_the_gradient_of_the_plain_weights():
    plain, fused = (convolutions(torch.channels_last) for _ in range(2))
    parameters = [each.weight for each in plain]
    optimiser = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)
    weights = StandardisedWeights(fused, torch.float32)
    momenta = [torch.zeros_like(each.weight) for each in fused]
    weights.standardise()
    for step in range(2):
        torch.manual_seed(step)
        targets = [torch.randn_like(each.weight) for each in plain]
        optimiser.zero_grad()
        sum((standardised(conv) * t).sum() for conv, t in zip(plain, targets, strict=True)).backward()
        weights.leaves.zero_grad()
        sum((kernel * t).sum() for kernel, t in zip(weights.kernels, targets, strict=True)).backward()
        for found, parameter in zip(weights.weight_gradients(), parameters, strict=True):
            torch.testing.assert_close(found, parameter.grad, rtol=1e-4, atol=1e-4)
        optimiser.step()
        weights.update(momenta, 0.1, 0.9, 0.01)
        for mine, theirs, momentum in zip(fused, plain, momenta, strict=True):
            torch.testing.assert_close(mine.weight, theirs.weight, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(
                momentum, optimiser.state[theirs.weight]["momentum_buffer"], rtol=1e-4, atol=1e-3
            )
    # Standardised already for the next step.
    for conv, kernel in zip(fused, weights.kernels, strict=True):
        torch.testing.assert_close(kernel, standardised(conv), rtol=1e-5, atol=1e-6)


def test_parts_of_a_batch_are_added_up_in_float32():
    weights = StandardisedWeights(convolutions(torch.channels_last), torch.bfloat16)
    weights.standardise()
    for _ in range(258):  # in bfloat16 one more changes a sum of 256 no longer
        for kernel in weights.kernels:
            kernel.grad = torch.ones_like(kernel)
        weights.leaves.add_up()
    for gradient in weights.leaves.gradients:
        assert gradient.dtype == torch.float32
        assert (gradient == 258).all()
    weights.leaves.zero_grad()
    with pytest.raises(AssertionError, match="expected gradients of 3 weights, found 0"):
        weights.leaves.gradients  # noqa: B018


def plain_norm(x, gain, offset, groups, eps):
    return functional.group_norm(x, groups, gain, offset, eps).relu()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [32, 96])  # one channel a group, and three, which is no power of two
def test_norm_and_relu_and_their_gradients_are_pytorchs(channels, dtype):
    torch.manual_seed(1)
    images = (3 * torch.randn(2, channels, 7, 8) + 5).to(dtype).to(memory_format=torch.channels_last)
    gain, offset = 1 + torch.randn(channels), torch.randn(channels)
    target = torch.randn(images.shape).to(dtype)
    found = []
    for operation in (NormRelu.apply, plain_norm):
        given = [each.detach().clone().requires_grad_() for each in (images, gain, offset)]
        x = given[0] if operation is NormRelu.apply else given[0].float()
        made = operation(x, *given[1:], 32, 1e-5)
        made.to(dtype).backward(target)
        found.append([made.to(dtype), *(each.grad for each in given)])
    close = {torch.float32: partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)}.get(
        dtype, partial(torch.testing.assert_close, rtol=2e-2, atol=2e-2)
    )
    for mine, theirs in zip(*found, strict=True):
        close(mine, theirs)
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)


def test_an_image_that_is_not_finite_stays_so():
    images = torch.ones(1, 32, 2, 2)
    images[0, 3, 0, 0] = float("nan")
    made = NormRelu.apply(images, torch.ones(32), torch.zeros(32), 32, 1e-5)
    assert made[0, 3].isnan().all()
    assert made[0, :3].isfinite().all()


BIT = BitArchitecture(stem_width=32, stages=((1, 128),), classes=10)


def bit():
    torch.manual_seed(2)
    model = bit_module(BIT)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.to(memory_format=torch.channels_last)


def test_a_run_by_fused_kernels_is_the_run_by_pytorch():
    few = replace(recipe("micro"), batch_size=1, warmup_steps=0, steps=1, resolution=16, learning_rate=0.03)
    few = replace(few, clip_norm=None, precision="bfloat16")
    run = Run(checkpoint("micro-bit-s"), dataset("digits-5"), few, 0)
    split = select(synthetic.load(run.dataset), run).train
    losses, weights = [], []
    for fused in (True, False):
        model = bit()
        context = device_context("cpu", run.recipe)
        trained = Loop(model, split, run, Execution(), context, torch.channels_last, fused).train()
        assert trained.kernels == ("fused" if fused else "")
        assert not any("forward" in vars(module) for module in model.modules())
        losses.append(trained.losses)
        weights.append([parameter.detach() for parameter in model.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    for fused, plain, before in zip(*weights, (parameter.detach() for parameter in bit().parameters()), strict=True):
        assert (fused - plain).norm() <= 0.2 * (plain - before).norm() + 1e-6
    assert list(loop_module._CHECKED.values()) == [""]  # found once for a process


@pytest.mark.parametrize("changed", [{"rate": 1.01}, {"momentum": 1.01}, {"decay": 1.1}], ids=str)
def test_an_update_that_is_not_pytorchs_is_found(changed, monkeypatch):
    update = StandardisedWeights.update

    def wrong(self, momenta, **given):
        update(self, momenta, **{name: value * changed.get(name, 1) for name, value in given.items()})

    monkeypatch.setattr(StandardisedWeights, "update", wrong)
    path = BitPath(bit(), None, None)
    before = [weight.detach().clone() for weight in path.weights.weights]
    assert path.wrong_update().startswith("disagree (an update was ")
    for weight, kept in zip(path.weights.weights, before, strict=True):
        assert torch.equal(weight, kept)


def test_gradients_that_are_no_numbers_do_not_reach_the_weights():
    weights = StandardisedWeights(convolutions(torch.channels_last)[1:2], torch.bfloat16)
    weights.standardise()
    before = [each.detach().clone() for each in (*weights.weights, *weights.kernels, *weights.rows)]
    weights.kernels[0].grad = torch.full_like(weights.kernels[0], float("nan"))
    assert all(each.isnan().all() for each in weights.weight_gradients())
    for each, kept in zip((*weights.weights, *weights.kernels, *weights.rows), before, strict=True):
        assert torch.equal(each.detach(), kept)
