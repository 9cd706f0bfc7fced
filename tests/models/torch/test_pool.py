"""The faster max-pooling gives what PyTorch's gives, to the bit."""

import pytest
import torch
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn

from harness.models.torch.pool import ChannelsLastMaxPool, MaxPool, with_faster_pools

POOLS = {"none": lambda: nn.MaxPool2d(3, 2), "same": lambda: MaxPool2dSame(3, 2)}


def inputs(kind):
    """Return (4, 24, 18, 17) inputs, with many equal values in a window or with none."""
    drawn = torch.randn(4, 24, 18, 17, generator=torch.Generator().manual_seed(3))
    if kind == "ties":
        return drawn.round().relu()
    if kind == "not finite":
        drawn[0, :, :5, :5], drawn[1, 3, 4, 4], drawn[2, :, 2, 3:9] = -float("inf"), float("nan"), float("inf")
    return drawn


@pytest.mark.parametrize("kind", ["plain", "ties", "not finite"])
@pytest.mark.parametrize("padding", POOLS)
def test_values_and_gradients_are_the_same_to_the_bit(kind, padding, monkeypatch):
    seen = []
    apply = ChannelsLastMaxPool.apply
    monkeypatch.setattr(ChannelsLastMaxPool, "apply", lambda *given: seen.append(given) or apply(*given))
    found = []
    for pool in (POOLS[padding](), MaxPool(POOLS[padding]())):
        x = inputs(kind).requires_grad_()
        pooled = pool(x)
        weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(4))
        (gradient,) = torch.autograd.grad(pooled, x, weights)
        found.append((pooled, gradient))
    assert len(seen) == 1
    for expected, pooled in zip(*found, strict=True):
        assert pooled.is_contiguous()
        assert pooled.detach().numpy().tobytes() == expected.detach().numpy().tobytes()


def test_the_layer_of_a_network_is_replaced_and_pools_of_another_kind_are_computed_as_before(monkeypatch):
    network = with_faster_pools(nn.Sequential(nn.Sequential(nn.MaxPool2d(3, 2)), nn.MaxPool2d(3, 2, padding=1)))
    plain = nn.Sequential(nn.Sequential(nn.MaxPool2d(3, 2)), nn.MaxPool2d(3, 2, padding=1))
    seen = []
    apply = ChannelsLastMaxPool.apply
    monkeypatch.setattr(ChannelsLastMaxPool, "apply", lambda *given: seen.append(given) or apply(*given))
    x = inputs("plain")
    assert torch.equal(network(x), plain(x))
    assert len(seen) == 1  # the second one has padding of its own
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(network[0](last), plain[0](x))
    assert len(seen) == 1  # channels are last already
    assert network.state_dict() == {}
