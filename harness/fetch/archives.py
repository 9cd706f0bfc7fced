"""Unpack archives safely: nothing outside the target, no links or devices, no bombs, whole or not at all.

Every member is checked by our own rules before a byte of it is written, in one pass, and the bytes that
really come out are counted: what the headers claim is not believed.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder

CHUNK = 1 << 20
MAX_MEMBERS = 2_000_000
"""More files and folders than any dataset of the project has (ImageNet's training set has 1,281,167)."""
OVERHEAD = 2048
"""Bytes of a tar stream that one member may take beyond its content: header, padding, a long name."""


class Refused(Exception):
    """A member or an archive that is not unpacked, and why."""


def unpack(archive: Path, target: Path, *, max_bytes: int) -> Path:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a new folder and return it.

    The folder appears as a whole at the end. Modes, owners and times of the members are not taken over.

    Args:
        archive: the file; its content says what it is, not its name.
        target: the folder to make; it must not exist.
        max_bytes: the most bytes that all files together may take when unpacked.

    Raises:
        ClaimsError: the archive is damaged, a member is unsafe, there is more than `max_bytes`, or the target
            exists or can't be written. Nothing is left behind.
    """
    if target.exists() or target.is_symlink():
        raise ClaimsError(f"{target}: expected a new folder to unpack {archive.name} into, found one; remove it first")
    make_folder(target.parent)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        content = temporary / "content"
        content.mkdir()
        with archive.open("rb") as file:
            zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
        (unpack_zip if zipped else unpack_tar)(archive, Written(content, max_bytes))
        appear(content, target)
    except Refused as refused:
        raise ClaimsError(f"{archive}: {refused}; nothing was unpacked") from None
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise ClaimsError(
            f"{archive}: expected a whole tar or zip archive, found a damaged or another file ({error}); nothing was"
            " unpacked; fetch it again"
        ) from None
    except (NotImplementedError, RuntimeError) as error:
        raise ClaimsError(f"{archive}: expected an archive that can be read, found: {error}") from None
    except OSError as error:
        raise ClaimsError(
            f"{archive}: expected to unpack it into {target.parent}, found: {error.strerror or error}; nothing was"
            " unpacked"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def appear(content: Path, target: Path) -> None:
    """Rename the unpacked folder to its final name; where another process was faster, its folder stays."""
    try:
        content.rename(target)
    except OSError:
        if not target.is_dir():
            raise


class Written:
    """The folder being filled, with the count of what went into it."""

    def __init__(self, root: Path, max_bytes: int):
        self.root, self.max_bytes = root, max_bytes
        self.bytes = 0
        self.members = 0

    def folder(self, name: str) -> None:
        """Make a member that is a folder."""
        self.count()
        place = self.place(name)
        if place.exists() and not place.is_dir():
            raise Refused(f"member {name!r}: expected a folder, found a file of the same name before it")
        place.mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: IO[bytes]) -> None:
        """Write a member that is a file, counting its bytes."""
        self.count()
        place = self.place(name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                while chunk := content.read(CHUNK):
                    self.bytes += len(chunk)
                    if self.bytes > self.max_bytes:
                        raise Refused(f"member {name!r}: expected at most {self.max_bytes:,} bytes in all, found more")
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Refused(
                f"member {name!r}: expected each name once, found it or a file of its folder's name"
            ) from None

    def count(self) -> None:
        """Count a member."""
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise Refused(f"expected at most {MAX_MEMBERS:,} members, found more")

    def place(self, name: str) -> Path:
        """Return where a member goes, after checking that its name is a plain relative path."""
        if name.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", name):
            raise Refused(f"member {name!r}: expected a relative path, found an absolute one")
        if "\\" in name or "\0" in name:
            raise Refused(f"member {name!r}: expected a path with / between its parts, found another separator")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise Refused(f"member {name!r}: expected a path within the target, found one that leaves it")
        return self.root.joinpath(*parts)


def unpack_zip(archive: Path, written: Written) -> None:
    """Unpack a zip archive."""
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        claimed = sum(member.file_size for member in members)
        if claimed > written.max_bytes:
            raise Refused(f"expected at most {written.max_bytes:,} bytes in all, its directory claims {claimed:,}")
        for member in members:
            name = member.orig_filename
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(f"member {name!r}: expected files and folders, found {kind_of_mode(kind)}")
            if member.flag_bits & 1:
                raise Refused(f"member {name!r}: expected it in the clear, found it encrypted")
            if member.is_dir():
                written.folder(name)
            else:
                with opened.open(member) as content:
                    written.file(name, content)


def kind_of_mode(kind: int) -> str:
    """Return the name of a Unix file type."""
    names = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return names.get(kind, f"something else (mode {kind:o})")


def unpack_tar(archive: Path, written: Written) -> None:
    """Unpack a tar archive, read once from front to back."""
    with decompressed(archive) as stream:
        bounded = Bounded(stream, written)
        unpack_stream(bounded, written)
        # To the end of the compressed stream, where its own checksum is.
        while bounded.read(CHUNK):
            pass


def unpack_stream(stream: Bounded, written: Written) -> None:
    """Unpack the members of a tar stream."""
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=StrictHeader) as opened:
        for member in members_of(opened):
            if member.isdir():
                written.folder(member.name)
            elif member.isreg():
                if written.bytes + member.size > written.max_bytes:
                    raise Refused(
                        f"member {member.name!r}: expected at most {written.max_bytes:,} bytes in all, its header"
                        f" claims {member.size:,} after {written.bytes:,}"
                    )
                content = opened.extractfile(member)
                assert content is not None
                written.file(member.name, content)
            else:
                found = "a link" if member.issym() or member.islnk() else "a device or pipe"
                raise Refused(f"member {member.name!r}: expected files and folders, found {found}")


class StrictHeader(tarfile.TarInfo):
    """A member's header; a damaged one, or a missing end mark, is an error and not the archive's end.

    tarfile takes both for the end: half a dataset would be unpacked without a word.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Return the next header."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tarfile_.offset:,}") from None


def members_of(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members one by one without keeping those that were read."""
    while (member := opened.next()) is not None:
        yield member
        opened.members = []  # type: ignore[attr-defined]  # a list that grows with every member otherwise


def decompressed(archive: Path) -> IO[bytes]:
    """Open the tar stream of an archive, whichever way it is compressed."""
    import bz2

    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(archive, "rb")  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        return bz2.open(archive, "rb")
    return lzma.open(archive, "rb") if start.startswith(b"\xfd7zXZ\0") else archive.open("rb")


class Bounded(io.RawIOBase):
    """A stream that refuses to give more than the target's bound allows, headers and padding included.

    tarfile reads long names and extended headers whole into memory: a bomb there never reaches the files.
    """

    def __init__(self, stream: IO[bytes], written: Written):
        self.stream, self.written = stream, written
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes."""
        content = self.stream.read(size)
        self.given += len(content)
        limit = self.written.max_bytes + OVERHEAD * (self.written.members + 512)
        if self.given > limit:
            raise Refused(f"expected at most {self.written.max_bytes:,} bytes in all, found a stream longer than that")
        return content
