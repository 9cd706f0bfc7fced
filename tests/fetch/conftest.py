"""Two servers on the loopback, a patient network that does not really sleep, and no setting from outside."""

import pytest

from harness.fetch import Network
from tests.fetch.server import running


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def storage():
    with running() as started:
        yield started


@pytest.fixture
def slept():
    return []


@pytest.fixture
def network(slept):
    return Network(connect=5, read=5, sleep=slept.append)


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("VIT_CLAIMS_CACHE", "VIT_CLAIMS_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
