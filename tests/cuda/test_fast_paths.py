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
