"""Weights that are standardised once for an evaluation, in the precision of its products."""

import pytest
import torch

from harness.models.architectures import BitArchitecture, HybridStem, ViTArchitecture
from harness.models.torch.bit import bit_module
from harness.models.torch.folding import FoldedConv, folded
from harness.models.torch.vit import ReferenceViT

VIT = {"width": 32, "depth": 1, "heads": 2, "mlp_size": 48, "patch": (2, 2), "grid": (2, 2), "classes": 10}
NETWORKS = {
    "bit": lambda: bit_module(BitArchitecture(stem_width=32, stages=((1, 128),), classes=10)),
    "hybrid": lambda: ReferenceViT(ViTArchitecture(**VIT, stem=HybridStem(32, (1,)))),
}


@pytest.mark.parametrize("lower", [None, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_folded_weights_give_the_same_logits_to_the_bit(name, lower):
    torch.manual_seed(0)
    model = NETWORKS[name]()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=lower is not None):
        plain = model(images)
        with folded(model, dtype=lower):
            kinds = {module.weight.dtype for module in model.modules() if isinstance(module, FoldedConv)}
            assert kinds == {lower or torch.float32}
            assert torch.equal(model(images), plain)
        assert not any(isinstance(module, FoldedConv) for module in model.modules())
