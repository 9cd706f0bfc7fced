"""What a killed JAX run continues from: one folder that orbax writes, named when it is whole.

Weights, momentum, average and the losses so far; the order of examples, their views, mixup and dropout are functions
of (seed, step). orbax notices a folder that is not finished, not one whose bytes were damaged: hence the checksum.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder
from harness.training.jax.step import State
from harness.training.resume import Progressed, name_of, newest, prune, unsaved

FORMAT = 1
Array = npt.NDArray[Any]


@dataclass(eq=False)
class Training(Progressed):
    """Everything that a step changes."""

    state: State


def save(states: Path, run_id: str, training: Training) -> None:
    """Save a training; the newest two are kept. A full disk is reported on stderr and training continues."""
    import orbax.checkpoint as ocp

    path = states / name_of(training.step)
    temporary = states / f".{path.name}.{os.getpid()}"
    arrays = _arrays(training)
    said = {
        "run": run_id,
        "format": FORMAT,
        "step": training.step,
        "seconds": training.seconds,
        "waiting": training.waiting,
        "crc32": checksum(arrays),
    }
    try:
        make_folder(states)
        with _quiet(), contextlib.closing(ocp.StandardCheckpointer()) as checkpointer:
            checkpointer.save(temporary.absolute(), arrays, custom_metadata=said)
            checkpointer.wait_until_finished()
        shutil.rmtree(path, ignore_errors=True)  # a damaged one of this step
        temporary.replace(path)
        prune(states)
    except Exception as error:  # what a full disk raises depends on which of orbax's layers meets it
        shutil.rmtree(temporary, ignore_errors=True)
        unsaved(path, _line(error))


def restore(states: Path, run_id: str, training: Training) -> bool:
    """Restore a training from its newest intact saved state; return whether there was one."""
    return newest(states, lambda path: load(path, run_id, training))


def load(path: Path, run_id: str, training: Training) -> None:
    """Set a training to one saved state; nothing is changed unless all of it is sound.

    Raises:
        ClaimsError: damaged, of another run or format, or of another network.
    """
    import orbax.checkpoint as ocp

    wanted = _arrays(training, read=False)
    try:
        with _quiet(), contextlib.closing(ocp.StandardCheckpointer()) as checkpointer:
            said = dict(checkpointer.metadata(path.absolute()).custom_metadata)
            wanted["losses"] = np.zeros(int(said["step"]))
            arrays = checkpointer.restore(path.absolute(), wanted)
        sound = said["run"] == run_id and said["format"] == FORMAT and said["crc32"] == checksum(arrays)
    except Exception as error:  # a damaged folder makes each of orbax's layers raise something else
        raise ClaimsError(f"{path}: expected a saved state, found: {_line(error)}") from None
    if not sound:
        raise ClaimsError(f"{path}: expected a valid state of run {run_id}, found another or a damaged one")
    leaves = [arrays[name] for name in wanted if name != "losses"]
    training.state = jax.tree.unflatten(jax.tree.structure(training.state), leaves)
    training.losses[:] = arrays["losses"].tolist()
    training.seconds, training.waiting = said["seconds"], said["waiting"]


def checksum(arrays: dict[str, Array]) -> int:
    """Return the crc32 of arrays' names, types, shapes and bytes."""
    found = 0
    for name in sorted(arrays):
        array = arrays[name]
        found = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), found)
        content: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        found = zlib.crc32(content, found)
    return found


def _arrays(training: Training, read: bool = True) -> dict[str, Array]:
    """Return a training's arrays by name, in the order of the state's leaves; without `read`, zeros in their place."""
    named = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(training.state):
        name = jax.tree_util.keystr(keys, simple=True, separator=".").replace("/", ".")
        named[name] = np.asarray(leaf) if read else np.zeros(leaf.shape, leaf.dtype)
    if read:
        named["losses"] = np.asarray(training.losses, np.float64)
    return named


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep orbax's remarks on its own ways (absl's log) from the terminal; what matters is raised."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
