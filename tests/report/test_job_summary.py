import re

from harness.report.job_summary import MOST_CHANGES, markdown
from harness.report.labels import count
from harness.report.verdict_store import VerdictStore
from tests.report.samples import NASTY, store, verdict


def rows(text, heading):
    """Return the cells of the table under a heading, its head first."""
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "---" not in line]


def test_the_summary_has_the_answers_and_counts_every_verdict_once():
    made = store()
    text = markdown(made)
    assert [row[1:3] for row in rows(text, "Answers")[1:]] == [
        [each.source, f"**{each.answer}**"] for each in made.answers()
    ]
    table = rows(text, "Verdicts")
    total = {head: sum(int(row[k] or 0) for row in table[1:]) for k, head in enumerate(table[0]) if k > 1}
    assert total == {name.lower(): number for name, number in count(made.sorted()).items()}


def test_what_changed_is_listed_up_to_a_limit():
    text = markdown(store(), [f"change {k}" for k in range(MOST_CHANGES + 3)], baseline="last night")
    assert "## What changed against last night\n" in text
    assert f"- change {MOST_CHANGES - 1}\n- and 3 more\n" in text
    assert "What changed" not in markdown(store())
    assert "Nothing." in markdown(store(), baseline="last night")


def test_problems_come_first_and_nasty_names_are_text():
    made = VerdictStore()
    made.add([verdict(source=f"published/{NASTY}")])
    text = markdown(made, [NASTY + "\n# heading"], problems=["the disk is full"])
    assert text.index("the disk is full") < text.index("## Verdicts")
    assert not re.search(r"(?<!\\)<", text)
    assert "\n# heading" not in text


def test_a_report_without_verdicts_says_so():
    assert "None yet." in markdown(VerdictStore())


def test_refuted_hypotheses_are_listed_with_their_reason():
    text = markdown(store()).split("## Refuted\n")[1].split("\n## ")[0]
    assert text.count("\n- ") == 3
    assert "claim2, published: ViT-B/32" in text
    assert "Refuted" not in markdown(VerdictStore())
