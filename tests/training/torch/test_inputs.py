"""Inputs: resized by the half-pixel rule, normalised as the recipe says."""

import numpy as np
import pytest
import torch

from harness.core.specs import Recipe
from harness.data.stored_pixels import limits
from harness.training.torch.inputs import laid_out, three_channels, to_inputs


def test_inputs_are_resized_by_the_half_pixel_rule_and_scaled_to_one():
    tiny = np.array([[[0, 255], [255, 0]]], np.uint8)
    assert to_inputs(tiny, 2).flatten().tolist() == [-1, 1, 1, -1]
    # Bilinear 2 -> 4, half-pixel centres: sources at -0.25, 0.25, 0.75, 1.25, cut to [0, 1].
    at = np.clip((np.arange(4) + 0.5) / 2 - 0.5, 0, 1)
    y, x = np.meshgrid(at, at, indexing="ij")
    wanted = (y * (1 - x) + x * (1 - y)) * 2 - 1
    assert torch.allclose(to_inputs(tiny, 4)[0, 0], torch.from_numpy(wanted).float(), atol=1e-6)
    colour = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert to_inputs(colour, 2).shape == (1, 3, 2, 2)
    assert to_inputs(colour, 2)[0, 1, 0, 1] == pytest.approx((4 - 127.5) / 127.5)
    assert three_channels(to_inputs(tiny, 2)).shape == (1, 3, 2, 2)


def test_levels_are_normalised_as_the_recipe_says():
    recipe = Recipe("r", steps=1, batch_size=1, resolution=2, learning_rate=1, mean=0.4, std=0.2)
    assert limits(recipe) == pytest.approx((-2, 3))
    assert to_inputs(np.array([[[0, 255], [51, 102]]], np.uint8), 2, recipe).flatten() == pytest.approx([-2, 3, -1, 0])


def test_an_accelerator_computes_in_the_memory_format_that_was_chosen_for_it():
    stored = torch.zeros(2, 4, 4, 3)
    there = stored.to("meta").movedim(3, 1)  # a device whose numerics no result depends on
    assert not there.is_contiguous()
    assert laid_out(there, torch.contiguous_format).is_contiguous()
    assert laid_out(there.contiguous(), torch.channels_last).is_contiguous(memory_format=torch.channels_last)
    assert laid_out(there[:, :1], torch.contiguous_format).shape == (2, 3, 4, 4)
    here = stored.movedim(3, 1)
    assert laid_out(here, torch.contiguous_format).stride() == here.stride()
