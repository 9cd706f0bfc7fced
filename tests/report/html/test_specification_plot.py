"""The specification curve's figure: marks stand where the figures say, dots under the specifications they are of."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from harness.core.verdict import Component
from harness.report.html.specification_plot import choice_rows, effects_of, specification_plot
from harness.stats.specification_curve import SpecificationEffect
from tests.report.samples import NASTY

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = [
    (-0.10, -0.15, -0.05, "x0.5", "s"),
    (-0.02, -0.05, 0.01, "x2", "s"),
    (0.01, math.nan, math.nan, "x10", "s"),
    (0.04, 0.01, 0.08, "x2", "l"),
]


def effects(figures=FIGURES):
    return tuple(
        SpecificationEffect(f"s{i}", (("learning rate", rate), ("corpus", corpus), ("backend", "torch")), *figure)
        for i, (*figure, rate, corpus) in enumerate(figures)
    )


def plot(title, figures=FIGURES):
    return specification_plot("spec", title, effects(figures), -0.005)


@pytest.fixture(scope="module")
def root():
    return ET.fromstring(plot("A > B"))


def element(root, name):
    return next((one for one in root.iter(f"{SVG}g") if one.get("id") == f"spec-{name}"), None)


def markers(root, name):
    """Return the (x, y) places of the markers of a group."""
    return [(float(use.get("x")), float(use.get("y"))) for use in element(root, name).iter(f"{SVG}use")]


def points_to_percent(root):
    ticks = []
    for one in root.iter(f"{SVG}g"):
        if re.fullmatch(r"spec-ytick_\d+", one.get("id", "")):
            label = next(one.iter(f"{SVG}text")).text
            ticks.append((float(next(one.iter(f"{SVG}use")).get("y")), float(label.replace("−", "-"))))
    slope, offset = np.polyfit(*zip(*ticks, strict=True), 1)
    return lambda y: slope * y + offset


def test_estimates_and_intervals_stand_where_the_axis_says(root):
    percent = points_to_percent(root)
    places = []
    for number, (value, low, high, *_) in enumerate(FIGURES):
        ((x, y),) = markers(root, f"estimate-{number}")
        places.append(x)
        assert percent(y) == pytest.approx(100 * value, abs=0.02)
        interval = element(root, f"interval-{number}")
        assert (interval is None) == math.isnan(low)
        if interval is not None:
            path = next(one for one in interval.iter(f"{SVG}path") if one.get("clip-path"))
            ends = [(float(x), percent(float(y))) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]
            assert ends == [pytest.approx((x, 100 * low), abs=0.02), pytest.approx((x, 100 * high), abs=0.02)]
    assert places == sorted(places)


def test_each_dot_is_under_the_specification_that_it_is_of(root):
    x_of = [markers(root, f"estimate-{number}")[0][0] for number in range(len(FIGURES))]
    for level, of in {"x0.5": [0], "x2": [1, 3], "x10": [2]}.items():
        found = [x for x, _ in markers(root, f"choice-learning-rate-{level}")]
        assert found == pytest.approx([x_of[number] for number in of], abs=0.01)
    assert element(root, "choice-backend-torch") is None  # one level: nothing was chosen


def test_levels_that_are_numbers_are_in_the_order_of_their_size():
    assert [(factor, level) for factor, level, _ in choice_rows(effects())] == [
        ("learning rate", "x0.5"),
        ("learning rate", "x2"),
        ("learning rate", "x10"),
        ("corpus", "l"),
        ("corpus", "s"),
    ]


def test_the_figure_is_described_and_the_same_every_time(root):
    assert root.get("aria-label") == "Specification curve of 4 specifications: A > B"
    assert plot("A > B") == plot("A > B")


def test_names_are_text_and_one_specification_is_enough():
    root = ET.fromstring(plot(NASTY, FIGURES[:1]))
    assert root.get("aria-label").startswith("Specification curve of 1 specification: ")
    assert not list(root.iter(f"{SVG}script"))


def component(name, value, low=None, high=None):
    return Component(name, value, low, high, None, None)


def test_effects_are_read_from_a_verdict_s_components_with_the_choices_that_name_them():
    found = effects_of(
        [
            component("learning rate x2, dropout 0.1, backend torch, pre-training l and s", 3.0, 1.0, 5.0),
            component("learning rate x0.5, dropout 0, backend torch, pre-training l and m", -2.0),
            component("learning rate x1, dropout 0, backend torch, pre-training s", None),
        ]
    )
    assert [each.value for each in found] == [-0.02, 0.03]  # smallest first; without an estimate there is no mark
    assert (found[1].low, found[1].high) == (0.01, 0.05)
    assert math.isnan(found[0].low)
    assert math.isnan(found[0].high)
    assert found[0].levels == (
        ("learning rate", "x0.5"),
        ("dropout", "0"),
        ("backend", "torch"),
        ("pre-training", "l and m"),
    )
    assert [row[:2] for row in choice_rows(found)] == [
        ("learning rate", "x0.5"),
        ("learning rate", "x2"),
        ("dropout", "0"),
        ("dropout", "0.1"),
        ("pre-training", "l and m"),
        ("pre-training", "l and s"),
    ]


def test_components_whose_names_are_no_choices_are_one_factor():
    found = effects_of([component("a, b", 1.0), component("c", 2.0)])
    assert [each.levels for each in found] == [(("", "a, b"),), (("", "c"),)]
    assert effects_of([]) == ()
