"""`fetch`, `cache` and `datasets` on real datasets: from an id to a folder that is read, and one line where not."""

import argparse
import json
import sys
from types import MappingProxyType

import pytest

from harness.catalog.datasets import datasets
from harness.cli import fetching, listing
from harness.core.errors import ClaimsError
from harness.data.paths import location
from harness.data.registry import entries
from tests.data import making
from tests.data.download.test_dataset import dtd, lay_out_imagenet, pets, served
from tests.fetch.server import Fault, running


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def table(server, monkeypatch, tmp_path):
    """Datasets of a few images, a task without a reader, one of no known address, and the gated one."""
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "VIT_CLAIMS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setitem(sys.modules, "gdown", None)
    textures = {"classes": 2, "pool": 4, "train": 3, "test": 2}
    found = {
        "pets": served(server, "pets", pets(tmp_path / "p"), classes=2, train=2, test=2),
        "vtab-dtd": served(server, "vtab-dtd", dtd(tmp_path / "d"), **textures),
        **{name: entries()[name] for name in ("imagenet", "vtab-eurosat", "vtab-resisc45", "vtab-dmlab")},
    }
    for module in ("harness.data.registry", "harness.data.download.dataset"):
        monkeypatch.setattr(f"{module}.entries", lambda: MappingProxyType(found))
    return found


def command(*arguments, module=fetching):
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers(dest="command"))
    return module.run(parser.parse_args([str(argument) for argument in arguments]))


def states(capsys):
    assert command("datasets", "--json", module=listing) == 0
    return {row["id"]: row["state"] for row in json.loads(capsys.readouterr().out)}


def test_datasets_are_fetched_unpacked_and_read_by_id(server, capsys):
    assert states(capsys)["pets"] == "to fetch"
    assert command("fetch", "pets", "vtab-dtd") == 0
    said = capsys.readouterr().out
    assert f"pets: 2 training and 2 test images  {location('pets')}" in said
    assert f"vtab-dtd: 3 training and 2 test images  {location('dtd')}" in said
    assert "pets/images.tar.gz" in said
    asked = len(server.asked)
    assert command("fetch", "pets", "vtab-dtd") == 0
    assert "pets: 2 training" in capsys.readouterr().out
    assert len(server.asked) == asked
    assert command("fetch", "pets", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    here = states(capsys)
    assert (here["pets"], here["vtab-dtd"], here["imagenet"]) == ("here", "here", "by hand")


def test_the_cache_keeps_what_datasets_name(capsys):
    command("fetch", "pets")
    assert command("cache", "prune", "--yes") == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_a_dry_run_downloads_and_unpacks_nothing(server, capsys):
    assert command("fetch", "vtab-dtd", "vtab-resisc45", "--dry-run", "--json") == 0
    printed = capsys.readouterr()
    (row,) = json.loads(printed.out)
    assert (row["key"], row["present"], row["answered"]) == ("dtd/dtd-r1.0.1.tar.gz", False, True)
    assert printed.err.startswith("vtab-resisc45: no direct address is known of NWPU-RESISC45.rar; unpack it into ")
    assert server.gets() == []
    assert not location("dtd").exists()
    command("fetch", "vtab-dtd")
    asked = len(server.asked)
    assert command("fetch", "vtab-dtd", "--dry-run") == 0
    assert f"vtab-dtd: here, {location('dtd')}\n" in capsys.readouterr().out
    assert len(server.asked) == asked


def test_what_must_be_laid_by_hand_is_told_once_and_the_rest_is_fetched(capsys):
    assert command("fetch", "pets", "vtab-resisc45", "vtab-dmlab", "imagenet", "--offline") == 1
    capsys.readouterr()
    assert command("fetch", "vtab-dmlab", "vtab-resisc45", "pets") == 1
    printed = capsys.readouterr()
    told = [line for line in printed.err.splitlines() if line.startswith("vtab-")]
    assert [line.split(":")[0] for line in told] == ["vtab-dmlab", "vtab-resisc45"]
    assert told[0].endswith(f"lay them in the folder {location('dmlab')}")
    assert "pets: 2 training" in printed.out


def test_a_file_that_no_source_gives_is_one_line_and_no_traceback(server, capsys):
    server.files["/pets/annotations.tar.gz"].always = Fault(status=404)
    assert command("fetch", "pets") == 1
    printed = capsys.readouterr()
    assert [line.split(": ")[0] for line in printed.err.splitlines() if "annotations" in line] == [
        "pets/annotations.tar.gz"
    ]
    assert "404" in printed.err
    assert "training" not in printed.out
    assert not location("pets").exists()
    assert command("fetch", "pets", "--offline") == 1
    assert "pets/annotations.tar.gz: offline: expected the file in the cache" in capsys.readouterr().err


def test_another_digest_than_the_published_is_one_line(server, table, capsys):
    server.files["/pets/images.tar.gz"].content = making.tar(location("x") / "x.tar.gz", {"a": b"b"}).read_bytes()
    assert command("fetch", "pets") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "as published" in line]
    assert line.startswith("pets: ")
    assert f"expected {table['pets'].files[0][1].replace(':', ' ')} as published" in line


def test_imagenet_without_access_says_what_to_do(server, monkeypatch, capsys):
    names = lay_out_imagenet(server, monkeypatch)
    assert command("fetch", "imagenet", "--dry-run") == 0
    assert capsys.readouterr().out.count("imagenet/validation-0000") == len(names)
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/no-hub")
    assert command("fetch", "imagenet") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("imagenet: accept the terms of ILSVRC/imagenet-1k on the hub and set HF_TOKEN, or put ")
    assert str(location("imagenet")) in line
    assert command("fetch", "imagenet", "--dry-run") == 0
    assert "set HF_TOKEN" in capsys.readouterr().err


def test_claims_name_the_datasets_they_need():
    needed = list(fetching.required_by("claim1"))
    assert {"imagenet", "cifar10", "pets", "flowers", "vit-l16-in21k"} <= set(needed)
    assert len(set(needed)) == len(needed)
    assert not {"flowers102", "imagenet_real", "vtab1k"} & set(needed)


def test_names_of_the_claims_and_of_groups_are_understood(capsys):
    assert command("fetch", "imagenet_real", "--dry-run", "--offline") == 0
    assert capsys.readouterr().err.startswith("imagenet: ")
    assert command("fetch", "vtab-dtd", "vtab1k", "--dry-run", "--offline") == 0
    printed = capsys.readouterr()
    assert "2 files, 0 already there" in printed.out
    assert [line.split(":")[0] for line in printed.err.splitlines()] == ["vtab-resisc45", "vtab-dmlab"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "expected something to fetch, found nothing"),
        (("petz",), "unknown checkpoint or dataset 'petz' (did you mean 'pets'?)"),
        (("pets", "--sha256", "0" * 64), "--sha256: expected one URL"),
        (("--claim", "nine"), "unknown claim 'nine'"),
    ],
)
def test_a_wrong_command_is_one_line(arguments, message):
    with pytest.raises(ClaimsError) as caught:
        command("fetch", *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_everything_is_planned_offline(capsys):
    assert command("fetch", "--all", "--dry-run", "--offline", "--json") == 0
    keys = {row["key"] for row in json.loads(capsys.readouterr().out)}
    assert {"pets/images.tar.gz", "dtd/dtd-r1.0.1.tar.gz", "vit-l16-in21k/weights"} <= keys


def test_the_table_lists_shipped_and_real_datasets_with_group_and_state(capsys):
    assert command("datasets", module=listing) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["pets"].endswith("to fetch")
    assert "  natural " in lines["vtab-dtd"]
    assert "by hand: no direct address is known of NWPU-RESISC45.rar" in lines["vtab-resisc45"]
    assert all(lines[name].endswith("shipped") and "  micro " in lines[name] for name in datasets())
    assert command("datasets", "--json", module=listing) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["id"]: row.get("shots") for row in rows if row["state"] == "shipped"} == {
        name: spec.shots for name, spec in datasets().items()
    }


@pytest.mark.parametrize(("answers", "code"), [(True, 0), (False, 1)])
def test_a_dry_run_fails_where_no_source_answers(server, capsys, answers, code):
    if not answers:
        server.files.clear()
    assert command("fetch", "pets", "--dry-run") == code
    assert ("NO SOURCE ANSWERS" in capsys.readouterr().out) is not answers
