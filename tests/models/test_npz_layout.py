"""What a weights file is said to hold, and every way in which it may not hold it."""

import dataclasses
import math

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.models import npz_layout
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture
from tests.models import reference

VIT = ViTArchitecture(
    width=64, depth=3, heads=2, mlp_size=128, patch=8, grid=4, classes=5, representation_size=48, channels=1
)
HYBRID = ViTArchitecture(
    width=64, depth=1, heads=4, mlp_size=128, patch=2, grid=4, classes=5, stem=HybridStem(32, (2, 1))
)
STEM_ONLY = dataclasses.replace(HYBRID, stem=HybridStem(64), patch=(8, 8))
BIT = BitArchitecture(stem_width=32, stages=((1, 128), (10, 128), (1, 256)), classes=5)
ALL = {"vit": VIT, "hybrid": HYBRID, "stem-only": STEM_ONLY, "bit": BIT}
BLOCK = "Transformer/encoderblock_0"
QUERY = f"{BLOCK}/MultiHeadDotProductAttention_1/query"


def refused(call, *arguments):
    """The one line with which a call is refused."""
    with pytest.raises(ClaimsError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ALL)
def test_an_architecture_reads_off_its_arrays(name):
    arrays = reference.weights(ALL[name])
    assert npz_layout.describe(arrays) == ALL[name]
    assert npz_layout.describe(arrays, expected=ALL[name].family) == ALL[name]
    checked = npz_layout.check(arrays, ALL[name])
    assert checked.keys() == arrays.keys()


def test_keys_and_shapes_are_the_official_ones():
    vit, hybrid, bit = map(npz_layout.expected_shapes, (VIT, HYBRID, BIT))
    assert vit[f"{QUERY}/kernel"] == (64, 2, 32)
    assert vit["Transformer/posembed_input/pos_embedding"] == (1, 17, 64)
    assert vit["embedding/kernel"] == (8, 8, 1, 64)
    assert vit["head/kernel"] == (48, 5)
    assert hybrid["block1/unit1/conv_proj/kernel"] == (1, 1, 32, 128)
    assert hybrid["block2/unit1/gn_proj/scale"] == (1, 1, 1, 256)
    assert hybrid["embedding/kernel"] == (2, 2, 256, 64)
    assert bit["resnet/block2/unit10/b/standardized_conv2d/kernel"] == (3, 3, 32, 32)
    assert bit["resnet/block3/unit01/a/proj/standardized_conv2d/kernel"] == (1, 1, 128, 256)
    assert bit["resnet/group_norm/gamma"] == (256,)
    assert bit["resnet/head/conv2d/kernel"] == (1, 1, 256, 5)


def full(width, depth, heads, **others):
    return ViTArchitecture(width=width, depth=depth, heads=heads, mlp_size=4 * width, classes=1000, **others)


# Millions of parameters with 1,000 classes, as timm's table of results lists them.
PUBLISHED_SIZES = {
    "ViT-B/32 224": (full(768, 12, 12, patch=32, grid=7), 88.22),
    "ViT-L/16 224": (full(1024, 24, 16, patch=16, grid=14), 304.33),
    "R26+ViT-S/32 224": (full(384, 12, 6, patch=1, grid=7, stem=HybridStem(64, (2, 2, 2, 2))), 36.43),
    "R+ViT-Ti/16 224": (full(192, 12, 3, patch=8, grid=7, stem=HybridStem(64)), 6.34),
    "BiT-R50x1": (
        BitArchitecture(stem_width=64, stages=((3, 256), (4, 512), (6, 1024), (3, 2048)), classes=1000),
        25.55,
    ),
    "BiT-R152x4": (
        BitArchitecture(stem_width=256, stages=((3, 1024), (8, 2048), (36, 4096), (3, 8192)), classes=1000),
        936.53,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_full_size_layouts_have_the_published_number_of_parameters(name):
    architecture, millions = PUBLISHED_SIZES[name]
    count = sum(map(math.prod, npz_layout.expected_shapes(architecture).values()))
    assert round(count / 1e6, 2) == millions


def test_resolution_counts_patches_and_the_stems_stride():
    assert VIT.resolution == (32, 32)
    assert HYBRID.resolution == (64, 64)
    assert STEM_ONLY.resolution == (128, 128)
    assert PUBLISHED_SIZES["R26+ViT-S/32 224"][0].resolution == (224, 224)
    assert VIT.grid_at((16, 40)) == (2, 5)
    assert "multiple of 16x16 pixels per token, found 40x40" in refused(HYBRID.grid_at, 40)


def without(arrays, *keys):
    return {key: array for key, array in arrays.items() if key not in keys}


def with_shape(arrays, key, shape):
    return {**arrays, key: np.zeros(shape, np.float32)}


def deeper(arrays):
    return arrays | {key.replace("block_2", "block_3"): a for key, a in arrays.items() if "encoderblock_2" in key}


def heads(arrays):
    """The same numbers as four heads of 16 where there were two of 32."""
    split = {}
    for key, array in arrays.items():
        if "DotProduct" in key and array.shape[-2:] == (2, 32):
            array = array.reshape(*array.shape[:-2], 4, 16)
        elif key.endswith("out/kernel"):
            array = array.reshape(4, 16, 64)
        split[key] = array
    return split


VIT_FAULTS = {
    "missing": (
        lambda w: without(w, "cls", f"{BLOCK}/LayerNorm_0/bias"),
        f"2 missing; first: {BLOCK}/LayerNorm_0/bias",
    ),
    "missing block": (
        lambda w: {k: a for k, a in w.items() if "block_1/" not in k},
        "16 missing; first: Transformer/enc",
    ),
    "left over": (lambda w: w | {"opt/step": np.zeros(1), "a": np.zeros(1)}, "2 left over; first: a"),
    "deeper": (deeper, "expected depth 3, found 4"),
    "heads": (heads, "expected heads 2, found 4"),
    "patch": (lambda w: with_shape(w, "embedding/kernel", (4, 4, 1, 64)), "expected patch (8, 8), found (4, 4)"),
    "grid": (lambda w: with_shape(w, npz_layout.POSITIONS, (1, 50, 64)), "expected grid (4, 4), found (7, 7)"),
    "no square": (lambda w: with_shape(w, npz_layout.POSITIONS, (1, 16, 64)), "square grid, found 16 positions"),
    "classes": (lambda w: with_shape(w, "head/kernel", (48, 9)), "expected classes 5, found 9"),
    "no pre_logits": (lambda w: without(w, "pre_logits/kernel", "pre_logits/bias"), "expected representation_size 48"),
    "no head": (lambda w: without(w, "head/kernel"), "expected the array head/kernel"),
    "shape": (lambda w: with_shape(w, "head/bias", (6,)), "head/bias: expected shape (5,), found (6,) (1 arrays"),
    "heads x size": (lambda w: with_shape(w, f"{QUERY}/kernel", (64, 3, 21)), "width 64, found 3 heads of 21"),
    "dimensions": (lambda w: with_shape(w, f"{QUERY}/kernel", (64, 64)), "expected 3 dimensions"),
    "nan": (lambda w: with_shape(w, "cls", (1, 1, 64)) | {"cls": np.full((1, 1, 64), np.nan)}, "cls: expected finite"),
    "integers": (lambda w: w | {"cls": np.zeros((1, 1, 64), int)}, "cls: expected floating-point"),
    "both names": (lambda w: w | {f"{BLOCK}/LayerNorm_1/bias": np.zeros(64)}, "found both"),
    "gap": (lambda w: w | {"Transformer/encoderblock_999999999/x": np.zeros(1)}, "without gaps, found 999999999"),
    "no layout": (lambda w: {"params/w": w["cls"]}, "found params/w"),
    "nothing": (lambda w: {}, "found nothing"),
}


@pytest.mark.parametrize("name", VIT_FAULTS)
def test_a_faulty_vit_file_is_refused_in_one_line(name):
    fault, expected = VIT_FAULTS[name]
    message = refused(npz_layout.check, fault(reference.weights(VIT)), VIT, "w.npz")
    assert message.startswith("w.npz: ")
    assert expected in message


@pytest.mark.parametrize(
    ("name", "fault", "expected"),
    [
        (
            "hybrid",
            lambda w: without(w, "block1/unit1/conv_proj/kernel"),
            "1 missing; first: block1/unit1/conv_proj/kernel",
        ),
        ("hybrid", lambda w: {k: a for k, a in w.items() if "block1/" not in k}, "none in block1"),
        ("hybrid", lambda w: {k: a for k, a in w.items() if "block2/" not in k}, "expected stem HybridStem"),
        ("hybrid", lambda w: with_shape(w, "conv_root/kernel", (7, 7, 3, 40)), "32 groups divide, found 40"),
        (
            "hybrid",
            lambda w: with_shape(w, "conv_root/kernel", (3, 3, 3, 32)),
            "conv_root/kernel: expected shape (7, 7",
        ),
        (
            "bit",
            lambda w: without(w, "resnet/block2/unit05/b/group_norm/beta"),
            "1 missing; first: resnet/block2/unit05/b",
        ),
        ("bit", lambda w: w | {"global_step": np.zeros(1)}, "1 left over; first: global_step"),
        ("bit", lambda w: {k: a for k, a in w.items() if "unit10" not in k}, "expected stages ((1, 128), (10, 128)"),
        ("bit", lambda w: without(w, "resnet/root_block/standardized_conv2d/kernel"), "expected the array resnet/root"),
    ],
)
def test_a_faulty_resnet_is_refused_in_one_line(name, fault, expected):
    message = refused(npz_layout.check, fault(reference.weights(ALL[name])), ALL[name], "w.npz")
    assert message.startswith("w.npz: ")
    assert expected in message


def test_a_file_of_another_family_is_refused():
    arrays = {name: reference.weights(architecture) for name, architecture in ALL.items()}
    assert "expected the weights of family vit, found family bit" in refused(npz_layout.check, arrays["bit"], VIT)
    assert "expected the weights of family bit, found family vit" in refused(
        npz_layout.describe, arrays["vit"], "", "bit"
    )
    assert "family hybrid, found family vit" in refused(npz_layout.describe, arrays["vit"], "", HYBRID)
    assert "family vit, found family hybrid" in refused(npz_layout.describe, arrays["stem-only"], "", "vit")


def test_newer_names_and_flat_group_norms_become_the_older_ones():
    arrays = reference.weights(HYBRID)
    newer = {
        key.replace("MlpBlock_3", "MlpBlock_0").replace("LayerNorm_2", "LayerNorm_1").replace("tion_1/", "tion_0/"): (
            array.reshape(-1) if "gn" in key else array
        )
        for key, array in arrays.items()
    }
    assert f"{BLOCK}/MultiHeadDotProductAttention_0/out/bias" in newer
    assert newer["gn_root/scale"].shape == (32,)
    found = npz_layout.check(newer, HYBRID)
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[key], arrays[key]) for key in arrays)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: dataclasses.replace(VIT, heads=3), "heads that divide the width, found width 64, heads 3"),
        (lambda: HybridStem(48), "32 groups divide, found 48"),
        (lambda: BitArchitecture(stem_width=32, stages=((1, 64),), classes=5), "bottleneck"),
        (lambda: BitArchitecture(stem_width=128, stages=((1, 128),), classes=5), "wider than the stem"),
        (lambda: BitArchitecture(stem_width=32, stages=(), classes=5), "at least one stage"),
    ],
)
def test_architectures_that_can_not_be_are_refused(build, expected):
    assert expected in refused(build)


def linear(grid, old, new):
    """The grid (h*w, D) at another size: one axis after the other with numpy's interpolation."""
    values = grid.reshape(*old, -1).astype(float)
    for axis in (0, 1):
        at = np.linspace(0, old[axis] - 1, new[axis])
        values = np.apply_along_axis(lambda line, at=at: np.interp(at, np.arange(len(line)), line), axis, values)
    return values.reshape(-1, values.shape[-1])


@pytest.mark.parametrize(
    ("old", "new"), [((4, 4), (7, 7)), ((7, 7), (4, 4)), ((3, 3), (2, 5)), ((4, 4), (1, 1)), ((14, 14), (24, 24))]
)
def test_positions_are_interpolated_with_aligned_corners_and_the_class_slot_is_kept(old, new):
    architecture = dataclasses.replace(VIT, grid=old)
    arrays = reference.weights(architecture)
    adapted, found = npz_layout.adapt(arrays, architecture, resolution=(8 * new[0], 8 * new[1]))
    assert found == dataclasses.replace(architecture, grid=new)
    positions = adapted[npz_layout.POSITIONS][0]
    assert np.array_equal(positions[0], arrays[npz_layout.POSITIONS][0, 0])
    np.testing.assert_allclose(positions[1:], linear(arrays[npz_layout.POSITIONS][0, 1:], old, new), rtol=0, atol=1e-6)
    others = [key for key in arrays if key != npz_layout.POSITIONS]
    assert all(adapted[key] is arrays[key] for key in others)


@pytest.mark.parametrize("name", ALL)
def test_new_classes_give_a_zero_head_and_drop_pre_logits(name):
    arrays = reference.weights(ALL[name])
    adapted, found = npz_layout.adapt(arrays, ALL[name], classes=9)
    assert found.classes == 9
    assert npz_layout.describe(npz_layout.check(adapted, found)) == found
    gone = {"pre_logits/kernel", "pre_logits/bias"} & arrays.keys()
    assert arrays.keys() - adapted.keys() == gone
    head = [key for key in adapted if "head/" in key]
    assert len(head) == 2
    assert all(not adapted[key].any() and adapted[key].shape[-1] == 9 for key in head)
    assert all(np.array_equal(adapted[key], arrays[key]) for key in adapted if key not in head)


def test_where_rounding_leaves_the_grid_the_last_row_is_zero_as_the_authors_is():
    architecture = dataclasses.replace(VIT, grid=(24, 24))
    arrays = reference.weights(architecture)
    adapted, _ = npz_layout.adapt(arrays, architecture, resolution=8 * 22)
    grid = adapted[npz_layout.POSITIONS][0, 1:].reshape(22, 22, -1)
    expected = linear(arrays[npz_layout.POSITIONS][0, 1:], (24, 24), (22, 22)).reshape(22, 22, -1)
    np.testing.assert_allclose(grid[:-1, :-1], expected[:-1, :-1], rtol=0, atol=1e-6)
    assert not grid[-1].any()
    assert not grid[:, -1].any()


def test_a_resolution_that_does_not_fit_is_refused():
    message = refused(npz_layout.adapt, reference.weights(HYBRID), HYBRID, None, 40, "w.npz")
    assert message == "w.npz: expected a resolution that is a multiple of 16x16 pixels per token, found 40x40"
    assert "multiple of 8x8 pixels per token, found 7x40" in refused(VIT.grid_at, (7, 40))


def test_a_plain_vit_leaves_out_pixels_beyond_the_last_whole_patch():
    assert VIT.grid_at(36) == VIT.grid_at(32)


def test_nothing_asked_for_changes_nothing():
    arrays = reference.weights(VIT)
    adapted, found = npz_layout.adapt(arrays, VIT, resolution=32)
    assert found == VIT
    assert all(adapted[key] is array for key, array in arrays.items())
    assert npz_layout.adapt(reference.weights(BIT), BIT, resolution=37)[1] == BIT


def test_a_written_file_checks_out(tmp_path):
    for name, architecture in ALL.items():
        npz_layout.write(tmp_path / f"{name}.npz", reference.weights(architecture))
        assert npz_layout.describe(npz_layout.read(tmp_path / f"{name}.npz"), expected=architecture) == architecture
