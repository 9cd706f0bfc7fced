"""Preprocessing of one image at a time, in plain words: what the batches of both frameworks are compared with."""

import math

import numpy as np

from harness.data.preprocess import Box, crop_box, resized


def prepared(image, rule, low=-1.0, high=1.0):
    """Return the model's input of one test image, float32 (h, w, C), the levels 0 and 255 as low and high."""
    levels = resized(image, rule.resize)
    if rule.crop != "none":
        box = crop_box(rule, *levels.shape[:2])
        levels = levels[box.top : box.top + box.height, box.left : box.left + box.width]
    return levels * np.float32((high - low) / 255) + np.float32(low)


def random_box(side, height, width, words):
    """Return where a random crop lies."""
    down, right = (int(word) for word in words[:2])
    return Box(down % (height - side + 1), right % (width - side + 1), side, side)


def inception_box(least, height, width, words):
    """Return a part of at least the share `least` of the area, with an aspect ratio of 3/4 to 4/3."""
    for draw in words.reshape(-1, 4):
        u = [int(word) / 2**64 for word in draw]
        area = (least + (1 - least) * u[0]) * height * width
        aspect = 3 / 4 + (4 / 3 - 3 / 4) * u[1]
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < h <= height and 0 < w <= width:
            return Box(int(u[2] * (height - h + 1)), int(u[3] * (width - w + 1)), h, w)
    return Box(0, 0, height, width)
