"""The list of the ViT paper's checkpoints: many, some hidden, some of doubtful names."""

import json
import re

import pytest

from harness.catalog.checkpoint_files import materials
from harness.catalog.checkpoints import checkpoint, checkpoints
from tests.cli import command


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)


def test_the_table_says_where_each_checkpoint_is(tmp_path, capsys):
    here = materials(checkpoint("sam-b32"))[0].path(tmp_path)
    here.parent.mkdir(parents=True)
    here.write_bytes(b"x" * 2_500_000)
    assert command("zoo", "--cache", tmp_path) == 0
    printed = capsys.readouterr()
    lines, notes = printed.out.splitlines(), printed.err.splitlines()
    by_id = {line.split()[0]: line for line in lines}
    assert re.search(r" 2\.5 MB +fetched$", by_id["sam-b32"])
    assert by_id["vit-l16-in21k"].endswith("to fetch")
    assert "~ 1.30 GB" in by_id["vit-l16-in21k"]  # the bucket's file has 1.22 GiB
    assert by_id["micro-vit-l"].endswith("shipped")
    assert "never released: Google's JFT-300M" in by_id["vit-l16-jft"]
    assert by_id["sam-l16"].endswith("by hand: the bucket refuses anonymous users")
    assert " gs://bit_models (1 ?) " in by_id["bit-s-r152x2"]
    assert " hub:google/vit-large-patch16-384 +2 (1 ?) " in by_id["vit-l16-in21k-in1k-384"]
    end = lines.index("? unconfirmed names:")
    assert "  bit-s-r152x2: gs://bit_models/BiT-S-R152x2.npz" in lines[end:]
    assert len(lines[end + 1 :]) == sum(len(entry.unconfirmed) for entry in checkpoints().values())
    assert notes[-1] == "and 285 of the series vtab1k (zoo --all lists them)"
    assert command("zoo", "--all", "--cache", tmp_path) == 0
    whole = capsys.readouterr().out.splitlines()
    assert whole.index("? unconfirmed names:") == 1 + len(checkpoints()) == end + 285


def test_the_list_has_every_entry_with_its_state(tmp_path, capsys):
    assert command("zoo", "--json", "--cache", tmp_path) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["id"] for entry in listed] == list(checkpoints())
    states = {entry["id"]: entry["state"] for entry in listed}
    assert states["bit-m-r50x1-vtab-dtd-run2"] == "to fetch"
    assert states["sam-l16"] == "by hand"
    assert states["hybrid-r50-l16-in21k"] == "never released"
