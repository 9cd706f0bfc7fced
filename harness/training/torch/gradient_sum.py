"""Gradients added up over the processes of a run while the backward pass still computes others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.errors import TooLittleMemory
from harness.training.torch.device import buckets


class GradientSum:
    """Adds up gradients, bucket by bucket, each as soon as the backward pass has computed all of its gradients.

    Buckets are sent in the order of the backward pass, which is the same in every process, from the last layer to the
    first.

    Args:
        parameters: in the order of the network.
        send: begins to add up a tensor over all processes, in place, and returns what can be waited for.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], send: Callable[[Tensor], Any]):
        self.send = send
        self.buckets = buckets(list(reversed(parameters)))
        self.expecting = False
        self._of = {id(each): number for number, bucket in enumerate(self.buckets) for each in bucket}
        self._missing: list[int] = []
        self._sent: list[tuple[Tensor, Any]] = []
        self._hooks = [each.register_post_accumulate_grad_hook(self._computed) for each in parameters]

    def begin(self) -> None:
        """Prepare for a gradient.

        Raises:
            TooLittleMemory: an earlier attempt at it has sent buckets already, which can't be taken back.
        """
        if self._sent:
            raise TooLittleMemory(
                "expected every process to compute its gradient, found too little memory in one of them; start again"
                " with a smaller micro-batch"
            )
        self.expecting = False

    def expect(self) -> None:
        """Send buckets from now on: the backward pass that follows is the last of this gradient."""
        self.expecting = True
        self._missing = [len(bucket) for bucket in self.buckets]

    def finish(self) -> None:
        """Send what is left, and wait until every gradient is the sum over all processes."""
        while len(self._sent) < len(self.buckets):  # a parameter that the loss does not depend on has no gradient
            self._send_next()
        for bucket, (flat, sent) in zip(self.buckets, self._sent, strict=True):
            if sent is None:
                continue
            sent.wait()
            found = [each.grad for each in bucket if each.grad is not None]
            for gradient, part in zip(found, flat.split([each.numel() for each in found]), strict=True):
                gradient.copy_(part.view_as(gradient))
        self._sent.clear()
        self.expecting = False

    def stop(self) -> None:
        """Leave the parameters as they were."""
        for hook in self._hooks:
            hook.remove()

    def _computed(self, parameter: Tensor) -> None:
        if not self.expecting:
            return
        self._missing[self._of[id(parameter)]] -= 1
        while len(self._sent) < len(self.buckets) and self._missing[len(self._sent)] == 0:
            self._send_next()

    def _send_next(self) -> None:
        gradients = [each.grad for each in self.buckets[len(self._sent)] if each.grad is not None]
        if not gradients:
            self._sent.append((torch.empty(0), None))
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self._sent.append((flat, self.send(flat)))
