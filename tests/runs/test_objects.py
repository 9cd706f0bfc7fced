"""Files that several machines share: created once, whole, in a folder and on a real S3 server."""

import errno
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.core.errors import ClaimsError, NotWritten
from harness.runs.folder_objects import FolderObjects
from harness.runs.fsspec_objects import FsspecObjects
from harness.runs.objects import objects_at, require_exclusive
from harness.runs.patience import StoreUnreachable
from tests.runs.s3_server import BUCKET


def test_a_file_is_created_once_and_found_again(objects, tmp_path):
    assert objects.read("a/b.json") is None
    assert objects.create("a/b.json", b"first")
    assert not objects.create("a/b.json", b"second")
    assert objects.read("a/b.json") == b"first"
    objects.write("a/b.json", b"third")
    objects.write("a/c/d", b"")
    assert objects.names("a") == ["a/b.json", "a/c/d"]
    assert objects.names("elsewhere") == []
    (tmp_path / "large").write_bytes(bytes(range(256)) * 1000)
    objects.upload(tmp_path / "large", "up/large")
    assert objects.download("up/large", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "large").read_bytes()
    assert not objects.download("up/none", tmp_path / "none")
    objects.remove("a/b.json")
    objects.remove("a/b.json")
    assert objects.names("a") == ["a/c/d"]
    require_exclusive(objects)
    assert objects.names("probes") == []


def test_of_many_that_create_a_file_one_does(objects):
    start = threading.Barrier(8)

    def create(number):
        start.wait()
        return objects.create("one", str(number).encode() * 1000)

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(8)))
    assert sum(created) == 1
    assert objects.read("one") == str(created.index(True)).encode() * 1000


def test_a_server_that_is_killed_and_comes_back_is_asked_again(s3, monkeypatch, capsys):
    objects = FsspecObjects(f"s3://{BUCKET}/killed", patience=60)
    objects.write("x", b"1")
    s3.kill()
    objects.patience.seconds = 1.0
    with pytest.raises(StoreUnreachable, match=r"--store s3://claims/killed: expected it to answer, found: .*; check"):
        objects.read("x")
    objects.patience.seconds = 60.0
    back = threading.Timer(1.0, s3.start)
    back.start()
    assert objects.create("y", b"2")
    back.join()
    assert objects.read("y") == b"2"


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
def test_a_folder_whose_server_is_away_for_a_moment_is_asked_again(tmp_path, monkeypatch, number):
    objects = FolderObjects(tmp_path / "shared")
    assert objects.create("a/b", b"1")
    (tmp_path / "local").write_bytes(b"2")
    failed = []

    def failing(function):
        def once(*args, **given):
            if function not in failed:
                failed.append(function)
                raise OSError(number, os.strerror(number))
            return function(*args, **given)

        return once

    with monkeypatch.context() as away:
        away.setattr(time, "sleep", lambda seconds: None)
        for owner, name in ((Path, "read_bytes"), (os, "link"), (shutil, "copyfile"), (Path, "unlink"), (os, "fsync")):
            away.setattr(owner, name, failing(getattr(owner, name)))
        assert objects.read("a/b") == b"1"
        assert objects.create("a/c", b"3")
        objects.write("d", b"4")
        objects.upload(tmp_path / "local", "e")
        assert objects.download("e", tmp_path / "back")
        objects.remove("a/b")
        assert len(failed) == 5
    assert objects.names("") == ["a/c", "d", "e"]
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.name.startswith(".")]


def test_a_link_whose_answer_was_lost_is_our_own(tmp_path, monkeypatch):
    objects, link = FolderObjects(tmp_path / "shared"), os.link
    lost = [True]

    def answer_lost(*args):
        link(*args)
        if lost.pop():
            lost.append(False)
            raise OSError(errno.ETIMEDOUT, "lost")

    monkeypatch.setattr(os, "link", answer_lost)
    assert objects.create("a", b"mine")
    assert not objects.create("a", b"mine")  # that of another machine, which is there before the first try


def test_a_folder_that_is_no_longer_mounted_is_not_made_anew(tmp_path):
    folder = tmp_path / "mounted"
    objects = FolderObjects(folder)
    objects.write("x", b"1")
    folder.rename(tmp_path / "server")
    folder.mkdir()  # the place where it was mounted
    objects.patience.seconds = 0.0
    for call in (
        lambda: objects.read("x"),
        lambda: objects.create("y", b"2"),
        lambda: objects_at(str(folder), True, 0.0),
    ):
        with pytest.raises(StoreUnreachable, match="expected it to answer, found: .*what is mounted there"):
            call()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    objects.patience.seconds = 60.0
    back = threading.Timer(0.7, (tmp_path / "server").rename, [folder])
    back.start()
    assert objects.read("x") == b"1"
    back.join()


def test_a_full_disk_is_no_server_that_is_away(tmp_path, monkeypatch):
    objects = FolderObjects(tmp_path / "shared")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        objects.create("x", b"1")
    with pytest.raises(NotWritten, match="No space left"):
        objects.write("x", b"1")


@pytest.mark.parametrize(
    "address, message",
    [
        ("s3://no-such-bucket/x", "--store s3://no-such-bucket/x: expected it to answer, found: "),
        ("nothing://x", "--store nothing://x: expected an address of fsspec, found: "),
        ("abfs://x/y", "--store abfs://x/y: expected adlfs for abfs:// addresses, found none; pip install adlfs"),
        ("/proc/below", "/proc/below: expected a folder that can be written"),
    ],
)
def test_a_place_that_can_t_be_used_is_one_line(s3, address, message):
    with pytest.raises(ClaimsError) as found:
        objects_at(address, patience=0.5)
    assert str(found.value).startswith(message)


class Overwriting(FolderObjects):
    """A place whose files can be replaced by whoever comes second."""

    def create(self, name, content):
        self.write(name, content)
        return True


def test_a_place_without_conditional_writes_is_refused(tmp_path):
    with pytest.raises(ClaimsError, match="expected conditional writes .* two machines could own one run"):
        require_exclusive(Overwriting(tmp_path))
