"""A checkpoint's file: in the cache, in the user's folder or shipped, and always the bytes that are known."""

import hashlib
from dataclasses import replace

import pytest

from harness.catalog.checkpoint_files import estimate, file_of, materials, pinned, size, state
from harness.catalog.checkpoints import checkpoint, shipped
from harness.core.errors import ClaimsError
from harness.core.paper import paper
from tests.models.weights import npz


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)


def test_a_file_put_into_the_cache_by_hand_is_used_offline(tmp_path):
    entry = checkpoint("vit-b16-in21k")
    assert state(entry, tmp_path) == "to fetch"
    with pytest.raises(ClaimsError, match="offline: expected the file in the cache"):
        file_of(entry, tmp_path, offline=True)
    put = materials(entry)[0].path(tmp_path)
    put.parent.mkdir(parents=True)
    put.write_bytes(npz())
    assert file_of(entry, tmp_path, offline=True) == put
    assert (state(entry, tmp_path), size(entry, tmp_path)) == ("fetched", len(npz()))
    stated = pinned(entry, tmp_path, offline=True)
    assert (stated.sha256, stated.size) == (hashlib.sha256(npz()).hexdigest(), len(npz()))
    assert materials(entry)[0].sha256 is None
    put.write_bytes(npz(1))
    with pytest.raises(ClaimsError, match="sha256"):
        file_of(entry, tmp_path, offline=True)


def test_a_file_in_the_users_folder_of_weights_is_tried_first(tmp_path, monkeypatch):
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("VIT_CLAIMS_WEIGHTS", str(folder))
    entry = checkpoint("sam-l16")
    assert state(entry, cache) == "to fetch"
    put = folder / "sam-l16.npz"
    for value in (0, 1):  # it may be trained anew
        put.write_bytes(npz(value))
        assert (state(entry, cache), size(entry, cache)) == ("fetched", len(npz()))
        assert file_of(entry, cache, offline=True) == put
        assert pinned(entry, cache, offline=True).sha256 == hashlib.sha256(npz(value)).hexdigest()
    assert state(checkpoint("sam-b16"), cache) == "to fetch"
    put.unlink()  # a released checkpoint's runs are known where its weights are not
    assert pinned(entry, cache, offline=True).sha256 == hashlib.sha256(npz(1)).hexdigest()
    monkeypatch.setenv("VIT_CLAIMS_WEIGHTS", str(put))
    with pytest.raises(ClaimsError, match=r"VIT_CLAIMS_WEIGHTS: expected a folder"):
        materials(entry)


def test_an_estimate_is_four_bytes_for_each_of_a_networks_parameters():
    # arXiv:2010.11929, table 1: 86M and 307M parameters, without the head (rounded; L/16 has 303M or 304M).
    for name, millions, width in (("vit-b16-in21k", 86, 768), ("vit-l16-in21k", 307, 1024)):
        entry = checkpoint(name)
        (material,) = materials(entry)
        body = material.estimate - 4 * entry.classes * (width + 1)
        assert body == pytest.approx(4e6 * millions, rel=0.015)
    assert estimate(checkpoint("vit-l16-jft")) is None


def test_a_shipped_file_that_was_changed_is_refused(tmp_path):
    micro = checkpoint("micro-vit-l")
    assert file_of(micro) == paper().folder / micro.file
    with pytest.raises(ClaimsError, match="restore the file"):
        file_of(replace(micro, sha256="0" * 64))
    assert all(entry.file for entry in shipped().values())
    assert "micro-vit-l" in shipped()
