"""PyTorch models against the second implementation in tests/models/reference.py."""

import math

import numpy as np
import pytest
import torch
from timm.models import create_model

from harness.core.errors import ClaimsError
from harness.models import npz_layout
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture
from harness.models.torch import build
from harness.models.torch.bit import bit_module, bit_names
from harness.models.torch.vit import ReferenceViT, vit_names
from tests.models import reference

VIT = {"width": 64, "depth": 2, "heads": 2, "mlp_size": 96, "patch": (8, 8), "grid": (4, 4), "classes": 5}
ARCHITECTURES = {
    "vit": ViTArchitecture(**VIT),
    "vit-pre-logits": ViTArchitecture(**VIT, representation_size=48),
    "vit-pre-logits-as-wide": ViTArchitecture(**VIT, representation_size=64),
    "hybrid-stem-only": ViTArchitecture(**VIT | {"grid": (1, 1)}, stem=HybridStem(32)),
    "hybrid-micro": ViTArchitecture(**VIT | {"patch": (2, 2)}, stem=HybridStem(32, (1,))),
    "hybrid-3-stages": ViTArchitecture(**VIT | {"patch": (1, 1), "grid": (2, 2)}, stem=HybridStem(32, (2, 1, 1))),
    "hybrid-4-stages": ViTArchitecture(**VIT | {"patch": (1, 1), "grid": (2, 2)}, stem=HybridStem(32, (1, 1, 1, 1))),
    "bit": BitArchitecture(stem_width=32, stages=((1, 128), (2, 128), (1, 256)), classes=5),
}

NEWER_NAMES = {
    "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "LayerNorm_2": "LayerNorm_1",
    "MlpBlock_3": "MlpBlock_0",
}


pytestmark = pytest.mark.usefixtures("one_thread")


def images(height, width, n=2):
    return np.random.default_rng(1).uniform(-1, 1, (n, height, width, 3)).astype(np.float32)


def predict(model, x, dtype=torch.float64):
    with torch.inference_mode():
        return model.to(dtype)(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to(dtype)).numpy()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_those_of_the_second_implementation(name):
    architecture = ARCHITECTURES[name]
    arrays = reference.weights(architecture)
    x = images(*getattr(architecture, "resolution", (32, 32)))
    expected = reference.logits(arrays, architecture, x)
    model = build.load(arrays)
    assert np.abs(predict(model, x, torch.float32) - expected).max() < 2e-5
    # In float64 the two differ by rounding only: 1e-10 tells epsilons of 1e-6 and 1e-5 apart.
    np.testing.assert_allclose(predict(model, x), expected, rtol=0, atol=1e-10)
    assert expected.std() > 0.1


@pytest.mark.parametrize("size", [(33, 33), (31, 46), (64, 40)])
def test_bit_takes_any_input_size(size):
    architecture = ARCHITECTURES["bit"]
    arrays = reference.weights(architecture)
    expected = reference.logits(arrays, architecture, images(*size))
    np.testing.assert_allclose(predict(build.load(arrays), images(*size)), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("resolution", [(48, 48), (16, 16), (40, 56)])
def test_another_resolution_interpolates_the_positions(resolution):
    architecture = ARCHITECTURES["vit"]
    arrays = reference.weights(architecture)
    grid = (resolution[0] // 8, resolution[1] // 8)
    old = torch.from_numpy(arrays[npz_layout.POSITIONS][:, 1:].reshape(1, 4, 4, 64)).permute(0, 3, 1, 2).double()
    new = torch.nn.functional.interpolate(old, grid, mode="bilinear", align_corners=True)
    new = new.permute(0, 2, 3, 1).reshape(1, -1, 64).numpy()
    adapted = arrays | {npz_layout.POSITIONS: np.concatenate([arrays[npz_layout.POSITIONS][:, :1], new], 1)}
    expected = reference.logits(adapted, architecture, images(*resolution))
    found = predict(build.load(arrays, resolution=resolution), images(*resolution))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["vit", "hybrid-3-stages"])
def test_newer_key_names_give_the_same_model(name):
    arrays = reference.weights(ARCHITECTURES[name])
    newer = {}
    for key, array in arrays.items():
        for old, new in NEWER_NAMES.items():
            key = key.replace(old, new)
        newer[key] = array.reshape(-1) if "gn" in key else array
    assert newer.keys() != arrays.keys()
    x = images(*ARCHITECTURES[name].resolution)
    assert np.array_equal(predict(build.load(newer), x), predict(build.load(arrays), x))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_export_and_load_round_trip_bit_for_bit(name):
    architecture = ARCHITECTURES[name]
    model = build.create(architecture, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(
                torch.randn(parameter.shape, generator=generator)
            )  # what create leaves at zero must survive too
    arrays = build.export(model, architecture)
    again = build.load(arrays, expected=architecture)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    assert {key: array.shape for key, array in arrays.items()} == npz_layout.expected_shapes(architecture)


def test_the_model_and_its_exports_own_their_weights():
    architecture = ARCHITECTURES["vit"]
    arrays = reference.weights(architecture)
    before = {key: array.copy() for key, array in arrays.items()}
    model = build.load(arrays)
    exported = build.export(model, architecture)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert all(
        np.array_equal(arrays[key], before[key]) and np.array_equal(exported[key], before[key]) for key in before
    )


@pytest.mark.parametrize("name", ["vit-pre-logits-as-wide", "hybrid-micro", "bit"])
def test_a_new_head_is_zero_and_trains(name):
    arrays = reference.weights(ARCHITECTURES[name])
    model = build.load(arrays, classes=7)
    x = torch.from_numpy(images(32, 32).transpose(0, 3, 1, 2).copy())
    assert torch.equal(model(x), torch.zeros(2, 7))
    assert not any("pre_logits" in key for key in model.state_dict())
    torch.nn.functional.cross_entropy(model(x), torch.tensor([1, 2])).backward()
    moved = {key for key, parameter in model.named_parameters() if parameter.grad.abs().max() > 0}
    assert moved == {key for key, _ in model.named_parameters() if key.startswith("head.")}


def test_create_repeats_and_leaves_the_global_random_state_alone():
    architecture = ARCHITECTURES["hybrid-micro"]
    state = torch.random.get_rng_state()
    first, again, other = (build.create(architecture, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["patch_embed.proj.weight"], other["patch_embed.proj.weight"])


def test_load_refuses_weights_of_another_family():
    with pytest.raises(ClaimsError, match=r"m\.npz: expected the weights of family vit, found family bit"):
        build.load(reference.weights(ARCHITECTURES["bit"]), expected="vit", where="m.npz")


def test_export_refuses_a_model_of_another_architecture():
    model = build.create(ARCHITECTURES["vit"], 0)
    with pytest.raises(ClaimsError, match=r"pre_logits"):
        build.export(model, ARCHITECTURES["vit-pre-logits"])
    with pytest.raises(ClaimsError, match=r"embedding/kernel: expected shape \(4, 4, 3, 64\)"):
        build.export(model, ViTArchitecture(**VIT | {"patch": (4, 4)}))


def size(width, depth, heads, **others):
    return ViTArchitecture(width=width, depth=depth, heads=heads, mlp_size=4 * width, classes=1000, **others)


def resnet(units, factor):
    stages = tuple((n, 256 * factor * 2**i) for i, n in enumerate(units))
    return BitArchitecture(stem_width=64 * factor, stages=stages, classes=1000)


FULL_SIZE = {
    "vit_base_patch32_224": size(768, 12, 12, patch=32, grid=7),
    "vit_large_patch16_224": size(1024, 24, 16, patch=16, grid=14),
    "vit_huge_patch14_224": size(1280, 32, 16, patch=14, grid=16),
    "vit_tiny_r_s16_p8_224": size(192, 12, 3, patch=8, grid=7, stem=HybridStem(64)),
    "vit_base_r26_s32_224": size(768, 12, 12, patch=1, grid=7, stem=HybridStem(64, (2, 2, 2, 2))),
    "vit_base_r50_s16_224": size(768, 12, 12, patch=1, grid=14, stem=HybridStem(64, (3, 4, 9))),
    "resnetv2_50x1_bit": resnet((3, 4, 6, 3), 1),
    "resnetv2_152x4_bit": resnet((3, 8, 36, 3), 4),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_architectures_have_the_parameters_of_timms(name):
    architecture = FULL_SIZE[name]
    bit = isinstance(architecture, BitArchitecture)
    with torch.device("meta"):
        ours = (bit_module if bit else ReferenceViT)(architecture).state_dict()
        theirs = create_model(name, num_classes=1000).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
    assert (bit_names if bit else vit_names)(architecture).keys() == ours.keys()
    shapes = npz_layout.expected_shapes(architecture)
    assert sum(map(math.prod, shapes.values())) == sum(value.numel() for value in theirs.values())


def test_pixels_beyond_the_last_whole_patch_do_not_count():
    architecture = npz_layout.ViTArchitecture(width=32, depth=1, heads=2, mlp_size=64, patch=8, grid=3, classes=5)
    weights = reference.weights(architecture)
    images = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, 36, 36)).astype(np.float32))
    whole, cut = (build.load(weights, resolution=side).eval() for side in (36, 32))
    with torch.inference_mode():
        assert torch.equal(whole(images), cut(images[:, :, :32, :32].contiguous()))
