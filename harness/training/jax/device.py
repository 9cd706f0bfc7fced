"""Where a run is computed in JAX: its devices, how a batch is laid over them, where compiled programs are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder
from harness.core.specs import Recipe
from harness.models.architectures import Architecture, ViTArchitecture
from harness.models.flax.attention import Attention, can_fuse
from harness.training.devices import JAX_THREADS, card_name, jax_devices, keep_memory, start_jax

AXIS = "batch"
"""Name of the one axis along which devices share work."""


@dataclass(frozen=True, eq=False)
class DeviceContext:
    """The devices that compute a run together, each a share of every batch with the same weights."""

    devices: tuple[jax.Device, ...]
    name: str = "cpu"
    """As an Execution calls them: "cpu", "cuda" or "cuda:N"."""

    @property
    def accelerated(self) -> bool:
        """Whether the devices' memory is not the machine's."""
        return str(self.devices[0].platform) != "cpu"

    @cached_property
    def mesh(self) -> Mesh:
        """The devices along the axis of the batch."""
        return Mesh(np.array(self.devices), (AXIS,))

    @cached_property
    def everywhere(self) -> NamedSharding:
        """A copy on each device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @cached_property
    def shared_out(self) -> NamedSharding:
        """The first dimension shared out over the devices."""
        return NamedSharding(self.mesh, PartitionSpec(AXIS))

    def put(self, tree: Any) -> Any:
        """Return arrays as copies on each device, memory shared with no other array."""
        return jax.device_put(tree, self.everywhere, may_alias=False)

    def memory(self) -> int:
        """Return the largest memory allocated on one accelerator so far, bytes."""
        return max(int((device.memory_stats() or {}).get("peak_bytes_in_use", 0)) for device in self.devices)

    def room(self) -> int:
        """Return the memory of an accelerator that is free, bytes."""
        known = self.devices[0].memory_stats() or {}
        return int(known.get("bytes_limit", 0)) - int(known.get("bytes_in_use", 0))

    def attention(self, architecture: Architecture, dtype: str) -> Attention:
        """Return how a network's attention is computed here: in float32, and on a CPU, in flax's own way."""
        if not self.accelerated or dtype == "float32" or not isinstance(architecture, ViTArchitecture):
            return "flax"
        tokens = architecture.grid[0] * architecture.grid[1] + 1
        fits = can_fuse(tokens, architecture.heads, architecture.width // architecture.heads)
        return "fused" if fits else "rounded"

    def card(self) -> str:
        """Return the devices' name."""
        return card_name(self.name, "jax")


def device_context(device: str, recipe: Recipe, folder: Path | None = None) -> DeviceContext:
    """Return the device context of a run.

    On a CPU it is one device that computes with one thread, because predictions depend on their number; "cuda" is
    all accelerators that JAX sees, "cuda:N" one of them.

    Args:
        device: as an Execution calls it.
        recipe: its precision must be one that this backend has.
        folder: where programs are kept once compiled; None: they are compiled by every process.

    Raises:
        ClaimsError: there is no such device, the precision is float16, or JAX computes with several threads already.
    """
    if recipe.precision == "float16":
        raise ClaimsError(
            f"recipe {recipe.id}: precision: expected float32 or bfloat16 for the backend jax, found float16;"
            " use the backend torch"
        )
    start_jax()
    keep_programs(folder)
    if device == "cpu":
        if os.environ.get(JAX_THREADS) != "1":
            raise ClaimsError(
                "device cpu: expected JAX to compute with one thread, on whose number results depend, found it started"
                f" with more in this process; start a process with {JAX_THREADS}=1"
            )
        keep_memory()
        return DeviceContext((jax_devices("cpu")[0],))
    cards = tuple(each for each in jax_devices() if each.platform != "cpu")
    number = device.partition(":")[2]
    if not cards or int(number or 0) >= len(cards):
        raise ClaimsError(
            f"device {device}: expected one of {len(cards) or 'no'} accelerators that JAX sees here; use cpu"
        )
    return DeviceContext((cards[int(number)],) if number else cards, device)


def keep_programs(folder: Path | None) -> None:
    """Make JAX cache compiled programs, including small ones, in an execution's folder for later processes."""
    chosen = None if folder is None else str(make_folder(folder / "programs"))
    if jax.config.values["jax_compilation_cache_dir"] == chosen:
        return
    jax.config.update("jax_compilation_cache_dir", chosen)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()  # it would keep to the folder that it was first used with
