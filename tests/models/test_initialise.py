"""Initial weights have the distributions that the reference states."""

import numpy as np
import pytest

from harness.models.initialise import initial_arrays
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture, expected_shapes

HYBRID = ViTArchitecture(
    width=128,
    depth=2,
    heads=4,
    mlp_size=512,
    patch=2,
    grid=4,
    classes=5,
    stem=HybridStem(32, (2,)),
    representation_size=96,
)
BIT = BitArchitecture(stem_width=32, stages=((1, 128), (1, 256)), classes=5)
BLOCK = "Transformer/encoderblock_1"


@pytest.fixture(scope="module")
def hybrid():
    return initial_arrays(HYBRID, 0)


@pytest.mark.parametrize("architecture", [HYBRID, BIT], ids=["hybrid", "bit"])
def test_the_arrays_are_those_of_the_layout_and_repeat(architecture):
    first, again, other = (initial_arrays(architecture, seed) for seed in (0, 0, 1))
    assert {key: array.shape for key, array in first.items()} == expected_shapes(architecture)
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
    assert all(np.array_equal(first[key], again[key]) for key in first)
    drawn = {key for key in first if not np.array_equal(first[key], other[key])}
    assert drawn == {key for key in first if first[key].std() > 0}


@pytest.mark.parametrize(
    ("key", "inputs", "outputs"),
    [
        ("MultiHeadDotProductAttention_1/query/kernel", 128, 128),
        ("MultiHeadDotProductAttention_1/out/kernel", 128, 128),
        ("MlpBlock_3/Dense_0/kernel", 128, 512),
        ("MlpBlock_3/Dense_1/kernel", 512, 128),
    ],
)
def test_transformer_kernels_are_xavier_uniform(hybrid, key, inputs, outputs):
    values = hybrid[f"{BLOCK}/{key}"].ravel()
    bound = np.sqrt(6 / (inputs + outputs))
    assert np.abs(values).max() == pytest.approx(bound, rel=1e-2)
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=2e-2)


@pytest.mark.parametrize(
    ("key", "fan_in"), [("embedding/kernel", 512), ("block1/unit1/conv2/kernel", 288), ("pre_logits/kernel", 128)]
)
def test_other_kernels_are_truncated_normals_of_variance_one_over_fan_in(hybrid, key, fan_in):
    values = hybrid[key].ravel() * np.sqrt(fan_in)
    assert values.std() == pytest.approx(1, rel=3e-2)
    assert 2.1 < np.abs(values).max() <= 2 / 0.8796


def test_what_the_reference_starts_at_zero_or_one_does(hybrid):
    zero = ["cls", "head/kernel", "head/bias", "block1/unit2/gn3/scale", f"{BLOCK}/LayerNorm_0/bias", "gn_root/bias"]
    one = ["gn_root/scale", "block1/unit1/gn_proj/scale", f"{BLOCK}/LayerNorm_2/scale"]
    assert all(not hybrid[key].any() for key in zero)
    assert all((hybrid[key] == 1).all() for key in one)
    bit = initial_arrays(BIT, 0)
    assert not bit["resnet/head/conv2d/kernel"].any()
    assert (bit["resnet/block2/unit01/c/group_norm/gamma"] == 1).all()


def test_small_normals_have_their_spread(hybrid):
    assert hybrid["Transformer/posembed_input/pos_embedding"].std() == pytest.approx(0.02, rel=5e-2)
    assert hybrid[f"{BLOCK}/MlpBlock_3/Dense_0/bias"].std() == pytest.approx(1e-6, rel=0.1)
    assert not hybrid[f"{BLOCK}/MultiHeadDotProductAttention_1/out/bias"].any()
