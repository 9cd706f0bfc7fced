"""A user's own weights: identified by what they hold now, hashed again only where they may have changed."""

import hashlib
import json
import os
import time

import pytest

from harness.core.errors import ClaimsError, Gone
from harness.fetch import Local, Material, Pins, fetch, verify
from harness.fetch.owned import FRESH, look, main_file
from tests.models import weights


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("keep_times", [False, True])
def test_the_digest_is_of_what_the_file_holds_now(tmp_path, keep_times):
    path, cache = tmp_path / "w.npz", tmp_path / "cache"
    for value in (1, 2, 3):
        before = path.stat() if path.exists() else None
        path.write_bytes(weights.npz(value))
        if keep_times and before is not None:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert look(path, cache).sha256 == sha256(weights.npz(value))


def test_a_file_that_has_settled_is_not_hashed_again_and_one_moved_over_it_is(tmp_path):
    path, cache = tmp_path / "w.npz", tmp_path / "cache"
    path.write_bytes(weights.npz(1))
    (tmp_path / "other.npz").write_bytes(weights.npz(2))
    look(path, cache)
    assert not list(cache.rglob("*.json"))  # it changed just now: a second change could leave the same times
    time.sleep(FRESH + 0.1)
    assert look(path, cache).sha256 == sha256(weights.npz(1))
    (note,) = cache.rglob("*.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"sha256": "f" * 64}))
    assert look(path, cache).sha256 == "f" * 64  # what was noted is believed
    before = path.stat()
    (tmp_path / "other.npz").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert look(path, cache).sha256 == sha256(weights.npz(2))


def test_shards_are_identified_by_all_of_them(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index.write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1], "c": names[0]}}))
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(weights.safetensors(number))
    assert main_file(tmp_path) == index
    first = look(index, tmp_path / "cache")
    assert first.size == sum((tmp_path / name).stat().st_size for name in names)
    (tmp_path / names[1]).write_bytes(weights.safetensors(5))
    assert look(index, tmp_path / "cache").sha256 != first.sha256
    (tmp_path / names[1]).write_bytes(weights.safetensors(1))
    assert look(index, tmp_path / "cache") == first
    (tmp_path / names[1]).unlink()
    with pytest.raises(Gone, match=f"expected weights in .*{names[1]}"):
        look(index, tmp_path / "cache")
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(ClaimsError, match="expected an index of shards"):
        look(index, tmp_path / "cache")


def test_a_folder_with_several_files_is_refused_and_one_with_a_single_file_is_read(tmp_path):
    (tmp_path / "a.npz").write_bytes(weights.npz())
    assert main_file(tmp_path) == tmp_path / "a.npz"
    (tmp_path / "b.npz").write_bytes(weights.npz())
    with pytest.raises(ClaimsError, match="expected one file of weights .* found 2"):
        main_file(tmp_path)


def test_an_own_file_is_noted_and_free_to_change(tmp_path):
    path, cache = tmp_path / "w.npz", tmp_path / "cache"
    of = Material("mine", "weights", (Local(str(path), owned=True),), holds="weights")
    for value in (1, 2):
        path.write_bytes(weights.npz(value))
        assert fetch(of, cache) == path
        assert Pins(cache).get("mine/weights").sha256 == sha256(weights.npz(value))
    path.write_bytes(weights.npz(3))
    (found,) = verify(cache)
    assert (found.state, "changed since it was last used" in found.message) == ("own", True)
    path.unlink()
    with pytest.raises(Gone, match="mine: expected its weights in"):
        fetch(of, cache)


def test_a_cache_that_can_not_be_written_is_no_obstacle(tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(weights.npz())
    (tmp_path / "file").write_text("in the way")
    assert look(path, tmp_path / "file" / "cache").sha256 == sha256(weights.npz())
