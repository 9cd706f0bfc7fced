"""Each preprocessing rule against a case computed by hand or by another library."""

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import ClaimsError
from harness.core.specs import Recipe, build
from harness.data.preprocess import (
    Box,
    Preprocessing,
    Resize,
    check_inputs,
    crop_box,
    eval_rule,
    resized,
    stored,
)


def rows(*levels):
    """A square image whose rows all read `levels`, the same in each channel."""
    side = len(levels)
    return np.broadcast_to(np.array(levels, dtype=np.uint8)[None, :, None], (side, side, 3))


def across(image):
    """Return the levels along one row."""
    return np.asarray(image)[0, :, 0].tolist()


def test_bilinear_halves_by_the_mean_of_the_two_pixels_at_the_centre():
    # Output pixel i lies at 2i + 0.5 of the input: half of each neighbour.
    assert across(resized(rows(0, 100, 200, 41), Resize("square", 2))) == [50, 120.5]


def test_without_antialiasing_pixels_in_between_are_not_looked_at():
    # By four: output pixels lie at 1.5 and 5.5; pixels 0, 3, 4 and 7 do not count.
    assert across(resized(rows(255, 10, 20, 255, 255, 30, 50, 255), Resize("square", 2))) == [15, 40]


def test_bilinear_enlarges_by_quarters():
    # Output pixels lie at -0.25, 0.25, 0.75 and 1.25; outside, the edge goes on.
    assert across(resized(rows(0, 100), Resize("square", 4))) == [0, 25, 75, 100]


@pytest.mark.parametrize(("name", "filter_"), [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)])
def test_antialiased_resize_is_pillows(name, filter_):
    image = np.random.default_rng(5).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    ours = resized(image, Resize("square", 16, name, antialias=True))
    channel = Image.fromarray(image[:, :, 1].astype(np.float32), mode="F").resize((16, 16), filter_)
    assert np.abs(ours[:, :, 1] - np.clip(np.asarray(channel), 0, 255)).max() < 1e-3


def test_bicubic_does_not_leave_the_levels():
    # At an edge the cubic swings beyond both sides: -17.5 and 272.5 here before the levels end it.
    found = across(resized(rows(0, 0, 255, 255), Resize("square", 8, "bicubic", antialias=True)))
    assert (min(found), max(found)) == (0, 255)


def test_short_side_keeps_the_aspect_ratio():
    assert Resize("short side", 256).size(375, 500) == (256, 341)
    assert Resize("short side", 256).size(500, 375) == (341, 256)
    assert Resize("short side", 256).size(300, 300) == (256, 256)
    assert Resize("square", 384).size(375, 500) == (384, 384)


def test_stored_images_are_rounded_to_whole_levels():
    found = stored(rows(0, 103, 200, 45), Resize("square", 2))
    assert found.dtype == np.uint8
    assert across(found) == [52, 122]  # 51.5 and 122.5, each to the even level


def test_centre_crop_takes_the_middle_and_an_odd_pixel_stays_at_the_right():
    rule = Preprocessing(crop="centre", crop_side=2)
    assert crop_box(rule, 5, 5) == Box(1, 1, 2, 2)
    assert crop_box(rule, 6, 4) == Box(2, 1, 2, 2)


def test_timm_evaluation_is_a_larger_short_side_and_a_centre_crop():
    recipe = Recipe("timm", steps=1, batch_size=1, learning_rate=0.1, resolution=224, test_resize="short side",
                    test_crop_share=0.875, test_interpolation="bicubic", test_antialias=True)  # fmt: skip
    resize = Resize("short side", 256, "bicubic", antialias=True)
    assert eval_rule(recipe) == Preprocessing(resize, "centre", 224)


def test_the_centre_of_a_stretched_image():
    recipe = Recipe("r", 1, 224, steps=0, test_crop_share=0.875)
    assert eval_rule(recipe) == Preprocessing(Resize("square", 256), "centre", 224)
    whole = Recipe("r", 1, 224, steps=0)
    assert eval_rule(whole) == Preprocessing(Resize("square", 224))


def test_an_image_smaller_than_the_crop_is_refused():
    with pytest.raises(ClaimsError, match="at least 8x8 pixels, found 5x5"):
        crop_box(Preprocessing(crop="centre", crop_side=8), 5, 5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": "centre"}, "needs crop_side"),
        ({"crop_side": 3}, "needs a crop"),
        ({"resize": {"to": "square", "side": 0}}, "resize.side"),
        ({"resize": {"to": "square", "side": 8, "interpolation": "bicubic"}}, "set antialias"),
        ({"resise": None}, "did you mean 'resize'"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(values, message):
    with pytest.raises(ClaimsError, match=message):
        build(Preprocessing, values, "a rule")


BATCH = np.linspace(-1, 1, 8 * 12, dtype=np.float32).reshape(8, 2, 2, 3)


def test_inputs_in_range_pass_the_models_door():
    check_inputs(BATCH)
    check_inputs((BATCH[:7] + 1) / 2)  # few images may all be bright
    import torch

    check_inputs(torch.from_numpy(BATCH))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((BATCH + 1) / 2, r"found \[0, 1\] in 8 images, as if scaled to \[0, 1\]"),
        ((BATCH + 1) * 127.5, r"found \[0, 255\]"),
        (((BATCH + 1) * 127.5).astype(np.uint8), "expected float inputs .* found uint8"),
        (BATCH * 1.1, r"found \[-1.1, 1.1\]"),
        (np.where(BATCH > 0.9, np.float32("nan"), BATCH), r"found \[nan, nan\]"),
    ],
)
def test_other_values_do_not(batch, message):
    with pytest.raises(ClaimsError, match=message):
        check_inputs(batch, "ViT-B/16")
