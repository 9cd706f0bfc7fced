"""`python -m harness lock` on a small paper: real sessions judge it, and no change of a verdict goes unnoticed."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.core.expected import expected, expected_answers
from harness.core.paper import using
from harness.judging import ledger
from tests.forked import run_pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ("-p", "harness.suite.plugin", *(f"-pno:{name}" for name in ("cacheprovider", "html", "metadata", "xdist")))

PAPER = """
title = "A small paper"
identifier = "small"

[defaults]
protocol = "quick"

[test_examples]
d = 1000
e = 1000
"""
SOURCES = """
[first]
title = "a report"
url = "https://example.org/first"
kind = "repo"
recipe = "r"
origin = "replication"
tables = [["t", ""]]
"""
FIGURES = {("A", "d"): 90.0, ("B", "d"): 80.0, ("A", "e"): 85.0, ("B", "e"): 80.0, ("C", "d"): 79.5, ("C", "e"): 80.5}
CLAIMS = """
from harness.core.claim import All, Claim, Statement
from harness.core.hypotheses import Better, Close, Contender

ONE = Claim(id="one", title="t", quote="q", source="s")
TWO = Claim(id="two", title="t", quote="q", source="s")
A, B, C = (Contender(name, "X") for name in "ABC")


@ONE.answered_by(Statement("q", "A is better than B", All((Better(A, than=B, on="d"), Better(A, than=B, on="e")))))
def test_one(hypothesis, judge):
    judge(hypothesis)


@TWO.hypotheses([Better(C, than=B, on="d"), Close(A, to=88, on="d", within={"r": 5})])
def test_two(hypothesis, judge):
    judge(hypothesis)
"""
ALL, OPEN, CLOSE = "A (X) > B (X) on all of d, e", "C (X) > B (X) on d", "A (X) = 88 on d"


def write_figures(folder, **changed):
    """Write the figures of a paper; a change is by name, e.g. Ad=85.5."""
    alike = {"source": "first", "table": "t", "family": "vit", "pretrain": "X", "variant": "orig", "metric": "top1"}
    listed = [
        alike | {"model": a, "architecture": a, "dataset": on, "value": changed.get(a + on, value)}
        for (a, on), value in FIGURES.items()
    ]
    (folder / "published" / "figures.json").write_text(json.dumps(listed))


def judged(folder, *arguments):
    """Run a real session in a paper's folder and return what it did."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "VIT_CLAIMS"))}
    added = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "VIT_CLAIMS_HOME": str(folder / ".home"),
        "COLUMNS": "999",
    }
    return run_pytest(*PLUGINS, "-q", *arguments, cwd=folder, environment=inherited | added, timeout=120)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return a paper's folder whose claims were judged once, with nothing on record."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "published").mkdir()
    for name, text in (("paper.toml", PAPER), ("published/sources.toml", SOURCES), ("test_small.py", CLAIMS)):
        (folder / name).write_text(text)
    write_figures(folder)
    done = judged(folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def small(first, tmp_path):
    """Return a copy of the judged paper."""
    return shutil.copytree(first, tmp_path / "paper")


@pytest.fixture(scope="module")
def on_record(first, tmp_path_factory):
    """Return a copy of the judged paper whose verdicts are locked."""
    folder = shutil.copytree(first, tmp_path_factory.mktemp("locked") / "paper")
    with using(folder):
        assert main(["lock", "--report-dir", str(folder / "reports")]) == 0
    return folder


@pytest.fixture
def locked(on_record, tmp_path):
    """Return a copy of the paper whose verdicts are locked."""
    return shutil.copytree(on_record, tmp_path / "paper")


def lock(folder, *arguments):
    """Call the command on a paper and return its exit code."""
    with using(folder):
        return main(["lock", "--report-dir", str(folder / "reports"), *arguments])


def records(folder):
    """Return what is on record: verdicts by (hypothesis, source)."""
    found = expected(str(folder / "test_small.py"))
    return {(h, source): each for h, by_source in found.items() for source, each in by_source.items()}


def test_a_dry_run_shows_what_would_be_locked_and_writes_nothing(small, capsys):
    assert lock(small, "--dry-run") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{ALL}, published: none -> REPRODUCED",
        f"{OPEN}, published: none -> INCONCLUSIVE",
        f"{CLOSE}, published: none -> REPRODUCED",
        "answer of one, published: none -> SUPPORTED",
        "ledger.jsonl: 6 new entries, 3 of them before there is a verdict",
    ]
    assert not (small / "expected.toml").exists()
    assert not (small / "ledger.jsonl").exists()


def test_a_lock_holds_every_verdict_with_what_it_rests_on(locked):
    found = records(locked)
    assert {key: each.verdict for key, each in found.items()} == {
        (ALL, "published"): "REPRODUCED",
        (OPEN, "published"): "INCONCLUSIVE",
        (CLOSE, "published"): "REPRODUCED",
    }
    each = found[OPEN, "published"]
    # A figure of 1,000 test examples: sqrt(0.795 * 0.205 / 1000) is 1.2766 points.
    assert each.evidence == ("first: 79.5 ± 1.2766, 80 ± 1.2649, replication, on d",)
    assert each.rule == "rules 2; 2 in test_two, Holm"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", each.date)
    assert len(each.hypothesis) == 16
    assert expected_answers(locked / "expected.toml") == {("one", "published"): "SUPPORTED"}


def test_the_ledger_has_a_line_for_each_lock_and_is_verified(locked, capsys):
    (line,) = ledger.read(locked / "ledger.jsonl")
    assert {(each.hypothesis, each.source): each.verdict for each in line.entries} == {
        (ALL, "published"): "REPRODUCED",
        (OPEN, "published"): "INCONCLUSIVE",
        (CLOSE, "published"): "REPRODUCED",
        # What is not run here is registered before it is.
        (ALL, "gpu/quick"): "",
        (OPEN, "gpu/quick"): "",
        (CLOSE, "gpu/quick"): "",
    }
    assert lock(locked, "--verify") == 0
    assert capsys.readouterr().out.endswith("ledger.jsonl: 1 lines, the chain is whole\n")
    path = locked / "ledger.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('"INCONCLUSIVE"', '"REPRODUCED"'))
    assert lock(locked, "--verify") == 2  # no line follows the last one, but the verdicts on record do not agree
    line = capsys.readouterr().err
    assert (
        f"two, {OPEN}, published: expected the latest entry to be the verdict in expected.toml, INCONCLUSIVE," in line
    )
    assert "found REPRODUCED; one of the two files was changed" in line
    assert lock(locked) == 2
    # Of what had no verdict nothing is in expected.toml but the digest of the whole line.
    path.write_text(whole.replace("gpu/quick", "gpu/other"))
    assert lock(locked, "--verify") == 2
    assert "ledger.jsonl: expected the last line with the digest " in capsys.readouterr().err
    path.write_text(whole * 2)
    assert lock(locked, "--verify") == 2
    assert "ledger.jsonl:2: expected the digest of the line before it" in capsys.readouterr().err
    path.unlink()
    assert lock(locked, "--verify") == 2


def test_a_record_from_before_it_named_the_ledger_s_last_line_is_read(locked, capsys):
    path = locked / "expected.toml"
    path.write_text(re.sub(r"\[ledger\]\nlast = .*\n", "", path.read_text()))
    assert lock(locked, "--verify") == 0
    assert lock(locked) == 0


def test_a_second_lock_says_that_nothing_changed(locked, capsys):
    before = {name: (locked / name).read_bytes() for name in ("expected.toml", "ledger.jsonl")}
    assert lock(locked) == 0
    assert capsys.readouterr().out == "nothing changed: the record is as the report says\n"
    assert {name: (locked / name).read_bytes() for name in before} == before
    assert lock(locked, "--dry-run") == 0


def test_what_is_on_record_and_open_is_no_failure(locked):
    done = judged(locked, "--strict-verdicts")
    assert done.returncode == 0, done.stdout
    assert "2 passed, 3 skipped, 1 xfailed" in done.stdout


def test_a_figure_lowered_fails_with_what_was_and_is_and_because_of_which(locked, capsys):
    write_figures(locked, Ad=80.5)
    done = judged(locked, "-rfE")
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(lines) == 2  # Close is of the same figure
    (line,) = (each for each in lines if ALL.replace("(", "").replace(")", "") in each)
    assert "changed: published: was REPRODUCED (2 of 2 hold" in line
    assert "is INCONCLUSIVE, because the evidence changed: first: 90 ± 0.9487, 80 ± 1.2649, replication, on d" in line
    assert "is now first: 80.5 ± 1.2529, 80 ± 1.2649, replication, on d" in line
    assert "one, published: the answer was SUPPORTED, is OPEN" in done.stdout
    # The lock shows the same and puts it on record; the ledger keeps both.
    assert lock(locked) == 0
    out = capsys.readouterr().out
    assert f"{ALL}, published: REPRODUCED -> INCONCLUSIVE" in out
    assert "answer of one, published: SUPPORTED -> OPEN" in out
    assert len(ledger.read(locked / "ledger.jsonl")) == 2
    assert judged(locked).returncode == 0


def test_a_figure_lowered_fails_though_every_verdict_stays(locked, capsys):
    write_figures(locked, Ad=89.5)
    done = judged(locked, "-rfE")
    assert done.returncode == 1
    assert "changed: published: still REPRODUCED, because the evidence changed: first: 90" in done.stdout
    assert lock(locked, "--dry-run") == 1
    assert f"{ALL}, published: REPRODUCED, with other evidence, rule or statement" in capsys.readouterr().out


def test_one_claim_alone_is_locked_though_the_file_states_another(locked, capsys):
    write_figures(locked, Ad=80.5, Cd=85.0)
    judged(locked)
    assert lock(locked, "--claim", "one") == 0
    assert f"{OPEN}, " not in capsys.readouterr().out
    found = records(locked)
    assert found[ALL, "published"].verdict == "INCONCLUSIVE"
    assert found[OPEN, "published"].verdict == "INCONCLUSIVE"
    assert lock(locked, "--claim", "two") == 0
    found = records(locked)
    assert found[OPEN, "published"].verdict == "REPRODUCED"
    assert found[ALL, "published"].verdict == "INCONCLUSIVE"


def test_a_hypothesis_that_was_changed_since_it_was_judged_is_not_locked(locked, capsys):
    path = locked / "test_small.py"
    path.write_text(path.read_text().replace('{"r": 5}', '{"r": 1}'))
    before = (locked / "expected.toml").read_bytes()
    assert lock(locked) == 2
    assert "expected a verdict on the hypothesis as it is stated, found one (published) on an earlier form" in (
        capsys.readouterr().err
    )
    assert (locked / "expected.toml").read_bytes() == before
    done = judged(locked, "-rfE")
    assert done.returncode == 1
    assert "because the hypothesis was changed" in done.stdout
    assert lock(locked) == 0
    assert lock(locked) == 0
    assert capsys.readouterr().out.endswith("nothing changed: the record is as the report says\n")


def test_a_hypothesis_no_longer_stated_leaves_the_record(locked, capsys):
    path = locked / "test_small.py"
    path.write_text(path.read_text().replace('[Better(C, than=B, on="d"), ', "["))
    assert lock(locked) == 0
    assert f"{OPEN}, published: INCONCLUSIVE -> none" in capsys.readouterr().out
    assert set(records(locked)) == {(ALL, "published"), (CLOSE, "published")}
    # The family that is left has one member, which is another rule.
    done = judged(locked)
    assert done.returncode == 1
    assert "because the rule was rules 2; 2 in test_two, Holm, is rules 2; by itself" in done.stdout


def test_a_report_without_a_source_keeps_its_answer_as_its_verdicts(locked, capsys):
    path = locked / "expected.toml"
    whole = path.read_text()
    path.write_text(
        whole.replace('"published" = "SUPPORTED"', '"published" = "SUPPORTED"\n"micro" = "OPEN"')
        + f'\n[test_small."{ALL}"]\nmicro = "OPEN: +0.1 points [-0.2, +0.4]"\n'
    )
    assert lock(locked, "--dry-run") == 0
    assert capsys.readouterr().out == "nothing changed: the record is as the report says\n"
    # Of what has no verdict on record no answer can be.
    path.write_text(whole.replace('"published" = "SUPPORTED"', '"published" = "SUPPORTED"\n"micro" = "OPEN"'))
    assert lock(locked) == 0
    assert capsys.readouterr().out == "answer of one, micro: OPEN -> none\n"
    assert expected_answers(path) == {("one", "published"): "SUPPORTED"}


def test_answers_of_claims_that_the_paper_does_not_state_are_not_locked(locked):
    # As in a report on two papers.
    path = locked / "test_small.py"
    path.write_text(path.read_text().split("@ONE")[0] + "@TWO" + path.read_text().split("@TWO")[1])
    assert lock(locked, "--dry-run") == 1
    assert lock(locked) == 0
    assert expected_answers(locked / "expected.toml") == {}


def test_what_was_written_by_hand_of_another_source_stays(small):
    (small / "expected.toml").write_text(
        f'[test_small."{OPEN}"]\n"gpu/quick" = "REFUTED: C 1, B 2"\n"published/first" = "REFUTED: old"\n'
    )
    assert lock(small) == 0
    found = records(small)
    assert found[OPEN, "gpu/quick"].reason == "C 1, B 2"
    assert (OPEN, "published/first") not in found  # publications are judged together now
    (line,) = ledger.read(small / "ledger.jsonl")
    assert (OPEN, "gpu/quick") not in {(each.hypothesis, each.source) for each in line.entries}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--claim", "on"), "unknown claim 'on'.*did you mean 'one'"),
        (("--report-dir", "nowhere"), "--report-dir: expected a report with verdicts, found none in nowhere"),
    ],
)
def test_what_cannot_be_locked_is_one_line(small, capsys, arguments, message):
    assert lock(small, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert not (small / "expected.toml").exists()


def test_any_text_is_written_so_that_it_is_read_back(tmp_path):
    from harness.cli.lock import tables, to_toml
    from harness.core.hypotheses import Expected

    nasty = 'a "quoted" \\ name\twith\ttabs, \x7f and é = ±\nin two lines'
    made = {
        "test_small": {nasty: {"gpu/p@jax": Expected("OPEN", nasty, "d1", nasty, (nasty, "2"), nasty, "2026-01-02")}}
    }
    path = tmp_path / "expected.toml"
    path.write_text(to_toml(made, {("c", "gpu/p@jax"): "MIXED"}), encoding="utf-8")
    assert tables(path) == made
    assert expected_answers(path) == {("c", "gpu/p@jax"): "MIXED"}
