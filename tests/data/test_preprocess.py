"""Each preprocessing rule against a case computed by hand or by another library."""

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import ClaimsError
from harness.core.specs import build
from harness.data.preprocess import (
    ATTEMPTS,
    Box,
    Preprocessing,
    Resize,
    apply,
    authors_evaluation,
    authors_training,
    bit_training,
    check_inputs,
    crop_box,
    resized,
    stored,
    timm_evaluation,
)


def rows(*levels):
    """A square image whose rows all read `levels`, the same in each channel."""
    side = len(levels)
    return np.broadcast_to(np.array(levels, dtype=np.uint8)[None, :, None], (side, side, 3))


def across(image):
    """Return the levels along one row."""
    return np.asarray(image)[0, :, 0].tolist()


def words(*fractions):
    return np.array([int(fraction * 2**64) for fraction in fractions], dtype=np.uint64)


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


def test_values_are_minus_one_to_one_after_the_resize():
    found = apply(rows(0, 255, 255, 0), authors_evaluation(4))
    assert found.dtype == np.float32
    assert across(found) == [-1, 1, 1, -1]
    assert across(apply(rows(0, 255, 255, 0), authors_evaluation(2))) == [0, 0]
    assert across(apply(rows(0, 51), Preprocessing(low=0.0, high=1.0))) == pytest.approx([0, 0.2])


def test_centre_crop_takes_the_middle_and_an_odd_pixel_stays_at_the_right():
    rule = Preprocessing(crop="centre", crop_side=2, low=0.0, high=255.0)
    assert across(apply(rows(1, 2, 3, 4, 5), rule)) == [2, 3]
    assert crop_box(rule, 6, 4, words()) == Box(2, 1, 2, 2)


def test_timm_evaluation_is_a_larger_short_side_and_a_centre_crop():
    rule = timm_evaluation(224, 0.875)
    assert rule.resize == Resize("short side", 256, "bicubic", antialias=True)
    assert apply(np.zeros((375, 500, 3), np.uint8), rule).shape == (224, 224, 3)


def test_random_crop_lies_where_the_words_say_and_reaches_every_place():
    rule = bit_training(5, 4)
    two_words = np.array([7, 4], dtype=np.uint64)
    assert crop_box(rule, 5, 6, two_words) == Box(7 % 2, 4 % 3, 4, 4)
    image = rows(10, 20, 30, 40, 50)
    firsts = {min(across(apply(image, rule, (0, 0, example)))) for example in range(40)}
    assert firsts == {np.float32(10 / 127.5 - 1), np.float32(20 / 127.5 - 1)}


def test_flip_mirrors_half_of_the_examples():
    rule = Preprocessing(flip=True, low=0.0, high=255.0)
    seen = [tuple(across(apply(rows(1, 2, 3), rule, (3, 0, example)))) for example in range(400)]
    assert set(seen) == {(1, 2, 3), (3, 2, 1)}
    # Four standard deviations of a fair coin.
    assert abs(seen.count((3, 2, 1)) - 200) < 40


def test_inception_crop_by_hand():
    # Area 0.525 of 100 x 100, aspect 3/4: height sqrt(7,000) = 84, width sqrt(3,937.5) = 63; half of what is left.
    rule = authors_training(32)
    assert crop_box(rule, 100, 100, words(0.5, 0.0, 0.5, 0.5)) == Box(8, 19, 84, 63)


def test_inception_crop_that_never_fits_is_the_whole_image():
    # Almost all of the area at aspect 3/4 is higher than the image.
    assert crop_box(authors_training(32), 100, 100, words(*[0.999, 0.0, 0.5, 0.5] * ATTEMPTS)) == Box(0, 0, 100, 100)


def test_inception_crops_keep_to_their_area_and_aspect_ratio():
    rng = np.random.default_rng(0)
    for _ in range(300):
        box = crop_box(authors_training(8), 400, 500, rng.integers(0, 2**64, 4 * ATTEMPTS, dtype=np.uint64))
        assert 0.048 < box.height * box.width / 200_000 <= 1
        assert 0.74 < box.width / box.height < 1.35
        assert box.top + box.height <= 400
        assert box.left + box.width <= 500


def test_random_choices_follow_from_the_key():
    image = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    rule = authors_training(8)
    first = apply(image, rule, (1, 2, 3))
    assert first.shape == (8, 8, 3)
    assert (first == apply(image, rule, (1, 2, 3))).all()
    others = [(2, 2, 3), (1, 3, 3), (1, 2, 4)]
    assert all((first != apply(image, rule, key)).any() for key in others)
    with pytest.raises(ValueError, match="needs a key"):
        apply(image, rule)


def test_an_image_smaller_than_the_crop_is_refused():
    with pytest.raises(ClaimsError, match="at least 8x8 pixels, found 5x5"):
        apply(rows(1, 2, 3, 4, 5), Preprocessing(crop="centre", crop_side=8))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": "centre"}, "needs crop_side"),
        ({"crop_side": 3}, "needs a crop"),
        ({"low": 1.0}, "low must be below high"),
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
