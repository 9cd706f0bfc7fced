"""Which accelerators this machine has for each framework, and how a process is given one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from harness.core.errors import ClaimsError

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible() -> tuple[str, ...]:
    """Return the CUDA devices that PyTorch can use, each as CUDA_VISIBLE_DEVICES calls it.

    This may start CUDA, and a started CUDA reads CUDA_VISIBLE_DEVICES no more: a process that is to be given one of
    them must not ask, but be told (`confine`).

    A list that the caller has set is kept to: a worker gets one of its entries, not a number of its own. Of MIG's parts
    of a card CUDA shows a process one, however many are listed; each can be the one of a process.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    listed = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    if count and any(name.startswith("MIG-") for name in listed):
        return tuple(listed)
    return tuple((listed or [str(index) for index in range(count)])[:count])


def grouped(cards: tuple[str, ...], size: int) -> tuple[str, ...]:
    """Return accelerators in groups that compute a run together, each as CUDA_VISIBLE_DEVICES lists it.

    Args:
        cards: all that there are.
        size: of a group. What is left over is not used.

    Raises:
        ClaimsError: there are fewer, or they are parts of a card, which can't exchange gradients.
    """
    if size == 1 or not cards:
        return cards
    whole = [card for card in cards if not card.startswith("MIG-")]
    if len(whole) < size:
        raise ClaimsError(f"--gpus-per-run: expected at least {size} whole accelerators, found {len(whole)}")
    return tuple(",".join(whole[first : first + size]) for first in range(0, len(whole) - size + 1, size))


def jax_has_one() -> bool:
    """Return whether JAX sees an accelerator.

    Asked in a process of its own: JAX would take most of the card's memory in this one, and takes none in that one,
    which other processes may need.
    """
    code = "import jax; print(jax.default_backend())"
    frugal = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=frugal)
    return done.returncode == 0 and done.stdout.split()[-1:] != ["cpu"]
