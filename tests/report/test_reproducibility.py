import dataclasses
from pathlib import Path

import pytest

from harness.core.paper import paper
from harness.core.verdict import RecipeUsed
from harness.report.records import Records
from harness.report.reproducibility import reproducibility
from harness.report.run_records import run_record
from tests.report.run_making import diverged, record
from tests.report.samples import CLAIM_1, NASTY, REASON, SEARCHED, SETTINGS, store, verdict


def report(*verdicts, runs=()):
    records = Records(Path("r"), runs={run.id: run for run in runs})
    records.store.add([CLAIM_1, *verdicts])
    return reproducibility(records, paper())


def section(text, title):
    """Return what stands under a heading, up to the next one."""
    return text.split(f"{title}\n")[1].split("\n#")[0]


def test_the_sections_are_those_of_a_reproducibility_report():
    heads = [line for line in report().splitlines() if line.startswith("#")]
    assert heads[0] == f"# [Re] {paper().title}"
    expected = "summary, Introduction, Scope, Methodology, Models, Datasets, Hyperparameters, set-up, Compute used,"
    expected += " Results, Discussion, easy, difficult, Communication"
    at = 0
    for word in expected.split(", "):
        at += next(k for k, head in enumerate(heads[at:]) if word.strip(",") in head)


def test_claims_are_quoted_with_what_is_tested_and_what_is_not_verifiable():
    text = report()
    assert f"> {CLAIM_1.quote}" in text
    assert "- ViT is better than BiT on both tasks (public weights)" in text
    assert f"- JFT-300M: {REASON}" in text


def test_answers_are_the_results():
    made = Records(Path("r"), store())
    text = reproducibility(made, paper())
    results = text.split("## 4 Results")[1].split("### All verdicts")[0]
    for each in made.store.answers():
        assert f"**{each.answer}** ({each.source}): " in results


def test_deviations_from_the_paper_are_those_of_the_recipes():
    used = (RecipeUsed("net", "notebook", SETTINGS), RecipeUsed("big", "notebook", SETTINGS[:1]))
    text = report(verdict(source="gpu/notebook", recipes=used, searched=SEARCHED))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "| net |" in line]
    assert ["batch size", "32", "512", "all"] in [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()
    ]
    assert {cell[0] for cell in cells} == {"steps", "flip", "test resolution"}
    assert "3 rates tried for 1 checkpoint." in text


def test_compute_is_the_sum_over_runs():
    runs = [record(0, seconds=3600.0), record(1, seconds=1800.0, peak_memory=2**31)]
    text = section(report(verdict(source="micro"), runs=runs), "### 3.5 Compute used")
    assert "| cpu, torch | 2 | 1.50 | 2,700.0 | 2.00 |" in text


def test_models_and_datasets_are_those_of_the_runs():
    text = report(verdict(source="micro"), runs=[record(0), record(0, checkpoint="other", dataset="more")])
    models = section(text, "### 3.1 Models").strip().splitlines()[2:]
    assert [line.split(" | ")[0] for line in models] == ["| net", "| other"]
    assert "| more | 200 |" in text


def test_difficulties_are_counted_by_reason():
    gone = run_record(*diverged())
    text = reproducibility(Records(Path("r"), store(), {gone.id: gone}), paper())
    difficult = section(text, "### 5.2 What was difficult")
    assert f"- 7 comparisons not verifiable: JFT-300M: {REASON}" in difficult
    assert "- 1 comparison not run here: no accelerator here" in difficult
    assert "- 1 run diverged, e.g. net: the loss was not finite at step 3" in difficult


@pytest.mark.parametrize("what", ["what was easy", "why the settings differ", "address of the repository and commit"])
def test_what_records_can_t_say_is_marked(what):
    text = report(verdict(source="micro", recipes=(RecipeUsed("net", "r", SETTINGS),)), runs=[record(0)])
    assert f"**[TO BE WRITTEN BY THE AUTHOR: {what}]**" in text


def test_without_runs_the_gaps_say_so_and_nasty_text_is_text():
    bad = dataclasses.replace(CLAIM_1, quote=NASTY, title=NASTY)
    records = Records(Path("r"))
    records.store.add([bad])
    text = reproducibility(records, paper())
    assert text.count("no run is on record") == 4
    assert "<img" not in text.replace("\\<img", "")
