"""What the report says of itself: where it comes from, and what it cost."""

import dataclasses
from datetime import UTC, datetime

import pytest

from harness.core.paper import Paper
from harness.report.html.about import Took, about, commit, cost, duration
from tests.report.run_making import on_card, on_cpu

BEFORE = "2026-03-01T00:00:00+00:00"
CARD, CPU = (dataclasses.replace(each, computed=BEFORE) for each in (on_card(), on_cpu()))


def test_the_cost_says_hours_and_what_came_from_the_store():
    runs, wanted = {CARD.id: CARD, CPU.id: CPU}, {CARD.id, CPU.id}
    took = Took(datetime(2026, 4, 1, tzinfo=UTC), 30.0)
    assert cost(runs, wanted, took) == (
        "30 s for this session; the runs behind the verdicts took 2.0 GPU hours, 2 min on the CPU; all of them from the"
        " store"
    )
    earlier = Took(datetime(2026, 2, 1, tzinfo=UTC), 30.0)
    assert cost(runs, wanted, earlier).endswith("all of them computed now")
    half = {CARD.id: CARD, CPU.id: dataclasses.replace(CPU, computed="2026-05-01T00:00:00+00:00")}
    assert cost(half, {*wanted, "x"}, took).endswith("50 % of them from the store; 1 run stored elsewhere")
    assert cost({}, set(), took) == "30 s for this session; nothing was computed"
    assert cost({CPU.id: CPU}, {CPU.id}, None) == "the runs behind the verdicts took no GPU hours, 2 min on the CPU"


@pytest.mark.parametrize("seconds, said", [(4.4, "4 s"), (150, "2 min"), (5400, "1.5 h")])
def test_times_are_said_as_a_reader_says_them(seconds, said):
    assert duration(seconds) == said


def test_a_report_says_where_it_comes_from(tmp_path):
    paper = Paper(tmp_path, title="A paper", identifier="arXiv:1", address="https://example.org/paper")
    found = about(paper, {CARD.id: CARD}, {CARD.id}, None)
    facts = dict(found.facts)
    assert (found.title, found.identifier, found.address) == ("A paper", "arXiv:1", "https://example.org/paper")
    assert facts["Card"] == "NVIDIA H100"
    assert "Python 3." in facts["Versions"]
    assert "Commit" not in facts  # the paper is in no checkout
    assert commit(tmp_path) == ""
    assert dict(about(Paper(tmp_path), {}, set(), None).facts)["Card"].startswith("none")
