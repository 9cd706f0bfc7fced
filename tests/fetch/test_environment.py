"""A proxy or certificates that the HTTP libraries can't use are one line, and the next source is tried."""

import subprocess
import sys

import pytest

from harness.fetch import Hub, Local, Material, Network, Url, fetch, plan

SETTINGS = [
    ("HTTPS_PROXY", "http://[::1"),
    ("HTTPS_PROXY", "foo://proxy:1"),
    ("HTTPS_PROXY", "garbage"),
    ("REQUESTS_CA_BUNDLE", "/nonexistent"),
    ("SSL_CERT_FILE", "/nonexistent"),
]
SOURCES = {"hub": Hub("google/vit", "w.npz"), "address": Url("https://files.invalid/w.npz")}


@pytest.fixture
def settings(request, monkeypatch):
    name, value = request.param
    for each in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)
    monkeypatch.setenv(name, value)
    return name


@pytest.mark.parametrize("settings", SETTINGS, indirect=True, ids=[f"{name}={value}" for name, value in SETTINGS])
@pytest.mark.parametrize("source", SOURCES)
def test_the_next_source_is_tried(settings, source, tmp_path):
    code = f"""
from pathlib import Path
from harness.fetch import *
of = Material("vit", "w.npz", ({SOURCES[source]!r}, Local({str(tmp_path / "mine.npz")!r})))
print(fetch(of, Path({str(tmp_path / "cache")!r}), network=Network(tries=1)))
"""
    (tmp_path / "mine.npz").write_bytes(b"weights")
    # A process of its own: huggingface_hub keeps a client that it made with earlier settings.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(tmp_path / "mine.npz"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("settings", SETTINGS, indirect=True)
def test_the_line_names_the_variable(settings, tmp_path):
    of = Material("vit", "w.npz", (SOURCES["address"], Local(str(tmp_path / "none"))))
    with pytest.raises(Exception, match="none of 2 sources gave it") as caught:
        fetch(of, tmp_path, network=Network(tries=1))
    assert "\n" not in str(caught.value)
    assert (f"${settings}" in str(caught.value)) is (settings != "SSL_CERT_FILE")  # requests does not read that one
    assert plan(of, tmp_path).answered is False
