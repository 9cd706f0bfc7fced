"""The authors' order of operations in PyTorch: a BiT's logits to the bit, written out here from the formulas."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.models import load
from harness.models.torch import build, parity
from harness.models.torch.folding import folded
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES, images

pytestmark = pytest.mark.usefixtures("one_thread")


def bit(arrays, architecture, x):
    """Logits of images (N, H, W, 3), float32, kernels standardised by one pass over torch.var_mean."""
    w = {key: torch.from_numpy(array) for key, array in arrays.items()}

    def conv(x, key, stride=1):
        kernel = w[f"{key}/standardized_conv2d/kernel"].permute(3, 2, 0, 1).contiguous()
        variance, mean = torch.var_mean(kernel, dim=[1, 2, 3], keepdim=True, unbiased=False)
        return F.conv2d(x, (kernel - mean) / torch.sqrt(variance + 1e-10), None, stride, kernel.shape[2] // 2)

    def norm(x, key):
        gamma, beta = (w[f"{key}/group_norm/{name}"].reshape(-1) for name in ("gamma", "beta"))
        return F.relu(F.group_norm(x, 32, gamma, beta, 1e-5))

    x = conv(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), "resnet/root_block", 2)
    x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
    for stage, (units, _) in enumerate(architecture.stages, 1):
        for unit in range(1, units + 1):
            at, stride = f"resnet/block{stage}/unit{unit:02d}", 2 if stage > 1 and unit == 1 else 1
            active = norm(x, f"{at}/a")
            kept = conv(active, f"{at}/a/proj", stride) if unit == 1 else x
            y = conv(norm(conv(active, f"{at}/a"), f"{at}/b"), f"{at}/b", stride)
            x = conv(norm(y, f"{at}/c"), f"{at}/c") + kept
    x = F.adaptive_avg_pool2d(norm(x, "resnet"), 1)
    head = w["resnet/head/conv2d/kernel"].permute(3, 2, 0, 1).contiguous()
    return F.conv2d(x, head, w["resnet/head/conv2d/bias"])[..., 0, 0].numpy()


@pytest.mark.parametrize("size", [(32, 32), (31, 46)])
def test_a_bit_rounds_as_the_formulas_written_out(size):
    arrays, x = reference.weights(ARCHITECTURES["bit"]), images(*size)
    expected = bit(arrays, ARCHITECTURES["bit"], x)
    model = build.load(arrays)
    assert not np.array_equal(load.logits(model, x), expected)  # the fused standardisation rounds otherwise
    with folded(model, parity.standardised):
        assert np.array_equal(load.logits(model, x), expected)


def test_a_hybrid_keeps_its_bits():
    arrays = reference.weights(ARCHITECTURES["hybrid-3-stages"])
    x = images(*ARCHITECTURES["hybrid-3-stages"].resolution)
    model = build.load(arrays)
    expected = load.logits(model, x)
    with folded(model, parity.standardised):
        assert np.array_equal(load.logits(model, x), expected)
