"""`pytest -m gpu` end to end on a tiny zoo: pinned, searched, trained, judged and stored by the real machinery."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.models import npz
from tests.evidence.released.making import tables
from tests.forked import run_pytest

ROOT = Path(__file__).parents[2]

CLAIM_FILE = """
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Close, Contender

CLAIM = Claim(id="tiny", title="t", quote="q", source="s", not_verifiable={})
VIT, BIT = Contender("ViT-Tiny", "Small"), Contender("BiT-Tiny", "Small")
LARGE, LOST = Contender("ViT-Tiny", "Large"), Contender("ViT-Lost", "Small")


@CLAIM.hypotheses([Better(VIT, than=BIT, on="stripes"), Better(LARGE, than=VIT, on="stripes")])
def test_better(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses([Close(VIT, to=90, on="stripes", within={"paper": 0.5})])
def test_figure(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses([Close(VIT, to=50, on="stripes", within={"quick": 100})])
def test_near(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(
    [
        Better(LOST, than=VIT, on="stripes"),
        Better(VIT, than=BIT, on="nowhere"),
        Better(VIT, than=Contender("ViT-Huge", "Small"), on="stripes"),
    ]
)
def test_missing(hypothesis, judge):
    judge(hypothesis)
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Return a function that runs the suite in a process of its own and gives (process, verdicts by hypothesis)."""
    root = tmp_path_factory.mktemp("suite")
    (root / "claims").mkdir()
    (root / "claims" / "test_tiny.py").write_text(CLAIM_FILE)
    (root / "conftest.py").write_text('pytest_plugins = ["harness.suite.plugin"]\n')
    (root / "pytest.ini").write_text("[pytest]\n")
    mine = tables(root / "tables")
    environment = {key: value for key, value in os.environ.items() if key != "VIT_CLAIMS_HOME"} | {
        "PYTHONPATH": str(ROOT),
        "VIT_CLAIMS_CACHE": str(root / "cache"),
        "VIT_CLAIMS_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }

    def asked(*arguments, home, report):
        options = ["claims", "-q", "-p", "no:cacheprovider", "--jobs", "2"]
        return [*options, "--home", str(root / home), "--report-dir", report, *arguments]

    def run(*arguments, home="home", report="report", tables=mine):
        chosen = environment | {"VIT_CLAIMS_TABLES": str(tables)}
        options = asked(*arguments, home=home, report=report)
        done = run_pytest(*options, cwd=root, environment=chosen, timeout=600)
        file = root / report / "verdicts.json"
        found = json.loads(file.read_text())["verdicts"] if file.exists() else []
        return done, {verdict["hypothesis"]: verdict for verdict in found}

    def started(*arguments, home):
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *asked(*arguments, home=home, report=home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
            env=environment | {"VIT_CLAIMS_TABLES": str(mine)},
            start_new_session=True,
        )

    run.root = root
    run.started = started
    return run


BETTER = "ViT-Tiny (Small) > BiT-Tiny (Small) on stripes"


def entries(suite, home="home"):
    return {path.name: path.stat().st_mtime_ns for path in (suite.root / home).glob("runs/*/*.json")}


def test_released_checkpoints_are_fine_tuned_and_judged(suite):
    done, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "quick")
    assert "error" not in done.stdout.splitlines()[-1], done.stdout
    better = verdicts[BETTER]
    assert better["source"] == "gpu/quick"
    assert better["verdict"] in ("REPRODUCED", "REFUTED", "INCONCLUSIVE")
    assert [side["seeds"] for side in better["sides"]] == [3, 3]
    assert {side["n"] for side in better["sides"]} == {30}
    assert len(better["runs"]) == 6
    # A family is what one test function states, whether or not all of it was selected: two comparisons, by Holm.
    assert better["family"] == "2 in test_better, Holm"
    assert round(1 - better["level"], 9) in (0.025, 0.05)
    # ImageNet is not here, so the pipeline can't be checked, and the verdict says so.
    assert "the evaluation of bit networks is unchecked" in better["reason"]
    used = {row["recipe"]: {field: value for field, value, _ in row["settings"]} for row in better["recipes"]}
    assert used["quick"]["steps"] == "6"
    near = verdicts["ViT-Tiny (Small) = 50 on stripes"]
    assert near["verdict"] == "REPRODUCED"
    assert near["tolerance"] == 100
    # ViT on stripes is the same three runs in all its hypotheses.
    assert len(entries(suite)) == 9


def test_what_is_missing_or_means_nothing_is_not_run_with_the_reason(suite):
    _, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "quick")
    reasons = {name: (verdict["verdict"], verdict["reason"]) for name, verdict in verdicts.items()}
    for hypothesis, reason in {
        "ViT-Tiny (Small) = 90 on stripes": "a run by the recipe quick is not judged by the published 90 %",
        "ViT-Lost (Small) > ViT-Tiny (Small) on stripes": "/nowhere/lost.npz",
        "ViT-Tiny (Small) > BiT-Tiny (Small) on nowhere": "nowhere",
        "ViT-Tiny (Small) > ViT-Huge (Small) on stripes": "expected a checkpoint of ViT-Huge (Small, orig), found none",
    }.items():
        verdict, found = reasons[hypothesis]
        assert verdict == "NOT RUN"
        assert reason in found


def test_stored_runs_are_judged_without_an_accelerator_and_without_computing(suite):
    _, first = suite("-m", "gpu", "--device", "cpu", "--recipe", "quick")
    before = entries(suite)
    _, again = suite("-m", "not micro", "--recipe", "quick", report="again")
    assert entries(suite) == before
    same = ("verdict", "estimate", "low", "high", "runs")
    assert [again[BETTER][key] for key in same] == [first[BETTER][key] for key in same]
    _, none = suite("-m", "not micro", "--recipe", "quick", home="empty", report="none")
    assert none[BETTER]["verdict"] == "NOT RUN"
    assert "none is computed without -m gpu" in none[BETTER]["reason"]
    assert not entries(suite, "empty")


def test_a_learning_rate_is_searched_on_the_dev_split_and_recorded(suite):
    _, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "searched", "--seeds", "1", "-k", "Large")
    verdict = verdicts["ViT-Tiny (Large) > ViT-Tiny (Small) on stripes"]
    assert verdict["source"] == "gpu/searched"
    assert len(verdict["searched"]) == 4
    for name in ("tiny-vit", "tiny-vit-large"):
        rows = [row for row in verdict["searched"] if row["checkpoint"] == name]
        best = max(rows, key=lambda row: (row["accuracy"], -row["learning_rate"]))
        assert [row["chosen"] for row in rows] == [row is best for row in rows]
        used = next(row for row in verdict["recipes"] if row["checkpoint"] == name)
        settings = {field: value for field, value, _ in used["settings"]}
        assert float(settings["learning_rate"]) == best["learning_rate"]
    # One seed: the examples of one run of each side are compared, and it is said.
    assert verdict["conditional"] == "one run of each side"
    assert "conditional on one run of each side" in verdict["reason"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_session_that_is_stopped_saves_its_runs_and_says_so(suite, workers):
    home = f"stopped{len(workers)}"
    session = suite.started("-m", "gpu", "--device", "cpu", "--recipe", "long", "-k", "Large", *workers, home=home)
    history = suite.root / home / "work" / "history"
    deadline = time.monotonic() + 200
    while not any(file.stat().st_size for file in history.glob("*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(session.pid, signal.SIGINT)  # as Ctrl-C does
    out, err = session.communicate(timeout=200)
    assert session.returncode == 2, out + err
    assert re.search(r"stopped: the state of \d unfinished runs? is saved; the same command goes on from there", err)
    assert list((suite.root / home / "work" / "states").glob("*/step-*"))


def test_runs_that_diverge_leave_a_hypothesis_open_and_are_recorded(suite):
    done, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "wild", "-k", "BiT and stripes", report="wild")
    assert "1 xfailed" in done.stdout, done.stdout
    verdict = verdicts[BETTER]
    assert verdict["verdict"] == "INCONCLUSIVE"
    assert verdict["estimate"] is None
    assert "ViT-Tiny (Small) diverged with seed 0 (and 2 more runs), so there is no accuracy" in verdict["reason"]
    assert "the loss was not finite at step" in verdict["reason"]
    used = [{field: value for field, value, _ in row["settings"]}["learning_rate"] for row in verdict["recipes"]]
    assert [float(rate) for rate in used] == [1e9, 1e9]


def test_a_grid_of_which_every_rate_diverges_is_recorded(suite):
    _, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "all-wild", "-k", "Large", report="all-wild")
    verdict = verdicts["ViT-Tiny (Large) > ViT-Tiny (Small) on stripes"]
    assert verdict["verdict"] == "INCONCLUSIVE"
    assert verdict["reason"] == "ViT-Tiny (Large): every learning rate of the grid diverged"
    assert [
        (row["checkpoint"], row["learning_rate"], row["accuracy"], row["chosen"]) for row in verdict["searched"]
    ] == [(name, rate, None, False) for name in ("tiny-vit-large", "tiny-vit") for rate in (1e9, 1e10)]


def test_weights_trained_anew_are_judged_anew(suite):
    mine = suite.root / "changing"
    shutil.copytree(suite.root / "tables", mine)
    asked = ("-m", "gpu", "--device", "cpu", "--recipe", "quick", "--seeds", "1", "-k", "Large")
    first, before = suite(*asked, home="changing-home", report="changing", tables=mine)
    assert first.returncode == 0, first.stdout
    arrays = npz.read(mine / "vit-l.npz")
    npz.write(mine / "vit-l.npz", {name: array * np.float32(1.01) for name, array in arrays.items()})
    done, after = suite(*asked, home="changing-home", report="changing", tables=mine)
    assert done.returncode == 0, done.stdout
    name = "ViT-Tiny (Large) > ViT-Tiny (Small) on stripes"
    old, new = set(before[name]["runs"]), set(after[name]["runs"])
    assert len(old) == len(new) == 2
    assert len(old & new) == 1  # the smaller network's


def test_with_a_recipe_that_trains_nothing_what_must_be_fine_tuned_is_not_run(suite):
    done, verdicts = suite("-m", "gpu", "--device", "cpu", "--recipe", "evaluate", report="evaluated")
    assert "7 skipped" in done.stdout, done.stdout
    # A session that judged nothing of what it was asked for does not end well.
    assert done.returncode == 1
    first = done.stdout.split(" verdicts ===")[1].splitlines()[1]
    assert first.startswith("nothing was judged: 7 of 7 gpu questions are NOT RUN, ")
    assert verdicts[BETTER]["reason"].startswith(
        "tiny-vit on stripes: expected a recipe that fine-tunes, because its head has 12 classes and not 2, found"
    )


@pytest.mark.parametrize("workers", [("-n", "2")], ids=["two workers"])
def test_without_an_accelerator_it_is_a_usage_error(suite, workers):
    done, _ = suite("-m", "gpu", *workers, report="unused")
    assert done.returncode == 4
    assert re.search(r"-m gpu: expected an accelerator, found none .*--plan --card h100", done.stderr)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert not (suite.root / "unused").exists()


@pytest.mark.parametrize(
    "asked, line",
    [
        (("--recipe", "qick"), r"unknown recipe 'qick' \(did you mean 'quick'\?\)"),
        (("--recipe", "qick", "--plan", "--card", "h100"), "unknown recipe 'qick'"),
        (("--recipe", "qick", "-n", "2"), "unknown recipe 'qick'"),
        (("--recipe", "quick", "--plan", "--card", "h1000"), r"unknown card 'h1000' \(did you mean 'h100'\?\)"),
        (("--recipe", "quick", "--seeds", "2"), "--seeds: expected 1, or 3 or more, found 2"),
    ],
)
def test_what_does_not_exist_is_a_usage_error_and_not_a_session_in_which_nothing_is_run(suite, asked, line):
    done, _ = suite("-m", "gpu", "--device", "cpu", *asked, report="unused")
    assert done.returncode == 4, done.stdout + done.stderr
    assert re.search(line, done.stderr)
    assert "INTERNALERROR" not in done.stdout + done.stderr


@pytest.mark.parametrize("table", ["recipes", "checkpoints", "datasets"])
def test_a_malformed_table_of_the_user_s_own_is_one_line(suite, table, tmp_path):
    (tmp_path / f"{table}.toml").write_text("[mine]\nnonsense = 1\n")
    done, _ = suite("-m", "gpu", "--device", "cpu", report="unused", tables=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(rf"^.*{table}.toml \[mine\]: unknown key 'nonsense'", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("workers", [("-n", "2")], ids=["two workers"])
def test_a_plan_computes_nothing_and_knows_what_is_stored(suite, workers):
    suite("-m", "gpu", "--device", "cpu", "--recipe", "quick")
    before = entries(suite)
    done, _ = suite("-m", "gpu", "--plan", "--card", "h100", "--recipe", "quick", "-k", "stripes", *workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert entries(suite) == before
    plan = json.loads((suite.root / "report" / "plan.json").read_text())
    rows = {(row["checkpoint"], row["purpose"]): row for row in plan["rows"]}
    assert rows["tiny-vit", "final"]["stored"] == 3
    assert {name[:-5] for name in before} >= set(rows["tiny-bit", "final"]["run_ids"])
    assert plan["card"]["id"] == "h100"


def test_a_session_that_would_cost_too_much_is_refused_before_its_first_run(suite):
    asked = ("-m", "gpu", "--device", "cpu", "--card", "h100", "--recipe", "quick", "--max-gpu-hours", "1e-12")
    for workers in ((), ("-n", "2")):
        done, _ = suite(*asked, *workers, home="dear", report="dear")
        assert done.returncode == 4, done.stdout + done.stderr
        assert re.search(r"--max-gpu-hours: expected at most 1e-12 GPU hours, found about", done.stdout + done.stderr)
        assert "INTERNALERROR" not in done.stdout + done.stderr
    assert not entries(suite, "dear")
