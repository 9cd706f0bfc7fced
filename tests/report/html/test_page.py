import dataclasses
import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from harness.core.claim import Claim
from harness.core.verdict import Component, Side
from harness.report.html import page
from harness.report.html.page_rows import COLUMNS, Context, Difference, SideLine, difference, side_line, verdict_row
from harness.report.html.why import why
from harness.report.verdict_store import VerdictStore
from tests.report.samples import (
    BIT,
    CLAIM_1,
    DAY_1,
    DAY_2,
    JFT_BIT,
    JFT_VIT,
    NASTY,
    ROWS,
    VIT,
    everywhere,
    store,
    together,
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


def store_of(*verdicts):
    made = VerdictStore()
    made.add(verdicts)
    return made


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
        assert why(one) in text
        assert all(citation in text for citation in one.citations)
        assert all(run in text for run in one.runs)


def test_the_first_screen_answers_and_counts_nothing(section):
    overview = re.search(r'<div class="screen">(.*?)</div><details class="card"', section)[1]
    assert "chip" not in overview
    published, micro = overview.partition('<div class="first-look">')[0].split('<div class="answers micro-answers">')
    assert "Published figures leave open whether ViT is better than BiT on both tasks (public weights)." in published
    assert "The micro study" not in published
    assert "The micro study disagrees: it is not so that micro-vit-m is more accurate than micro-bit-m" in micro
    assert "Published" not in micro
    # One plot for each answer that has figures.
    assert published.count('<svg class="iv') == micro.count('<svg class="iv') == 1


def test_a_claim_is_folded_below_the_first_screen_with_its_answers_in_sight(section):
    summary = re.search(r'<details class="card" id="claim-claim1"><summary>(.*?)</summary>', section)[1]
    assert text_of(summary) == f"{CLAIM_1.title}claim1? open published✗ disagrees micro"
    bare = re.search(r'<details class="card" id="claim-claim2"><summary>(.*?)</summary>', section)[1]
    assert text_of(bare) == "More data helpsclaim2✗ 1 refuted"  # without an answer its verdicts are counted


def test_the_micro_study_first_says_that_it_is_scaled_down(section):
    micro = part(section, "Micro study")
    first = re.search(r"</h3><p[^>]*>(.*?)</p>", micro)[1]
    assert "scaled-down study" in first
    assert "not of the paper&#39;s numbers" in first
    assert "agrees, disagrees, open" in first
    assert micro.index(first) < micro.index("<table")


def test_a_refutation_by_the_micro_study_is_not_taken_for_the_paper_s(section):
    look = re.search(r'<div class="first-look">.*?</ul></div>', section)[0]
    assert look.count("<li>") == 2  # the recorded one is no surprise
    assert "micro, the scaled-down study" in text_of(look)
    assert "CIFAR-10 " not in text_of(look)


def test_each_table_has_one_row_for_each_verdict(section):
    rows = re.findall(r'<tr class="row-([a-z-]+)[ "]', section)
    expected = [one.verdict.lower().replace(" ", "-") for one in store().sorted()]
    assert sorted(rows) == sorted(expected)


def test_measured_stands_beside_published(section):
    micro = part(section, "Micro study")
    row = next(row for row in re.findall(r"<tr class.*?</tr>", micro) if "CIFAR-10" in row)
    assert "+1.09 pp 3 publications" in text_of(row)
    assert "88.00 [86.90, 89.10]" in text_of(row)
    made = VerdictStore()
    made.add([verdict(), verdict(source="micro", hypothesis="b"), verdict(source="micro")])
    old = verdict(source="published/course", hypothesis="b")
    made.add([old, verdict(rows=ROWS[1:2])])
    rows = re.findall(r"<tr class.*?</tr>", part(page.section(made), "Micro study"))
    # One publication is named: by its row, or by the source of a record from before they were judged together.
    assert ["+1.09 pp course" in text_of(row) for row in rows] == [True, True]


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
    assert text_of(row).count("none") == 4  # all of accuracy, interval, difference and p; something was published
    assert "None" not in row


def test_a_table_leaves_out_the_columns_that_nothing_fills(section):
    def heads(markup):
        return re.findall(r'<th scope="col" class="col-[a-z]+">(.*?)</th>', markup)

    every = [column.head for column in COLUMNS]
    assert heads(part(section, "Micro study")) == every
    assert heads(part(section, "Released checkpoints (gpu)")) == ["Verdict", "Hypothesis", "Published", "Why"]
    first = re.search(r"<table>.*?</table>", part(section, "Published figures"))[0]
    # Its publications are rows of their own below each verdict.
    assert heads(first) == [head for head in every if head != "Published"]


def test_kept_verdicts_are_dated_and_counted():
    made = store()
    fresh = {key for key, one in made.verdicts.items() if one.date == DAY_2}
    shown = page.section(made, fresh)
    text = text_of(shown)
    assert f"19 verdicts kept from earlier sessions, the oldest of {DAY_1[:10]}." in text
    assert text.count("(an earlier session)") == 19
    rows = re.findall(r'<tr class="row-.*?</tr>', shown)
    assert sum(f"of {DAY_1[:10]}" in row for row in rows) == 19
    assert "(an earlier session)" not in text_of(page.section(made))


def test_what_is_recorded_is_said_and_a_change_of_it_stands_out():
    made = VerdictStore()
    made.add([CLAIM_1, verdict(verdict="REFUTED", known="REFUTED"), verdict(hypothesis="b", known="REFUTED")])
    text = text_of(page.section(made))
    assert "as recorded" in text
    look = text[text.index("Look at these first") :]
    assert look.count("recorded as refuted") == 2  # in the first look and in the row
    assert "✓ reproduced b claim1, published, recorded as refuted" in look


def test_problems_and_notes_come_first():
    made = store()
    made.notes.append("a line was cut off")
    text = text_of(page.section(made, problems=["the disk is full"]))
    assert text.startswith(f"the disk is fulla line was cut offAnswers{CLAIM_1.title}? open")


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


def test_a_verdict_of_a_claim_that_is_not_described_still_shows():
    made = VerdictStore()
    made.add([verdict(claim="claim7")])
    text = text_of(page.section(made))
    assert "claim7" in text
    assert why(verdict()) in text


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


def test_each_answer_is_quoted_in_full_at_the_head_of_its_claim(section):
    full = re.search(r'<dl class="full-answers">.*?</dl>', section)[0]
    text = text_of(full)
    assert (
        '? open publishedPublished figures leave the claim open: "ViT is better than BiT on both tasks" (public'
        " weights) is open (1 of 2 parts hold, 0 do not)"
    ) in text
    assert (
        '✗ disagrees microThe micro study disagrees, on its own networks: "micro-vit-m > micro-bit-m on digits-5"'
        " does not hold (-4.40 points"
    ) in text
    assert section.count('<dl class="full-answers">') == 1  # claim2 has no statements


def test_each_publication_is_a_row_with_its_origin_figures_and_weight():
    made = VerdictStore()
    made.add([together()])
    shown = part(page.section(made), "Published figures")
    text = text_of(shown)
    assert "3 publications: vit-paper/table-2 (25 %), course (75 %), library (not counted)" in text
    inner = re.search(r'<table class="inner forest">.*?</table>', shown)[0]
    assert re.findall(r"<th scope[^>]*>(.*?)</th>", inner) == [
        "Publication",
        "Figures, %",
        "Interval",
        "Difference, pp (95 %)",
        "Weight",
    ]
    lines = [text_of(line) for line in re.findall(r"<tr[^>]*>.*?</tr>", inner)[1:]]
    assert lines == [
        "vit-paper/table-2, paper98.90, 98.00+0.90 [+0.30, +1.50]25 %",
        "course, replication99.15, 98.00+1.15 [+0.75, +1.55]75 %",
        "library, re-evaluation100.00, 98.00+2.00 [+1.60, +2.40]not counted",
        "together+1.09 [+0.61, +1.57]another one: [−0.50, +2.70]",
    ]
    # Squares for publications, a diamond with the prediction interval for what they come to; the paper stands out.
    assert inner.count("<rect") == 3
    assert inner.count("<polygon") == inner.count('class="prediction"') == 1
    assert re.findall(r'<tr class="of-paper"><td>(.*?)<', inner) == ["vit-paper/table-2"]
    # Accuracies are of one publication, which is named.
    assert "as vit-paper/table-2 has them" in text
    one = page.section(store_of(verdict(rows=ROWS[:1])))
    assert "as vit-paper/table-2 has them" in text_of(one)
    assert "forest" not in one.partition("</style>")[2]  # its row says it all


def test_the_parts_of_a_compound_hypothesis_are_rows_in_the_words_of_their_source():
    made = VerdictStore()
    made.add([everywhere(), everywhere(source="micro", verdict="OPEN", rows=())])
    for heading, words in (("Published figures", "reproduced"), ("Micro study", "agrees")):
        shown = part(page.section(made), heading)
        assert "2 parts: 1 for it, 0 against it, 1 open" in text_of(shown)
        inner = re.findall(r'<table class="inner">.*?</table>', shown)[-1]
        lines = re.findall(r"<tr>.*?</tr>", inner)[1:]
        assert [text_of(line) for line in lines] == [
            f"✓{VIT} > {BIT} on cifar10+1.09 [+0.61, +1.57]< 0.001",
            f"?{VIT} > {BIT} on cifar100+0.47 [−0.15, +1.10]0.030",
        ]
        assert f'class="chip {words}" role="img" aria-label="{words}"' in lines[0]
    # Publications of a compound hypothesis are on several datasets.
    published = part(page.section(made), "Published figures")
    assert "1 publication: vit-paper/table-2" in text_of(published)
    assert '<th scope="col">Dataset</th>' in published
    assert '<tr class="synthesis">' not in published  # each is on a part of its own


def test_a_part_without_an_estimate_says_so_and_one_against_is_counted():
    unknown = Component("a > b on x", None, None, None, None, None)
    against = Component("a > b on y", -2.0, -3.0, -1.0, 0.001, False)
    text = text_of(page.section(store_of(everywhere(components=(unknown, against)))))
    assert "2 parts: 0 for it, 1 against it, 1 open" in text
    assert "a > b on xno estimate" in text
    assert "✗a > b on y−2.00 [−3.00, −1.00]0.001" in text


def test_how_sure_a_verdict_is_stands_in_its_fold(section):
    micro = part(section, "Micro study")
    row = text_of(next(row for row in re.findall(r"<tr class.*?</tr>", micro) if "orientation" in row))
    for words in (
        "Smallest difference found with 80 % power1.75 points",
        "Seeds that would find the difference seen21",
        "Standard error0.41 points from seeds, 0.52 points from test examples",
        "Difference that mattersnot ruled out",
        "Permutation test over seedsp = 0.002",
        "Stand out among their seeds00000000000000c7",
        "Registeredpreregistered on 2026-02-01",
    ):
        assert words in row
    published = text_of(part(section, "Published figures"))
    assert "Shares its error rate4 in test_better, Holm" in published
    assert (
        "Between publicationsstandard deviation 0.12 points, 31 % of the variance; another one would lie in"
        " [−0.50, +2.70] (95 %)"
    ) in published
    known = text_of(page.section(store_of(verdict(negligible=True, conditional="one run of each side"))))
    assert "Difference that mattersruled out: the whole interval is negligible" in known
    assert "Conditional onone run of each side" in known
    assert "Standard error" not in known  # what does not exist is not named


def test_a_statement_is_said_in_plain_words_and_the_micro_study_in_its_own_names(section):
    published = part(section, "Published figures")
    assert '<div class="statement">ViT is better than BiT on both tasks</div>' in published
    assert "on all of CIFAR-10, CIFAR-100" in published
    assert "micro-vit-m &gt; micro-bit-m on digits-5" in part(section, "Micro study")


def test_a_micro_verdict_recorded_in_the_papers_words_is_no_change(section):
    row = next(row for row in re.findall(r"<tr class.*?</tr>", part(section, "Micro study")) if "CIFAR-10" in row)
    assert "as recorded" in row
    assert "changed" not in row


def test_a_ratio_of_costs_is_no_difference_in_points():
    ratio = verdict(hypothesis="cost", kind="Ratio", dataset="", estimate=0.068687, low=None, high=None, level=None)
    assert difference(ratio) == Difference("0.0687", "", "", "a ratio of costs")
    assert "Figure: " not in page.section(store_of(ratio))


def test_many_accuracies_start_folded():
    sides = tuple(Side(f"{VIT} on task {k}", 90, 89, 91, 100, 1) for k in range(5))
    assert ">5 accuracies</summary>" in page.section(store_of(verdict(sides=sides)))
    assert "accuracies</summary>" not in page.section(store_of(verdict(sides=sides[:4])))


CHOICES = ("learning rate x0.5, steps 20, backend torch", "learning rate x2, steps 20, backend torch")


def curve(**changes):
    """Return a verdict on an ordering whatever is chosen."""
    effects = tuple(
        Component(name, value, value - 2, value + 2, None, True if value > 2 else None)
        for name, value in zip(CHOICES, (1.0, 6.0), strict=True)
    )
    plain = {"hypothesis": "A > B on digits, whatever is chosen", "kind": "Robust", "source": "micro", "dataset": ""}
    plain |= {"verdict": "OPEN", "estimate": 3.5, "low": None, "high": None, "components": effects}
    return verdict(**(plain | changes))


def test_the_curve_of_an_ordering_is_its_figure():
    shown = page.section(store_of(curve(), curve(hypothesis="C > D on digits, whatever is chosen"), verdict()))
    figures = re.findall(r"<figcaption><b>(.*?)</b>", shown)
    assert figures == [
        f"Specification curve: {name} &gt; {other} on digits, whatever is chosen (open)" for name, other in ("AB", "CD")
    ]
    for number in range(2):
        for mark in ("estimate-0", "estimate-1", "median", "choice-learning-rate-x0.5", "choice-learning-rate-x2"):
            assert f'id="claim1-curve-{number}-{mark}"' in shown
    assert "choice-backend" not in shown  # one level: nothing was chosen
    assert "+1.00 to +6.00" in text_of(shown)
    assert "range of 2 specifications" in text_of(shown)
    assert "2 specifications: 1 for it, 0 against it, 1 open" in text_of(shown)
    # Without effects there is none: every specification has a run that diverged.
    assert "<figure" not in page.section(store_of(curve(estimate=None, components=())))
