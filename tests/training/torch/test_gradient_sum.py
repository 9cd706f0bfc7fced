"""Gradients are sent while the backward pass goes on, and each is the sum in the end."""

import pytest
import torch
from torch import nn

from harness.core.errors import TooLittleMemory
from harness.training.torch import device
from harness.training.torch.gradient_sum import GradientSum


class Sent:
    """A sum over two processes of the same gradient, which is there once it is waited for."""

    def __init__(self, tensor):
        self.tensor = tensor

    def wait(self):
        self.tensor.mul_(2)


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(device, "BUCKET", 200)  # bytes: a layer each
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(5, 5) for _ in range(4)), nn.Linear(5, 5))


def test_buckets_are_sent_from_the_last_layer_before_the_first_is_computed(network):
    events = []
    network[0].weight.register_hook(lambda _: events.append("first layer"))

    def send(flat):
        events.append(flat.numel())
        return Sent(flat)

    unused = nn.Parameter(torch.zeros(3))
    sums = GradientSum([unused, *network.parameters()], send)
    inputs = torch.randn(7, 5)
    network(inputs).sum().backward()
    alone = [each.grad.clone() for each in network.parameters()]
    assert events == ["first layer"]  # nothing is sent unless it is expected
    for _ in range(2):
        network.zero_grad()
        sums.begin()
        sums.expect()
        network(inputs).sum().backward()
        sums.finish()
        for mine, each in zip(alone, network.parameters(), strict=True):
            torch.testing.assert_close(each.grad, 2 * mine, rtol=0, atol=0)
    assert unused.grad is None
    sent = events[1 : events.index("first layer", 1)]
    assert sum(sent) >= 2 * 30  # of the last layers
    sums.stop()
    network.zero_grad()
    network(inputs).sum().backward()
    assert network[0].weight.grad.equal(alone[0])


def test_a_gradient_that_is_begun_again_after_a_bucket_was_sent_ends_the_run(network):
    sums = GradientSum(list(network.parameters()), Sent)
    sums.begin()
    sums.expect()
    network(torch.randn(7, 5)).sum().backward()
    with pytest.raises(TooLittleMemory, match="found too little memory in one of them"):
        sums.begin()
