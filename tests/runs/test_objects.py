"""Files that several machines share: created once, whole, in a folder and on a real S3 server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.core.errors import ClaimsError
from harness.runs.objects import FolderObjects, FsspecObjects, StoreUnreachable, objects_at, require_exclusive
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
    objects.patience = 1.0
    with pytest.raises(StoreUnreachable, match=r"--store s3://claims/killed: expected it to answer, found: .*; check"):
        objects.read("x")
    objects.patience = 60.0
    back = threading.Timer(1.0, s3.start)
    back.start()
    assert objects.create("y", b"2")
    back.join()
    assert objects.read("y") == b"2"


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
