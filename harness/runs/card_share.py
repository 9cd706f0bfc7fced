"""Shares of an accelerator among all processes of a machine: what a run takes, no other takes meanwhile.

There may be more pytest-xdist workers than accelerators, or two sessions: runs that take more of one than there is
would take each other's memory.
"""

from __future__ import annotations

import contextlib
import math
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from harness.core.paths import held
from harness.runs.store import Busy

PARTS = 12
"""Of an accelerator, each with a lock of its own: halves, thirds and quarters are whole numbers of them."""
SLACK = 1e-6
"""Of a share: a third is no exact number."""
PAUSE = 0.05
"""Seconds between tries."""


@contextlib.contextmanager
def held_share(home: Path, device: str, share: float, patience: float = 0.0) -> Iterator[None]:
    """Have a share of accelerators to oneself.

    Args:
        home: where locks lie.
        device: what CUDA_VISIBLE_DEVICES calls them, e.g. "0", "MIG-..." or "0,1".
        share: of each, between 0 and 1.
        patience: seconds to wait until others have left so much.

    Raises:
        Busy: they have not.
    """
    end = time.monotonic() + patience
    while True:
        with contextlib.ExitStack() as stack:
            try:
                for each in device.split(","):
                    _take(home, each, share, stack)
            except Timeout:
                if time.monotonic() >= end:
                    raise Busy(device) from None
            else:
                yield
                return
        time.sleep(PAUSE)


def _take(home: Path, device: str, share: float, stack: contextlib.ExitStack) -> None:
    name = re.sub(r"\W", "-", f"{platform.node()}-{device}")
    wanted = max(1, math.ceil(share * PARTS - SLACK))
    with held(home / "locks" / f"accelerator-{name}.lock", timeout=1):  # one process at a time takes parts
        for part in range(PARTS):
            with contextlib.suppress(Timeout):
                stack.enter_context(held(home / "locks" / f"accelerator-{name}.{part}.lock", timeout=0))
                wanted -= 1
            if not wanted:
                return
    raise Timeout(name)
