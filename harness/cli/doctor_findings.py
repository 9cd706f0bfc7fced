"""What this machine has and lacks for `-m gpu`: accelerator, memory, disk, network access, checkpoints and datasets."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.catalog.claim_files import claims
from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender, Hypothesis, terms_of
from harness.core.paper import paper
from harness.core.specs import Checkpoint

State = Literal["ok", "missing", "note"]

PACKAGES = (
    "vit-claims python torch torchvision timm jax flax transformers huggingface-hub numpy scipy statsmodels pytest"
).split()

GATED = ("ILSVRC/imagenet-1k", "data/validation-00000-of-00014.parquet")
"""The gated hub dataset, and a file of it that only those who accepted its terms can get."""
PATIENCE = 5.0
"""Seconds that a source has to answer."""
DISK_WARNING = 50e9
"""Bytes: some checkpoints and datasets, and room to unpack."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    topic: str
    state: State
    text: str
    """In words, with what to do where something is missing."""


def examine(cache: Path, home: Path, *, offline: bool = False) -> list[Finding]:
    """Return everything that the doctor looks at, in order.

    Args:
        cache: where downloads lie.
        home: where runs lie.
        offline: ask no server.
    """
    found = [*versions(), *accelerators(), memory(), *disk({"cache": cache, "home": home}), token()]
    if offline:
        found.append(Finding("sources", "note", "not asked (offline)"))
    else:
        found += source_findings()
    return found + claim_findings(cache)


def versions(packages: Iterable[str] = PACKAGES) -> list[Finding]:
    """Return the versions of the main packages, and which are not installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    there, missing = [f"Python {platform.python_version()} on {platform.platform(terse=True)}"], []
    for package in packages:
        if package == "python":
            continue
        try:
            there.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    found = [Finding("versions", "ok", ", ".join(there))]
    if missing:
        found.append(Finding("versions", "missing", f"not installed: {', '.join(missing)}; pip install -e ."))
    return found


def accelerators() -> list[Finding]:
    """Return what PyTorch and JAX can compute on; neither needs an accelerator to be there."""
    return [torch_device(), jax_device()]


def torch_device() -> Finding:
    """Return the accelerators that PyTorch sees, with their memory."""
    try:
        import torch

        if torch.cuda.is_available():
            cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
            named = ", ".join(f"{card.name} with {gigabytes(card.total_memory)}" for card in cards)
            return Finding("accelerator", "ok", f"PyTorch: {named}")
        if torch.backends.mps.is_available():
            return Finding("accelerator", "note", "PyTorch: Apple MPS; the gpu evidence expects CUDA")
    except Exception as error:
        return Finding("accelerator", "missing", f"PyTorch can't be used: {one_line(error)}")
    return Finding("accelerator", "missing", "PyTorch: no CUDA device; `-m gpu` needs one, `-m micro` does not")


def jax_device() -> Finding:
    """Return the devices that JAX sees."""
    try:
        import jax

        devices = jax.devices()
    except Exception as error:
        return Finding("accelerator", "note", f"JAX can't be used: {one_line(error)}")
    names = sorted({device.device_kind for device in devices})
    return Finding(
        "accelerator", "ok" if devices[0].platform != "cpu" else "note", f"JAX: {len(devices)} x {', '.join(names)}"
    )


def memory() -> Finding:
    """Return the machine's memory, and what a container lets this process use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = container_limit()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    within = f", of which {gigabytes(limit)} for this container" if limit and limit < total else ""
    return Finding("memory", "ok", f"{gigabytes(total)}{within}; {cores} cores")


def container_limit(path: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    """Return the memory limit of the control group in bytes, or None."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def disk(folders: dict[str, Path]) -> list[Finding]:
    """Return the free space where the cache and the home folder are, or would be made."""
    found = []
    for name, folder in folders.items():
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        writable = os.access(there, os.W_OK)
        state: State = "ok" if writable and free > DISK_WARNING else "note" if writable else "missing"
        advice = (
            ""
            if state == "ok"
            else f"; {gigabytes(int(DISK_WARNING))} or more is better"
            if writable
            else "; read-only"
        )
        found.append(Finding("disk", state, f"{name} {folder}: {gigabytes(free)} free{advice}"))
    return found


def token() -> Finding:
    """Return whether a hub token is set; the token itself is never shown."""
    from huggingface_hub import get_token

    if get_token():
        return Finding("hub token", "ok", "a token is set (whether it opens the gated datasets: see sources)")
    return Finding(
        "hub token", "note", "none; only the gated ILSVRC/imagenet-1k needs one: accept its terms, then `hf auth login`"
    )


def source_findings() -> list[Finding]:
    """Request one file from every place, in parallel, and describe each answer."""
    from harness.catalog.checkpoint_files import materials
    from harness.catalog.checkpoints import checkpoint
    from harness.fetch.sources import Hub

    asked: list[tuple[str, Any]] = [
        (each.name, materials(checkpoint(each.checkpoint))[0].sources[each.source]) for each in paper().probes
    ]
    asked.append((f"gated dataset {GATED[0]}", Hub(*GATED, kind="dataset")))
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda pair: probe(*pair), asked))


def probe(name: str, source: Any) -> Finding:
    """Return whether a source answers, and with how many bytes or which refusal."""
    from harness.fetch.dry_run import size_at
    from harness.fetch.retry import Network, SourceFailure

    try:
        size = size_at(source, Network(connect=PATIENCE, read=PATIENCE, tries=1), {})
    except SourceFailure as failure:
        return Finding("sources", "missing", f"{name}: {one_line(failure)}")
    except Exception as error:  # a broken proxy, a library's own error: words, not a traceback
        return Finding("sources", "missing", f"{name}: {type(error).__name__}: {one_line(error)}")
    return Finding("sources", "ok", f"{name}: answers" + (f" ({size:,} bytes of {source})" if size else ""))


def claim_findings(cache: Path) -> list[Finding]:
    """Return for each claim what is missing here to measure it on the released material."""
    return [finding for claim, stated in claims().values() for finding in need(claim, stated, cache)]


def need(claim: Claim, stated: Iterable[Hypothesis], cache: Path) -> list[Finding]:
    """Return what one claim lacks: checkpoints to fetch or never released, datasets that are not here."""
    from harness.catalog.checkpoint_files import state
    from harness.catalog.checkpoints import resolve_all

    groups: dict[str, dict[str, Checkpoint]] = defaultdict(dict)
    unknown: dict[str, None] = {}
    datasets: dict[str, None] = {}
    for hypothesis in stated:
        for contender, on in terms_of(hypothesis):
            try:
                found = resolve_all(contender, on)
            except ClaimsError:
                unknown[str(contender)] = None
                continue
            for each in found:
                groups[state(each, cache)][each.id] = each
            if not any(each.never_released for each in found):
                datasets[on] = None
    name = claim.id
    findings = []
    if groups["never released"]:
        listed = ", ".join(who(entry) for entry in groups["never released"].values())
        findings.append(Finding(name, "note", f"can't be measured, never released: {listed}"))
    if groups["to fetch"]:
        lacking = groups["to fetch"].values()
        if listed := " ".join(entry.id for entry in lacking if not entry.tuned_on):
            findings.append(Finding(name, "missing", f"checkpoints to fetch (python -m harness fetch ID...): {listed}"))
        runs = Counter(entry.upstream for entry in lacking if entry.tuned_on)
        if listed := ", ".join(f"{count} of {of}" for of, count in runs.items()):
            how = f"python -m harness fetch --claim {name}"
            findings.append(Finding(name, "missing", f"fine-tuned files to fetch ({how}): {listed}"))
    if unknown:
        findings.append(Finding(name, "missing", f"no checkpoint in the tables: {', '.join(unknown)}"))
    absent = [dataset for dataset in datasets if not dataset_here(dataset)]
    if absent:
        findings.append(
            Finding(name, "missing", f"datasets to fetch (python -m harness fetch ID...): {' '.join(absent)}")
        )
    return findings or [Finding(name, "ok", "everything it needs is here")]


def who(entry: Checkpoint) -> str:
    """Return a checkpoint as the paper names it."""
    return str(Contender(entry.architecture, entry.pretrained_on, entry.variant))


def dataset_here(name: str) -> bool:
    """Return whether all files of a claim's dataset are in their place; they are checked only when they are read."""
    from harness.core.config import settings
    from harness.data.download.dataset import state
    from harness.data.imagenet_real import FILE, ID
    from harness.data.paths import location
    from harness.data.registry import claimed, entries

    here = [
        state(entries()[part], location(entries()[part].folder))[0] == "here"
        if part in entries()
        else (settings().cache / "files" / ID / FILE).is_file()
        for part in claimed(name)
        if part in entries() or part == ID
    ]
    return bool(here) and all(here)


def gigabytes(count: int) -> str:
    """Return bytes in GB, a thousand million bytes."""
    return f"{count / 1e9:.1f} GB"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
