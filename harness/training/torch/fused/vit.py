"""A transformer computed by fused kernels: residual sums with their norms, and weights that are kept in bfloat16, too.

Each block hands its last sum to the next one's first norm, so that both are one operation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from harness.core.specs import Recipe
from harness.training.torch.fused.add_norm import WIDEST, AddNorm
from harness.training.torch.fused.branches import Gelu, Heads
from harness.training.torch.fused.distance import UPDATED, largest
from harness.training.torch.fused.linear import CopiedWeights
from harness.training.torch.optimiser import BUFFER, rounded

ROUNDED = 2**-8
"""Of the norm of weights: bfloat16's rounding."""
Sum = tuple[Tensor, Tensor | None, Tensor | None]
"""A residual, a branch that is still to be added, and the bias in it whose gradient its sum gives."""


def able(model: nn.Module) -> bool:
    """Return whether a network is a transformer of the blocks that there are kernels for: ViT, and the hybrid's."""
    if not isinstance(model, VisionTransformer) or not isinstance(model.norm, nn.LayerNorm):
        return False
    blocks: Any = model.blocks
    return len(blocks) > 0 and all(_usual(each) for each in blocks)


def _usual(block: Any) -> bool:
    """Return whether a block adds attention and an MLP, each after a norm of its own, and nothing else."""
    if type(block) is not Block or type(block.attn) is not Attention or type(block.mlp) is not Mlp:
        return False
    attention, mlp = block.attn, block.mlp
    around = (block.ls1, block.ls2, block.drop_path1, block.drop_path2, mlp.norm)
    nothing = (*around, attention.q_norm, attention.k_norm, attention.norm)
    norms: tuple[Any, ...] = (block.norm1, block.norm2)
    return bool(
        all(type(each) is nn.Identity for each in nothing)
        and all(isinstance(each, nn.LayerNorm) and each.weight is not None and each.bias is not None for each in norms)
        and norms[0].normalized_shape[0] <= WIDEST
        and attention.gate is None
        and attention.fused_attn
        and attention.attn_drop.p == 0
        and isinstance(mlp.act, nn.GELU)
        and all(type(each) is nn.Linear for each in linears(block))
    )


def linears(block: Any) -> tuple[Any, ...]:
    """Return the layers of a block that are matrix products."""
    attention, mlp = block.attn, block.mlp
    return attention.qkv, attention.proj, mlp.fc1, mlp.fc2


class VitPath:
    """A transformer whose blocks are computed by fused kernels while `on`.

    Args:
        model: on a CUDA device.
        optimiser: holds the momenta of the products' weights; it updates the other parameters itself. None, as the
            recipe: nothing is updated.
        recipe: for the momentum and weight decay.
    """

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer | None, recipe: Recipe | None):
        self.model, self.optimiser, self.recipe = model, optimiser, recipe
        self.blocks: list[Any] = list(model.blocks)  # type: ignore[arg-type]
        products = [linear for block in self.blocks for linear in linears(block)]
        self.weights = CopiedWeights([each.weight for each in products], torch.bfloat16)
        self.replaced, self.leaves = self.weights.weights, self.weights.leaves
        self._weight_of = dict(zip(map(id, products), self.leaves.tensors, strict=True))
        biased = [each for each in products if each.bias is not None]
        self._biases = [each.bias for each in biased]
        self._copies = [torch.empty_like(each, dtype=torch.bfloat16, requires_grad=False) for each in self._biases]
        self._bias_of = dict(zip(map(id, biased), self._copies, strict=True))
        self.on = False

    def start(self) -> None:
        """Compute by fused kernels from now on, with the weights as they are."""
        for block in self.blocks:
            vars(block)["forward"] = partial(self._block, block)
        norm: Any = self.model.norm

        def last(x: Sum) -> Tensor:
            return _normed(x, norm)[1]

        vars(norm)["forward"] = last
        self.weights.copy()
        self._copy_biases()
        self.on = True

    def stop(self) -> None:
        """Compute by PyTorch's operations again."""
        for module in (*self.blocks, self.model.norm):
            vars(module).pop("forward", None)
        self.leaves.zero_grad()
        self.on = False

    @torch.no_grad()
    def clip(self, most: float) -> None:
        """Scale all gradients down to a global norm: those of the products' weights while they are updated.

        As torch.nn.utils.clip_grad_norm_, with the norm in float32.
        """
        others = [one.grad for one in self.model.parameters() if one.grad is not None]
        norms = torch._foreach_norm(self.leaves.gradients, 2, dtype=torch.float32)
        norm = torch.linalg.vector_norm(torch.stack([*norms, *torch._foreach_norm(others, 2)]))
        torch.clamp(most / (norm + 1e-6), max=1.0, out=self.weights.share[0])
        torch._foreach_mul_(others, self.weights.share[0])

    def update(self, rate: float) -> None:
        """Update the products' weights; the optimiser has yet to update their biases."""
        assert self.optimiser is not None
        assert self.recipe is not None
        momenta = [self.optimiser.state[weight][BUFFER] for weight in self.replaced]
        kept = rounded(self.recipe.momentum, self.recipe.momentum_dtype)
        self.weights.update(momenta, rate, kept, self.recipe.weight_decay)

    def updated(self) -> None:
        """Take over the parameters that the optimiser has updated."""
        self._copy_biases()

    def gradients(self) -> list[Tensor | None]:
        """Return the gradient of each of the model's parameters."""
        of_products = dict(zip(map(id, self.replaced), self.leaves.gradients, strict=True))
        found = [of_products.get(id(one), one.grad) for one in self.model.parameters()]
        return [None if each is None else each.float() for each in found]

    def wrong_update(self) -> str:
        """Return how an update of some weights differs from that of PyTorch; "" if it does not.

        Copies of the smallest, the middle and the largest are updated twice: with a gradient in the training precision,
        and with one that was added up in float32 and is clipped.
        """
        by_size = sorted(self.replaced, key=lambda each: each.numel())
        plain = [by_size[at].detach().clone() for at in (0, len(by_size) // 2, -1)]
        weights = CopiedWeights([each.clone() for each in plain], torch.bfloat16)
        rate, momentum, decay = 0.1, 0.9, 5.0  # each large enough to be seen
        kept = torch.float32 if self.recipe is None else getattr(torch, self.recipe.momentum_dtype)
        expected, moving = plain, [torch.full_like(each, 3.0, dtype=kept) for each in plain]
        weights.copy()
        drawn = torch.Generator().manual_seed(0)
        for added in (False, True):
            for leaf in weights.leaves.tensors:
                leaf.grad = torch.empty_like(leaf).copy_(torch.randn(leaf.shape, generator=drawn))
            momenta, share = [each.clone() for each in moving], 0.5 if added else 1.0
            weights.share.fill_(share)
            given = [share * each.float() for each in weights.leaves.gradients]
            exact = [momentum * v.float() + g + decay * w for v, g, w in zip(moving, given, expected, strict=True)]
            expected = [w - rate * v for w, v in zip(expected, exact, strict=True)]
            moving = [v.to(kept) for v in exact]
            if added:
                weights.leaves.add_up()
            weights.update(momenta, rate=rate, momentum=momentum, decay=decay)
            weights.leaves.zero_grad()
            apart, of_copies = largest(weights.weights, expected), largest(weights.leaves.tensors, expected)
            of_momenta = largest(momenta, exact)
            if kept == torch.float32:
                apart = max(apart, of_momenta)
            else:
                of_copies = max(of_copies, of_momenta)
            if not (apart <= UPDATED and of_copies <= ROUNDED):
                return (
                    f"disagree (an update was {apart:.2g} of its norm from PyTorch's, what is kept in bfloat16"
                    f" {of_copies:.2g}; expected at most {UPDATED:g} and {ROUNDED:g})"
                )
        return ""

    @torch.no_grad()
    def _copy_biases(self) -> None:
        if self._biases:
            torch._foreach_copy_(self._copies, self._biases)

    def _block(self, block: Any, x: Tensor | Sum) -> Sum:
        residual, normed = _normed(x if isinstance(x, tuple) else (x, None, None), block.norm1)
        attention = block.attn
        qkv = self._product(attention.qkv, normed)
        parts = Heads.apply(qkv, attention.qkv.bias, attention.num_heads)
        attended = functional.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(normed.shape)
        residual, normed = _normed(
            (residual, *self._ending(attention.proj, attended, attention.proj_drop)), block.norm2
        )
        mlp = block.mlp
        hidden = mlp.drop1(Gelu.apply(self._product(mlp.fc1, normed), mlp.fc1.bias, mlp.act.approximate))
        return (residual, *self._ending(mlp.fc2, hidden, mlp.drop2))

    def _product(self, linear: nn.Linear, x: Tensor) -> Tensor:
        """Return what a layer computes, in bfloat16; its bias' gradient is left to who takes it."""
        return functional.linear(x, self._weight_of[id(linear)], self._bias_of.get(id(linear)))

    def _ending(self, linear: nn.Linear, x: Tensor, dropout: nn.Dropout) -> tuple[Tensor, Tensor | None]:
        """Return a branch, and its bias if the sum is to give the bias' gradient: not of what dropout has left out."""
        if not dropout.p:
            return self._product(linear, x), linear.bias
        bias = None if linear.bias is None else linear.bias.to(torch.bfloat16)
        return dropout(functional.linear(x, self._weight_of[id(linear)], bias)), None


def _normed(x: Sum, norm: Any) -> tuple[Tensor, Tensor]:
    residual, branch, bias = x
    summed, normed = AddNorm.apply(residual.float(), norm.weight, norm.bias, branch, bias, norm.eps)
    return summed, normed
