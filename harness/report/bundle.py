"""A bundle: everything that a report's verdicts rest on, in one zip file that can be checked without this project.

The same records give the same bytes, so that the digest in the report is that of anyone's bundle of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass as record

from harness.core.errors import ClaimsError
from harness.core.paper import Paper
from harness.core.paths import write_atomic
from harness.core.specs import STRICT, build
from harness.judging import ledger
from harness.report.bundle_pins import PINS_FILE, pins_of
from harness.report.bundle_verify import checked, read_bundle
from harness.report.record_files import SCHEMA_VERSION, read_object
from harness.report.records import Records
from harness.report.run_records import RUNS_FILE
from harness.report.serialise import to_values
from harness.report.verdict_store import ANSWERS_FILE, HISTORY_FILE, VERDICTS_FILE
from harness.runs.store import Store

BUNDLE_FILE = "bundle.json"
"""In the report's folder: the name and digest of the last bundle made of it."""
MANIFEST, VERIFY = "manifest.json", "verify.py"
EVIDENCE = (".toml", ".json", ".jsonl", ".py")
"""Endings of a paper's files that verdicts rest on: tables, published figures, the ledger, claim files. Weights are
named by their digests."""
FIGURES = Path("published", "figures.csv")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold: a bundle does not depend on when it was made."""


@record(frozen=True, config=STRICT)
class BundleNote:
    """What a report says of the bundle that was made of it."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    files: int
    runs: int
    """Runs whose predictions are in it."""

    def __str__(self) -> str:
        return (
            f"bundle {self.file}, sha256 {self.sha256}: everything that the verdicts rested on when it was made, with"
            f" the predictions of {self.runs:,} runs; unpack it and run verify.py"
        )


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written."""

    note: BundleNote
    without: tuple[str, ...]
    """Ids of runs whose predictions are not on this machine."""


def write_bundle(path: Path, report: Path, records: Records, store: Store, paper: Paper) -> Bundle:
    """Write a bundle of a report.

    Args:
        path: the zip file.
        report: the report's folder, as `harness report` leaves it: its files are taken as they are.
        records: what is in it.
        store: where the results of runs lie.
        paper: whose claims they are.

    Raises:
        ClaimsError: a record or result is damaged, or the file can't be written.
    """
    files = {name: (report / name).read_bytes() for name in (VERDICTS_FILE, ANSWERS_FILE, RUNS_FILE)}
    if (report / HISTORY_FILE).exists():
        files[HISTORY_FILE] = (report / HISTORY_FILE).read_bytes()
    without = []
    for run_id in sorted(records.runs):
        if store.load(run_id) is None:
            without.append(run_id)
        else:
            files[f"runs/{run_id}.json"] = store.path(run_id).read_bytes()
    files |= {f"paper/{name}": content for name, content in evidence_of(paper, report).items()}
    files[PINS_FILE] = pins_of(records.runs.values())
    files["versions.json"] = (json.dumps(installed(), indent=1) + "\n").encode()
    files[VERIFY] = resources.files("harness.report").joinpath("bundle_verify.py").read_bytes()
    files[MANIFEST] = (json.dumps(manifest(files, paper), indent=1) + "\n").encode()
    content = zipped(files)
    write_atomic(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(
        BundleNote(SCHEMA_VERSION, path.name, digest, len(files), len(records.runs) - len(without)), tuple(without)
    )


def evidence_of(paper: Paper, report: Path) -> dict[str, bytes]:
    """Return a paper's tables, published figures, ledger and modules, and what its measures read, by path.

    Args:
        paper: whose folder it is; paths are from there.
        report: the folder of the report, which is left out where it lies there, as are virtual environments.
    """
    folder = paper.folder
    found: dict[Path, Path] = {}
    for parent, below, names in os.walk(folder):
        below[:] = [name for name in below if not left_out(Path(parent, name), report)]
        for path in (Path(parent, name) for name in names):
            if (path.suffix in EVIDENCE or path.relative_to(folder) == FIGURES) and path.is_file():
                found[path.relative_to(folder)] = path
    for _, measure in paper.measures:
        for path in (each for pattern in measure.inputs for each in folder.glob(pattern)):
            if path.is_file():
                found[path.relative_to(folder)] = path
    return {name.as_posix(): path.read_bytes() for name, path in sorted(found.items()) if not name.name.startswith(".")}


def left_out(folder: Path, report: Path) -> bool:
    """Return whether a folder within a paper's is none of its evidence."""
    return (
        folder.name.startswith((".", "__pycache__"))
        or (folder / "pyvenv.cfg").is_file()
        or folder.resolve() == report.resolve()
    )


def installed() -> dict[str, str]:
    """Return the versions of Python, of this project and of what it depends on."""
    import platform
    import re

    names = [re.split(r"[^A-Za-z0-9._-]", each)[0] for each in metadata.requires("vit-claims") or ()]
    found = {"python": platform.python_version(), "vit-claims": metadata.version("vit-claims")}
    for name in sorted(set(names), key=str.lower):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def manifest(files: Mapping[str, bytes], paper: Paper) -> dict[str, Any]:
    """Return the manifest: the digest of every file, and the ledger's last line, which no later line vouches for."""
    lines = files.get(f"paper/{ledger.FILE}", b"").splitlines()
    return {
        "schema_version": SCHEMA_VERSION,
        "paper": {"title": paper.title, "identifier": paper.identifier, "address": paper.address},
        "ledger": {"lines": len(lines), "last": hashlib.sha256(lines[-1]).hexdigest() if lines else ledger.FIRST},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file that depends on nothing but the contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # as on Unix, wherever it is made
            bundle.writestr(entry, content)
    return buffer.getvalue()


def verified(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle that agree with one another.

    Raises:
        ClaimsError: it is none, or was tampered with: the first problem, and how many there are.
    """
    try:
        files: dict[str, bytes] = read_bundle(path)
    except FileNotFoundError:
        raise ClaimsError(f"{path}: expected a bundle, found nothing there") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ClaimsError(f"{path}: expected a bundle (zip), found: {error}") from None
    if MANIFEST not in files:
        raise ClaimsError(f"{path}: expected a bundle, found a zip without {MANIFEST}")
    problems = checked(files).problems
    if problems:
        more = f"; and {len(problems) - 1} more problems" if len(problems) > 1 else ""
        raise ClaimsError(f"{path}: expected a bundle whose parts agree, found: {problems[0]}{more}")
    return files


def read_note(report: Path) -> BundleNote | None:
    """Return what is noted of the last bundle of a report, None if there was none.

    Raises:
        ClaimsError: the note is damaged, or of another version.
    """
    values = read_object(report / BUNDLE_FILE)
    return None if values is None else build(BundleNote, values, str(report / BUNDLE_FILE))


def save_note(report: Path, note: BundleNote) -> None:
    """Write the note on a report's bundle.

    Raises:
        ClaimsError: it can't be written.
    """
    write_atomic(report / BUNDLE_FILE, (json.dumps(to_values(note), indent=1) + "\n").encode())
