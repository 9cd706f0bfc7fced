"""Downloads from a server with scripted faults: the right file or none, and a clear message.

`pytest tests/fetch/test_faults.py -s` prints the table of faults, what happened and what was said.
"""

import base64
import hashlib
import multiprocessing
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import google_crc32c
import pytest
import requests

from harness.core.errors import ClaimsError
from harness.fetch import Material, Network, Pins, Url, fetch
from harness.fetch.http import CHUNK, follow
from harness.fetch.partial import Partial
from harness.fetch.retry import SourceFailure
from tests.fetch.server import Fault

RIGHT = random.Random(0).randbytes(3 * CHUNK + 12345)
OTHER = random.Random(1).randbytes(2 * CHUNK)
DIGEST = hashlib.sha256(RIGHT).hexdigest()
PATH = "/a/weights.npz"
TABLE = []


def md5_of(content):
    value = base64.b64encode(hashlib.md5(content).digest()).decode()
    # The other file's md5 comes with the right file's crc32c: one digest that agrees doesn't excuse one that lies.
    crc = base64.b64encode(google_crc32c.value(RIGHT).to_bytes(4, "big")).decode()
    return {"x-goog-hash": f"crc32c={crc},md5={value}"} if content is OTHER else {"x-goog-hash": f"md5={value}"}


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    print("\n\nfault | outcome | asked | message")
    for row in TABLE:
        print(" | ".join(row))


@pytest.fixture
def told(request, server, tmp_path, capsys):
    """Give a function that fetches, checks that the cache holds the right file or none, and notes a row."""

    def run(material, network, fault=None, **options):
        error = None
        try:
            path = fetch(material, tmp_path, network=network, **options)
            assert path.read_bytes() == RIGHT
        except ClaimsError as caught:
            error = str(caught)
        files = [p for p in (tmp_path / "files").rglob("*") if p.is_file()]
        assert all(p.read_bytes() == RIGHT for p in files)
        said = capsys.readouterr().err.strip()
        message = (error or said or "-").replace(server.url, "http://server").replace(str(tmp_path), "CACHE")
        message = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b", r"\1...", message)
        TABLE.append(
            (fault or request.node.callspec.id, "none" if error else "right", str(len(server.gets())), message)
        )
        return error

    return run


@pytest.fixture
def network(network, request):
    """Impatient where the fault is a silence."""
    stalled = hasattr(request.node, "callspec") and "stalled" in request.node.callspec.id
    return replace(network, read=0.4) if stalled else network


def material(*urls, **known):
    return Material("weights", "weights.npz", tuple(Url(url) for url in urls), **known)


def nothing_left(cache):
    return [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock" and p.name != "pins.json"] == []


HALF = len(RIGHT) // 2
SURVIVED = {
    "none": ([], {}, 1),
    "truncated body, once": ([Fault(cut=HALF)], {}, 2),
    "truncated body, three times": ([Fault(cut=HALF), Fault(cut=HALF + CHUNK), Fault(cut=HALF + CHUNK)], {}, 4),
    "truncated body, no range support": ([Fault(cut=HALF)], {"ranges": False}, 2),
    "truncated body, no ETag": ([Fault(cut=HALF)], {"etag": ""}, 2),
    "503 three times": ([Fault(503)] * 3, {}, 4),
    "429 with Retry-After": ([Fault(429, {"Retry-After": "7"})], {}, 2),
    "stalled before the first byte": ([Fault(stall=0)], {}, 2),
    "stalled connection": ([Fault(stall=HALF)], {}, 2),
    "Content-Length too large, once": ([Fault(length=str(len(RIGHT) + 99))], {"ranges": False}, 2),
}


@pytest.mark.parametrize("faults, options, gets", SURVIVED.values(), ids=SURVIVED)
def test_a_passing_fault_ends_in_the_right_file(server, network, told, tmp_path, faults, options, gets):
    url = server.serve(PATH, RIGHT, faults, headers=md5_of(RIGHT), **options)
    assert told(material(url), network) is None
    assert len(server.gets()) == gets
    assert Pins(tmp_path).get("weights/weights.npz").checked == ("md5 stated",)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock") == [
        "pins.json",
        "weights.npz",
    ]


def test_what_came_is_continued_where_the_version_can_be_named(server, network, told):
    url = server.serve(PATH, RIGHT, [Fault(cut=HALF)])
    assert told(material(url), network, "truncated body, no digest stated") is None
    first, second = server.gets()
    assert "Range" not in first.headers
    start = int(second.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= HALF
    assert second.headers["If-Range"] == server.files[PATH].etag
    assert second.status == 206


def test_back_off_doubles_and_honours_the_server(server, network, slept, told):
    waits = [Fault(503), Fault(503), Fault(503, {"Retry-After": "30"}), Fault(503, {"Retry-After": "0"})]
    url = server.serve(PATH, RIGHT, waits)
    assert told(material(url, sha256=DIGEST), network, "503 with Retry-After") is None
    assert slept == [1, 2, 30, 8]


REFUSED = {
    "truncated body, always": (Fault(cut=HALF), {"ranges": False}, {}, "the connection broke after 262,144 of 798,777"),
    "503 always": (Fault(503), {}, {}, "found status 503 (Service Unavailable) (5 tries); try again later"),
    "asked to wait a day": (Fault(503, {"Retry-After": "86400"}), {}, {}, "asks to wait 86,400 s, more than 120 s"),
    "404": (Fault(404), {}, {}, "found status 404 (Not Found); the file is not there"),
    "403": (Fault(403), {}, {}, "the server refuses this user"),
    "stalled, always": (Fault(stall=0), {}, {}, "no byte came for 0.4 s after 0 of 798,777 bytes (5 tries)"),
    "flipped bit, digest stated": (Fault(flip=HALF), {}, {}, "found {flipped_md5}; the download was deleted"),
    "flipped bit, digest known": (Fault(flip=HALF), {}, {"sha256": DIGEST}, "damaged on the way"),
    "Content-Length too large": (Fault(length="800000"), {"ranges": False}, {}, "broke after"),
    "Content-Length too small": (Fault(length="700000"), {}, {"sha256": DIGEST}, "found {short} (700,000 bytes)"),
    "Content-Length not a number": (Fault(length="many"), {}, {}, "expected a number in Content-Length, found 'many'"),
    "Content-Length not the table's": (Fault(), {}, {"size": 5}, "expected 5 bytes, the server states 798,777"),
    "larger than the disk": (Fault(length=str(10**15)), {}, {}, "bytes of free disk (1,000,000,000,000,000 to down"),
    "a digest header that lies": (Fault(headers=md5_of(OTHER)), {}, {}, "expected md5 {other_md5} as the server sta"),
}


@pytest.mark.parametrize("fault, options, known, message", REFUSED.values(), ids=REFUSED)
def test_a_lasting_fault_ends_in_no_file(server, network, told, tmp_path, fault, options, known, message):
    url = server.serve(PATH, RIGHT, always=fault, headers=md5_of(RIGHT), **options)
    error = told(material(url, **known), network)
    flipped = bytearray(RIGHT)
    flipped[HALF] ^= 1
    expected = message.format(
        flipped_md5=hashlib.md5(flipped).hexdigest(),
        other_md5=hashlib.md5(OTHER).hexdigest(),
        short=hashlib.sha256(RIGHT[:700000]).hexdigest(),
    )
    assert expected in error
    assert "\n" not in error
    assert Pins(tmp_path).all() == {}
    assert list((tmp_path / "files").rglob("*.npz")) == []
    if "deleted" in error or "nothing was downloaded" in error:
        assert nothing_left(tmp_path)


def test_an_empty_file_without_a_digest_is_refused(server, network, told, tmp_path):
    error = told(material(server.serve(PATH, b"")), network, "empty, no digest")
    assert "expected a file, found 0 bytes" in error
    assert nothing_left(tmp_path)
    assert Pins(tmp_path).all() == {}


def test_neither_length_nor_digest_is_refused(server, network, told, tmp_path):
    url = server.serve(PATH, RIGHT, always=Fault(length=""))
    assert "expected a length or a digest to check" in told(material(url), network, "no length, no digest")
    assert told(material(url, sha256=DIGEST), network, "no length, digest known") is None


def test_a_lying_header_does_not_outweigh_a_known_digest(server, network, told):
    url = server.serve(PATH, RIGHT, headers=md5_of(OTHER))
    assert told(material(url, sha256=DIGEST), network, "a digest header that lies, digest known") is None


def test_without_any_digest_the_first_fetch_says_so_and_pins(server, network, tmp_path, capsys):
    url = server.serve(PATH, RIGHT)
    fetch(material(url), tmp_path, network=network)
    said = capsys.readouterr().err
    assert "no digest is known to check it against (the server states none; it came over plain HTTP" in said
    assert f"its sha256 {DIGEST} is pinned now" in said
    pin = Pins(tmp_path).get("weights/weights.npz")
    assert (pin.sha256, pin.size, pin.source, pin.checked) == (DIGEST, len(RIGHT), url, ())
    fetch(material(url), tmp_path, network=network)
    assert capsys.readouterr().err == ""
    assert len(server.gets()) == 1


def test_a_changed_file_under_a_pin_names_both_and_keeps_the_old(server, network, told, tmp_path):
    url = server.serve(PATH, RIGHT)
    fetch(material(url), tmp_path, network=network)
    server.serve(PATH, OTHER)
    error = told(material(url), network, "changed file under a pinned digest", refresh=True)
    assert f"expected sha256 {DIGEST} (pinned at the first fetch), found {hashlib.sha256(OTHER).hexdigest()}" in error
    assert "the download was deleted; the file in the cache was kept" in error
    assert (tmp_path / "files/weights/weights.npz").read_bytes() == RIGHT
    assert Pins(tmp_path).get("weights/weights.npz").sha256 == DIGEST
    (tmp_path / "files/weights/weights.npz").unlink()
    assert "pinned at the first fetch" in told(material(url), network, "changed file, old one lost")


def test_a_damaged_file_in_the_cache_is_noticed_and_fetched_again(server, network, told, tmp_path, capsys):
    url = server.serve(PATH, RIGHT)
    path = fetch(material(url), tmp_path, network=network)
    damaged = RIGHT[:-1] + bytes([RIGHT[-1] ^ 1])
    path.write_bytes(damaged)
    capsys.readouterr()
    assert fetch(material(url), tmp_path, network=network).read_bytes() == RIGHT
    said = capsys.readouterr().err
    assert f"found {hashlib.sha256(damaged).hexdigest()} ({len(RIGHT):,} bytes); fetching it again" in said
    (aside,) = (tmp_path / "damaged").iterdir()
    assert aside.read_bytes() == damaged
    assert str(aside) in said
    path.write_bytes(damaged)
    with pytest.raises(ClaimsError, match="offline: expected the file in the cache, found damage in the cache"):
        fetch(material(url), tmp_path, offline=True, network=network)
    assert path.read_bytes() == damaged


def test_another_version_between_two_tries_is_not_mixed_in(server, network, told, tmp_path):
    url = server.serve(PATH, OTHER + bytes(CHUNK), [Fault(cut=CHUNK + 1)] * 5, ranges=False)
    assert "broke" in told(material(url), network, "truncated, version 1")
    assert len((tmp_path / "partial/weights--weights.npz").read_bytes()) == CHUNK
    server.serve(PATH, RIGHT)
    assert told(material(url), network, "version 2 when it is continued") is None
    assert server.gets()[-1].headers["If-Range"] != server.files[PATH].etag
    assert server.gets()[-1].status == 200


def test_a_server_that_mixes_versions_is_caught_and_asked_from_the_start(server, network, told):
    head = {"x-goog-hash": md5_of(RIGHT)["x-goog-hash"]}
    url = server.serve(PATH, bytes(len(RIGHT)), [Fault(cut=HALF, headers=head)], if_range=False, etag='"same"')

    def sleep(_):
        # The second version appears while the first download is interrupted.
        server.serve(PATH, RIGHT, etag='"same"', if_range=False, headers=head)

    assert told(material(url), Network(sleep=sleep), "versions mixed under one ETag") is None
    assert [asked.status for asked in server.gets()] == [200, 206, 200]


def test_what_came_from_one_source_is_not_continued_from_another(server, network, told):
    first = server.serve("/first", OTHER, always=Fault(cut=CHUNK + 1), ranges=False, etag='"same"')
    second = server.serve(PATH, RIGHT, if_range=False, etag='"same"')
    assert told(material(first, second), network, "truncated, then another source") is None
    assert "Range" not in server.gets(PATH)[0].headers


def test_redirects_are_followed_and_loops_are_not(server, storage, network, told):
    target = storage.serve("/there", RIGHT)
    url = server.redirect(PATH, "/on", status=301)
    server.redirect("/on", target, **{"X-Linked-ETag": f'"{DIGEST}"'})
    assert told(material(url), network, "redirect") is None
    server.redirect("/round", "/round")
    error = told(Material("round", "a", (Url(f"{server.url}/round"),)), network, "redirect loop")
    assert "Exceeded 30 redirects" in error


def test_a_redirect_that_states_another_digest_is_refused_unread(server, storage, network, told):
    target = storage.serve("/there", RIGHT)
    other = hashlib.sha256(OTHER).hexdigest()
    url = server.redirect(PATH, target, **{"X-Linked-ETag": f'"{other}"'})
    error = told(material(url, sha256=DIGEST), network, "redirect to another digest")
    assert f"expected sha256 {DIGEST}, the server states {other}: it has another file now" in error


def test_sources_are_tried_in_order_and_each_failure_is_told(server, network, told, tmp_path):
    gone, busy = server.refuse("/gone", 404), server.refuse("/busy", 403)
    good = server.serve(PATH, RIGHT)
    assert told(material(gone, busy, good, sha256=DIGEST), network, "404, 403, then a good source") is None
    assert [asked.path for asked in server.gets()] == ["/gone", "/busy", PATH]
    sources = (Url(gone), Url(busy, confirmed=False))
    error = told(Material("other", "weights.npz", sources, sha256=DIGEST), network, "404, then 403")
    assert "none of 2 sources gave it; put the file at" in error
    assert DIGEST in error
    assert f": {gone}: expected the file, found status 404" in error
    assert f"; {busy} (unconfirmed name): expected the file, found status 403" in error
    assert "\n" not in error


def test_a_server_that_is_not_there(network, told, slept):
    error = told(material("http://127.0.0.1:9/weights.npz"), network, "nobody listens")
    assert "no connection: " in error
    assert "Connection refused" in error
    assert slept == [1, 2, 4, 8]


def test_plain_http_from_elsewhere_needs_a_known_digest(network, told):
    error = told(material("http://192.0.2.1/weights.npz"), network, "plain http from another machine")
    assert "expected https or a known digest, found plain http" in error


def test_a_redirect_may_not_leave_tls():
    response = requests.Response()
    response.url, response.status_code = "https://host/weights.npz", 302
    response.headers["Location"] = "http://host/weights.npz"
    with pytest.raises(SourceFailure, match="expected to stay on https, the server redirects to http://host"):
        follow(response)
    response.headers["Location"] = "https://other/weights.npz"
    follow(response)


def test_a_full_disk_stores_nothing_and_the_rest_comes_later(server, network, told, tmp_path, monkeypatch):
    url, second = server.serve(PATH, RIGHT, headers=md5_of(RIGHT)), server.serve("/mirror", RIGHT)
    with monkeypatch.context() as patch:
        # A real full device: the kernel refuses the write.
        patch.setattr(Partial, "open", lambda self: Path("/dev/full").open("ab"))  # noqa: SIM115
        error = told(material(url, second), network, "disk full")
    assert "found: No space left on device after 0 bytes" in error
    assert len(server.gets()) == 1
    assert told(material(url), network, "disk full, then freed") is None


def child(url, cache):
    fetch(material(url), Path(cache), network=Network(connect=5, read=8))


def test_killed_in_mid_download_then_continued(server, network, told, tmp_path):
    url = server.serve(PATH, RIGHT, [Fault(stall=HALF)])
    code = f"from tests.fetch.test_faults import child; child({url!r}, {str(tmp_path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    partial = tmp_path / "partial" / "weights--weights.npz"
    for _ in range(2000):
        if partial.exists() and partial.stat().st_size >= CHUNK:
            break
        time.sleep(0.01)
    process.kill()
    assert process.wait(10) == -9
    assert list((tmp_path / "files").rglob("*.npz")) == []
    there = partial.stat().st_size
    assert 0 < there < len(RIGHT)
    assert told(material(url), network, "kill -9 in mid-download") is None
    assert server.gets()[-1].headers["Range"] == f"bytes={there}-"
    assert nothing_left(tmp_path / "partial")


def interrupted(path):
    raise KeyboardInterrupt


def test_killed_after_the_last_byte_asks_nothing_more(server, network, told, tmp_path):
    url = server.serve(PATH, RIGHT, headers=md5_of(RIGHT))
    cache = tmp_path / "other"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.fetch.fetcher.digest_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(material(url), cache, network=network)
    assert fetch(material(url), cache, network=network).read_bytes() == RIGHT
    assert len(server.gets()) == 1


def test_many_processes_ask_for_one_file_and_one_downloads(server, told, tmp_path):
    url = server.serve(PATH, RIGHT)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=child, args=(url, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 3
    assert len(server.gets()) == 1
    assert (tmp_path / "files/weights/weights.npz").read_bytes() == RIGHT
    TABLE.append(("three processes at once", "right", "1", "-"))
