"""What a killed run continues from: one safetensors file, written whole or not at all.

Weights, momentum, average, the scale of the loss and the losses so far. The order of examples, their views, mixup
and dropout are functions of (seed, step), so no random state and no position in the data need be saved.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder
from harness.training.resume import Progressed, name_of, newest, prune, unsaved
from harness.training.torch.device import DeviceContext
from harness.training.torch.fused.path import PLAIN
from harness.training.torch.optimiser import BUFFER, Average

STEPS = re.compile(rf"; from step \d+ (?:{PLAIN}$)?")
"""What parts the ways in which a run's steps were computed by one process after the other."""

FORMAT = 2


@dataclass(eq=False)
class Training(Progressed):
    """Everything that a step changes."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average | None = None
    scaler: Any = None
    kernels: str = ""
    """What computed the steps, as of `Outcome`."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a state holds, by name; changing them in place changes the training."""
        named = {f"weights.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            if BUFFER in self.optimiser.state[parameter]:
                named[f"momentum.{name}"] = self.optimiser.state[parameter][BUFFER]
        if self.average is not None:
            named |= {f"average.{number:05}": average for number, average in enumerate(self.average.averages)}
        return named

    def computed_by(self, *kernels: str) -> None:
        """Note what computes the steps from here on, after what earlier steps were computed by.

        Args:
            kernels: what computes them, and how its kernels are launched; "" where that is the usual way.
        """
        now = ", ".join(filter(None, kernels))
        *_, before = STEPS.split(self.kernels)
        if before == now:
            return
        if self.step:
            self.kernels = f"{self.kernels or PLAIN}; from step {self.step} {now or PLAIN}"
        else:
            self.kernels = now

    def lay_out(self) -> None:
        """Lay momenta and averages out as the weights, whose memory format was changed."""
        for parameter in self.model.parameters():
            kept = self.optimiser.state[parameter]
            if BUFFER in kept:
                kept[BUFFER] = torch.empty_like(parameter, dtype=kept[BUFFER].dtype).copy_(kept[BUFFER])
            parameter.grad = None
        if self.average is not None:
            pairs = zip(self.average.averages, self.average.parameters, strict=True)
            self.average.averages = [torch.empty_like(weight).copy_(average) for average, weight in pairs]


class Saver:
    """Saves a run's states, from a thread where an accelerator can train on meanwhile.

    Args:
        states: the run's folder; None: nothing is saved.
        run_id: the run.
        accelerated: whether the tensors are on an accelerator.
    """

    def __init__(self, states: Path | None, run_id: str, accelerated: bool):
        self.states, self.run_id, self.accelerated = states, run_id, accelerated
        self._thread: threading.Thread | None = None

    def save(self, training: Training) -> None:
        """Save a training as it is now; see `save`. Only the copy to the host's memory is waited for."""
        self.wait()
        if self.states is None:
            return
        written = partial(_write, self.states, self.run_id, *_snapshot(training, copy=self.accelerated))
        if not self.accelerated:
            written()
            return
        self._thread = threading.Thread(target=written, name="state")
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was to be saved is."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def save(states: Path, run_id: str, training: Training) -> None:
    """Save a training; the newest two are kept. A full disk is reported on stderr and training continues."""
    _write(states, run_id, *_snapshot(training))


def _snapshot(training: Training, copy: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a training's tensors on the host, copied if the next step must not change them, and the rest of it."""
    tensors = {name: tensor.detach().to("cpu", copy=copy).contiguous() for name, tensor in training.tensors().items()}
    tensors["losses"] = torch.tensor(training.losses, dtype=torch.float64)
    said = {
        "step": training.step,
        "seconds": training.seconds,
        "waiting": training.waiting,
        "kernels": training.kernels,
        "scaler": training.scaler.state_dict() if training.scaler is not None else None,
    }
    return tensors, said


def _write(states: Path, run_id: str, tensors: dict[str, Tensor], said: dict[str, Any]) -> None:
    path = states / f"{name_of(said['step'])}.safetensors"
    temporary = states / f".{path.name}.{os.getpid()}"
    try:
        said = {"run": run_id, "format": FORMAT, **said, "crc32": checksum(tensors)}
        make_folder(states)
        save_file(tensors, temporary, {"training": json.dumps(said)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        prune(states)
    except (OSError, SafetensorError, ClaimsError, MemoryError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        unsaved(path, error)


def restore(states: Path, run_id: str, training: Training) -> bool:
    """Restore a training from its newest intact saved state; return whether there was one."""
    return newest(states, lambda path: load(path, run_id, training))


def load(path: Path, run_id: str, training: Training) -> None:
    """Set a training to one saved state; nothing is changed unless all of it is sound.

    Raises:
        ClaimsError: damaged, of another run or format, or of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file, not a mapping)
        losses = tensors.pop("losses")
        whole = checksum({**tensors, "losses": losses}) == said["crc32"]
        now = training.tensors()
        fits = tensors.keys() == now.keys() and all(tensors[name].shape == now[name].shape for name in now)
        sound = whole and fits and said["run"] == run_id and said["format"] == FORMAT and len(losses) == said["step"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ClaimsError(f"{path}: expected a saved state, found: {error}") from None
    if not sound:
        raise ClaimsError(f"{path}: expected a valid state of run {run_id}, found another or a damaged one")
    with torch.no_grad():
        for name, tensor in now.items():
            tensor.copy_(tensors[name])
    if training.scaler is not None and said["scaler"] is not None:
        training.scaler.load_state_dict(said["scaler"])
    training.losses[:] = losses.tolist()
    training.seconds, training.waiting = said["seconds"], said["waiting"]
    training.kernels = said.get("kernels", "")  # states of earlier versions do not say


def share(training: Training, context: DeviceContext) -> None:
    """Give every process the training of the first: only that one saves, and others may not see its disk."""
    context.share(list(training.tensors().values()))
    progress = torch.tensor([training.step, training.seconds, training.waiting], dtype=torch.float64)
    progress = progress.to(context.device)
    context.share([progress])
    step, training.seconds, training.waiting = progress.tolist()
    losses = torch.zeros(int(step), dtype=torch.float64, device=context.device)
    if training.losses and context.rank == 0:
        losses.copy_(torch.tensor(training.losses, dtype=torch.float64))
    context.share([losses])
    training.losses[:] = losses.tolist()
    if training.scaler is not None:
        said = training.scaler.state_dict()
        scale = torch.tensor([said["scale"], said["_growth_tracker"]], dtype=torch.float64, device=context.device)
        context.share([scale])
        training.scaler.load_state_dict(said | {"scale": scale[0].item(), "_growth_tracker": int(scale[1])})


def checksum(tensors: dict[str, Tensor]) -> list[int]:
    """Return the crc32 of each tensor's name and bytes, in the order of the names; several are computed at once."""

    def of(name: str) -> int:
        content: Any = tensors[name].reshape(-1).view(torch.uint8).numpy()
        return zlib.crc32(content, zlib.crc32(name.encode()))

    try:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            return list(pool.map(of, sorted(tensors)))
    except RuntimeError:  # no more threads, for the process is ending
        return [of(name) for name in sorted(tensors)]
