"""`figures`: sources and impossible figures, as tables and as JSON."""

import json

from harness.__main__ import main


def test_sources_say_whose_weights_they_are_evidence_of(capsys):
    assert main(["figures", "--json"]) == 0
    records = {record["id"]: record for record in json.loads(capsys.readouterr().out)}
    assert records["vit-paper"]["origins"] == ["paper"]
    assert records["timm-2021-01"]["clusters"] == ["released-weights"]
    assert main(["figures"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["id", "figures"]
    assert len(out.splitlines()) == 1 + len(records)


def test_check_lists_impossible_figures_with_what_they_suggest(capsys):
    assert main(["figures", "--check"]) == 0
    *rows, last = capsys.readouterr().out.splitlines()
    assert any("99.05151757188499" in row and "batch means, batch 32" in row for row in rows)
    assert last.startswith(f"{len(rows) - 1} impossible, ")
    assert main(["figures", "--check", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == len(rows) - 1
    assert listed[0]["figure"]["source"] == "vit-paper"
    assert listed[0]["suggests"]
