"""A CUDA device without a card: PyTorch's FakeTensors, which have devices, types and shapes but no values.

What PyTorch asks the driver is answered here; a copy to the host raises, because a FakeTensor has nothing to copy.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _foreach_utils as foreach
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.data.splits import Split
from harness.training.torch import feed, loop
from harness.training.torch.device import MIXED, DeviceContext

DEVICE = torch.device("cuda", 0)
TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
VIEWS = frozenset(
    "view _unsafe_view t transpose permute expand slice select detach alias unsqueeze squeeze as_strided split"
    " split_with_sizes unbind empty empty_like empty_strided new_empty new_empty_strided _reshape_alias chunk"
    " lift_fresh set_ device".split()
)
"""Operations that start nothing on the device."""
PRODUCTS = frozenset("mm addmm bmm baddbmm linear conv2d convolution convolution_backward".split())
IN_PLACE = frozenset(["_fused_sgd_", "_amp_foreach_non_finite_check_and_unscale_"])
SMALL = 4096
"""Elements: what is on the host and smaller than this are indices and draws of random numbers."""


class GraphTask:
    """In place of what numbers the backward passes."""

    number = 0

    def __call__(self):
        return self.number


class NoReadback:
    """In place of AsyncReadback: checks where the loss is and says that it is 1."""

    def __init__(self, context, lag):
        self.context = context

    def add(self, number, computed):
        assert computed.device == self.context.device
        return [(number, SimpleNamespace(tolist=lambda: [1.0]))]

    def due(self, lag=0):
        return []


class Scaler:
    """In place of a GradScaler, whose scale would have to be read: the same operations on the device."""

    def __init__(self):
        self.scale_by = torch.full((), 65536.0, device=DEVICE)

    def scale(self, loss):
        return loss * self.scale_by

    def unscale_(self, optimiser):
        gradients = [one.grad for group in optimiser.param_groups for one in group["params"] if one.grad is not None]
        found = torch.zeros((), device=DEVICE)
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, self.scale_by)

    def step(self, optimiser):
        optimiser.step()

    def update(self):
        """The scale is a constant here."""

    def state_dict(self):
        return {}


def indexed(tensor, index):
    """Index by aten operations: indexing in C++ asks for a guard of the device, which needs a driver."""
    if isinstance(index, torch.Tensor):
        return torch.ops.aten.index.Tensor(tensor, [index])
    index = index if isinstance(index, tuple) else (index,)
    assert not any(isinstance(one, torch.Tensor) for one in index), index
    dim = 0
    if Ellipsis in index:
        at = index.index(Ellipsis)
        taken = sum(one is not None and one is not Ellipsis for one in index)
        index = index[:at] + (slice(None),) * (tensor.ndim - taken) + index[at + 1 :]
    for one in index:
        if one is None:
            tensor, dim = tensor.unsqueeze(dim), dim + 1
        elif isinstance(one, slice):
            if one != slice(None):
                tensor = torch.ops.aten.slice.Tensor(tensor, dim, one.start, one.stop, one.step or 1)
            dim += 1
        else:
            tensor = torch.ops.aten.select.int(tensor, dim, one)
    return tensor


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """Attention by the kernel that a card would choose, which is chosen by asking the card."""
    assert attn_mask is None
    assert not is_causal
    assert not enable_gqa
    if query.dtype == torch.float32:
        kernel = torch.ops.aten._scaled_dot_product_efficient_attention
        return kernel(query, key, value, None, True, dropout_p, False, scale=scale)[0]
    return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, False, scale=scale)[0]


def format_of_convolution(images, weight, backend):
    """Return the layout that cuDNN gives a convolution's output: there is no cuDNN here to be asked."""
    return torch.channels_last if "last" in (layout(images), layout(weight)) else torch.contiguous_format


def laid_out(tensor, memory_format=torch.contiguous_format):
    """Return a tensor in a memory format, by aten operations for the same reason."""
    if tensor.is_contiguous(memory_format=memory_format):
        return tensor
    return torch.ops.aten.clone.default(tensor, memory_format=memory_format)


def backward(loss):
    """Add a loss' gradient to its leaves, node by node: PyTorch's engine would ask the driver for streams."""
    users = Counter()
    waiting = [loss.grad_fn]
    seen = set(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            users[node] += node is not None
            if node is not None and node not in seen:
                seen.add(node)
                waiting.append(node)
    gradients = {loss.grad_fn: {0: torch.ones_like(loss)}}
    # Activations that are computed again are computed once for each backward pass, which has a number.
    torch._C._current_graph_task_id.number += 1
    ready = [loss.grad_fn]
    while ready:
        node = ready.pop()
        given = gradients.pop(node, {})
        found = _applied(node, [given.get(slot) for slot in range(len(node._input_metadata))]) if given else ()
        for (user, slot), gradient in zip(node.next_functions, found, strict=bool(found)):
            if user is not None and gradient is not None:
                wanted = user._input_metadata[slot]  # PyTorch's engine sees to it, too
                gradient = gradient.sum_to_size(wanted.shape).to(wanted.dtype)
                slots = gradients.setdefault(user, {})
                slots[slot] = gradient if slots.get(slot) is None else slots[slot] + gradient
        for user, _ in node.next_functions:
            if user is not None:
                users[user] -= 1
                if not users[user]:
                    ready.append(user)


def _applied(node, gradients):
    """Return the gradients of a node's inputs, one for each of them."""
    with torch.no_grad():
        if hasattr(node, "variable"):  # a leaf: the engine hands its gradient over, where that is laid out as the leaf
            (gradient,), leaf = gradients, node.variable
            if leaf.grad is not None:
                leaf.grad.add_(gradient)
            else:
                leaf.grad = gradient if gradient.stride() == leaf.stride() else torch.empty_like(leaf).copy_(gradient)
            return ()
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return node.apply(*gradients)[: len(node.next_functions)]  # the rest is of arguments that are no tensors
        found = node(*gradients)
    return found if isinstance(found, tuple) else (found,) * bool(node.next_functions)


@contextlib.contextmanager
def fake_card(monkeypatch):
    """Make this process see one card, and every tensor a FakeTensor."""
    answers = {
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "get_device_name": "NVIDIA H100 80GB HBM3",
        "max_memory_allocated": 0,
        "memory_allocated": 0,
        "mem_get_info": (78 << 30, 79 << 30),
        "is_bf16_supported": True,
    }
    with monkeypatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True):
        for name, value in answers.items():
            patch.setattr(torch.cuda, name, lambda *args, value=value, **kwargs: value)
        for name in ("set_device", "synchronize", "reset_peak_memory_stats", "empty_cache", "manual_seed_all"):
            patch.setattr(torch.cuda, name, lambda *args, **kwargs: None)
        patch.setattr(torch.Tensor, "backward", backward)
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
        patch.setattr(torch._C, "_current_graph_task_id", GraphTask())
        patch.setattr(torch._C, "_conv_determine_backend_memory_format", format_of_convolution)
        patch.setattr(foreach, "_foreach_supported_types", [*foreach._foreach_supported_types, FakeTensor])
        # PyTorch keeps the values of numpy's arrays, and would send them to the card: these have none.
        # In another thread there would be no FakeTensors.
        patch.setattr(torch.Tensor, "pin_memory", lambda self, *args: torch.empty_like(self))
        patch.setattr(feed, "batches_ahead", lambda accelerated: 0)
        patch.setattr(torch.Tensor, "__getitem__", indexed)
        patch.setattr(torch.Tensor, "contiguous", laid_out)
        patch.setattr(feed, "check_inputs", lambda *args: None)
        patch.setattr(loop, "AsyncReadback", NoReadback)
        yield


def context(precision):
    """Return a run's device context on the fake card."""
    lower = TYPES.get(precision)
    if lower is None:
        return DeviceContext(DEVICE)
    accelerator = SimpleNamespace(autocast=lambda: torch.autocast("cuda", lower), mixed_precision=MIXED[precision])
    return DeviceContext(DEVICE, accelerator, Scaler() if precision == "float16" else None)


def on_card(model, memory_format=torch.contiguous_format):
    """Return a network of the meta device with FakeTensors on the card in its place."""
    for module in model.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                laid = memory_format if value.ndim == 4 else torch.contiguous_format
                module._parameters[name] = torch.nn.Parameter(
                    torch.empty(value.shape, device=DEVICE, memory_format=laid)
                )
        for name, value in list(module._buffers.items()):
            if value is not None:
                module._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device=DEVICE)
    return model


@dataclass
class Operations(TorchDispatchMode):
    """What is started on the card inside: operations by name, types of products, layouts of convolutions."""

    ops: Counter = field(default_factory=Counter)
    types: Counter = field(default_factory=Counter)
    layouts: Counter = field(default_factory=Counter)
    on_host: Counter = field(default_factory=Counter)

    def __post_init__(self):
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.split("::")[1]
        # PyTorch has no rule for what these make of a FakeTensor: nothing, they change it in place.
        found = None if name in IN_PLACE else func(*args, **(kwargs or {}))
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        made = [one for one in tree_leaves(found) if isinstance(one, torch.Tensor)]
        self.on_host.update(name for one in made if one.device.type == "cpu" and one.numel() > SMALL)
        if name in VIEWS or all(one.device.type == "cpu" for one in given + made):
            return found
        if name == "_to_copy" and given and made and made[0] is given[0]:
            return found
        self.ops[name] += 1
        if name in PRODUCTS or "attention" in name:
            self.types[f"{name} {given[0].dtype}"] += 1
        if name == "convolution":
            self.layouts[" ".join(map(layout, given[:2]))] += 1
        return found

    @property
    def total(self):
        """How many operations start something on the card."""
        return sum(self.ops.values())


def layout(tensor):
    """Return "last" or "first", for where the channels of a 4-d tensor lie, "any" where that is the same."""
    last, first = (tensor.is_contiguous(memory_format=one) for one in (torch.channels_last, torch.contiguous_format))
    return "any" if last and first else "last" if last else "first" if first else "neither"


def images(n, side, classes):
    """Return random colour images of one size."""
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 255, (n, side, side, 3), dtype=np.uint8)
    return Split(pixels, draws.integers(0, classes, n))
