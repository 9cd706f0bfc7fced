"""The doctor: what is missing, in words, with and without a network."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.catalog.checkpoint_files import materials
from harness.catalog.checkpoints import checkpoint
from harness.cli import doctor_findings
from harness.core.paper import paper
from harness.fetch.sources import Hub, Url
from tests.cli import command


class Answers(BaseHTTPRequestHandler):
    """A server that has /there, refuses /secret and knows nothing else."""

    def do_HEAD(self):
        status = {"/there": 200, "/secret": 403}.get(self.path, 404)
        self.send_response(status)
        self.send_header("Content-Length", "1234")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    served = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    thread.join()
    served.server_close()


def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def test_a_source_that_answers_refuses_or_is_silent_is_told_apart(server, monkeypatch):
    there = doctor_findings.probe("mine", Url(f"{server}/there"))
    assert there.state == "ok"
    assert "answers (1,234 bytes" in there.text
    refused = doctor_findings.probe("mine", Url(f"{server}/secret"))
    assert refused.state == "missing"
    assert "403" in refused.text
    silent = doctor_findings.probe("mine", Url(f"http://127.0.0.1:{closed_port()}/x"))
    assert silent.state == "missing"
    assert "did not answer" in silent.text
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    hub = doctor_findings.probe("the hub", Hub("a/b", "c"))
    assert hub.state == "missing"
    assert "\n" not in hub.text


def test_every_probe_is_a_source_of_the_zoo_where_it_says():
    assert paper().probes
    for probe in paper().probes:
        source = str(materials(checkpoint(probe.checkpoint))[0].sources[probe.source])
        place = probe.name.split(", ")[-1].split(" ")[-1].removesuffix("/*")
        assert place in source, (probe.name, source)


def test_offline_asks_no_server(tmp_path, monkeypatch, capsys):
    def refused(*_):
        raise AssertionError("a server was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    assert command("doctor", "--offline", "--json", "--cache", tmp_path) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"topic": "sources", "state": "note", "text": "not asked (offline)"} in found
    topics = [finding["topic"] for finding in found]
    assert {"versions", "accelerator", "memory", "disk", "hub token", "claim1", "claim2"} <= set(topics)


def texts(claim_id, cache):
    return {
        f.text.split(":")[0].split(" (")[0]: f for f in doctor_findings.claim_findings(cache) if f.topic == claim_id
    }


def test_a_claim_names_what_it_lacks_until_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    before = texts("claim1", tmp_path)
    assert "ViT-L/16 (JFT-300M)" in before["can't be measured, never released"].text
    assert "vit-l16-in21k-in1k-384" in before["checkpoints to fetch"].text
    assert " cifar10 " in before["datasets to fetch"].text
    for name in ("vit-l16-in21k-in1k-384", "vit-l16-in21k", "bit-m-r152x4-in1k", "bit-m-r152x4"):
        path = materials(checkpoint(name))[0].path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"w")
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    (tmp_path / "data" / "cifar10" / "x").write_text("")
    after = texts("claim1", tmp_path)
    assert "checkpoints to fetch" not in after
    assert " cifar10 " not in after["datasets to fetch"].text
    assert "pets" in after["datasets to fetch"].text


def test_a_package_that_is_not_installed_is_named():
    found = doctor_findings.versions(["numpy", "no-such-package"])
    assert found[-1].state == "missing"
    assert "no-such-package" in found[-1].text
    assert "numpy" not in found[-1].text


def test_disk_and_memory_are_words_with_numbers(tmp_path):
    here = doctor_findings.disk({"cache": tmp_path / "not" / "yet"})[0]
    assert "GB free" in here.text
    assert not (tmp_path / "not").exists()
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text("2000000000\n")
    assert doctor_findings.container_limit(tmp_path / "max") is None
    assert doctor_findings.container_limit(tmp_path / "limit") == 2_000_000_000
    assert doctor_findings.container_limit(Path("/nowhere")) is None
    assert "cores" in doctor_findings.memory().text


def test_the_token_is_never_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "secret" * 5)
    found = doctor_findings.token()
    assert found.state == "ok"
    assert "secret" not in found.text
