"""Evaluation: every example once, in the test size, with weights standardised once to the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.data.pixel_cache import cached
from harness.data.preprocess import eval_rule
from harness.data.readers import synthetic
from harness.data.readers.image_folder import image_folder
from harness.data.splits import Split
from harness.models.npz_layout import read
from harness.models.torch import timm_models
from harness.models.torch.build import load
from harness.models.torch.folding import FoldedConv, folded
from harness.training.torch import evaluation
from harness.training.torch.device import DeviceContext
from harness.training.torch.evaluation import EVALUATION_BATCH, eval_inputs, evaluate, predict
from harness.training.torch.inputs import three_channels, to_inputs
from tests.data import making
from tests.data.one_image import prepared

CPU = DeviceContext(torch.device("cpu"))
MICRO = recipe("micro")
cropped = evaluation._cropped


pytestmark = pytest.mark.usefixtures("one_thread")


def digits():
    return synthetic.read("digits").test


@pytest.mark.parametrize("name", ["micro-bit-l", "micro-hybrid-m"])
@pytest.mark.parametrize("make", [load, timm_models.stock], ids=["reference", "timm"])
def test_folding_changes_no_bit_and_is_undone(name, make):
    model = make(read(file_of(checkpoint(name)))).eval()
    images = three_channels(to_inputs(digits().images[:64], 32))
    with torch.no_grad():
        plain = model(images)
        with folded(model):
            kinds = [type(module) for module in model.modules()]
            assert kinds.count(FoldedConv) == sum(
                "norm" not in key and value.ndim == 4 and "proj" not in key.split(".")[1] and "head" not in key
                for key, value in model.state_dict().items()
            )
            assert torch.equal(model(images), plain)
        assert FoldedConv not in [type(module) for module in model.modules()]
        assert torch.equal(model(images), plain)


def test_every_example_is_predicted_once_the_last_partial_batch_included():
    split = digits()
    assert len(split) % EVALUATION_BATCH
    model = load(read(file_of(checkpoint("micro-bit-s"))))
    together = evaluate(model, split, MICRO, CPU, "m")
    one_by_one = [evaluate(model, split.take(np.array([n])), MICRO, CPU, "m")[0] for n in (0, 255, 256, 796)]
    assert len(together) == 797
    assert together[[0, 255, 256, 796]].tolist() == one_by_one
    assert len(set(together)) > 1


class Small(nn.Module):
    """A network whose device has no memory for more than `room` images."""

    def __init__(self, model, room):
        super().__init__()
        self.model, self.room, self.sizes = model, room, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.model(x)


def test_a_batch_is_predicted_in_parts_where_memory_is_short():
    model = load(read(file_of(checkpoint("micro-vit-s"))))
    small = Small(model, 100)
    assert np.array_equal(evaluate(small, digits(), MICRO, CPU, "m"), evaluate(model, digits(), MICRO, CPU, "m"))
    assert small.sizes.count(256) == 1  # the first time; after that it is known
    with pytest.raises(ClaimsError, match="m: expected memory to evaluate one image"):
        evaluate(Small(model, 0), digits(), MICRO, CPU, "m")


def test_prediction_is_the_largest_logit():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4, 5))
    images = torch.randn(7, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(images.expand(-1, 3, -1, -1)).numpy()
    assert predict(model, images, CPU, batch=3).tolist() == logits.argmax(axis=1).tolist()


RULES = {
    "square": {},
    "another side": {"test_resolution": 20},
    "short side": {"test_resize": "short side", "test_crop_share": 0.875},
    "timm's": {
        "test_resize": "short side",
        "test_crop_share": 0.9,
        "test_interpolation": "bicubic",
        "test_antialias": True,
    },
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("stored", ["many sizes", "colour"])
def test_inputs_are_those_of_preprocessing(name, stored, tmp_path):
    how = replace(MICRO, **{"resolution": 14, "mean": 0.4, "std": 0.3} | RULES[name])
    if stored == "colour":
        images = np.random.default_rng(0).integers(0, 256, (5, 23, 31, 3), dtype=np.uint8)
        split = Split(images, np.zeros(3, np.int64), np.array([4, 0, 2]))
        chosen = [images[n] for n in (4, 0, 2)]
    else:
        for number in range(5):
            making.put(
                tmp_path / f"cat/{number}.png", making.png(number, height=20 + 4 * number, width=40 - 3 * number)
            )
        cache = cached(image_folder(tmp_path), tmp_path / "cache")
        split = Split(cache, np.zeros(3, np.int64), np.array([4, 0, 2]))
        chosen = [cache.image(n) for n in (4, 0, 2)]
    (inputs,) = eval_inputs(split, how, range(0, 3, EVALUATION_BATCH), CPU)
    assert inputs.dtype == torch.float32
    expected = np.stack([prepared(image, eval_rule(how), -0.4 / 0.3, 0.6 / 0.3) for image in chosen])
    expected = expected.transpose(0, 3, 1, 2)
    assert inputs.shape == (3, 3, how.side, how.side)
    assert inputs.numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.875])
def test_images_stored_in_their_size_stay_whole_levels_until_they_are_on_the_device(share):
    how = replace(MICRO, resolution=14, test_resize="short side", test_crop_share=share)
    short = eval_rule(how).resize.side
    image = np.random.default_rng(0).integers(0, 256, (short, short + 9, 3), dtype=np.uint8)
    levels = cropped(image, eval_rule(how))
    assert levels.dtype == np.uint8
    assert np.shares_memory(levels, image)
    assert np.array_equal(levels, cropped(image.astype(np.float32), eval_rule(how)))
    assert levels.shape == (14, 14, 3)
    larger = np.zeros((40, 50, 3), np.uint8)
    assert cropped(larger, eval_rule(how)).dtype == np.float32


def test_the_batches_come_in_order_and_whole():
    split = Split(np.arange(600, dtype=np.uint8)[:, None, None].repeat(14, 1).repeat(14, 2), np.zeros(600, np.int64))
    how = replace(MICRO, resolution=14, mean=0, std=1 / 255)
    batches = list(eval_inputs(split, how, range(0, 600, EVALUATION_BATCH), CPU))
    assert [len(batch) for batch in batches] == [256, 256, 88]
    assert torch.cat(batches)[:, 0, 0, 0].tolist() == pytest.approx([n % 256 for n in range(600)], abs=1e-3)
