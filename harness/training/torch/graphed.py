"""A network whose forward and backward passes are launched as one CUDA graph each, not kernel by kernel.

The card computes the same kernels; the host, which takes 20 to 50 ms to launch those of a deep network one by one, no
longer holds it up. A graph reads and writes fixed places in memory: inputs are copied to theirs, and what is in the
place of the gradients is the last call's. So it is for batches that are computed at once, by one process.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.training.torch.device import DeviceContext
from harness.training.torch.fused.distance import distance
from harness.training.torch.memory import free, out_of_memory

GRAPHED = "one CUDA graph"
ONE_BY_ONE = "launched one by one"
APART = 0.05
"""Of the norm of a gradient, between the same kernels launched one by one and as a graph: cuDNN may choose others."""
FASTER = 0.95
"""Of the time of launching kernels one by one that a graph may take, to be used."""
SLOWER = "is not faster"
"""How the reason begins that is no fault."""
LAPS = 4
"""Gradients that are timed."""


class GraphedPath:
    """A network that is computed by CUDA graphs while `on`.

    Args:
        model: on a CUDA device.
        dtype: that it computes in by autocast; float32: without.
        leaves: tensors beside the parameters that get gradients.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, leaves: Sequence[Tensor] = ()):
        self.model, self.dtype, self.leaves = model, dtype, tuple(leaves)
        self.on = False
        self._graphed: Callable[..., Tensor] | None = None

    def capture(self, inputs: Tensor) -> None:
        """Capture the passes for inputs of this shape and layout.

        Args:
            inputs: of one batch; later ones are copied into its place.
        """
        whole = _Whole(self.model, self.dtype)
        given = (inputs.detach().clone(memory_format=torch.preserve_format), *self.leaves)
        make: Any = torch.cuda.make_graphed_callables
        asked: dict[str, Any] = {"allow_unused_input": True}  # parameters in whose place leaves are used
        if "capture_error_mode" in inspect.signature(make).parameters:  # of later versions than 2.11
            asked["capture_error_mode"] = "thread_local"  # what other threads do with the card is no error
        self._graphed = make(whole, given, **asked)

    def start(self) -> None:
        """Compute by graphs from now on."""
        graphed = self._graphed
        assert graphed is not None

        def replayed(x: Tensor) -> Tensor:
            return graphed(x, *self.leaves)

        vars(self.model)["forward"] = replayed
        # The graph's nodes that add gradients up are of the stream on which it was captured: no reason to warn.
        getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", bool)(False)
        self.on = True

    def stop(self) -> None:
        """Launch kernels one by one again."""
        if self.on:
            vars(self.model).pop("forward", None)
        self.on = False

    def release(self) -> None:
        """Forget the graphs, and free what they hold of the card's memory."""
        self.stop()
        if self._graphed is not None:
            self._graphed = None
            free()


class _Whole(nn.Module):
    """A network as a function of all that it computes with."""

    def __init__(self, model: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, x: Tensor, *leaves: Tensor) -> Tensor:
        """Return the logits of x; the leaves are those that the network uses itself."""
        del leaves
        lower = self.dtype != torch.float32
        # A weight that was converted outside of the graph would not be converted again.
        with torch.autocast(x.device.type, self.dtype, enabled=lower, cache_enabled=False):
            found: Tensor = self.model(x)
        return found


@dataclass(frozen=True, eq=False)
class Trial:
    """One batch by which a network's graphs are tried."""

    inputs: Tensor
    """(N, 3, H, W)."""
    compute: Callable[[Tensor], None]
    """Computes the gradients of a batch, with the same dropout each time."""
    gradients: Callable[[], list[Tensor | None]]
    """Returns them."""
    forget: Callable[[], None]
    """Frees them."""
    context: DeviceContext


def checked(path: GraphedPath, trial: Trial, known: bool = False) -> str:
    """Return why a network is not to be computed by graphs; "" if it is.

    The gradients of two batches are compared with those of kernels that are launched one by one, and their time. These
    are also where a run's largest use of memory is seen: what a replayed graph computes in is not counted.

    Args:
        path: stopped, and stopped when this returns.
        trial: what it is tried by.
        known: whether this process has compared them before, for another run.
    """
    wrong, lacking = "", False
    try:
        if known:
            trial.forget()
            path.capture(trial.inputs)
        else:
            wrong = _compared(path, trial)
    except Exception as error:  # whatever goes wrong on a card, the run goes on
        lines = str(error).strip().splitlines() or [type(error).__name__]
        wrong, lacking = f"failed ({lines[0][:200]})", out_of_memory(error)
    path.stop()
    if wrong:
        path.release()
    if lacking:
        free()
    return wrong


def _compared(path: GraphedPath, trial: Trial) -> str:
    plain = []
    for batch in (trial.inputs, trial.inputs.flip(0, -1)):
        trial.compute(batch)
        plain.append((batch, [None if each is None else each.detach().cpu() for each in trial.gradients()]))
    one_by_one = _seconds(trial)
    trial.forget()
    path.capture(trial.inputs)
    path.start()
    distances = []
    for batch, exact in plain:
        trial.compute(batch)
        distances.append(distance(trial.gradients(), exact))
    return _wrong(distances, one_by_one, _seconds(trial))


def _wrong(distances: Sequence[float], one_by_one: float, at_once: float) -> str:
    if not all(each <= APART for each in distances):  # not a number is too far, too
        far = ", ".join(f"{each:.2g}" for each in distances)
        return f"disagrees (gradients were {far} of their norm from those of kernels launched one by one)"
    if at_once > FASTER * one_by_one:
        return f"{SLOWER} ({1000 * at_once:.1f} ms, {1000 * one_by_one:.1f} ms one by one)"
    return ""


def _seconds(trial: Trial) -> float:
    """Return the seconds of a batch's gradient, of the fastest of some: another process may hold one up."""
    found = []
    for _ in range(LAPS):
        trial.context.wait()
        start = time.perf_counter()
        trial.compute(trial.inputs)
        trial.context.wait()
        found.append(time.perf_counter() - start)
    return min(found)
