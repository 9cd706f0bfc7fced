"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "timm", "transformers", "accelerate", "jax", "flax", "optax", "numpy", "pytest")


def machine() -> dict[str, str]:
    """Return the processor, its cores, the card if there is one, and the versions of Python and the libraries."""
    import torch

    described = {"cpu": processor(), "cores": str(len(os.sched_getaffinity(0)))}
    if torch.cuda.is_available():
        described["card"] = torch.cuda.get_device_name()
        described["memory"] = f"{torch.cuda.get_device_properties(0).total_memory / 2**30:.1f} GiB"
        described["cuda"] = str(torch.version.cuda)
    return described | {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES}


def installed(name: str) -> str:
    """Return a package's version; "none" where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
