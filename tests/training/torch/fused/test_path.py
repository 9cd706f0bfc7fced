"""Fused kernels are used where their gradient is as near to float32 as PyTorch's, and given up where it is not."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.architectures import BitArchitecture, ViTArchitecture
from harness.models.torch.bit import bit_module
from harness.models.torch.vit import ReferenceViT
from harness.training.api import Execution
from harness.training.torch import loop as loop_module
from harness.training.torch.device import DeviceContext, device_context
from harness.training.torch.fused.bit import BitPath
from harness.training.torch.fused.distance import distance
from harness.training.torch.fused.path import able, checked, disagreement, fused_path
from harness.training.torch.fused.vit import VitPath
from harness.training.torch.loop import Loop
from harness.training.torch.state import Training

BIT = BitArchitecture(stem_width=32, stages=((1, 128),), classes=10)
VIT = ViTArchitecture(width=32, depth=1, heads=2, mlp_size=48, patch=(8, 8), grid=(4, 4), classes=10)
RECIPE = replace(recipe("micro"), precision="bfloat16", clip_norm=None)


def bit():
    torch.manual_seed(2)
    model = bit_module(BIT)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        model.get_classifier().weight.zero_()  # as a new head is
    return model


class Scaled(BitPath):
    """PyTorch's own gradients, times a factor, in place of kernels, which need a card or an interpreter."""

    def __init__(self, model, factor):
        super().__init__(model, None, RECIPE)
        self.factor = factor

    def start(self):
        self.on = True

    def gradients(self):
        return [self.factor * parameter.grad for parameter in self.model.parameters()]


def gradient_of(model):
    images, labels = torch.randn(2, 3, 16, 16), torch.tensor([1, 2])

    def gradient(lower):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            loss = functional.cross_entropy(model(images), labels)
        loss.backward()

    return gradient


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (3.0, False), (0.0, False), (float("nan"), False)])
def test_a_gradient_far_from_pytorchs_is_found_and_the_weights_stay_as_they_were(factor, agrees):
    model = bit()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = Scaled(model, factor)
    assert len(path.norms) == 3
    assert len(path.weights.weights) == 5
    found = disagreement(path, gradient_of(model))
    if agrees:
        assert found == ""
    else:
        assert found.startswith("disagree (a gradient was ")
        assert found.endswith("expected at most 2 times as much)")
    assert not path.on
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_kernels_that_fail_are_given_up_in_one_line(monkeypatch):
    path = Scaled(bit(), 1.0)
    monkeypatch.setattr(path, "wrong_update", lambda: "")
    assert checked(path, gradient_of(path.model)) == ""

    def failing():
        raise RuntimeError("no such instruction\non this card")

    monkeypatch.setattr(path, "start", failing)
    assert checked(path, gradient_of(path.model)) == "failed (no such instruction)"


def test_a_wrong_update_is_found_before_any_gradient_is_computed(monkeypatch):
    path = Scaled(bit(), 1.0)
    monkeypatch.setattr(path, "wrong_update", lambda: "disagree (an update)")
    assert checked(path, None) == "disagree (an update)"


def test_a_run_whose_kernels_are_given_up_is_the_run_without_them(monkeypatch, tmp_path):
    few = replace(RECIPE, batch_size=4, warmup_steps=0, steps=2, resolution=16, polyak=0.9)
    run = Run(checkpoint("micro-bit-s"), dataset("digits-5"), few, 0)
    split = select(synthetic.load(run.dataset), run).train
    monkeypatch.setattr(loop_module, "checked", lambda *args: "failed (no compiler)")
    monkeypatch.setattr(loop_module, "_CHECKED", {})
    found = []
    for fused, layout in ((True, torch.channels_last), (False, torch.contiguous_format)):
        model = bit().to(memory_format=layout)
        loop = Loop(model, split, run, Execution(folder=tmp_path), device_context("cpu", few), layout, fused)
        assert loop.remembered.key.endswith("|fused") == fused
        trained = loop.train()
        assert loop.memory_format is torch.contiguous_format
        assert not loop.remembered.key.endswith("|fused")
        found.append((trained.losses, loop.training.tensors()))
        assert trained.kernels == ("PyTorch's: the fused ones failed (no compiler)" if fused else "")
        # Where the steps are done and only the evaluation is left, the record still says what computed them.
        loop.saver.save(loop.training)
        again = Loop(bit(), split, run, Execution(folder=tmp_path), device_context("cpu", few))
        assert again.train().kernels == trained.kernels
        shutil.rmtree(tmp_path / "states")
    assert found[0][0] == found[1][0]
    for name, tensor in found[0][1].items():
        assert tensor.is_contiguous()
        assert torch.equal(tensor, found[1][1][name])


def test_what_computed_a_run_is_said_of_each_of_its_processes():
    training = Training(bit(), None)
    training.computed_by("fused")
    training.computed_by("fused")
    assert training.kernels == "fused"
    training.losses.extend([1.0] * 5)
    training.computed_by("PyTorch's: the fused ones failed (x)")
    training.computed_by("PyTorch's: the fused ones failed (x)")
    assert training.kernels == "fused; from step 5 PyTorch's: the fused ones failed (x)"


def test_distances_are_in_units_of_the_norm():
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0])
    assert distance([b, None], [a, None]) == pytest.approx(0.2)
    assert distance([a], [a]) == 0
    assert distance([torch.zeros(2)], [torch.zeros(2)]) == 0
    assert distance([a], [torch.zeros(2)]) == 1
    assert distance([None], [a]) == distance([a], [None]) == float("inf")


def test_only_what_the_kernels_compute_is_computed_by_them():
    card = DeviceContext(torch.device("cuda"))
    for model, path in ((bit(), BitPath), (ReferenceViT(VIT), VitPath)):
        assert able(model, RECIPE, card)
        assert isinstance(fused_path(model), path)
        assert not able(model, RECIPE, DeviceContext(torch.device("cpu")))
        assert not able(model, RECIPE, DeviceContext(torch.device("cuda"), world=2))
        for changed in ({"precision": "float32"}, {"momentum": 0.0}):
            assert not able(model, replace(RECIPE, **changed), card)
        # A transformer's gradients are in memory to be clipped, BiT's are not.
        for changed in ({"clip_norm": 1.0}, {"momentum_dtype": "bfloat16"}):
            assert able(model, replace(RECIPE, **changed), card) == (path is VitPath)


@pytest.mark.parametrize("name", ["ls1", "drop_path2", "attn.q_norm", "attn.norm", "mlp.norm", "mlp.act", "mlp.fc1"])
def test_a_block_with_anything_else_in_it_is_pytorchs(name):
    card = DeviceContext(torch.device("cuda"))
    model = ReferenceViT(VIT)
    model.blocks[0].set_submodule(name, nn.ReLU())
    assert not able(model, RECIPE, card)
