"""A network whose repeated blocks are compiled: blocks that are alike share one program, kept for later processes.

What lies around the blocks, a hundredth of a step, is PyTorch's. Programs depend on the shape of what they are given:
each size of a batch's parts has its own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from harness.training.devices import keep_compiled
from harness.training.torch.network import blocks_of

COMPILED = "compiled"
PROGRAMS = 64
"""Of one kind of block: of BiT's there are two a stage, each with and without checkpointing, training or not."""


class CompiledPath:
    """A network whose blocks are compiled while `on`.

    Args:
        model: on a device.
        folder: where an execution keeps things; programs are kept there, too. None: where PyTorch keeps them.
    """

    def __init__(self, model: nn.Module, folder: Path | None):
        self.model, self.folder = model, folder
        self.blocks = blocks_of(model)
        self.on = False

    def start(self) -> None:
        """Compute by compiled blocks from now on; each is compiled when it is first called."""
        import torch._dynamo as dynamo
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        if self.folder is not None:
            keep_compiled(self.folder / COMPILED, default_cache_dir())
        dynamo.config.recompile_limit = max(PROGRAMS, dynamo.config.recompile_limit)
        for block in self.blocks:
            vars(block)["forward"] = torch.compile(block.forward, dynamic=False)
        self.on = True

    def stop(self) -> None:
        """Compute by PyTorch's operations again."""
        for block in self.blocks:
            vars(block).pop("forward", None)
        self.on = False

    def gradients(self) -> list[Tensor | None]:
        """Return the gradient of each of the model's parameters."""
        return [each.grad for each in self.model.parameters()]

    def wrong_update(self) -> str:
        """Return "": weights are updated as ever."""
        return ""
