"""The kernels for a transformer's tokens in Triton's interpreter, against PyTorch: test_kernels.py runs this file."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.architectures import HybridStem, ViTArchitecture
from harness.models.torch.vit import ReferenceViT
from harness.training.api import Execution
from harness.training.torch import loop as loop_module
from harness.training.torch.device import device_context
from harness.training.torch.fused import add_norm, branches, linear
from harness.training.torch.fused.add_norm import AddNorm
from harness.training.torch.fused.branches import Gelu, Heads
from harness.training.torch.fused.linear import CopiedWeights
from harness.training.torch.fused.vit import VitPath
from harness.training.torch.loop import Loop
from harness.training.torch.network import set_dropout
from harness.training.torch.optimiser import BUFFER, optimiser, rounded


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    """A program takes several tokens, columns and chunks of a few tensors, too, and the interpreter less time."""
    monkeypatch.setattr(add_norm, "PROGRAMS", 3)
    monkeypatch.setattr(branches, "PROGRAMS", 3)
    monkeypatch.setattr(branches, "COLUMNS", 32)
    monkeypatch.setattr(linear, "BLOCK", 512)
    monkeypatch.setattr(linear, "TURNS", 2)


def drawn(*shape, dtype=torch.float32):
    return (2 * torch.randn(shape)).to(dtype).requires_grad_()


def of_leaves(leaves, *results):
    """Return the gradients that some results, each with a gradient of its own, leave at leaves; None where none is."""
    torch.manual_seed(7)
    for each in leaves:
        each.grad = None
    loss = sum((result.float() * torch.randn(result.shape).to(result.dtype)).sum() for result in results)
    loss.backward(retain_graph=True)
    return [each.grad for each in leaves]


def assert_close(found, expected, of=2**-7):
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine - theirs).float().norm() <= of * theirs.float().norm()


@pytest.mark.parametrize("added", [True, False], ids=["branch", "no branch"])
@pytest.mark.parametrize("used", ["both", "norm"])
def test_a_sum_and_its_norm_and_their_gradients_are_pytorchs(added, used):
    torch.manual_seed(0)
    residual, gain, offset = drawn(2, 5, 48), drawn(48), drawn(48)  # 48 is no power of two
    bias = drawn(48)
    before = drawn(2, 5, 48, dtype=torch.bfloat16)
    branch = before + bias.bfloat16()
    mine = branch.detach().requires_grad_()
    summed, normed = AddNorm.apply(residual, gain, offset, *((mine, bias) if added else (None, None)), 1e-6)
    plain = residual + branch if added else residual
    expected = functional.layer_norm(plain, (48,), gain, offset, 1e-6)
    assert (summed.dtype, normed.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(summed, plain)
    torch.testing.assert_close(normed.float(), expected, rtol=2**-7, atol=1e-2)
    leaves = [residual, gain, offset, *([bias] if added else [])]
    results = (
        ((summed, normed), (plain, expected.bfloat16())) if used == "both" else ((normed,), (expected.bfloat16(),))
    )
    assert_close(of_leaves(leaves, *results[0]), of_leaves(leaves, *results[1]))
    if added:
        (of_branch,) = of_leaves([mine], *AddNorm.apply(residual, gain, offset, mine, None, 1e-6))
        (of_before,) = of_leaves([before], plain, expected.bfloat16())
        if used == "both":
            assert_close([of_branch], [of_before])


def test_heads_are_views_and_their_gradients_lie_beside_each_other():
    torch.manual_seed(1)
    x, bias = drawn(2, 5, 3 * 4 * 12, dtype=torch.bfloat16), drawn(3 * 4 * 12)
    plain = (x + bias.bfloat16()).view(2, 5, 3, 4, 12).permute(2, 0, 3, 1, 4).unbind(0)
    mine = (x + bias.bfloat16()).detach().requires_grad_()
    parts = Heads.apply(mine, bias, 4)
    for part, expected in zip(parts, plain, strict=True):
        assert torch.equal(part, expected)
        assert part.untyped_storage().data_ptr() == mine.untyped_storage().data_ptr()
    for turned in (False, True):  # gradients as attention leaves them, in two layouts
        gradients = [torch.randn(2, 4, 5, 12).bfloat16() for _ in range(3)]
        if turned:
            gradients = [each.transpose(1, 2).contiguous().transpose(1, 2) for each in gradients]
        found = torch.autograd.grad(parts, [mine, bias], gradients, retain_graph=True)
        expected = torch.autograd.grad(plain, [x, bias], gradients, retain_graph=True)
        assert found[0].is_contiguous()
        assert torch.equal(found[0], expected[0])
        assert_close(found[1:], expected[1:])


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_the_gradient_of_gelu_is_pytorchs(approximate):
    torch.manual_seed(2)
    x, bias = drawn(2, 5, 40, dtype=torch.bfloat16), drawn(40)
    mine = (x + bias.bfloat16()).detach().requires_grad_()
    with torch.no_grad():
        mine[0, 0, :2] = torch.tensor([-60.0, 60.0])
    found = Gelu.apply(mine, bias, approximate)
    plain = mine.detach().float().requires_grad_()
    expected = functional.gelu(plain, approximate=approximate)
    assert torch.equal(found, functional.gelu(mine, approximate=approximate))
    of_mine, of_bias = of_leaves([mine, bias], found)
    (of_plain,) = of_leaves([plain], expected.bfloat16())
    assert_close([of_mine.float(), of_bias], [of_plain, of_plain.sum(dim=(0, 1))], of=1e-2)


def test_an_update_is_that_of_sgd_and_writes_the_copies():
    torch.manual_seed(3)
    plain = [drawn(*shape) for shape in ((3, 5), (20, 30), (16, 16))]
    weights = CopiedWeights([each.detach().clone() for each in plain], torch.bfloat16)
    weights.copy()
    optimiser = torch.optim.SGD(plain, lr=0.1, momentum=0.9, weight_decay=0.01)
    momenta = [torch.zeros_like(each) for each in plain]
    for _ in range(2):
        for each, leaf in zip(plain, weights.leaves.tensors, strict=True):
            leaf.grad = torch.randn(each.shape).bfloat16()
            each.grad = leaf.grad.float()
        optimiser.step()
        weights.update(momenta, 0.1, 0.9, 0.01)
        assert_close(weights.weights, [each.detach() for each in plain], of=1e-6)
        for copy, weight in zip(weights.leaves.tensors, weights.weights, strict=True):
            assert_close([copy.detach().float()], [weight])


def test_gradients_are_clipped_as_pytorch_clips_them():
    model, plain = transformer("vit"), transformer("vit")
    path = VitPath(model, None, None)
    own = {id(weight): leaf for weight, leaf in zip(path.replaced, path.leaves.tensors, strict=True)}
    torch.manual_seed(6)
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        theirs.grad = torch.randn(mine.shape).bfloat16().float()
        taken = own.get(id(mine))
        if taken is None:
            mine.grad = theirs.grad.clone()
        else:
            taken.grad = theirs.grad.bfloat16()
    norm = torch.nn.utils.get_total_norm([one.grad for one in plain.parameters()])
    for most in (2 * float(norm), 0.3 * float(norm)):
        path.clip(most)
        torch.nn.utils.clip_grad_norm_(plain.parameters(), most)
        for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
            taken = own.get(id(mine))
            found = mine.grad if taken is None else path.weights.share * taken.grad.float()
            torch.testing.assert_close(found, theirs.grad, rtol=1e-6, atol=0)


def test_a_momentum_in_bfloat16_is_rounded_once_it_was_used():
    torch.manual_seed(3)
    plain = [torch.nn.Parameter(drawn(20, 30).detach())]
    weights = CopiedWeights([each.detach().clone() for each in plain], torch.bfloat16)
    weights.copy()
    few = replace(recipe("micro"), momentum_dtype="bfloat16", weight_decay=0.01)
    authors = optimiser(few, plain)
    authors.param_groups[0]["lr"] = 0.1
    for _ in range(3):
        momenta = [authors.state[plain[0]][BUFFER].clone()]
        gradient = torch.randn(20, 30).bfloat16()
        weights.leaves.tensors[0].grad, plain[0].grad = gradient, gradient.float()
        authors.step()
        weights.update(momenta, 0.1, rounded(few.momentum, "bfloat16"), 0.01)
        assert_close(weights.weights, [plain[0].detach()], of=1e-6)  # by what was not rounded yet
        assert_close(momenta, [authors.state[plain[0]][BUFFER]])  # the interpreter cuts off what PyTorch rounds


@pytest.mark.parametrize("kept", ["float32", "bfloat16"])
@pytest.mark.parametrize("changed", [{"rate": 1.01}, {"momentum": 1.01}, {"decay": 1.1}, {"share": 1.1}], ids=str)
def test_an_update_that_is_not_pytorchs_is_found(changed, kept, monkeypatch):
    path = VitPath(transformer("vit"), None, replace(recipe("micro"), momentum_dtype=kept))
    assert path.wrong_update() == ""
    update = CopiedWeights.update

    def wrong(self, momenta, **given):
        self.share *= changed.get("share", 1)
        update(self, momenta, **{name: value * changed.get(name, 1) for name, value in given.items()})

    monkeypatch.setattr(CopiedWeights, "update", wrong)
    assert path.wrong_update().startswith("disagree (an update was ")


VIT = {"width": 32, "depth": 2, "heads": 2, "mlp_size": 48, "patch": (8, 8), "grid": (2, 2), "classes": 10}
FAMILIES = {
    "vit": ViTArchitecture(**VIT),
    "hybrid": ViTArchitecture(**VIT | {"patch": (2, 2)}, stem=HybridStem(32, (1,))),
}


def transformer(family, dropout=0.0):
    torch.manual_seed(4)
    model = ReferenceViT(FAMILIES[family])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 0.1) + name.endswith("norm"))
    set_dropout(model, dropout)
    return model


@pytest.mark.parametrize(
    ("family", "changed", "parts"),
    [
        ("vit", {"clip_norm": None}, None),
        ("vit", {"clip_norm": 0.1, "momentum_dtype": "bfloat16"}, None),
        ("hybrid", {"clip_norm": None, "dropout": 0.5, "weight_decay": 0.1}, 1),
    ],
    ids=["vit", "vit, clipping, momentum in bfloat16", "hybrid, dropout, two parts"],
)
def test_a_run_by_fused_kernels_is_the_run_by_pytorch(family, changed, parts):
    few = replace(recipe("micro"), batch_size=2, warmup_steps=0, steps=2, resolution=16, learning_rate=0.03)
    few = replace(few, precision="bfloat16", **changed)
    run = Run(checkpoint("micro-vit-s"), dataset("digits-5"), few, 0)
    split = select(synthetic.load(run.dataset), run).train
    loop_module._CHECKED.clear()
    losses, weights = [], []
    for fused in (True, False):
        model = transformer(family, few.dropout)
        context = device_context("cpu", run.recipe)
        trained = Loop(model, split, run, Execution(micro_batch=parts), context, fused=fused).train()
        assert trained.kernels == ("fused" if fused else "")
        assert not any("forward" in vars(module) for module in model.modules())
        losses.append(trained.losses)
        weights.append([parameter.detach() for parameter in model.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    before = [parameter.detach() for parameter in transformer(family).parameters()]
    for fused, plain, old in zip(*weights, before, strict=True):
        assert (fused - plain).norm() <= 0.2 * (plain - old).norm() + 1e-6
