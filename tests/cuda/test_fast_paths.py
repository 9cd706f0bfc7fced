"""Faster ways to compute a step give what the plain one gives.

A new way gets a line in PATHS: fields of an Execution, or the memory format under "layout". A kernel of
harness/training/torch gets a test of its own below, forward and backward against what it stands for.
"""

import pytest

from harness.training.api import Execution
from tests.cuda import small

pytestmark = pytest.mark.cuda
PATHS = {
    "channels last": {"layout": "channels_last"},
    "in parts": {"micro_batch": 6},
    "compiled": {"compile": True},
}
WITHIN = {"float32": 2e-3, "bfloat16": 0.03}
"""Of the losses of some steps, as a share of the largest."""


@pytest.mark.parametrize("precision", WITHIN)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", ["vit", "bit"])
def test_a_fast_path_gives_the_plain_ones_losses(family, path, precision):
    import torch

    made = small.case(family, "cuda", precision=precision, steps=5)
    plain, weights = small.trained(made)
    fields = dict(PATHS[path])
    layout = getattr(torch, fields.pop("layout", "contiguous_format"))
    done, found = small.trained(made, Execution(**fields), layout)
    small.assert_close(done.losses, plain.losses, WITHIN[precision])
    small.assert_close(found, weights, 3 * WITHIN[precision])


def test_the_attention_of_a_step_is_the_fused_one():
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    made = small.case("vit", "cuda", precision="bfloat16", steps=2)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION]):  # it raises where neither can be used
        done, _ = small.trained(made)
    assert len(done.losses) == 2
    assert torch.isfinite(torch.tensor(done.losses)).all()


@pytest.mark.parametrize("micro_batch", [None, 6])
@pytest.mark.parametrize("family", ["bit", "vit"])
def test_fused_kernels_agree_with_pytorch_and_give_its_losses(family, micro_batch):
    import torch

    made = small.case(family, "cuda", precision="bfloat16", steps=5, clip_norm=None)
    plain, weights = small.trained(made, Execution(graphed=False))
    layout = torch.channels_last if family == "bit" else torch.contiguous_format
    asked = Execution(micro_batch=micro_batch, graphed=False)
    done, found = small.trained(made, asked, layout, fused=True)
    assert done.kernels == "fused"
    small.assert_close(done.losses, plain.losses, WITHIN["bfloat16"])
    small.assert_close(found, weights, 3 * WITHIN["bfloat16"])


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("family, dropout", [("bit", 0.0), ("vit", 0.0), ("vit", 0.5)])
def test_a_cuda_graph_gives_the_gradients_and_losses_of_kernels_launched_one_by_one(
    family, dropout, fused, monkeypatch
):
    import torch

    from harness.training.torch import graphed

    monkeypatch.setattr(graphed, "FASTER", float("inf"))
    monkeypatch.setattr("harness.training.torch.loop._CHECKED", {})
    more = {"clip_norm": None} if family == "bit" else {"clip_norm": 0.1, "polyak": 0.9}
    made = small.case(family, "cuda", precision="bfloat16", steps=5, crop="inception", dropout=dropout, **more)
    layout = torch.channels_last if fused and family == "bit" else torch.contiguous_format
    alone, weights = small.trained(made, Execution(graphed=False), layout, fused=fused)
    done, found = small.trained(made, Execution(), layout, fused=fused)
    assert done.kernels == ("fused, one CUDA graph" if fused else "one CUDA graph")
    small.assert_close(done.losses, alone.losses, WITHIN["bfloat16"] / 2)
    small.assert_close(found, weights, WITHIN["bfloat16"])


def test_what_graphs_compute_in_is_counted_and_freed(monkeypatch):
    import torch

    from harness.training.torch import graphed

    monkeypatch.setattr(graphed, "FASTER", float("inf"))
    monkeypatch.setattr("harness.training.torch.loop._CHECKED", {})
    made, memory = small.case("vit", "cuda", steps=3), []
    for graphs in (False, True):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        done, _ = small.trained(made, Execution(graphed=graphs))
        memory.append(torch.cuda.max_memory_allocated())
        torch.cuda.empty_cache()
        left = torch.cuda.memory_reserved()
    assert done.kernels == "one CUDA graph"
    assert memory[1] >= 0.9 * memory[0]
    assert left < memory[0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels, side", [(32, 3), (96, 17), (2048, 8)])
def test_norm_and_relu_and_their_gradients_are_pytorchs(channels, side, dtype):
    import torch
    from torch.nn import functional

    from harness.training.torch.fused.norm import NormRelu

    torch.manual_seed(1)
    lower = getattr(torch, dtype)
    images = (3 * torch.randn(4, channels, side, side, device="cuda") + 5).to(lower)
    images = images.to(memory_format=torch.channels_last)
    gain, offset = 1 + torch.randn(channels, device="cuda"), torch.randn(channels, device="cuda")
    target = torch.randn_like(images)
    found = []
    for fused in (True, False):
        x, *affine = (each.detach().clone().requires_grad_() for each in (images, gain, offset))
        plain = functional.group_norm(x.float(), 32, *affine, 1e-5).relu()
        made = NormRelu.apply(x, *affine, 32, 1e-5) if fused else plain
        made.to(lower).backward(target)
        found.append([each.float().cpu() for each in (made, x.grad, *(one.grad for one in affine))])
    for mine, theirs in zip(*found, strict=True):
        small.assert_close(mine, theirs, 1e-4 if dtype == "float32" else 2e-2)
