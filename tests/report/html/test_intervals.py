"""Interval plots: marks stand where the figures say, on the scale of their table."""

import re

import pytest

from harness.core.verdict import Component, Reported
from harness.report.html.intervals import MARGIN, Scale, forest_scale, plot, plot_of_part, plot_of_publication, scale_of
from harness.report.html.rendering import environment
from tests.report.samples import NASTY, ROWS, everywhere, reported, together, verdict, without_figures

SCALE = Scale(-2.0, 8.0)


def drawn(view):
    """Return the SVG of a plot."""
    return str(environment().get_template("interval.html.j2").module.interval(view))


def value_at(place, scale=SCALE):
    """Return the value at a place, worked out from the ends of the scale."""
    return scale.low + (place - MARGIN) / (100 - 2 * MARGIN) * (scale.high - scale.low)


def test_estimate_and_interval_stand_where_the_figures_say():
    found = plot(verdict(estimate=1.5, low=-0.5, high=3.5), SCALE)
    assert [value_at(place) for place in (found.estimate, found.low, found.high, found.zero)] == pytest.approx(
        [1.5, -0.5, 3.5, 0.0], abs=0.002
    )
    svg = drawn(found)
    assert f'<line class="bar" x1="{found.low}%" x2="{found.high}%"' in svg
    assert f'cx="{found.estimate}%"' in svg


def test_what_lies_beyond_the_scale_ends_at_its_end():
    found = plot(verdict(estimate=1.0, low=-50.0, high=50.0), SCALE)
    assert (found.low, found.high) == (0.0, 100.0)


def test_a_scale_holds_zero_estimates_and_intervals_and_the_estimates_behind_them():
    one = verdict(estimate=3.0, low=1.0, high=5.0, rows=(reported("a", 7.0, 100.0, 1.0),))
    assert scale_of([one]) == Scale(0.0, 7.0)
    close = verdict(estimate=0.1, low=-0.2, high=0.4, tolerance=1.5)
    assert scale_of([close]) == Scale(-1.5, 1.5)
    ratio = verdict(kind="Ratio", estimate=500.0, low=None, high=None)
    assert scale_of([ratio, without_figures()]) == Scale(-1.0, 1.0)
    assert scale_of([]) == Scale(-1.0, 1.0)


def test_a_forest_plot_has_a_scale_of_its_own_that_holds_its_publications():
    assert forest_scale(together()) == Scale(0.0, 2.4)
    far = verdict(rows=(reported("a", 1.0, 3.0, 0.5), reported("b", 1.0, 0.5, 0.5)))
    assert forest_scale(far) == Scale(-2.0, 4.0)


def test_several_publications_are_a_diamond_as_wide_as_the_interval():
    found = plot(together(estimate=2.0, low=1.0, high=5.0), SCALE)
    assert (found.shape, found.tip) == ("diamond", pytest.approx(25.0, abs=0.1))
    svg = drawn(found)
    assert f'<svg x="{found.low}%"' in svg
    width = float(re.search(r'<svg x="[^"]*" y="4" width="([\d.]+)%"', svg)[1])
    assert width == pytest.approx(found.high - found.low, abs=0.01)
    assert value_at(found.prediction[0]) == pytest.approx(-0.5, abs=0.01)
    assert 'class="prediction"' in svg
    # One that counts, or one on each part, is no synthesis.
    assert plot(verdict(rows=ROWS[:1]), SCALE).shape == "dot"
    assert plot(everywhere(), SCALE).shape == "hollow"


def test_a_publication_is_a_square_as_large_as_its_weight():
    small, large, none = (plot_of_publication(reported("p", 1.0, 0.5, weight), SCALE) for weight in (0.1, 0.9, 0.0))
    assert small.size < large.size
    assert (large.slug, none.slug) == ("publication", "not-counted")
    assert drawn(large).count("<rect") == 1
    unknown = plot_of_publication(Reported("p", "paper", 1.0, None, None, 1.0), SCALE)
    assert 'class="bar"' not in drawn(unknown)


def test_the_margin_within_which_accuracies_count_as_the_same_is_shaded():
    svg = drawn(plot(verdict(kind="Close", tolerance=1.0, estimate=0.1, low=-0.1, high=0.3), SCALE))
    x, width = (
        float(value) for value in re.search(r'class="margin" x="([\d.]+)%"[^>]*width="([\d.]+)%"', svg).groups()
    )
    assert (value_at(x), value_at(x + width)) == pytest.approx((-1.0, 1.0), abs=0.01)


def test_what_is_open_is_hollow_and_what_is_decided_filled():
    shapes = {
        name: plot(verdict(verdict=name), SCALE).shape for name in ("REPRODUCED", "AGREES", "INCONCLUSIVE", "OPEN")
    }
    assert shapes == {"REPRODUCED": "dot", "AGREES": "dot", "INCONCLUSIVE": "hollow", "OPEN": "hollow"}
    part = Component("a > b", 1.0, 0.5, 1.5, None, None)
    assert plot_of_part(part, "open", SCALE).shape == "hollow"
    assert plot_of_part(Component("a > b", None, None, None, None, None), "open", SCALE) is None


def test_a_ratio_stands_between_nothing_and_the_same_cost():
    found = plot(verdict(kind="Ratio", estimate=0.25, low=None, high=None), SCALE)
    assert value_at(found.estimate, Scale(0.0, 1.0)) == pytest.approx(0.25, abs=0.001)
    assert value_at(found.zero, Scale(0.0, 1.0)) == pytest.approx(1.0)
    assert found.label == "ratio 0.25"


def test_a_curve_reaches_over_all_its_effects():
    parts = tuple(Component(f"s{k}", value, None, None, None, None) for k, value in enumerate((-4.0, 3.0, 9.0)))
    found = plot(verdict(kind="Robust", estimate=3.0, low=None, high=None, components=parts), SCALE)
    own = Scale(-4.0, 9.0)
    assert [value_at(place, own) for place in (found.low, found.estimate, found.high)] == pytest.approx(
        [-4, 3, 9], abs=0.01
    )
    assert found.label == "median +3.00 points, specifications from −4.00 to +9.00"


def test_a_verdict_without_an_estimate_has_no_plot():
    assert plot(without_figures(), SCALE) is None


def test_figures_are_said_to_who_does_not_see_them():
    assert plot(verdict(), SCALE).label == "+1.09 points, 99.5 % interval [+0.61, +1.57]"
    assert plot(verdict(low=None, high=None, level=None), SCALE).label == "+1.09 points"
    assert 'role="img"' in drawn(plot(verdict(), SCALE))
    assert "<img" not in drawn(plot(verdict(hypothesis=NASTY), SCALE))
