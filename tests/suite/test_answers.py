"""What a source says of a whole claim: on the terminal, in the record, on the page; a change of it is a problem."""

import json
import re

import pandas as pd
import pytest

from harness.core.verdict import Verdict
from harness.report.verdict_store import VerdictStore
from harness.suite.report_plugin import changed_answers
from tests.report.samples import CLAIM_1, EVERYWHERE, everywhere, together, verdict
from tests.suite.calling import LOAD, call, write_claims

CLAIM_FILE = """
from harness.core.claim import Claim, Statement
from harness.core.hypotheses import Better, Contender

CLAIM = Claim(id="mine", title="Patches", quote="q", source="s")
B16, B32 = (Contender(name, "ImageNet-21k", "augreg", 384) for name in ("ViT-B/16", "ViT-B/32"))


@CLAIM.answered_by(Statement("smaller is better", "smaller patches are better", Better(B16, than=B32, on="imagenet")))
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.answered_by(Statement("larger is better", "larger patches are better", Better(B32, than=B16, on="imagenet")))
def test_reverse(hypothesis, judge):
    judge(hypothesis)
"""
REVERSE = "ViT-B/32 (ImageNet-21k, augreg, 384 px) > ViT-B/16 (ImageNet-21k, augreg, 384 px) on imagenet"
EXPECTED = f"""
[answers.mine]
published = "ANSWER"

[test_mine."{REVERSE}"]
published = "REFUTED: as published"
"""
HEAD = "mine, published: MIXED"
SENTENCE = 'Published figures are mixed: "smaller patches are better" holds (+'
CHANGED = "mine, published: the answer was SUPPORTED, is MIXED; "


def judged(folder, answer, *arguments):
    """Judge the claim with an answer on record; the order of workers' tests does not matter."""
    write_claims(folder, CLAIM_FILE)
    (folder / "expected.toml").write_text(EXPECTED.replace("ANSWER", answer))
    return call(folder, *LOAD, "-m", "published", "-q", *arguments, COLUMNS="200")


def test_an_answer_as_recorded_stands_first_on_the_terminal_and_in_every_record(tmp_path):
    done = judged(tmp_path, "MIXED")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    heading = next(number for number, line in enumerate(lines) if " verdicts ===" in line)
    assert lines[heading + 1] == HEAD
    assert lines[heading + 2].startswith(f"  {SENTENCE}")
    assert heading < next(number for number, line in enumerate(lines) if line.startswith("claim "))
    assert "Problem" not in done.stdout
    reports = tmp_path / "reports"
    (answer,) = json.loads((reports / "verdicts.json").read_text())["answers"]
    assert (answer["claim"], answer["source"], answer["answer"]) == ("mine", "published", "MIXED")
    assert answer["sentence"].startswith(SENTENCE)
    assert answer["hypotheses"][1] == REVERSE
    assert pd.read_csv(reports / "tables" / "answers.csv").answer.to_list() == ["MIXED"]
    page = (reports / "report.html").read_text()
    assert page.index('<div class="answers">') < page.index('id="claim-mine"')


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_changed_answer_is_a_problem_and_fails_the_session(tmp_path, workers):
    done = judged(tmp_path, "SUPPORTED", *workers)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"1 passed, (2 deselected, )?1 xfailed", done.stdout)  # each verdict is as recorded
    problems = [line for line in done.stdout.splitlines() if line.startswith("Problem: ")]
    assert len(problems) == 1
    assert problems[0].startswith(f"Problem: {CHANGED}{SENTENCE}")
    assert CHANGED in (tmp_path / "reports" / "report.html").read_text()


def test_a_part_of_the_statements_is_no_changed_answer_until_the_rest_is_judged(tmp_path):
    """The first statement alone would say SUPPORTED."""
    done = judged(tmp_path, "MIXED", "-k", "test_claim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine, published: SUPPORTED" in done.stdout
    assert "Problem" not in done.stdout
    # What an earlier session found counts.
    done = judged(tmp_path, "CONTRADICTED", "-k", "test_reverse")
    assert done.returncode == 1
    assert "the answer was CONTRADICTED, is MIXED" in done.stdout


RECORDED = {("claim1", "published"): "SUPPORTED"}
ANSWERING = {("claim1", "published"): (EVERYWHERE, verdict().hypothesis)}


def changes(*verdicts, fresh=(), recorded=RECORDED, answering=ANSWERING):
    made = VerdictStore()
    made.add([CLAIM_1, *verdicts])
    return changed_answers(recorded, answering, made, {one.key for one in fresh})


def test_an_answer_is_compared_when_a_verdict_of_the_session_bears_on_it():
    (line,) = changes(everywhere(), together(), fresh=[together()])
    assert line.startswith("claim1, published: the answer was SUPPORTED, is OPEN; Published figures leave")
    assert changes(everywhere(), together()) == []
    assert changes(everywhere(), together(), fresh=[verdict(hypothesis="another")]) == []
    assert changes(everywhere(), together(), fresh=[together()], recorded={("claim1", "published"): "OPEN"}) == []
    assert changes(everywhere(), together(), fresh=[together()], recorded={}) == []


def test_what_is_not_run_or_was_never_judged_changes_no_answer():
    not_run: Verdict = verdict(verdict="NOT RUN", estimate=None)
    assert changes(everywhere(), not_run, fresh=[everywhere()]) == []
    assert changes(everywhere(), fresh=[everywhere()]) == []
