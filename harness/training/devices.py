"""Where a run is computed: which device an option means here, and what it is called."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Backend
from harness.training.accelerators import VARIABLE as VISIBLE
from harness.training.accelerators import visible

AUTO = "auto"
JAX_THREADS = "PJRT_NPROC"
"""The environment variable that says with how many threads JAX computes on a CPU."""
COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The environment variable that says where PyTorch's compiler keeps its programs."""
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt (malloc.h): what is kept at the end of a heap; from which size memory is not of one."""
LARGEST_KEPT = 1 << 25
"""Bytes; glibc takes no larger value."""
MOST_KEPT = 1 << 30
"""Bytes."""


def choose(run: Run, option: str = AUTO) -> str:
    """Return the device to compute a run on: "cpu", "cuda" or "cuda:N".

    Runs of the checkpoints that come with the project are always computed on the CPU: their stored results are the
    same to the bit on every machine of a kind, and an accelerator's would not be.

    Args:
        run: what is computed.
        option: "auto" (an accelerator if there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        ClaimsError: another option, an accelerator that is not here, or one for a shipped checkpoint.
    """
    asked = re.fullmatch(r"(auto|cpu)|cuda(?::(\d+))?", option)
    if asked is None:
        raise ClaimsError(f"--device: expected auto, cpu, cuda or cuda:N, found {option!r}")
    if run.checkpoint.shipped:
        if asked[1] is None:
            raise ClaimsError(f"--device: expected cpu for {run.checkpoint.id}, which comes with the project")
        return "cpu"
    if option == "cpu":
        return "cpu"
    count = accelerators(run.backend)
    if option == AUTO:
        return "cuda" if count else "cpu"
    if int(asked[2] or 0) >= count:
        raise ClaimsError(
            f"--device {option}: expected such an accelerator for {run.backend}, found {count or 'none'} here; use cpu"
        )
    return option


def accelerators(backend: Backend) -> int:
    """Return how many accelerators a framework sees."""
    if backend == "torch":
        return len(visible())
    return sum(device.platform != "cpu" for device in jax_devices())


def jax_devices(platform: str | None = None) -> list[Any]:
    """Start JAX and return its devices, on its preferred platform or on a named one.

    Raises:
        ClaimsError: there is none.
    """
    start_jax()
    import jax

    try:
        return list(jax.devices(platform))
    except (RuntimeError, AssertionError) as error:  # which one depends on the platform
        found = (str(error).splitlines() or ["none"])[0]
        chosen = os.environ.get("JAX_PLATFORMS", "")
        raise ClaimsError(
            f"expected a device that JAX can compute on, found with JAX_PLATFORMS={chosen!r}: {found}; unset it"
        ) from None


def start_jax() -> None:
    """Set what JAX reads once, with its first array: to be called before that, harmless after it.

    On a CPU one thread computes: the last bits of results depend on their number. On an accelerator memory is taken
    as it is needed, so that PyTorch in the same process finds some, and may be nearly all of it.
    """
    bridge = sys.modules.get("jax._src.xla_bridge")  # nothing public says whether JAX has started
    if bridge is None or not bridge.backends_are_initialized():
        os.environ.setdefault(JAX_THREADS, "1")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.92")


def confine(device: str) -> None:
    """Make one device visible to this process: to be called in a new process, before a framework starts.

    Frameworks read this from the environment alone. It is the only place, with `start_jax`, `join` and `keep_compiled`,
    that changes it.

    Args:
        device: "cpu", or what CUDA_VISIBLE_DEVICES calls one accelerator in the caller's own list.
    """
    if device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # JAX would start on the accelerators, too
    else:
        os.environ[VISIBLE] = device


def join(rank: int, size: int, port: int) -> None:
    """Make this process one of several that compute a run: to be called in a new process, after `confine`.

    Args:
        rank: of this process.
        size: number of them, all on this machine; each sees one device, its first.
        port: that the first listens at.
    """
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": "0"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what would be set later anyway; unset, it is a warning


def keep_compiled(folder: Path, default: str) -> None:
    """Make PyTorch's compiler keep its programs in a folder, from which later processes take them.

    It reads this from the environment alone, each time that it compiles. Who has chosen a folder there keeps it.

    Args:
        folder: where programs are kept.
        default: PyTorch's own choice, which it writes into the environment itself.
    """
    if os.environ.get(COMPILER_CACHE, default) == default:
        os.environ[COMPILER_CACHE] = str(folder)


def keep_memory() -> None:
    """Make this process keep memory that was freed, instead of returning it to the system after each step.

    XLA takes and frees a program's memory each time it is called, and new pages cost up to a third of the time of a
    micro network's step. Whether glibc keeps them anyway depends on what the process did before.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(TRIM_THRESHOLD, MOST_KEPT)


def card_name(device: str, backend: Backend = "torch") -> str:
    """Return what a device is called, e.g. "NVIDIA H100 80GB HBM3"; "cpu" for the CPU."""
    if device == "cpu":
        return "cpu"
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name(device)
    cards = [each for each in jax_devices() if each.platform != "cpu"]
    return str(cards[int(device.partition(":")[2] or 0)].device_kind)
