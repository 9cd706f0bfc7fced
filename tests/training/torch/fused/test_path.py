"""Fused kernels are used where their gradient is as near to float32 as PyTorch's, and given up where it is not."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from harness.catalog.recipes import recipe
from harness.models.architectures import BitArchitecture, ViTArchitecture
from harness.models.torch.bit import bit_module
from harness.models.torch.vit import ReferenceViT
from harness.training.torch.device import DeviceContext
from harness.training.torch.fused import path as fused_path
from harness.training.torch.fused.path import FusedPath, able, checked, disagreement, distance

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


class Scaled(FusedPath):
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
    monkeypatch.setattr(fused_path, "wrong_update", lambda path: "")
    assert checked(path, gradient_of(path.model)) == ""

    def failing():
        raise RuntimeError("no such instruction\non this card")

    monkeypatch.setattr(path, "start", failing)
    assert checked(path, gradient_of(path.model)) == "failed (no such instruction)"


def test_a_wrong_update_is_found_before_any_gradient_is_computed(monkeypatch):
    monkeypatch.setattr(fused_path, "wrong_update", lambda path: "disagree (an update)")
    assert checked(Scaled(bit(), 1.0), None) == "disagree (an update)"


def test_distances_are_in_units_of_the_norm():
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0])
    assert distance([b, None], [a, None]) == pytest.approx(0.2)
    assert distance([a], [a]) == 0
    assert distance([torch.zeros(2)], [torch.zeros(2)]) == 0
    assert distance([a], [torch.zeros(2)]) == 1
    assert distance([None], [a]) == distance([a], [None]) == float("inf")


def test_only_what_the_kernels_compute_is_computed_by_them():
    card = DeviceContext(torch.device("cuda"))
    model = bit()
    assert able(model, RECIPE, card)
    assert not able(ReferenceViT(VIT), RECIPE, card)
    assert not able(model, RECIPE, DeviceContext(torch.device("cpu")))
    assert not able(model, RECIPE, DeviceContext(torch.device("cuda"), world=2))
    for changed in ({"precision": "float32"}, {"clip_norm": 1.0}, {"momentum_dtype": "bfloat16"}, {"momentum": 0.0}):
        assert not able(model, replace(RECIPE, **changed), card)
