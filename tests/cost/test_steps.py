"""Steps as straight lines in the number of images."""

import json
from dataclasses import replace

import pytest
import torch

from harness.core.errors import ClaimsError
from harness.cost import cache, steps
from harness.cost.flops import work
from harness.cost.networks import Network, module
from harness.cost.step_kernels import Launched
from harness.cost.step_trace import traced
from harness.cost.steps import MANY, lines, step
from harness.models.architectures import BitArchitecture, ViTArchitecture

BIT = Network(BitArchitecture(stem_width=32, stages=((1, 128), (1, 256)), classes=1))
VIT = Network(ViTArchitecture(64, 4, 2, 256, (8, 8), (4, 4), 1))


@pytest.mark.parametrize("of", [VIT, BIT])
@pytest.mark.parametrize("training", [True, False])
def test_other_numbers_of_images_lie_on_the_line(of, training):
    found = step(of, 32, training=training, lower=True)
    _, seven = traced(module(of, 32), 32, 7, training=training, lower=torch.bfloat16)
    assert found.launches == sum(each.launches for each in seven.launched)
    assert found.calls == seven.calls
    assert found.flops(7) == pytest.approx(sum(each.flops for each in seven.launched))
    assert found.bytes(7) == pytest.approx(sum(each.bytes for each in seven.launched), rel=1e-3)


def test_products_are_those_of_the_flop_counter():
    for of in (VIT, BIT):
        tested, counted = step(of, 32, training=False, lower=False), work(of, 32)
        assert tested.flops(3) == pytest.approx(3 * counted.test_flops(1))
    assert step(BIT, 32, training=True, lower=False).flops(3) == pytest.approx(3 * work(BIT, 32).train_flops(1))
    # Attention's backward pass computes one of its products again: 2 x 17 tokens squared x 64 x 4 blocks.
    again = 2 * 17**2 * 64 * 4
    assert step(VIT, 32, training=True, lower=False).flops(3) == pytest.approx(
        3 * (work(VIT, 32).train_flops(1) + again)
    )


def test_checkpointing_computes_the_blocks_forward_again():
    plain = step(VIT, 32, training=True, lower=False)
    twice = step(VIT, 32, training=True, lower=False, checkpointing=True)
    # All of a block but the MLP's second layer, whose output its backward pass does not need.
    blocks = 4 * 2 * (4 * 17 * 64**2 + 2 * 17**2 * 64 + 17 * 64 * 256)
    assert twice.flops(1) - plain.flops(1) == pytest.approx(blocks)
    assert twice.launches > plain.launches


def test_a_network_with_dropout_launches_more():
    plain, dropping = (step(VIT, 32, training=True, lower=True, dropout=share) for share in (0.0, 0.1))
    # After the positional embedding, and in each block after the attention and both layers of the MLP; twice, for
    # the backward pass has a mask to multiply with.
    assert dropping.launches - plain.launches >= 2 * (1 + 4 * 3)
    assert dropping.flops(1) == plain.flops(1)


def test_weights_are_read_however_few_the_images():
    found = step(BIT, 32, training=True, lower=True)
    weights = work(BIT, 32).parameters
    assert found.bytes(0) > 4 * weights * (3 + 3)  # standardised and its gradient
    assert found.tensors == len(list(module(BIT, 32).parameters()))


def test_alike_operations_are_one_line():
    def launched(flops, moved):
        return Launched("mm", "matrix product", 1, flops, moved)

    few = [launched(20, 300), launched(20, 300), Launched("add", "other", 1, 0, 60)]
    many = [launched(10 * MANY, 100 + 100 * MANY), launched(10 * MANY, 100 + 100 * MANY), launched(0, 30 * MANY)]
    product, addition = lines(few, many, 2)
    assert (product.count, product.flops, product.flops_per_image) == (2, 0.0, 10.0)
    assert (product.bytes, product.bytes_per_image) == (100.0, 100.0)
    assert (addition.count, addition.bytes, addition.bytes_per_image) == (1, 0.0, 30.0)
    assert product.work(5) == (50.0, 600.0)


def test_steps_are_kept_in_the_home_folder(tmp_path, monkeypatch):
    of = Network(replace(VIT.architecture, depth=1))
    monkeypatch.setattr(cache, "_counts", {})
    first = step(of, 32, training=True, lower=True, home=tmp_path)
    (file,) = (tmp_path / cache.FOLDER).iterdir()
    cache._counts.clear()
    monkeypatch.setattr(steps, "lines", None)  # nothing is counted again
    assert step(of, 32, training=True, lower=True, home=tmp_path) == first
    stored = json.loads(file.read_text())
    stored["counted"]["kernels"][0]["count"] = 0
    file.write_text(json.dumps(stored))
    cache._counts.clear()
    assert cache.get(stored["of"], steps.Step, tmp_path) is None  # damaged


def test_a_network_whose_operations_depend_on_the_number_of_images_is_not_estimated(monkeypatch):
    of = Network(replace(VIT.architecture, depth=2))
    monkeypatch.setattr(cache, "_counts", {})
    numbers = iter(range(10))
    monkeypatch.setattr(steps, "names", lambda counter: [next(numbers)])
    with pytest.raises(ClaimsError, match="expected the same operations for any number of images"):
        step(of, 32, training=False, lower=False)
