"""Runs as the page lists them."""

import dataclasses

from harness.report.html.runs_table import MOST, runs_table
from harness.report.run_records import run_record
from tests.report.run_making import diverged, on_card, on_cpu
from tests.report.samples import verdict

CARD, CPU = on_card(), on_cpu()


def test_a_claim_s_runs_stand_by_checkpoint_and_dataset_each_with_its_seed_speed_and_record():
    twin = dataclasses.replace(CARD, id="00000000000000b3", seed=1)
    here = {each.id: each for each in (CARD, CPU, twin)}
    table = runs_table("claim1", [verdict(runs=(*here, "00000000000000ff"))], here, {CARD.id: "runs/b1.json"})
    assert [(group.checkpoint, group.made) for group in table.groups] == [
        ("micro-vit", "recipe paper, torch 2.15.0, cpu"),
        ("vit-b16", "recipe paper, torch 2.15.0, NVIDIA H100"),
    ]
    group = table.groups[1]
    assert (group.checkpoint_digest, group.dataset_digest) == ("ab" * 6, "cd" * 6)
    assert [row.seed for row in group.rows] == [1, 3]
    assert group.rows[0].record == ""  # it is stored elsewhere
    last = group.rows[1]
    assert (last.record, last.accuracy, last.seconds) == ("runs/b1.json", "98.50", "7,200.0")
    assert (last.speed, last.memory) == ("1,234", "20.00")
    assert table.more == "1 run stored elsewhere"
    assert runs_table("claim1", [verdict()], here, {}) is None


def test_a_long_list_of_runs_is_cut():
    many = {f"{k:016x}": dataclasses.replace(CARD, id=f"{k:016x}", seed=k) for k in range(MOST + 5)}
    table = runs_table("claim1", [verdict(runs=tuple(many))], many, {})
    assert sum(len(group.rows) for group in table.groups) == MOST
    assert table.more == "5 runs more, listed in verdicts.json"


def test_a_run_that_diverged_has_no_accuracy():
    gone = run_record(*diverged())
    (row,) = runs_table("claim1", [verdict(runs=(gone.id,))], {gone.id: gone}, {}).groups[0].rows
    assert row.accuracy == "diverged"
