"""Hub files: huggingface_hub asks a server laid out like the hub from a local folder."""

import hashlib
import random

import pytest

from harness.core.errors import ClaimsError
from harness.fetch import Hub, Material, Pins, Url, fetch, plan
from tests.fetch.server import COMMIT, Fault, lay_out_hub

WEIGHTS = random.Random(3).randbytes(600_000)
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
CONFIG = b'{"hidden_size": 768}\n'


@pytest.fixture
def hub(server, storage, tmp_path, monkeypatch):
    folder = tmp_path / "repos" / "google" / "vit-base"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "sub" / "config.json").write_bytes(CONFIG)
    lay_out_hub(server, storage, tmp_path / "repos", revisions=("main", "v1.0"))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def material(file="model.safetensors", name="model.safetensors", revision=None, **known):
    return Material("vit-base", name, (Hub("google/vit-base", file, revision),), **known)


@pytest.mark.parametrize("revision", [None, "v1.0", COMMIT])
def test_a_large_file_is_checked_by_the_hubs_sha256(hub, storage, network, tmp_path, revision):
    path = fetch(material(revision=revision), tmp_path, network=network)
    assert path.read_bytes() == WEIGHTS
    pin = Pins(tmp_path).get("vit-base/model.safetensors")
    assert (pin.sha256, pin.checked) == (DIGEST, ("sha256 stated",))
    assert pin.source == f"hub:google/vit-base@{COMMIT}/model.safetensors"
    assert len(storage.gets()) == 1


def test_a_small_file_is_checked_by_the_hash_of_its_git_blob(hub, network, tmp_path):
    small = material("sub/config.json", "config.json")
    assert fetch(small, tmp_path, network=network).read_bytes() == CONFIG
    assert Pins(tmp_path).get("vit-base/config.json").checked == ("git-sha1 stated",)
    place = f"/google/vit-base/resolve/{COMMIT}/sub/config.json"
    hub.files[place].always = Fault(flip=3)
    with pytest.raises(ClaimsError, match="expected git-sha1 [0-9a-f]{40} as the server states, found"):
        fetch(small, tmp_path / "other", network=network)


def test_a_flipped_bit_in_storage_is_caught_and_a_cut_continued(hub, storage, network, tmp_path):
    served = storage.files[f"/{DIGEST}"]
    served.faults.append(Fault(cut=400_000))
    assert fetch(material(), tmp_path, network=network).read_bytes() == WEIGHTS
    assert [asked.status for asked in storage.gets()] == [200, 206]
    served.always = Fault(flip=5)
    with pytest.raises(ClaimsError, match=f"expected sha256 {DIGEST} as the server states, found"):
        fetch(material(), tmp_path / "other", network=network)
    assert list((tmp_path / "other" / "files").rglob("*.safetensors")) == []


def test_another_file_than_the_known_digest_is_refused_unread(hub, storage, network, tmp_path):
    with pytest.raises(ClaimsError, match=f"expected sha256 {'0' * 64}, the server states {DIGEST}"):
        fetch(material(sha256="0" * 64), tmp_path, network=network)
    assert (hub.gets(), storage.gets()) == ([], [])


def test_the_token_goes_to_the_hub_and_not_to_the_storage(hub, storage, network, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(material(), tmp_path, network=network)
    assert {asked.headers.get("authorization", asked.headers.get("Authorization")) for asked in hub.asked} == {
        "Bearer hf_secret"
    }
    assert not [name for asked in storage.asked for name in asked.headers if name.lower() == "authorization"]


REFUSALS = {
    "gated": (403, "GatedRepo", "google/vit-base is gated (status 403); accept its terms on the hub, then log in"),
    "no repo": (401, "RepoNotFound", "google/vit-base does not exist or is private (status 401)"),
    "no revision": (404, "RevisionNotFound", "google/vit-base has no revision 'main' (status 404)"),
    "no file": (404, "EntryNotFound", "google/vit-base has no file 'model.safetensors' (status 404)"),
    "teapot": (418, "", "the hub answered with status 418"),
    "busy": (503, "", "the hub answered with status 503 (5 tries); try again later"),
}


@pytest.mark.parametrize("status, code, message", REFUSALS.values(), ids=REFUSALS)
def test_what_the_hub_refuses_is_told_in_words(hub, network, tmp_path, status, code, message):
    hub.refuse("/google/vit-base/resolve/main/model.safetensors", status, **{"X-Error-Code": code})
    hub.redirects.clear()
    with pytest.raises(ClaimsError) as caught:
        fetch(material(revision="main"), tmp_path, network=network)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dead_hub_is_passed_over_for_the_next_source(server, network, slept, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    url = server.serve("/mirror/model.safetensors", WEIGHTS)
    both = Material("vit", "m.safetensors", (Hub("google/vit-base", "model.safetensors"), Url(url)), sha256=DIGEST)
    assert fetch(both, tmp_path, network=network).read_bytes() == WEIGHTS
    assert slept == [1, 2, 4, 8]


def test_no_hub_behind_the_endpoint_is_said(server, network, tmp_path, monkeypatch):
    server.serve("/google/vit-base/resolve/main/model.safetensors", WEIGHTS)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    with pytest.raises(ClaimsError, match=r"expected a commit in the hub's answer, found none; is \$HF_ENDPOINT a hub"):
        fetch(material(), tmp_path, network=network)


def test_the_hubs_own_cache_is_used_offline_and_checked(hub, network, tmp_path, monkeypatch):
    from huggingface_hub import hf_hub_download

    cached = hf_hub_download("google/vit-base", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path / "hub-cache")
    path = fetch(material(), tmp_path / "ours", offline=True, network=network)
    assert path.read_bytes() == WEIGHTS
    assert path.samefile(cached)
    assert not (tmp_path / "ours" / "files").exists()
    path.write_bytes(WEIGHTS[:-1] + b"?")
    with pytest.raises(ClaimsError, match="offline: expected the file in the cache, found none on this machine"):
        fetch(material(), tmp_path / "ours", offline=True, network=network)
    assert fetch(material(), tmp_path / "ours", network=network).read_bytes() == WEIGHTS


def test_a_plan_asks_the_hub_for_the_size(hub, storage, tmp_path):
    planned = plan(material(), tmp_path)
    assert (planned.size, planned.size_from, planned.present, planned.answered) == (600_000, "server", False, True)
    assert storage.asked == []
