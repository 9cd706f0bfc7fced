"""What a paper says of its own number, how a value is shown, and what identifies a measurement."""

import dataclasses

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.measure import Measure, figure
from harness.core.measurement import Measurement, Scores
from harness.core.paper import read_paper
from harness.core.specs import build

PARTS = {
    "function": "mine:number",
    "contender": Contender("A"),
    "dataset": "d",
    "seed": 1,
    "source_sha256": "a" * 64,
}


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (7.7, "points", "+7.70"),
        (7.7, "steps", "+7.7"),
        (-530.24, "steps", "-530.2"),
        (123456.0, "steps", "+123456"),
        (0.012346, "s", "+0.01235"),
        (0.0, "s", "+0"),
        (1.5e-9, "s", "+1.5e-09"),
    ],
)
def test_a_value_is_shown_in_its_unit(value, unit, shown):
    assert figure(value, unit, signs=True) == shown


def test_a_measurement_is_what_determines_its_outcome():
    one = build(Measurement, PARTS, "test")
    for shown in ({"measure": "m"}, {"unit": "s"}, {"better": "lower"}, {"lane": "accelerator"}, {"time_limit": 1.0}):
        assert dataclasses.replace(one, **shown).id == one.id
    others = [
        {"seed": 2},
        {"dataset": "e"},
        {"contender": Contender("B")},
        {"source_sha256": "b" * 64},
        {"inputs": (("x.csv", "c" * 64),)},
        {"packages": (("numpy", "1"),)},
        {"function": "mine:other"},
        {"scores": "number"},
    ]
    assert len({one.id, *(dataclasses.replace(one, **each).id for each in others)}) == 1 + len(others)


def test_scores_are_finite():
    with pytest.raises(ClaimsError, match="finite"):
        Scores("r", (1.0, float("inf")), "e", 0.0, 0, ())


def test_what_is_not_pre_trained_is_called_by_its_name():
    assert [str(Contender(*each)) for each in (("A",), ("A", "images"), ("A", "", "small"), ("A", "", "orig", 32))] == [
        "A",
        "A (images)",
        "A (small)",
        "A (32 px)",
    ]


def test_a_paper_names_its_measures(tmp_path):
    (tmp_path / "paper.toml").write_text(
        '[measures.steps]\nfunction = "mine:steps"\nunit = "steps"\nbetter = "lower"\n'
    )
    paper = read_paper(tmp_path)
    assert paper.measure("steps") == Measure("mine:steps", unit="steps", better="lower")
    assert paper.measure("mine:other") == Measure("mine:other")
    with pytest.raises(ClaimsError, match=r"unknown measure 'stps' \(did you mean 'steps'\?\)"):
        paper.measure("stps")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('beter = "lower"', "did you mean 'better'"),
        ('better = "less"', "better"),
        ('inputs = ["../x"]', "inside the paper's folder"),
        ('function = "mine"', "function"),
    ],
)
def test_a_malformed_measure_is_refused_in_one_line(tmp_path, line, said):
    function = "" if line.startswith("function") else 'function = "mine:steps"\n'
    (tmp_path / "paper.toml").write_text(f"[measures.steps]\n{function}{line}\n")
    with pytest.raises(ClaimsError) as found:
        read_paper(tmp_path)
    assert said in str(found.value)
    assert "\n" not in str(found.value)
