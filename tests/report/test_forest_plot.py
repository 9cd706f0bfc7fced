import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from harness.core.verdict import Side
from harness.report import forest_plot
from harness.report.labels import group
from tests.report.samples import NASTY, ROWS, by_both_backends, everywhere, store, together, verdict, without_figures

SVG = "{http://www.w3.org/2000/svg}"
VERDICTS = [one for one in store().sorted() if one.claim == "claim1"]
DRAWN = [one for one in VERDICTS if one.estimate is not None]


@pytest.fixture(scope="module")
def svg():
    return ET.fromstring(forest_plot.forest("claim1", VERDICTS))


def marks(root, kind):
    """Return the group of each mark of a kind, by the number of its verdict."""
    found = {}
    for element in root.iter(f"{SVG}g"):
        match = re.fullmatch(rf"claim1-{kind}-(\d+)", element.get("id", ""))
        if match:
            found[int(match[1])] = element
    return found


def points(element):
    """Return the x coordinates of the path of a mark."""
    path = next(one for one in element.iter(f"{SVG}path") if one.get("clip-path"))
    return [float(x) for x, _ in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]


def place(element):
    """Return (x, y) of a mark that is a single marker."""
    use = next(element.iter(f"{SVG}use"))
    return float(use.get("x")), float(use.get("y"))


def axis(panel):
    """Return the line pp = slope * x + offset that the tick labels of a panel state."""
    ticks = []
    for element in panel.iter(f"{SVG}g"):
        if re.fullmatch(r"claim1-xtick_\d+", element.get("id", "")):
            x = float(next(element.iter(f"{SVG}use")).get("x"))
            label = next(text for text in element.iter(f"{SVG}text")).text
            ticks.append((x, float(label.replace("−", "-"))))
    (slope, offset), residuals, *_ = np.polyfit(*zip(*ticks, strict=True), 1, full=True)
    assert residuals < 1e-6
    return lambda x: slope * x + offset


def panel_of(root, mark):
    return next(
        one
        for one in root.iter(f"{SVG}g")
        if re.fullmatch(r"claim1-axes_\d+", one.get("id", "")) and any(child is mark for child in one.iter())
    )


def test_there_is_one_mark_for_each_verdict_that_has_a_figure(svg):
    assert len(marks(svg, "estimate")) == len(DRAWN) == 10
    assert len(marks(svg, "interval")) == sum(one.low is not None for one in DRAWN)
    assert len(marks(svg, "tolerance")) == sum(one.tolerance is not None for one in DRAWN) == 2


def test_marks_stand_where_their_panel_s_axis_says(svg):
    estimates, intervals = marks(svg, "estimate"), marks(svg, "interval")
    for number, one in enumerate(DRAWN):
        to_points = axis(panel_of(svg, estimates[number]))
        assert to_points(place(estimates[number])[0]) == pytest.approx(one.estimate, abs=0.01)
        low, high = (to_points(x) for x in points(intervals[number]))
        assert (low, high) == pytest.approx((one.low, one.high), abs=0.01)


def test_a_tolerance_is_drawn_around_zero_and_around_its_own_estimate(svg):
    for number, element in marks(svg, "tolerance").items():
        to_points = axis(panel_of(svg, element))
        path = next(element.iter(f"{SVG}path"))
        corners = [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]
        across = sorted({round(to_points(x), 2) for x, _ in corners})
        assert across == [-DRAWN[number].tolerance, DRAWN[number].tolerance]
        y = place(marks(svg, "estimate")[number])[1]
        assert min(y for _, y in corners) < y < max(y for _, y in corners)


def test_each_group_of_sources_has_its_own_panel_and_verdicts_run_downwards(svg):
    estimates = marks(svg, "estimate")
    panels = [panel_of(svg, estimates[number]).get("id") for number in range(len(DRAWN))]
    assert len(set(panels)) == len({group(one.source) for one in DRAWN}) == 2
    heights = [place(estimates[number])[1] for number in range(len(DRAWN))]
    assert heights == sorted(heights)
    assert len(set(heights)) == len(heights)


def test_nothing_is_drawn_outside_the_picture(svg):
    _, _, width, height = map(float, svg.get("viewBox").split())
    for number, element in marks(svg, "interval").items():
        assert all(0 < x < width for x in points(element)), number
    assert all(0 < place(element)[1] < height for element in marks(svg, "estimate").values())


def test_the_labels_are_the_hypotheses_and_the_figures_with_their_signs(svg):
    text = " ".join(" ".join(one.itertext()) for one in svg.iter(f"{SVG}text"))
    assert "ViT-L/16 (ImageNet-21k) = 94.73 on Oxford-IIIT Pets" in text
    assert "? −1.51 [−2.58, −0.44]" in text
    assert "✗ −4.40 [−7.00, −1.80]" in text
    # The micro study speaks of its own networks.
    assert "micro-vit-m > micro-bit-m on digits-5" in text


def test_the_same_verdicts_give_the_same_bytes():
    assert forest_plot.forest("claim1", VERDICTS) == forest_plot.forest("claim1", VERDICTS)


def test_ids_are_unique_on_a_page_and_every_reference_resolves_within_its_figure():
    figures = {name: forest_plot.forest(name, VERDICTS) for name in ("claim1", "claim2")}
    ids = {name: re.findall(r'\sid="([^"]*)"', text) for name, text in figures.items()}
    assert len({*ids["claim1"], *ids["claim2"]}) == len(ids["claim1"]) + len(ids["claim2"])
    for name, text in figures.items():
        used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', text))
        assert used
        assert used <= set(ids[name])


def test_nasty_names_stay_text():
    odd = [
        verdict(
            hypothesis=f"{NASTY} $\\alpha$ <b> on x", source=f"published/{NASTY}", sides=(Side(NASTY, 1, 0, 2, 9, 1),)
        )
    ]
    root = ET.fromstring(forest_plot.forest('"><script>', odd))
    assert {element.tag.removeprefix(SVG) for element in root.iter()}.isdisjoint({"script", "img", "image"})
    text = "".join("".join(one.itertext()) for one in root.iter(f"{SVG}text"))
    assert "<img src=x" in text
    assert "$\\alpha$" in text
    assert all('"' not in element.get("id", "") for element in root.iter())


def test_without_an_estimate_there_is_no_figure():
    assert forest_plot.forest("claim1", [without_figures()]) == ""
    assert forest_plot.forest("claim1", []) == ""


def test_a_lone_estimate_of_zero_and_a_missing_interval_can_be_drawn():
    root = ET.fromstring(forest_plot.forest("claim1", [verdict(estimate=0.0, low=None, high=None)]))
    assert len(marks(root, "estimate")) == 1
    assert marks(root, "interval") == {}


@pytest.mark.parametrize("count", [1, 120])
def test_the_picture_grows_with_the_verdicts_and_keeps_its_width(count):
    text = forest_plot.forest("claim1", [verdict(hypothesis=f"h{k}") for k in range(count)])
    opening = text[: text.index(">")]
    assert 'role="img"' in opening
    assert f"Forest plot of {count} estimates" in opening
    assert not re.search(r'\s(width|height)="', opening)  # CSS scales it
    _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', opening)[1].split())
    assert width == forest_plot.WIDTH
    assert height > 20 * count


def test_both_backends_of_a_hypothesis_are_drawn_next_to_each_other():
    root = ET.fromstring(forest_plot.forest("claim1", by_both_backends().sorted()))
    lines = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    marked = [line for line in lines if line.endswith("]") and "[" in line and "points" not in line and "," not in line]
    assert [line.rpartition("[")[2] for line in marked] == ["torch]", "jax]", "both]"] * 2


def test_a_name_that_cannot_be_written_is_drawn_with_a_question_mark():
    drawn = forest_plot.forest("claim1", [verdict(hypothesis="a\udc80b")])
    assert "a?b" in drawn


def test_publications_stand_above_their_synthesis_as_large_as_their_weight():
    root = ET.fromstring(forest_plot.forest("claim1", [verdict(hypothesis="before"), together()]))
    found = {
        int(match[1]): element
        for element in root.iter(f"{SVG}g")
        if (match := re.fullmatch(r"claim1-reported-1-(\d+)", element.get("id", "")))
    }
    assert list(found) == [0, 1, 2]
    synthesis = marks(root, "estimate")[1]
    percent = axis(panel_of(root, synthesis))
    for number, row in enumerate(ROWS):
        assert percent(place(found[number])[0]) == pytest.approx(row.estimate, abs=0.01)
    heights = [place(element)[1] for element in (marks(root, "estimate")[0], *found.values(), synthesis)]
    assert heights == sorted(heights)

    def side(element):
        xs = [float(x) for x, _ in re.findall(r"[ML] (\S+) (\S+)", next(element.iter(f"{SVG}path")).get("d"))]
        return max(xs) - min(xs)

    assert side(found[1]) > side(found[0]) > side(found[2])  # 75 %, 25 %, not counted
    lines = ["".join(one.itertext()).strip() for one in root.iter(f"{SVG}text")]
    shown = ("vit-paper/table-2, paper, 25 %", "course, replication, 75 %", "library, re-evaluation, not counted")
    assert [line for line in lines if line in shown] == list(shown)
    assert "together" in lines
    assert "+2.00 [+1.60, +2.40]" in lines


def test_one_publication_is_its_own_synthesis_and_a_compound_is_drawn_by_what_decides():
    for one in (verdict(rows=ROWS[:1]), everywhere()):
        drawn = forest_plot.forest("claim1", [one])
        assert "claim1-reported" not in drawn
        assert "together" not in drawn
        assert len(marks(ET.fromstring(drawn), "estimate")) == 1


def test_ratios_of_costs_and_curves_have_no_place_on_the_axis():
    costs = verdict(hypothesis="cost", kind="Ratio", estimate=0.25)
    whatever = verdict(hypothesis="curve", kind="Robust", source="micro", estimate=4.0)
    assert forest_plot.forest("claim1", [costs, whatever]) == ""
    assert forest_plot.drawable([costs, verdict(), whatever]) == [verdict()]
