"""Datasets from a local server to the folder that their readers read: checked, whole or not at all, once."""

import dataclasses
import hashlib
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from harness.catalog.datasets import why_not_here
from harness.core.errors import ClaimsError
from harness.data.download.dataset import at_hand, by_hand, complete, materials, obtain, state
from harness.data.registry import READERS, Entry, entries, load_parts
from harness.fetch import Hub, Network, Pins
from tests.data import making
from tests.data.readers.test_cifar import archive10
from tests.fetch.server import COMMIT, Fault, running

VALUES = {"classes": 10, "train": 100, "test": 10, "dev_fraction": 0.2}
OTHERS = {
    name: Entry(name, name, reader=name.removeprefix("vtab-"), **VALUES)
    for name in (
        *("vtab-caltech101", "vtab-clevr-count", "vtab-clevr-distance", "vtab-svhn"),
        *("vtab-dsprites-location", "vtab-dsprites-orientation", "vtab-smallnorb-azimuth", "vtab-smallnorb-elevation"),
    )
}
"""Datasets of readers that the table has none of."""
LISTS = tuple(f"sun397_tfds_{part}.txt" for part in ("tr", "va", "te"))
ARCHIVE, ADDRESS = "SUN397.tar.gz", "http://vision.example.org/SUN397.tar.gz"
SUN = Entry(
    *("sun", "Scenes", "sun397"),
    **VALUES,
    files=((ARCHIVE, f"md5:{'0' * 32}"), *((name, "") for name in LISTS)),
    sources=((ARCHIVE, ADDRESS),),
)
BREEDS = {"train": ((1, "Abyssinian"), (2, "beagle")), "test": ((1, "Abyssinian"), (2, "beagle"))}


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


NETWORK = Network(connect=5, read=5, sleep=lambda seconds: None)


def packed(folder, *tops, under=""):
    """A .tar.gz of some of a folder's parts."""
    paths = [path for top in tops for path in sorted((folder / top).rglob("*")) if path.is_file()]
    members = {under + path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return making.tar(folder / "packed.tar.gz", members, "w:gz").read_bytes()


def pets(root):
    base = making.pets(root, **BREEDS)
    return {"images.tar.gz": packed(base, "images"), "annotations.tar.gz": packed(base, "annotations")}


def flowers(root):
    base = making.flowers(root)
    plain = {name: (base / name).read_bytes() for name in ("imagelabels.mat", "setid.mat")}
    return {"102flowers.tgz": packed(base, "jpg")} | plain


def dtd(root):
    for number, part in enumerate(("train", "val", "test")):
        making.put(root / "labels" / f"{part}1.txt", f"dotted/{number}.png\nwoven/{number}.png\n")
        for name in ("dotted", "woven"):
            making.put(root / "images" / name / f"{number}.png", making.png(number))
    return {"dtd-r1.0.1.tar.gz": packed(root, "images", "labels", under="dtd/")}


def caltech101(root):
    for number in range(66):
        making.put(root / "101_ObjectCategories" / ("ant", "brain")[number % 2] / f"{number}.png", making.png(number))
    inner = packed(root, "101_ObjectCategories")
    members = {"caltech-101/101_ObjectCategories.tar.gz": inner, "__MACOSX/caltech-101/._a": b"junk"}
    return {"caltech-101.zip": making.zipped(root / "c.zip", members).read_bytes()}


def eurosat(root):
    members = {f"2750/{('River', 'Forest')[number % 2]}/{number}.png": making.png(number) for number in range(10)}
    return {"EuroSAT.zip": making.zipped(root / "e.zip", members).read_bytes()}


def clevr(root):
    base = making.clevr(root)
    files = [path for path in sorted(base.rglob("*")) if path.is_file()]
    members = {path.relative_to(base.parent).as_posix(): path.read_bytes() for path in files}
    return {"CLEVR_v1.0.zip": making.zipped(root / "c.zip", members).read_bytes()}


def svhn(root):
    found = {}
    for name, n in (("train", 3), ("test", 2)):
        buffer = io.BytesIO()
        images = np.stack([making.pixels(number, 32, 32) for number in range(n)], axis=3)
        savemat(buffer, {"X": images, "y": np.arange(1, n + 1, dtype=np.uint8)[:, None]})
        found[f"{name}_32x32.mat"] = buffer.getvalue()
    return found


def dsprites(root):
    making.dsprites(root)
    return {path.name: path.read_bytes() for path in root.iterdir()}


def smallnorb(root):
    making.smallnorb(root)
    return {path.name: path.read_bytes() for path in sorted(root.iterdir()) if "-cat." not in path.name}


def cifar10(root):
    return {"cifar-10-binary.tar.gz": archive10(root).read_bytes()}


def served(server, name, files, **changed):
    """An entry of the table whose files are these, on a server."""
    md5s = tuple((file, f"md5:{hashlib.md5(content).hexdigest()}") for file, content in files.items())
    sources = tuple((file, server.serve(f"/{name}/{file}", content)) for file, content in files.items())
    found = entries().get(name) or OTHERS[name]
    return dataclasses.replace(found, files=md5s, sources=sources, **changed)


@pytest.fixture
def small(server, tmp_path):
    return served(server, "pets", pets(tmp_path / "made"), classes=2, train=2, test=2)


@pytest.mark.parametrize(
    "name, make, sizes",
    [
        ("pets", pets, (2, None, 2)),
        ("flowers", flowers, (2, 2, 2)),
        ("vtab-dtd", dtd, (2, 2, 2)),
        ("vtab-caltech101", caltech101, (60, None, 6)),
        ("vtab-eurosat", eurosat, (8, None, 2)),
        ("vtab-clevr-count", clevr, (2, None, 1)),
        ("vtab-clevr-distance", clevr, (2, None, 1)),
        ("vtab-svhn", svhn, (3, None, 2)),
        ("vtab-dsprites-location", dsprites, (1000, None, 200)),
        ("vtab-dsprites-orientation", dsprites, (1000, None, 200)),
        ("vtab-smallnorb-azimuth", smallnorb, (1000, None, 300)),
        ("vtab-smallnorb-elevation", smallnorb, (1000, None, 300)),
        ("cifar10", cifar10, (10, None, 3)),
    ],
)
def test_a_dataset_is_laid_where_its_reader_looks_and_only_once(server, tmp_path, name, make, sizes):
    entry = served(server, name, make(tmp_path / "made"))
    root, cache = tmp_path / "data" / entry.folder, tmp_path / "cache"
    assert state(entry, root) == ("to fetch", "")
    assert obtain(entry, root, cache, network=NETWORK) == root
    parts = READERS[entry.reader](root, dict(entry.files))
    found = [None if part is None else len(part) for part in (parts.train, parts.validation, parts.test)]
    assert tuple(found) == sizes
    assert parts.test.pixels(0).shape[2] == 3
    assert state(entry, root) == ("here", "")
    asked, stamps = len(server.asked), [path.stat().st_mtime_ns for path in sorted(root.rglob("*"))]
    obtain(entry, root, cache, network=NETWORK)
    assert len(server.asked) == asked
    assert [path.stat().st_mtime_ns for path in sorted(root.rglob("*"))] == stamps


def test_another_digest_than_the_published_is_refused_and_the_download_removed(server, small, tmp_path):
    wrong = dataclasses.replace(small, files=(small.files[0], ("annotations.tar.gz", f"md5:{'0' * 32}")))
    root, cache = tmp_path / "pets", tmp_path / "cache"
    with pytest.raises(ClaimsError, match=r"annotations.tar.gz: expected md5 0{32} as published, found \w+ .*removed"):
        obtain(wrong, root, cache, network=NETWORK)
    assert sorted(Pins(cache).all()) == ["pets/images.tar.gz"]
    assert not (cache / "files/pets/annotations.tar.gz").exists()
    assert (state(small, root)[0], complete(small, root)) == ("to fetch", False)
    obtain(small, root, cache, network=NETWORK)  # once the table is right, only the refused file comes again
    assert len(server.gets("/pets/images.tar.gz")) == 1
    assert len(load_parts(small, root).train) == 2


@pytest.mark.parametrize("damage", ["cut", "leaves"])
def test_a_damaged_or_unsafe_archive_leaves_nothing(server, tmp_path, damage):
    files = pets(tmp_path / "made")
    content = files["annotations.tar.gz"]
    unsafe = making.tar(tmp_path / "x.tar.gz", {"annotations/../../x": b"x"}, "w:gz").read_bytes()
    files["annotations.tar.gz"] = content[: len(content) // 2] if damage == "cut" else unsafe
    entry = served(server, "pets", files, classes=2, train=2, test=2)
    root = tmp_path / "data" / "pets"
    message = {
        "cut": "expected a whole archive, found a truncated or damaged one",
        "leaves": "found one that leaves it",
    }[damage]
    with pytest.raises(ClaimsError, match=message) as caught:
        obtain(entry, root, tmp_path / "cache", network=NETWORK)
    assert "\n" not in str(caught.value)
    assert [path.name for path in root.iterdir() if path.name != ".obtaining.lock"] == []
    assert not (tmp_path / "data" / "x").exists()
    assert not complete(entry, root)


def test_a_flipped_bit_on_the_way_is_refused(server, small, tmp_path):
    server.files["/pets/images.tar.gz"].always = Fault(flip=40)
    with pytest.raises(ClaimsError, match="images.tar.gz: expected a whole archive, found a truncated or damaged one"):
        obtain(small, tmp_path / "pets", tmp_path / "cache", network=NETWORK)
    assert not (tmp_path / "pets/images").exists()


def test_offline_uses_the_cache_or_says_where_to_put_what(server, small, tmp_path):
    root, cache = tmp_path / "pets", tmp_path / "cache"
    with pytest.raises(ClaimsError, match=r"pets/images.tar.gz: offline: expected .* put the file at .*cache/files"):
        obtain(small, root, cache, offline=True)
    assert server.asked == []
    for name, content in pets(tmp_path / "again").items():
        making.put(cache / "files" / "pets" / name, content)
    obtain(small, root, cache, offline=True)
    assert len(load_parts(small, root).test) == 2
    assert server.asked == []


def test_archives_that_the_user_put_into_the_folder_are_used(server, small, tmp_path):
    root = tmp_path / "pets"
    for name, content in pets(tmp_path / "again").items():
        making.put(root / name, content)
    assert state(small, root)[0] == "to fetch"
    obtain(small, root, tmp_path / "cache", offline=True)
    assert len(load_parts(small, root).test) == 2
    making.put(tmp_path / "other" / "images.tar.gz", b"something else")
    with pytest.raises(ClaimsError, match=r"other/images.tar.gz: expected md5 \w+ as published, .* remove it"):
        obtain(small, tmp_path / "other", tmp_path / "cache")
    assert (tmp_path / "other" / "images.tar.gz").read_bytes() == b"something else"


def test_a_users_own_copy_is_taken_if_it_is_whole_and_never_overwritten(server, small, tmp_path):
    root = tmp_path / "pets"
    making.pets(root, **BREEDS)
    assert obtain(small, root, tmp_path / "cache", offline=True) == root
    assert state(small, root) == ("here", "")
    own = making.put(tmp_path / "half" / "images" / "mine.jpg", b"mine")
    with pytest.raises(ClaimsError, match=r"half/images: expected nothing there yet, because pets .*move them away"):
        obtain(small, tmp_path / "half", tmp_path / "cache", network=NETWORK)
    assert own.read_bytes() == b"mine"


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from harness.data.download import dataset as obtain
from harness.data.download import install as installing
moment, entry, root, cache = pickle.loads(Path(sys.argv[1]).read_bytes())
def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)
rename = Path.rename
def dying_rename(self, target):
    rename(self, target)
    if Path(target).parent == root:
        die()
if moment == "second archive":
    unpack = installing.unpack
    installing.unpack = lambda archive, *a, **k: (die if "images" not in archive.name else unpack)(archive, *a, **k)
elif moment == "first move":
    Path.rename = dying_rename
elif moment == "before the moves":
    installing.place = die
else:
    write_mark = installing.write_mark
    installing.write_mark = lambda *arguments: die(write_mark(*arguments))
obtain.obtain(entry, root, cache, offline=True)
"""


def kill(moment, entry, root, cache, job):
    job.write_bytes(pickle.dumps((moment, entry, root, cache)))
    done = subprocess.run([sys.executable, "-c", KILLED, job], cwd=Path(__file__).parents[3], capture_output=True)
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize("moment", ["second archive", "before the moves", "first mark", "first move"])
def test_a_kill_leaves_nothing_that_is_taken_for_whole_and_the_next_call_mends_it(small, tmp_path, moment):
    root, cache = tmp_path / "pets", tmp_path / "cache"
    for name, content in pets(tmp_path / "again").items():
        making.put(cache / "files" / "pets" / name, content)
    kill(moment, small, root, cache, tmp_path / "job")
    assert (root / ".unpacking").exists()
    assert not complete(small, root)
    assert state(small, root)[0] == "to fetch"
    with pytest.raises(ClaimsError):
        load_parts(small, root)
    obtain(small, root, cache, offline=True)
    assert len(load_parts(small, root).train) == 2
    assert not (root / ".unpacking").exists()


def test_a_kill_while_another_version_is_laid_does_not_make_the_old_one_pass_for_it(server, small, tmp_path):
    root = tmp_path / "pets"
    obtain(small, root, tmp_path / "cache", network=NETWORK)
    made = making.pets(tmp_path / "new", train=BREEDS["train"] * 2, test=BREEDS["test"])
    files = {"images.tar.gz": packed(made, "images"), "annotations.tar.gz": packed(made, "annotations")}
    newer = served(server, "pets", files, classes=2, train=4, test=2)
    for name, content in files.items():
        making.put(tmp_path / "newer" / "files" / "pets" / name, content)
    kill("first mark", newer, root, tmp_path / "newer", tmp_path / "job")
    assert len(load_parts(small, root).train) == 2
    assert not complete(newer, root)
    obtain(newer, root, tmp_path / "newer", offline=True)
    assert len(load_parts(newer, root).train) == 4


def test_what_was_taken_away_is_laid_again(server, small, tmp_path):
    root, cache = tmp_path / "pets", tmp_path / "cache"
    obtain(small, root, cache, network=NETWORK)
    (root / "annotations").rename(tmp_path / "gone")
    assert state(small, root)[0] == "to fetch"
    obtain(small, root, cache, offline=True)
    assert len(load_parts(small, root).train) == 2


def test_what_has_no_address_says_what_to_put_where(tmp_path):
    for name, entry in entries().items():
        why = by_hand(entry, tmp_path)
        assert bool(why) != bool(materials(entry, tmp_path)), name
        if why:
            assert str(tmp_path) in why
            if entry.reader != "imagenet":
                with pytest.raises(ClaimsError, match=f"^{name}: ") as caught:
                    obtain(entry, tmp_path / "none", tmp_path / "cache")
                assert "\n" not in str(caught.value)
    assert "unpack it into" in by_hand(entries()["vtab-resisc45"], tmp_path)
    assert "put them into" in by_hand(SUN, tmp_path)
    for name in LISTS:
        making.put(tmp_path / name, "/a/abbey/1.jpg\n")
    assert by_hand(SUN, tmp_path) == ""
    plain = materials(SUN, tmp_path)[0].sources
    assert [(source.url[:8], source.confirmed) for source in plain] == [("https://", False), ("http://v", True)]


def test_a_run_s_dataset_is_fetched_where_it_lies_unless_only_this_machine_may_be_used(
    server, small, tmp_path, monkeypatch
):
    for name in ("DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(tmp_path / name))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "0")
    assert why_not_here(small) == "pets: not on this machine; python -m harness fetch pets"
    with pytest.raises(ClaimsError, match="pets/images.tar.gz: offline: expected the file in the cache"):
        at_hand(small, fetch=False)
    assert server.asked == []
    assert at_hand(small) == tmp_path / "DATA" / "pets"
    assert at_hand(small, fetch=False) == tmp_path / "DATA" / "pets"
    assert why_not_here(small) == ""


def test_a_users_own_folder_or_archive_is_here_or_nobody_knows_where(tmp_path, monkeypatch):
    own = tmp_path / "mine"
    entry = Entry("mine", "Mine", "folder", classes=2, train=2, test=2, dev_fraction=0.5, path=str(own))
    message = f"no address is known of it; expected its images in {own}, found none; lay them there"
    assert state(entry, own) == ("by hand", message)
    assert why_not_here(entry) == f"mine: {message}"
    with pytest.raises(ClaimsError, match=f"^mine: {message}"):
        at_hand(entry)
    making.put(own / "cat" / "1.png", making.png(1))
    assert at_hand(entry) == own
    archive = making.zipped(tmp_path / "val.zip", making.validation("synset in name"))
    named = dataclasses.replace(entries()["imagenet"], path=str(archive))
    assert at_hand(named) == archive


def lay_out_imagenet(server, monkeypatch, count=2, named=2):
    """Serve the gated repo's list of files and shards as the hub does."""
    names = [f"data/validation-{number:05d}-of-{named:05d}.parquet" for number in range(count)]
    siblings = ", ".join(f'{{"rfilename": "{name}"}}' for name in ["README.md", "data/train-0.parquet", *names])
    listing = f'{{"id": "ILSVRC/imagenet-1k", "sha": "{COMMIT}", "siblings": [{siblings}], "gated": "auto"}}'
    server.serve("/api/datasets/ILSVRC/imagenet-1k", listing.encode(), headers={"Content-Type": "application/json"})
    for number, name in enumerate(names):
        content = bytes([number]) * 1000
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        address = f"/datasets/ILSVRC/imagenet-1k/resolve/{COMMIT}/{name}"
        server.serve(address, content, etag=f'"{blob}"', headers={"X-Repo-Commit": COMMIT})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return names


def test_imagenets_shards_come_from_the_hub_at_one_commit(server, monkeypatch, tmp_path):
    names = lay_out_imagenet(server, monkeypatch)
    entry, root, cache = entries()["imagenet"], tmp_path / "imagenet", tmp_path / "cache"
    obtain(entry, root, cache, network=NETWORK)
    assert sorted(path.name for path in root.glob("*.parquet")) == [Path(name).name for name in names]
    pins = Pins(cache).all()
    assert pins[f"imagenet/{Path(names[1]).name}"].source == str(Hub("ILSVRC/imagenet-1k", names[1], COMMIT, "dataset"))
    assert complete(entry, root)
    asked = len(server.asked)
    obtain(entry, tmp_path / "elsewhere", cache, offline=True)
    assert len(server.asked) == asked
    assert len(list((tmp_path / "elsewhere").glob("*.parquet"))) == 2


@pytest.mark.parametrize("trouble", ["gated", "missing shard", "no hub"])
def test_without_access_imagenet_is_one_line_that_says_what_to_do(server, monkeypatch, tmp_path, trouble):
    monkeypatch.setitem(sys.modules, "gdown", None)
    names = lay_out_imagenet(server, monkeypatch, count=1 if trouble == "missing shard" else 2)
    if trouble == "gated":
        address = f"/datasets/ILSVRC/imagenet-1k/resolve/{COMMIT}/{names[0]}"
        del server.files[address]
        server.refuse(address, 403, **{"X-Error-Code": "GatedRepo", "Content-Length": "0"})
    if trouble == "no hub":
        del server.files["/api/datasets/ILSVRC/imagenet-1k"]
    found = {"gated": "is gated", "missing shard": "found 1 of 2", "no hub": "expected its list of files"}[trouble]
    with pytest.raises(ClaimsError) as caught:
        obtain(entries()["imagenet"], tmp_path / "imagenet", tmp_path / "cache", network=NETWORK)
    message = str(caught.value)
    assert "\n" not in message
    assert "set HF_TOKEN, or put ILSVRC2012_img_val.tar" in message
    assert found in message
    assert "gdown" in message
