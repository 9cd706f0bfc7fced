import dataclasses
import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from harness.core.claim import Claim
from harness.core.verdict import Side
from harness.report import page
from harness.report.page_rows import COLUMNS, Context, SideLine, difference, side_line, verdict_row
from harness.report.verdict_store import VerdictStore
from tests.report.samples import (
    BIT,
    CLAIM_1,
    DAY_1,
    DAY_2,
    JFT_BIT,
    JFT_VIT,
    NASTY,
    VIT,
    store,
    verdict,
    without_figures,
)

VOID = {"br", "col", "meta", "img"}


class Outline(HTMLParser):
    """The page as nested (tag, attributes, text) and whether every element is closed in order."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text = [], [], ""
        self.feed(str(markup))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def text_of(markup):
    return re.sub(r"\s+", " ", Outline(markup).text)


@pytest.fixture(scope="module")
def section():
    return page.section(store())


def part(markup, heading):
    """Return the section of a card that a heading opens."""
    found = re.search(rf"<section class=\"group\"><h3>{re.escape(heading)}</h3>.*?</section>", markup, re.DOTALL)
    assert found
    return found[0]


def test_every_element_is_closed_and_ids_are_unique(section):
    outline = Outline(page.document(section).removeprefix("<!DOCTYPE html>"))
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {values["href"][1:] for tag, values in outline.elements if tag == "a" and values["href"][0] == "#"}
    assert targets == {"claim-claim1", "claim-claim2"}
    assert targets <= set(ids)


def test_every_verdict_says_why_and_from_what(section):
    text = text_of(section)
    for one in store().sorted():
        assert one.reason in text
        assert all(citation in text for citation in one.citations)
        assert all(run in text for run in one.runs)


def test_the_counts_of_the_lead_are_the_verdicts(section):
    lead = re.search(r'<p class="lead">(.*?)</p>', section)[1]
    assert lead == (
        "2 claims, judged by 5 sources of evidence: 19 verdicts, of which"
        " 4 reproduced, 3 refuted, 4 inconclusive, 7 not verifiable, 1 not run."
    )


def test_the_micro_study_first_says_that_it_is_scaled_down(section):
    micro = part(section, "Micro study")
    first = re.search(r"</h3><p[^>]*>(.*?)</p>", micro)[1]
    assert "scaled-down study" in first
    assert "not about the paper&#39;s numbers" in first
    assert micro.index(first) < micro.index("<table")


def test_a_refutation_by_the_micro_study_is_not_taken_for_the_paper_s(section):
    look = re.search(r'<div class="first-look">.*?</ul></div>', section)[0]
    assert look.count("<li>") == 2  # the recorded one is no surprise
    assert "micro, the scaled-down study" in text_of(look)
    assert "CIFAR-10 " not in text_of(look)


def test_each_table_has_one_row_for_each_verdict(section):
    rows = re.findall(r'<tr class="row-([a-z-]+)">', section)
    expected = [one.verdict.lower().replace(" ", "-") for one in store().sorted()]
    assert sorted(rows) == sorted(expected)


def test_measured_stands_beside_published(section):
    micro = part(section, "Micro study")
    row = next(row for row in re.findall(r"<tr class.*?</tr>", micro) if "CIFAR-10" in row)
    assert "+1.09 pp course" in text_of(row)
    assert "88.00 [86.90, 89.10]" in text_of(row)


def test_the_paper_s_figure_stands_beside_the_measured_one():
    close = next(one for one in store().sorted() if one.kind == "Close" and one.dataset == "pets")
    row = verdict_row(close, Context())
    assert row.paper == "94.73"
    assert row.difference.tolerance == "within ±1?"
    text = text_of(page.section(store()))
    assert "the paper94.73" in text
    assert "within ±1?" in text


def test_what_is_not_known_about_a_side_is_not_claimed():
    unknown = side_line(Side(VIT, 76.29, None, None, None, 1), "published")
    assert unknown == SideLine(VIT, "76.29", "", "uncertainty unknown")
    partly = side_line(Side(VIT, 76.28, 75.4, 77.2, None, 3), "published")
    assert partly == SideLine(VIT, "76.28", "[75.40, 77.20]", "3 seeds")
    text = text_of(page.section(store()))
    assert f"{JFT_VIT}76.28 [75.40, 77.20]3 seeds{JFT_BIT}76.29uncertainty unknown" in text


@pytest.mark.parametrize(
    "kind, seeds, words", [("published", 1, ""), ("published", 3, ", 3 seeds"), ("gpu", 1, ", 1 seed")]
)
def test_one_published_seed_is_not_claimed(kind, seeds, words):
    shown = side_line(Side(VIT, 90, 89, 91, 10_000, seeds), kind)
    assert shown == SideLine(VIT, "90.00", "[89.00, 91.00]", f"n = 10,000{words}")


def test_a_verdict_without_figures_shows_none():
    assert difference(without_figures()) is None
    made = VerdictStore()
    made.add([verdict(source="micro"), without_figures(source="micro", hypothesis="b"), verdict(hypothesis="b")])
    row = re.findall(r"<tr class.*?</tr>", part(page.section(made), "Micro study"))[1]
    assert text_of(row).count("none") == 3  # all of accuracy, difference and p; something was published
    assert "None" not in row


def test_a_table_leaves_out_the_columns_that_nothing_fills(section):
    def heads(markup):
        return re.findall(r'<th scope="col" class="col-[a-z]+">(.*?)</th>', markup)

    every = [column.head for column in COLUMNS]
    assert heads(part(section, "Micro study")) == every
    assert heads(part(section, "Released checkpoints (gpu)")) == ["Verdict", "Hypothesis", "Published", "Why"]
    first = re.search(r"<table.*?</table>", part(section, "Published figures"))[0]
    assert heads(first) == [head for head in every if head != "Published"]


def test_kept_verdicts_are_dated_and_counted():
    made = store()
    fresh = {key for key, one in made.verdicts.items() if one.date == DAY_2}
    shown = page.section(made, fresh)
    text = text_of(shown)
    assert f"18 verdicts kept from earlier sessions, the oldest of {DAY_1[:10]}." in text
    assert text.count("(an earlier session)") == 18
    rows = re.findall(r'<tr class="row-.*?</tr>', shown)
    assert sum(f"of {DAY_1[:10]}" in row for row in rows) == 18
    assert "(an earlier session)" not in text_of(page.section(made))


def test_what_is_recorded_is_said_and_a_change_of_it_stands_out():
    made = VerdictStore()
    made.add([CLAIM_1, verdict(verdict="REFUTED", known="REFUTED"), verdict(hypothesis="b", known="REFUTED")])
    text = text_of(page.section(made))
    assert "as recorded" in text
    look = text[text.index("Look at these first") :]
    assert look.count("recorded as refuted") == 2  # in the first look and in the row
    assert "✓ reproduced b claim1, published/course, recorded as refuted" in look


def test_problems_and_notes_come_first():
    made = store()
    made.notes.append("a line was cut off")
    text = text_of(page.section(made, problems=["the disk is full"]))
    assert text.startswith("the disk is fulla line was cut off2 claims")


def test_nasty_text_is_escaped_wherever_it_stands():
    claim = Claim(id="claim1", title=NASTY, quote=NASTY, source=NASTY, not_verifiable={NASTY: NASTY})
    texts = dict.fromkeys(("hypothesis", "dataset", "reason", "method", "task", "known"), NASTY)
    odd = verdict(**texts, source=f"published/{NASTY}", verdict="REFUTED", citations=(NASTY,), runs=(NASTY,))
    odd = dataclasses.replace(odd, sides=(Side(NASTY, 1, 0, 2, 9, 1), Side(BIT, 1, 0, 2, 9, 1)))
    made = VerdictStore(notes=[NASTY])
    made.add([claim, odd, dataclasses.replace(odd, source="micro"), dataclasses.replace(odd, source=f"{NASTY}/x")])
    shown = page.section(made, set(), [NASTY])
    assert "<img" not in shown
    assert "<script" not in shown
    assert shown.count(str(escape(NASTY))) > 20
    outline = Outline(shown)
    assert outline.open == []
    assert not any(name.startswith("on") for _, attributes in outline.elements for name in attributes)


def test_the_same_store_gives_the_same_bytes(section):
    shuffled = VerdictStore()
    shuffled.add([*store().claims.values(), *store().sorted()[::-1]])
    assert page.section(shuffled) == section


def test_a_long_table_starts_folded_and_the_figure_says_what_it_leaves_out():
    made = VerdictStore()
    made.add([verdict(hypothesis=f"h{k}") for k in range(13)])
    made.add([verdict(hypothesis=f"h{k}", source="micro") for k in range(12)])
    made.add([without_figures(source="gpu")])
    shown = page.section(made)
    assert re.findall(r'<details class="sources"( open)?>', shown) == ["", " open", " open"]
    assert "Figure: 25 estimates" in shown
    assert "Not drawn: 1 verdict without an estimate." in shown


def test_a_verdict_of_a_claim_that_is_not_described_still_shows():
    made = VerdictStore()
    made.add([verdict(claim="claim7")])
    text = text_of(page.section(made))
    assert "claim7" in text
    assert verdict().reason in text


def test_an_empty_store_is_a_page_that_says_so():
    assert "No verdict has been reached yet." in text_of(page.document(page.section(VerdictStore())))


def test_only_another_dataset_stands_for_the_paper_s():
    micro = verdict(source="micro", dataset="cifar10", task="orientation: bars")
    assert verdict_row(micro, Context()).task == "orientation: bars stands for CIFAR-10"
    real = verdict(source="gpu/paper", dataset="cifar10", task="cifar10: CIFAR-10")
    assert verdict_row(real, Context()).task == "on cifar10: CIFAR-10"
    made = VerdictStore()
    made.add([micro, real])
    text = text_of(page.section(made))
    assert "orientation: bars stands for CIFAR-10" in text
    assert "on cifar10: CIFAR-10" in text
