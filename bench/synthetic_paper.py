"""A copy of a paper's folder whose checkpoints and CIFAR-10 are made up, in the real layouts and of any size.

What is fetched, verified, loaded, trained and judged by its tables takes the way that released weights take; only the
bytes are random, and the tables state their digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.weights import random_weights
from harness.data.readers.cifar import CIFAR_10, IMAGE, Layout
from harness.models.architectures import Architecture, BitArchitecture

SOURCE = "the bench: random weights and images"


def write(
    folder: Path,
    paper: Path,
    networks: Mapping[str, Architecture],
    *,
    train: int = 50_000,
    test: int = 10_000,
    steps: int = 50,
) -> Path:
    """Write the copy and what its tables name; return the copy's folder.

    Beside it are `weights`, and `data` for VIT_CLAIMS_DATA.

    Args:
        folder: for all of it.
        paper: the paper's folder.
        networks: what the file of each of these checkpoints holds, by id in checkpoints.toml.
        train: images in the training set of CIFAR-10, a multiple of its number of files.
        test: images in its test set.
        steps: of every recipe of the paper's default protocol.
    """
    copy = folder / paper.name
    shutil.copytree(paper, copy, ignore=shutil.ignore_patterns("*.npz", "__pycache__", "ledger.jsonl"))
    (copy / "expected.toml").write_text("")  # no verdict on record is of random weights
    checkpoints = copy / "checkpoints.toml"
    text = checkpoints.read_text(encoding="utf-8")
    for number, (name, architecture) in enumerate(networks.items()):
        path = folder / "weights" / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez(path, allow_pickle=False, **random_weights(architecture, number))
        text = with_file(text, name, path, "bit-npz" if isinstance(architecture, BitArchitecture) else "vit-npz")
    checkpoints.write_text(text, encoding="utf-8")
    data = folder / "data" / "cifar10"
    data.mkdir(parents=True)
    archive = data / CIFAR_10.archive
    archive.write_bytes(cifar(CIFAR_10, train, test))
    datasets = copy / "datasets.toml"
    text = datasets.read_text(encoding="utf-8")
    text = changed(text, "cifar10", {"train": train, "test": test})
    text = changed(text, "cifar10.files", {CIFAR_10.archive: f"md5:{digest(archive, 'md5')}"})
    datasets.write_text(text, encoding="utf-8")
    recipes = copy / "recipes.toml"
    recipes.write_text(recipes.read_text(encoding="utf-8") + shorter(copy, steps), encoding="utf-8")
    return copy


def with_file(text: str, name: str, path: Path, layout: str) -> str:
    """Return checkpoints.toml with one entry that comes from a file, whose digest it states."""
    values = {"sources": [f"file:{path.absolute()}"], "unconfirmed": [], "layout": layout, "timm": ""}
    return changed(text, name, values | {"sha256": digest(path, "sha256"), "size": path.stat().st_size})


def changed(text: str, table: str, values: Mapping[str, Any]) -> str:
    """Return TOML with other values of some keys of one of its tables, which holds plain values and lists."""
    pattern = re.compile(rf"^\[{re.escape(table)}\]\n.*?(?=^\[|\Z)", re.DOTALL | re.MULTILINE)
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"expected a table [{table}], found none")
    content: dict[str, Any] = tomllib.loads(found[0])
    for part in table.split("."):
        content = content[part]
    # JSON's numbers, strings and lists are TOML's, too.
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in (content | dict(values)).items()]
    return "\n".join([text[: found.start()] + f"[{table}]", *lines, "", text[found.end() :]])


def shorter(paper: Path, steps: int) -> str:
    """Return cases that cut the recipes of the default protocol, to be added to recipes.toml."""
    chosen = tomllib.loads((paper / "paper.toml").read_text(encoding="utf-8"))["defaults"]["protocol"]
    protocol = tomllib.loads((paper / "protocols.toml").read_text(encoding="utf-8"))[chosen]
    return "".join(
        f'\n[[{name}.cases]]\nsteps = {steps}\nsources.steps = "{SOURCE}"\n' for name in sorted(set(protocol.values()))
    )


def cifar(layout: Layout, train: int, test: int) -> bytes:
    """Return a gzipped tar archive of CIFAR's binary version: images whose mean colour tells their class.

    Args:
        layout: of the version.
        train: images of all training files together.
        test: images of the test file.
    """
    generator = np.random.default_rng(train)
    colours = generator.integers(0, 192, (layout.classes, 3, 1), dtype=np.uint8)

    def records(count: int) -> bytes:
        labels = np.arange(count, dtype=np.uint8) % layout.classes
        table = np.empty((count, layout.label_bytes + IMAGE), np.uint8)
        table[:, : layout.label_bytes] = labels[:, None]
        pixels = generator.integers(0, 64, (count, 3, IMAGE // 3), dtype=np.uint8)
        table[:, layout.label_bytes :] = (pixels + colours[labels]).reshape(count, IMAGE)
        return table.tobytes()

    each = train // len(layout.train)
    if each * len(layout.train) != train:
        raise ValueError(f"expected a multiple of {len(layout.train)} training images, found {train}")
    files = {name: records(each) for name in layout.train} | {layout.test: records(test)}
    files[layout.names] = "".join(f"class{number}\n" for number in range(layout.classes)).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{layout.folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def digest(path: Path, algorithm: str) -> str:
    """Return a file's digest in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
