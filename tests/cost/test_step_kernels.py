"""Kernels against counts that are written out here."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.cost.step_kernels import KernelCounter, held

FLOAT, HALF = 4, 2


def empty(*shape, **kind):
    return torch.empty(shape, device="meta", **kind)


def counted(compute):
    with KernelCounter() as counter:
        compute()
    return counter


def test_an_addition_reads_two_tensors_and_writes_one():
    a, b = empty(8, 16), empty(8, 16)
    (out_of_place,) = counted(lambda: a + b).launched
    (in_place,) = counted(lambda: a.add_(b)).launched
    assert out_of_place.bytes == in_place.bytes == 3 * 8 * 16 * FLOAT
    assert (out_of_place.kind, out_of_place.flops, out_of_place.launches) == ("other", 0, 1)
    (repeated,) = counted(lambda: a + empty(16)).launched
    assert repeated.bytes == (2 * 8 * 16 + 16) * FLOAT


@pytest.mark.parametrize(
    "compute, moved",
    [
        (lambda a: a.zero_(), 128 * FLOAT),  # written only
        (lambda a: a.copy_(empty(8, 16, dtype=torch.bfloat16)), 128 * (FLOAT + HALF)),
        (lambda a: a.to(torch.bfloat16), 128 * (FLOAT + HALF)),
        (lambda a: a.mul_(2.0), 2 * 128 * FLOAT),
        (lambda a: a[empty(3, dtype=torch.long)], 2 * 3 * 16 * FLOAT + 3 * 8),  # of eight rows three are read
    ],
)
def test_what_is_read_and_written_is_counted_once(compute, moved):
    assert [each.bytes for each in counted(lambda: compute(empty(8, 16))).launched] == [moved]


def test_a_view_launches_nothing_and_is_work_of_the_host():
    a = empty(8, 16)
    counter = counted(lambda: a.t().reshape(2, 64) + 1)
    assert [each.name for each in counter.launched] == ["clone", "add"]
    assert counter.calls > len(counter.launched)
    assert held(empty(16).expand(8, 16)) == 16 * FLOAT
    assert held(empty(0, 16)) == 0


def test_an_mlp_launches_what_autograd_needs():
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 5)).to("meta")
    counter = counted(lambda: model(empty(7, 6)).sum().backward())
    names = [each.name for each in counter.launched]
    # Forward: two products and a ReLU; backward: each layer's weight gradient and one gradient between the layers.
    assert names.count("addmm") == 2
    assert names.count("mm") == 3
    assert names.count("relu") == names.count("threshold_backward") == 1
    products = [each for each in counter.launched if each.kind == "matrix product"]
    assert sum(each.flops for each in products) == 2 * 7 * (2 * 6 * 20 + 3 * 20 * 5)


def test_attention_computes_two_products_and_in_the_backward_pass_five():
    batch, heads, tokens, width = 2, 3, 10, 8
    query, key, value = (empty(batch, heads, tokens, width, requires_grad=True) for _ in range(3))
    fused = torch.ops.aten._scaled_dot_product_efficient_attention
    forward, backward = [
        each
        for each in counted(lambda: fused(query, key, value, None, True)[0].sum().backward()).launched
        if each.kind == "attention"
    ]
    product = 2 * batch * heads * tokens**2 * width
    assert (forward.flops, backward.flops) == (2 * product, 5 * product)  # one of the five is computed again
    assert forward.bytes >= 4 * batch * heads * tokens * width * FLOAT


def test_a_convolution_has_two_gradients_of_a_kernel_each():
    image, weight = empty(2, 4, 8, 8, requires_grad=True), empty(6, 4, 3, 3, requires_grad=True)
    counter = counted(lambda: functional.conv2d(image, weight, padding=1).sum().backward())
    forward, backward = [each for each in counter.launched if each.kind == "convolution"]
    assert (forward.launches, backward.launches) == (1, 2)
    assert forward.flops == 2 * 2 * 64 * 6 * 4 * 9
    assert backward.flops == 2 * forward.flops


def test_adding_to_a_gradient_that_is_there_is_not_counted():
    weight = empty(6, 5, requires_grad=True)
    weight.grad = empty(6, 5)
    with KernelCounter([weight.grad]) as counter:
        (empty(3, 6) @ weight).sum().backward()
    assert "add_" not in [each.name for each in counter.launched]
    with KernelCounter() as counter:
        (empty(3, 6) @ weight).sum().backward()
    assert "add_" in [each.name for each in counter.launched]


def test_a_custom_operation_is_one_kernel():
    @torch.library.custom_op("counted_in_a_test::scaled", mutates_args=())
    def scaled(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * b).to(torch.bfloat16)

    @scaled.register_fake
    def _(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(a, dtype=torch.bfloat16)

    (fused,) = counted(lambda: scaled(empty(8, 16), empty(16))).launched
    assert (fused.launches, fused.bytes) == (1, 128 * FLOAT + 16 * FLOAT + 128 * HALF)
