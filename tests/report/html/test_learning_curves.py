"""Learning curves of a claim's runs."""

import dataclasses

import pytest

from harness.report.html.learning_curves import learning_curves, mean_curves, spread
from harness.report.run_records import run_record
from tests.report.run_making import diverged, on_card
from tests.report.samples import NASTY

CARD = on_card()


def test_learning_curves_are_the_mean_over_runs():
    twin = dataclasses.replace(CARD, id="b", losses=tuple(each + 2 for each in CARD.losses))
    gone, once = run_record(*diverged()), dataclasses.replace(CARD, id="d", checkpoint="evaluated", losses=())
    ((checkpoint, losses),) = mean_curves([CARD, twin, gone, once])
    assert checkpoint == "vit-b16"
    assert losses == pytest.approx([each + 1 for each in CARD.losses])
    assert learning_curves("x", [once]) == ""
    shown = learning_curves("claim1-learning", [CARD, dataclasses.replace(CARD, id="e", checkpoint=NASTY)])
    assert 'id="claim1-learning-loss-1"' in shown
    assert "<img" not in shown
    assert "var(--link)" in shown  # in the page's colours


def test_names_at_the_ends_of_lines_keep_apart_and_below_the_top():
    assert spread([50.0, 10.0], 13, 100) == [50.0, 10.0]
    assert spread([10.0, 12.0, 11.0], 13, 100) == [10.0, 36.0, 23.0]
    assert spread([98.0, 99.0], 13, 100) == [87.0, 100.0]
