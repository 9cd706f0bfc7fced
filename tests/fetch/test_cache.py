"""The cache: pins, files put there by hand, local files, offline use, verifying, pruning."""

import hashlib
import json
import multiprocessing
import os

import pytest

from harness.core.errors import ClaimsError
from harness.fetch import Hub, Local, Material, Pin, Pins, Url, entries, fetch, plan, plan_all, unneeded, verify
from harness.fetch.cache import cache_size, remove
from harness.fetch.fetcher import waiting
from harness.fetch.sources import material_of_url

CONTENT = b"weights" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def material(identifier="vit", *sources, **known):
    return Material(identifier, "w.npz", sources or (Url("https://127.0.0.1:9/w.npz"),), **known)


def by_hand(cache, of=None, content=CONTENT):
    path = (of or material()).path(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_file_put_there_by_hand_is_used_offline_and_pinned(tmp_path, capsys):
    path = by_hand(tmp_path)
    assert fetch(material(), tmp_path, offline=True) == path
    assert "(it was put into the cache by hand)" in capsys.readouterr().err
    assert Pins(tmp_path).get("vit/w.npz").sha256 == DIGEST
    assert fetch(material(), tmp_path, offline=True) == path
    assert capsys.readouterr().err == ""


def test_a_wrong_file_put_there_by_hand_is_not_used(tmp_path):
    path = by_hand(tmp_path)
    with pytest.raises(ClaimsError, match=f"expected sha256 {'1' * 64} .given for it., found {DIGEST}"):
        fetch(material(sha256="1" * 64), tmp_path, offline=True)
    with pytest.raises(ClaimsError, match="expected 7 bytes, found 700"):
        fetch(material(size=7), tmp_path, offline=True)
    assert path.read_bytes() == CONTENT
    assert Pins(tmp_path).all() == {}


def test_a_miss_offline_is_one_line_that_says_from_where_and_where_to(tmp_path):
    sources = (Hub("google/vit", "w.npz", "abc"), Url("gs://vit_models/w.npz"), Local(str(tmp_path / "none")))
    with pytest.raises(ClaimsError) as caught:
        fetch(material("vit", *sources, sha256=DIGEST), tmp_path / "c", offline=True)
    assert str(caught.value) == (
        "vit/w.npz: offline: expected the file in the cache, found none on this machine; fetch it elsewhere from"
        f" hub:google/vit@abc/w.npz or gs://vit_models/w.npz and put the file at {tmp_path}/c/files/vit/w.npz"
        f" (sha256 {DIGEST})"
    )


def test_a_bucket_is_asked_over_https():
    assert Url("gs://vit_models/a b.npz".replace(" ", "+")).address == (
        "https://storage.googleapis.com/vit_models/a+b.npz"
    )


def test_a_local_file_is_checked_and_used_where_it_lies(tmp_path):
    place = tmp_path / "mine.npz"
    of = material("vit", Local(str(place)))
    with pytest.raises(ClaimsError, match="expected a file, found none"):
        fetch(of, tmp_path / "c")
    place.write_bytes(CONTENT)
    assert fetch(of, tmp_path / "c", offline=True) == place
    assert Pins(tmp_path / "c").get("vit/w.npz").elsewhere == str(place)
    assert not (tmp_path / "c" / "files").exists()
    place.write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ClaimsError, match=f"expected sha256 {DIGEST} .pinned at the first fetch., found {other}"):
        fetch(of, tmp_path / "c")
    assert [(found.state, found.key) for found in verify(tmp_path / "c")] == [("changed", "vit/w.npz")]


def test_the_tables_digest_outweighs_an_old_pin(tmp_path):
    by_hand(tmp_path)
    Pins(tmp_path).put("vit/w.npz", Pin("2" * 64, 1, "old", (), "2026-01-01"))
    fetch(material(sha256=DIGEST), tmp_path, offline=True)
    assert Pins(tmp_path).get("vit/w.npz").sha256 == DIGEST


def test_a_cache_that_can_only_be_read_will_do(tmp_path):
    path = by_hand(tmp_path / "c")
    fetch(material(), tmp_path / "c", offline=True)
    before = sorted(p for p in tmp_path.rglob("*"))
    with waiting(material(), tmp_path / "c"):
        # The lock is held: only a fetch that needs no lock can return.
        assert fetch(material(), tmp_path / "c") == path
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_verify_tells_good_changed_and_missing(tmp_path):
    for name in ("a", "b", "c"):
        by_hand(tmp_path, material(name))
        fetch(material(name), tmp_path, offline=True)
    material("b").path(tmp_path).write_bytes(CONTENT[:-1] + b"S")
    material("c").path(tmp_path).unlink()
    by_hand(tmp_path, material("unpinned"))
    states = {found.key: found for found in verify(tmp_path)}
    assert {key: found.state for key, found in states.items()} == {
        "a/w.npz": "good",
        "b/w.npz": "changed",
        "c/w.npz": "missing",
        "unpinned/w.npz": "not pinned",
    }
    assert DIGEST in states["b/w.npz"].message
    assert hashlib.sha256(CONTENT[:-1] + b"S").hexdigest() in states["b/w.npz"].message
    assert [entry.key for entry in entries(tmp_path)] == ["a/w.npz", "b/w.npz", "c/w.npz", "unpinned/w.npz"]


def test_prune_removes_what_no_pin_or_no_table_names(tmp_path):
    for name in ("kept", "unnamed"):
        by_hand(tmp_path, material(name))
        fetch(material(name), tmp_path, offline=True)
    stray = by_hand(tmp_path, material("stray"))
    for part in ("partial/x--w.npz", "damaged/x--1234--w.npz"):
        (tmp_path / part).parent.mkdir()
        (tmp_path / part).write_bytes(b"12345")
    others = [tmp_path / "damaged/x--1234--w.npz", tmp_path / "partial/x--w.npz"]
    assert unneeded(tmp_path) == [stray, *others]
    assert unneeded(tmp_path, {"kept/w.npz"}) == [stray, material("unnamed").path(tmp_path), *others]
    assert cache_size(tmp_path) == {"files": 2100, "partial": 5, "damaged": 5}
    assert remove(tmp_path, unneeded(tmp_path)) == 710
    assert not stray.parent.exists()
    assert unneeded(tmp_path) == []
    assert cache_size(tmp_path) == {"files": 1400, "partial": 0, "damaged": 0}


def test_prune_keeps_what_a_user_put_there_by_hand_and_what_came_by_its_address(server, tmp_path):
    put = by_hand(tmp_path, material("named"))
    stray = by_hand(tmp_path, material("stray"))
    came = fetch(material_of_url(server.serve("/x.npz", CONTENT), DIGEST), tmp_path)
    assert unneeded(tmp_path, {"named/w.npz"}) == [stray]
    assert set(Pins(tmp_path).all()) == {came.relative_to(tmp_path / "files").as_posix()}
    assert put.exists()


def hold(cache, locked, release):
    with waiting(material("busy"), cache), waiting(Material("busy", "real.json", material().sources), cache):
        locked.set()
        release.wait(30)


def test_prune_leaves_a_download_that_a_process_is_at(tmp_path):
    context = multiprocessing.get_context("spawn")
    locked, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path, locked, release))
    holder.start()
    assert locked.wait(60)
    (tmp_path / "partial").mkdir()
    for name in ("busy--w.npz", "busy--w.npz.json", "busy--real.json", "idle--w.npz"):
        (tmp_path / "partial" / name).write_bytes(b"1")
    assert unneeded(tmp_path) == [tmp_path / "partial" / "idle--w.npz"]
    release.set()
    holder.join(10)
    assert len(unneeded(tmp_path)) == 4


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "found a damaged file"),
        ("[]", "found a damaged file"),
        ('{"format": 9, "pins": {}}', "expected format 1, found 9"),
        ('{"format": 1, "pins": {"a/b": {"sha256": "x"}}}', "[a/b]: "),
    ],
)
def test_damaged_pins_are_one_line(tmp_path, content, message):
    (tmp_path / "pins.json").write_text(content)
    with pytest.raises(ClaimsError) as caught:
        fetch(material(), tmp_path, offline=True)
    assert message in str(caught.value)
    assert (tmp_path / "pins.json").read_text() == content


def test_a_pin_is_forgotten_by_its_key_alone(tmp_path):
    pin = Pin("0" * 64, 1, "test", (), "now")
    Pins(tmp_path).put("id/a", pin)
    Pins(tmp_path).put("id/b", pin)
    with pytest.raises(ClaimsError, match="unknown pin 'id/c'"):
        Pins(tmp_path).remove("id/c")
    assert Pins(tmp_path).remove("id/a") == pin
    assert Pins(tmp_path).all() == {"id/b": pin}


def put_pins(cache, start):
    for i in range(start, start + 20):
        Pins(cache).put(f"id/{i}", Pin("0" * 64, i, "test", (), "now"))


def test_pins_of_several_processes_are_all_kept(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=put_pins, args=(tmp_path, start)) for start in (0, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert {pin.size for pin in Pins(tmp_path).all().values()} == {*range(20), *range(100, 120)}
    assert json.loads((tmp_path / "pins.json").read_text())["format"] == 1


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "a\n"])
def test_names_that_would_leave_the_cache_are_refused(name):
    for values in ((name, "w.npz"), ("vit", name)):
        with pytest.raises(ValueError, match="pattern"):
            Material(*values, (Url("https://127.0.0.1/w"),))


def test_a_plan_says_what_is_there_and_what_is_not(server, tmp_path):
    by_hand(tmp_path, material("there"))
    url = server.serve("/w.npz", CONTENT)
    gone = server.refuse("/gone", 404)
    wanted = [
        material("there"),
        material("known", Url(url)),
        material("second", Url(gone, confirmed=False), Url(url)),
        material("dead", Url("http://127.0.0.1:9/w.npz"), size=12),
        material("dead2", Url("http://127.0.0.1:9/w2.npz")),
        material("dead3", Url("http://127.0.0.1:9/w3.npz"), estimate=34),
    ]
    plans = plan_all(wanted, tmp_path)
    assert [p.present for p in plans] == [True, False, False, False, False, False]
    assert [p.size for p in plans] == [700, 700, 700, 12, None, 34]
    assert [p.size_from for p in plans] == ["disk", "server", "server", "table", "unknown", "estimate"]
    assert [p.answered for p in plans] == [None, True, True, False, False, False]
    assert [p.to_download for p in plans] == [0, 700, 700, 12, None, 34]
    assert plans[2].source == url
    assert plans[
        2
    ].note == f"{gone}: unconfirmed name, expected the file, found status 404 (Not Found); the file is" + (
        " not there: use another source"
    )
    assert "Connection refused" in plans[3].note
    assert server.gets() == []
    offline = plan(wanted[1], tmp_path, offline=True)
    assert (offline.answered, offline.size, offline.source) == (None, None, url)
    assert sorted(os.listdir(tmp_path)) == ["files"]
