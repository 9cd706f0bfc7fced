"""Runs as the page lists them, and what the report says of itself."""

import dataclasses
from datetime import UTC, datetime

import pytest

from harness.core.paper import Paper
from harness.core.result import Divergence, Result
from harness.core.run import Run
from harness.core.specs import Checkpoint, Dataset, Recipe
from harness.report.about import Took, about, commit, cost, duration
from harness.report.learning_curves import POINTS, learning_curves, mean_curves, resampled, spread
from harness.report.run_lines import RunLine, run_lines
from harness.report.runs_table import MOST, runs_table
from harness.runs.store import Store
from tests.report.samples import NASTY, verdict

LINE = RunLine(
    id="00000000000000b1", checkpoint="vit-b16", checkpoint_sha256="ab" * 32, dataset="cifar10",
    dataset_sha256="cd" * 32, recipe="paper", seed=3, framework="torch 2.15.0", device="NVIDIA H100", accuracy=98.5,
    seconds=7200.0, images_per_second=1234.5, memory=20_000_000_000, computed="2026-03-01T00:00:00+00:00",
    record="../home/runs/00/00000000000000b1.json", losses=(2.0, 1.0, 0.5),
)  # fmt: skip
CPU = dataclasses.replace(LINE, id="00000000000000b2", device="cpu", seconds=90.0, checkpoint="micro-vit")


def run_of(seed=0):
    checkpoint = Checkpoint("micro-x", "vit", "ViT", "fractals", "vit-npz", file="x.npz", sha256="ab" * 32)
    dataset = Dataset("digits-x", classes=10, train=20, test=4, reader="digits", sha256="cd" * 32, dev_fraction=0.25)
    recipe = Recipe(id="r", batch_size=4, resolution=32, steps=3, learning_rate=0.1)
    return Run(checkpoint, dataset, recipe, seed)


def result_of(run, **changes):
    plain = {"run_id": run.id, "predictions": (1, 2, 3, 4), "labels": (1, 2, 3, 0), "loss_history": (2.0, 1.0, 0.5)}
    plain |= {"seconds": 1.5, "images_per_second": 8.0, "peak_memory": 5, "environment": (("torch", "2.15.0"),)}
    return Result(**(plain | changes))


def test_a_stored_run_is_read_with_what_it_took(tmp_path):
    store, run = Store(tmp_path / "home"), run_of()
    store.put(run, result_of(run, environment=(("torch", "2.15.0"), ("device", "NVIDIA H100")), device_memory=7))
    (line,) = run_lines(store, [run.id, "0" * 16], tmp_path / "reports").values()
    assert (line.checkpoint, line.dataset, line.recipe, line.seed) == ("micro-x", "digits-x", "r", 0)
    assert (line.checkpoint_sha256, line.dataset_sha256) == ("ab" * 32, "cd" * 32)
    assert (line.framework, line.device, line.on_card) == ("torch 2.15.0", "NVIDIA H100", True)
    assert (line.accuracy, line.seconds, line.images_per_second, line.memory) == (75.0, 1.5, 8.0, 7)
    # The link leads from the page to the record.
    assert (tmp_path / "reports" / ".." / line.record.removeprefix("../")).resolve() == store.path(run.id)


def test_a_run_that_diverged_has_no_accuracy_and_a_damaged_one_is_left_out(tmp_path):
    store, run, other = Store(tmp_path), run_of(), run_of(seed=1)
    store.put(run, result_of(run, predictions=(), labels=(), diverged=Divergence(1, 0.1, (0, 1))))
    store.put(other, result_of(other))
    store.path(other.id).write_bytes(b"{")
    (line,) = run_lines(store, [run.id, other.id], tmp_path).values()
    assert line.accuracy is None
    (row,) = runs_table("claim1", [verdict(runs=(run.id,))], {run.id: line}).groups[0].rows
    assert row.accuracy == "diverged"


def test_a_claim_s_runs_stand_by_checkpoint_and_dataset_each_with_its_seed_speed_and_record():
    twin = dataclasses.replace(LINE, id="00000000000000b3", seed=1)
    here = {line.id: line for line in (LINE, CPU, twin)}
    table = runs_table("claim1", [verdict(runs=(*here, "00000000000000ff"))], here)
    assert [(group.checkpoint, group.made) for group in table.groups] == [
        ("micro-vit", "recipe paper, torch 2.15.0, cpu"),
        ("vit-b16", "recipe paper, torch 2.15.0, NVIDIA H100"),
    ]
    group = table.groups[1]
    assert (group.checkpoint_digest, group.dataset_digest) == ("ab" * 6, "cd" * 6)
    assert [row.seed for row in group.rows] == [1, 3]
    last = group.rows[1]
    assert (last.record, last.accuracy, last.seconds) == (LINE.record, "98.50", "7,200.0")
    assert (last.speed, last.memory) == ("1,234", "20.00")
    assert table.more == "1 run stored elsewhere"
    assert runs_table("claim1", [verdict()], here) is None


def test_a_long_list_of_runs_is_cut():
    many = {f"{k:016x}": dataclasses.replace(LINE, id=f"{k:016x}", seed=k) for k in range(MOST + 5)}
    table = runs_table("claim1", [verdict(runs=tuple(many))], many)
    assert sum(len(group.rows) for group in table.groups) == MOST
    assert table.more == "5 runs more, listed in verdicts.json"


def test_the_cost_says_hours_and_what_came_from_the_store():
    runs, wanted = {LINE.id: LINE, CPU.id: CPU}, {LINE.id, CPU.id}
    took = Took(datetime(2026, 4, 1, tzinfo=UTC), 30.0)
    assert cost(runs, wanted, took) == (
        "30 s for this session; the runs behind the verdicts took 2.0 GPU hours, 2 min on the CPU; all of them from the"
        " store"
    )
    earlier = Took(datetime(2026, 2, 1, tzinfo=UTC), 30.0)
    assert cost(runs, wanted, earlier).endswith("all of them computed now")
    half = {LINE.id: LINE, CPU.id: dataclasses.replace(CPU, computed="2026-05-01T00:00:00+00:00")}
    assert cost(half, {*wanted, "x"}, took).endswith("50 % of them from the store; 1 run stored elsewhere")
    assert cost({}, set(), took) == "30 s for this session; nothing was computed"
    assert cost({CPU.id: CPU}, {CPU.id}, None) == "the runs behind the verdicts took no GPU hours, 2 min on the CPU"


@pytest.mark.parametrize("seconds, said", [(4.4, "4 s"), (150, "2 min"), (5400, "1.5 h")])
def test_times_are_said_as_a_reader_says_them(seconds, said):
    assert duration(seconds) == said


def test_a_report_says_where_it_comes_from(tmp_path):
    paper = Paper(tmp_path, title="A paper", identifier="arXiv:1", address="https://example.org/paper")
    found = about(paper, {LINE.id: LINE}, {LINE.id}, None)
    facts = dict(found.facts)
    assert (found.title, found.identifier, found.address) == ("A paper", "arXiv:1", "https://example.org/paper")
    assert facts["Card"] == "NVIDIA H100"
    assert "Python 3." in facts["Versions"]
    assert "Commit" not in facts  # the paper is in no checkout
    assert commit(tmp_path) == ""
    assert dict(about(Paper(tmp_path), {}, set(), None).facts)["Card"].startswith("none")


def test_learning_curves_are_the_mean_over_runs():
    twin = dataclasses.replace(LINE, id="b", losses=(4.0, 3.0, 0.5))
    lost = dataclasses.replace(LINE, id="c", accuracy=None)
    once = dataclasses.replace(LINE, id="d", checkpoint="evaluated", losses=())
    ((checkpoint, losses),) = mean_curves([LINE, twin, lost, once])
    assert checkpoint == "vit-b16"
    assert (len(losses), losses[0], losses[-1]) == (POINTS, 3.0, 0.5)
    assert resampled([1.0] * 1000) == [1.0] * POINTS
    assert learning_curves("x", [once]) == ""
    shown = learning_curves("claim1-learning", [LINE, dataclasses.replace(LINE, id="e", checkpoint=NASTY)])
    assert 'id="claim1-learning-loss-1"' in shown
    assert "<img" not in shown
    assert "var(--link)" in shown  # in the page's colours


def test_names_at_the_ends_of_lines_keep_apart_and_below_the_top():
    assert spread([50.0, 10.0], 13, 100) == [50.0, 10.0]
    assert spread([10.0, 12.0, 11.0], 13, 100) == [10.0, 36.0, 23.0]
    assert spread([98.0, 99.0], 13, 100) == [87.0, 100.0]
