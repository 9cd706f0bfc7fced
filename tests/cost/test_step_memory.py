"""Memory on the meta device against what autograd really keeps, and against what must hold of any estimate."""

import math

import pytest
import torch
from torch.nn import functional

from harness.cost.networks import Network
from harness.cost.step_memory import LiveBytes
from harness.cost.steps import step
from harness.models.architectures import BitArchitecture, ViTArchitecture, expected_shapes
from harness.models.torch.build import create

BIT = BitArchitecture(stem_width=32, stages=((1, 128), (1, 256)), classes=1)
VIT = ViTArchitecture(64, 4, 2, 256, (8, 8), (8, 8), 1)
STEP = {"training": True, "lower": False}


def saved_bytes(model, images):
    """Return the bytes of the storages that a real forward pass on the CPU keeps for its backward pass."""
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    found = {}

    def pack(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = functional.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.long))
    del loss
    return sum(size for pointer, size in found.items() if pointer not in weights)


def test_a_step_takes_what_autograd_keeps_and_a_little_more():
    model = create(BIT, 0)
    two, six = (saved_bytes(model, torch.zeros(n, 3, 64, 64)) for n in (2, 6))
    kept = (six - two) / 4
    found = step(Network(BIT), 64, **STEP)
    assert kept <= found.per_image <= 1.35 * kept  # the gradients that pass through the last layers come on top


def test_live_bytes_are_those_of_storages_that_exist_at_once():
    held = torch.empty(1000, device="meta")
    with LiveBytes([held]) as live:
        first = torch.empty(100, dtype=torch.float32, device="meta")
        view = first.view(10, 10)
        held.add_(1.0)
        assert live.now == 400
        second = first + 1
        del first
        assert live.now == 800  # the view still holds it
        del view, second
        assert live.now == 0
    assert live.peak == 800


def test_attention_is_not_held_as_a_matrix():
    long = ViTArchitecture(32, 2, 2, 64, (4, 4), (32, 32), 1)
    tokens = 32 * 32 + 1
    assert step(Network(long), 128, **STEP).per_image < 2 * tokens**2 * 4  # one layer's weights of two heads


def test_half_precision_and_checkpointing_take_less_and_dropout_more():
    of = Network(VIT)
    full = step(of, 64, **STEP)
    half = step(of, 64, training=True, lower=True)
    assert 0.4 * full.per_image < half.per_image < 0.75 * full.per_image
    assert half.fixed > full.fixed  # converted weights
    assert step(of, 64, **STEP, checkpointing=True).per_image < 0.6 * full.per_image
    # A byte for each element after the positional embedding, the attention and both layers of the MLP.
    more = step(of, 64, **STEP, dropout=0.1).per_image - full.per_image
    assert more >= 65 * (64 + 4 * (64 + 256 + 64))
    assert step(of, 64, training=False, lower=False).per_image < 0.3 * full.per_image


def test_an_evaluation_holds_the_standardised_weights_once():
    shapes = [shape for key, shape in expected_shapes(BIT).items() if "standardized_conv2d" in key]
    weights = 4 * sum(math.prod(shape) for shape in shapes)
    found = step(Network(BIT), 64, training=False, lower=False).fixed
    assert weights <= found <= 1.3 * weights


def test_memory_grows_with_depth_as_much_as_a_block_keeps():
    deeper = ViTArchitecture(64, 8, 2, 256, (8, 8), (8, 8), 1)
    four, eight = (step(Network(each), 64, **STEP).per_image for each in (VIT, deeper))
    # A block keeps of each token, in floats: input and normalised input of both norms, query, key and value, the
    # attention's output, its projection is added and gone; the MLP's 256 before and after GELU. Plus sums per row.
    block = 65 * 4 * (4 * 64 + 3 * 64 + 64 + 2 * 256)
    assert (eight - four) / 4 == pytest.approx(block, rel=0.05)
