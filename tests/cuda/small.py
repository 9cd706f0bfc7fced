"""Small networks of each family on noise, on either device: what each computes is compared."""

from dataclasses import replace

import numpy as np

from bench import cases
from harness.core.run import Run
from harness.core.specs import Checkpoint
from harness.models.architectures import BitArchitecture, HybridStem, ViTArchitecture

SIDE, CLASSES = 64, cases.CLASSES
VIT = {"width": 128, "depth": 3, "heads": 2, "mlp_size": 256, "grid": (4, 4), "classes": CLASSES}
NETWORKS = {
    "vit": ViTArchitecture(patch=(16, 16), **VIT),
    "hybrid": ViTArchitecture(patch=(2, 2), stem=HybridStem(32, (1, 1)), **VIT),
    "bit": BitArchitecture(stem_width=64, stages=((2, 256), (1, 512)), classes=CLASSES),
}
CONVNEXT = "convnext"
FAMILIES = (*NETWORKS, CONVNEXT)


def case(family, device="cpu", *, n=64, tests=200, batch=16, steps=10, **changed):
    """Return the fine-tuning of a family's small network; its head is drawn, so that classes differ."""
    fields = {"clip_norm": 1.0, "learning_rate": 0.03 if family == "bit" else 0.003} | changed
    plan = cases.recipe(SIDE, steps, batch, **fields)
    made = cases.synthetic(family, NETWORKS.get(family, NETWORKS["vit"]), plan, stored=SIDE, n=n, tests=tests)
    if family == CONVNEXT:
        checkpoint, weights = convnext()
        made = replace(made, run=replace(made.run, checkpoint=checkpoint), weights=weights)
    return replace(made, device=device)


def convnext():
    """Return timm's smallest ConvNeXt as a checkpoint, and its weights: kernels large enough to see what is rounded."""
    import torch
    from timm import create_model

    torch.manual_seed(0)
    state = create_model("convnext_atto", pretrained=False, num_classes=CLASSES).state_dict()
    weights = {
        key: value.numpy() * (5 if key.endswith("weight") and value.ndim > 1 else 1) for key, value in state.items()
    }
    checkpoint = Checkpoint(
        "bench convnext", "convnext", "ConvNeXt-A", "nothing", "timm", semantics="timm", timm="convnext_atto",
        sha256=cases.NOWHERE,
    )  # fmt: skip
    return checkpoint, weights


def model_of(made):
    """Return a case's device context and its network on the device."""
    from harness.training.torch.device import device_context
    from harness.training.torch.network import network

    here = device_context(made.device, made.run.recipe)
    return here, network(made.run, made.weights).to(here.device)


def trained(made, execution=None, memory_format=None, fused=False):
    """Train a case; return the outcome and the weights as one float32 vector on the host."""
    import torch

    from harness.training.api import Execution
    from harness.training.torch.loop import Loop

    here, model = model_of(made)
    memory_format = memory_format or torch.contiguous_format
    model.to(memory_format=memory_format)
    asked = replace(execution or Execution(), device=made.device)
    done = Loop(model, made.data.train, made.run, asked, here, memory_format, fused).train()
    return done, vector(model.state_dict().values())


def vector(tensors):
    """Return tensors' values, one after the other."""
    return np.concatenate([tensor.detach().float().cpu().contiguous().numpy().ravel() for tensor in tensors])


def in_jax(made):
    """Return a case that JAX computes."""
    run: Run = replace(made.run, backend="jax")
    return replace(made, run=run)


def assert_close(found, expected, tolerance):
    """Assert that values differ by at most a share of the largest expected one."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    largest = np.abs(expected).max()
    worst = np.abs(found - expected).max() / largest
    assert worst <= tolerance, f"differ by {worst:.2g} of {largest:.3g}, more than {tolerance:g}"
