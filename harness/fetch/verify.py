"""Whether a file is the right one: by the table's digest, by the pin's, or by what the server states."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.fetch.content import fault
from harness.fetch.pins import Pin, Pins
from harness.fetch.retry import Network
from harness.fetch.server_metadata import Stated, checked_by, disagreement, file_digest
from harness.fetch.sources import Material


@dataclass(frozen=True)
class Job:
    """A material to fetch, where to, and how."""

    material: Material
    cache: Path
    network: Network
    bar: bool | None
    """Whether to show a progress bar; None: if stderr is a terminal."""
    pin: Pin | None

    @property
    def path(self) -> Path:
        """Where the file is in the cache."""
        return self.material.path(self.cache)

    @property
    def sha256(self) -> str | None:
        """The expected digest: the table's, else the pin's, unless the pin is of a user's own file."""
        return self.material.sha256 or (self.pin.sha256 if self.pin and not self.pin.own else None)

    @property
    def authority(self) -> str:
        """Who expects it."""
        return "given for it" if self.material.sha256 else "pinned at the first fetch"


@dataclass(frozen=True)
class FileDigest:
    """A file's digest and length, computed here."""

    sha256: str
    size: int


def digest_of(path: Path) -> FileDigest:
    """Return a file's sha256 and length in bytes.

    Raises:
        ClaimsError: it can't be read.
    """
    try:
        return FileDigest(file_digest(path, "sha256"), path.stat().st_size)
    except OSError as error:
        raise ClaimsError(f"{path}: expected a file that can be read, found: {error.strerror}; check it") from None


def wrong(job: Job, path: Path, found: FileDigest) -> str | None:
    """Return what is wrong with a file by what is known beforehand, or None.

    A known digest decides. Without one the file is parsed as what it must be, for a pin makes the next one an error.
    """
    if job.sha256 is not None:
        if found.sha256 == job.sha256:
            return None
        what = content_fault(job, path)
        return f"expected sha256 {job.sha256} ({job.authority}), found {found.sha256} ({found.size:,} bytes)" + (
            f": {what}" if what else ""
        )
    # A length that contradicts a digest is a mistake in the table.
    if job.material.size not in (None, found.size) and found.size:
        return f"expected {job.material.size:,} bytes, found {found.size:,}"
    return content_fault(job, path)


def content_fault(job: Job, path: Path) -> str | None:
    """Return why a file is not what the material must be, or None."""
    try:
        return fault(path, job.material.holds)
    except OSError as error:
        return f"expected a file that can be read, found: {error.strerror or error}"


def wrong_download(job: Job, path: Path, found: FileDigest, stated: Stated) -> str | None:
    """Return what is wrong with a download, or None. A known digest decides alone; else the server's words do."""
    reason = wrong(job, path, found)
    if reason is None:
        return None if job.sha256 else disagreement(path, stated)
    if disagreement(path, stated):
        return f"{reason}: damaged on the way, it is not what the server states either"
    if job.sha256 is None:
        return reason
    agrees = f", whose own {checked_by(stated)[0]} agrees" if checked_by(stated) else ""
    return f"{reason}: not the file, or another version of it, on the server{agrees}"


def settle(job: Job, found: FileDigest, source: str, checked: tuple[str, ...], where: str, elsewhere: str = "") -> None:
    """Pin a file that was found right, unless the same pin is there; say so where nothing vouches for it.

    Args:
        job: what was fetched.
        found: what it is.
        source: where it came from.
        checked: what it was checked against.
        where: why nothing may vouch for it, for the message.
        elsewhere: the absolute path of a file that is used where it lies.
    """
    if job.pin and (job.pin.sha256, job.pin.elsewhere) == (found.sha256, elsewhere):
        return
    if not checked:
        print(
            f"{job.material.key}: no digest is known to check it against ({where}); its sha256 {found.sha256} is"
            " pinned now and any later difference will be an error, until python -m harness cache unpin"
            f" {job.material.key}",
            file=sys.stderr,
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    Pins(job.cache).put(job.material.key, Pin(found.sha256, found.size, source, checked, now, elsewhere))


def known(job: Job) -> tuple[str, ...]:
    """Return the check that a digest known beforehand amounts to."""
    return ("sha256 known",) if job.sha256 else ()
