"""Unpacking: honest archives come out whole, malicious and damaged ones leave nothing behind."""

import io
import random
import stat
import tarfile
import zipfile
import zlib

import pytest

from harness.core.errors import ClaimsError
from harness.fetch import unpack

FILES = {"val/n01/a.jpeg": b"one" * 1000, "val/n02/b.jpeg": b"", "labels.json": b"[1, 2]"}
SIZE = sum(map(len, FILES.values()))


def make_tar(path, members, mode="w"):
    """Write a tar of (name, content, changes to the header) members."""
    with tarfile.open(path, mode) as archive:
        for name, content, *changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for attribute, value in dict(*changes).items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def make_zip(path, members, mode=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_an_honest_archive_comes_out_whole(tmp_path, kind):
    archive = tmp_path / "archive.bin"
    make_zip(archive, FILES.items()) if kind == "zip" else make_tar(archive, FILES.items(), kind)
    target = unpack(archive, tmp_path / "deep" / "out", max_bytes=SIZE)
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == FILES
    assert [p.name for p in target.parent.iterdir()] == ["out"]
    with pytest.raises(ClaimsError, match="expected a new folder to unpack archive.bin into, found one"):
        unpack(archive, target, max_bytes=SIZE)
    with pytest.raises(ClaimsError, match=f"expected at most {SIZE - 1:,} bytes in all"):
        unpack(archive, tmp_path / "tight", max_bytes=SIZE - 1)


def test_many_members_long_names_and_a_zip_within_a_tar(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", FILES.items()).read_bytes()
    names = [f"{'deep/' * 60}{i:05d}" for i in range(400)]
    archive = make_tar(tmp_path / "a.tar", [*((name, b"x") for name in names), ("inner.zip", inner)])
    target = unpack(archive, tmp_path / "out", max_bytes=400 + len(inner))
    assert sum(p.is_file() for p in target.rglob("*")) == 401
    assert (target / "inner.zip").read_bytes() == inner


def refused(tmp_path, archive, message, max_bytes=10_000):
    outside = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    with pytest.raises(ClaimsError) as caught:
        unpack(archive, tmp_path / "out", max_bytes=max_bytes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == outside


NAMES = {
    "../evil": "member '../evil': expected a path within the target, found one that leaves it",
    "a/../../evil": "found one that leaves it",
    "a/..": "found one that leaves it",
    "/etc/evil": "member '/etc/evil': expected a relative path, found an absolute one",
    "C:/evil": "found an absolute one",
    "..\\evil": "found another separator",
    "\\evil": "found an absolute one",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_outside_the_target_is_refused(tmp_path, kind, name):
    members = [("good", b"1"), (name, b"2")]
    archive = (make_zip if kind == "zip" else make_tar)(tmp_path / "evil", members)
    refused(tmp_path, archive, NAMES[name])


TYPES = {
    "symlink": (tarfile.SYMTYPE, stat.S_IFLNK, "a link"),
    "hard link": (tarfile.LNKTYPE, None, "a link"),
    "device": (tarfile.CHRTYPE, stat.S_IFCHR, "a device"),
    "block device": (tarfile.BLKTYPE, stat.S_IFBLK, "a device"),
    "pipe": (tarfile.FIFOTYPE, stat.S_IFIFO, "pipe"),
}


@pytest.mark.parametrize("tar_type, zip_mode, found", TYPES.values(), ids=TYPES)
def test_links_and_devices_are_refused(tmp_path, tar_type, zip_mode, found):
    link = {"type": tar_type, "linkname": "/etc/passwd"}
    archive = make_tar(tmp_path / "evil.tar", [("good", b"1"), ("bad", b"", link), ("bad/through", b"2")])
    refused(tmp_path, archive, "member 'bad': expected files and folders, found a")
    refused(tmp_path, archive, found)
    if zip_mode is not None:
        refused(tmp_path, make_zip(tmp_path / "evil.zip", [("bad", b"/etc/passwd")], zip_mode), found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_and_a_file_as_a_folder_are_refused(tmp_path):
    for make, name in ((make_tar, "a.tar"), (make_zip, "a.zip")):
        refused(tmp_path, make(tmp_path / name, [("a", b"1"), ("a", b"2")]), "expected each name once")
        refused(tmp_path, make(tmp_path / name, [("a", b"1"), ("a/b", b"2")]), "expected each name once")


def test_a_compressed_bomb_is_refused(tmp_path):
    zeros = bytes(5_000_000)
    refused(tmp_path, make_tar(tmp_path / "b.tar.gz", [("zeros", zeros)], "w:gz"), "its header claims 5,000,000")
    refused(tmp_path, make_zip(tmp_path / "b.zip", [("zeros", zeros)]), "its directory claims 5,000,000")
    many = [(f"{i}", bytes(9_000)) for i in range(100)]
    refused(tmp_path, make_tar(tmp_path / "m.tar.gz", many, "w:gz"), "member '1'")


def test_a_zip_that_understates_its_sizes_is_refused(tmp_path):
    archive = make_zip(tmp_path / "b.zip", [("zeros", bytes(5_000_000))])
    content = archive.read_bytes()
    archive.write_bytes(content.replace((5_000_000).to_bytes(4, "little"), (9_000).to_bytes(4, "little")))
    refused(tmp_path, archive, "damaged")


def test_a_bomb_in_a_header_is_refused(tmp_path):
    archive = tmp_path / "h.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.GNU_FORMAT) as opened:
        opened.addfile(tarfile.TarInfo("long/" * 1_000_000))
    assert archive.stat().st_size < 100_000
    refused(tmp_path, archive, "found a stream longer than that")


def test_a_sparse_bomb_is_refused(tmp_path):
    member = {"type": tarfile.GNUTYPE_SPARSE, "size": 0}
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = member["type"]
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "s.tar"
    archive.write_bytes(bytes(header) + bytes(1024))
    refused(tmp_path, archive, "its header claims 8,589,934,591")


def test_an_encrypted_member_is_refused(tmp_path):
    archive = make_zip(tmp_path / "e.zip", [("secret", b"1")])
    content = bytearray(archive.read_bytes())
    for signature, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(signature) + at] |= 1
    archive.write_bytes(content)
    refused(tmp_path, archive, "member 'secret': expected it in the clear, found it encrypted")


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_damage_anywhere_ends_in_one_line_and_no_folder(tmp_path, kind):
    archive = tmp_path / "archive"
    make_zip(archive, FILES.items()) if kind == "zip" else make_tar(archive, FILES.items(), kind)
    whole = archive.read_bytes()
    dice = random.Random(f"damage {kind}")
    outcomes = {"whole": 0, "refused": 0}
    for round in range(60):
        damaged = bytearray(whole)
        if round % 2:
            damaged = damaged[: dice.randrange(len(damaged))]
        else:
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        archive.write_bytes(damaged)
        target = tmp_path / f"out{round}"
        said = attempt(archive, target)
        outcomes["refused" if said else "whole"] += 1
        assert "\n" not in said
        if said:
            assert not target.exists()
        elif kind == "w":
            # A plain tar has no checksum of its contents: a flipped bit there is the digest's business.
            assert {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()} == set(FILES)
        else:
            assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == FILES
        assert not list(tmp_path.glob(".out*"))
    assert outcomes["refused"] >= 20


def attempt(archive, target):
    """Unpack and return what was said against it, or ""."""
    try:
        unpack(archive, target, max_bytes=100_000)
    except ClaimsError as error:
        return str(error)
    return ""


def test_a_tar_cut_between_two_members_is_not_taken_for_whole(tmp_path):
    archive = make_tar(tmp_path / "cut.tar", [("a", bytes(512)), ("b", bytes(512))])
    content = archive.read_bytes()
    archive.write_bytes(content[:1024])
    refused(tmp_path, archive, "empty header at byte 1,024")
    archive.write_bytes(content[:1024] + b"x" + content[1025:])
    refused(tmp_path, archive, "bad checksum at byte 1,024")


def test_no_archive_at_all_is_one_line(tmp_path):
    path = tmp_path / "page.html"
    for content in (b"<html>not found</html>", b"", zlib.compress(b"x")):
        path.write_bytes(content)
        refused(tmp_path, path, "expected a whole tar or zip archive, found a damaged or another file")
    with pytest.raises(ClaimsError, match="No such file or directory"):
        unpack(tmp_path / "missing.tar", tmp_path / "out", max_bytes=1)
    assert not (tmp_path / "out").exists()
