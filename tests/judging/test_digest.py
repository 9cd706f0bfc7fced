"""What a lock compares: digests of what is stated, lines of what it rests on."""

from dataclasses import replace

import pytest

from harness.core.claim import All, AtLeast, Average, Equivalent, Interaction, Ratio
from harness.core.hypotheses import Better, Close, Contender, Expected, Increasing
from harness.judging.digest import evidence_lines, hypothesis_digest
from harness.judging.evidence import Cost, Evidence
from tests.judging.making import A, B, C, D, better, first, measured, published, row, runs_side

PARTS = (better("d"), better("e"))
STATED = [
    better("d"),
    better("e"),
    better("d", B, A),
    better("d", A, C),
    Better(Contender("A", "ImageNet-21k", resolution=384), than=B, on="d"),
    Close(A, to=90, on="d", within={"r": 0.5}),
    Close(A, to=90, on="d", within={"r": 0.6}),
    Close(A, to=90.1, on="d", within={"r": 0.5}),
    Increasing((A, B), on="d"),
    Interaction((A, B), over=(C, D), on="d"),
    Interaction((C, D), over=(A, B), on="d"),
    Equivalent(A, B, on="d", within=1),
    Equivalent(A, B, on="d", within=2),
    # With a name of its own the parts are all that tells these apart.
    Average(PARTS, named="n"),
    All(PARTS, named="n"),
    All(PARTS[::-1], named="n"),
    AtLeast(1, PARTS, named="n"),
    AtLeast(2, PARTS, named="n"),
    All((Average(PARTS, named="n"), PARTS[0]), named="n"),
    AtLeast(1, (All(PARTS, named="n"), PARTS[0]), named="n"),
    AtLeast(1, (Average(PARTS, named="n"), PARTS[0]), named="n"),
    Ratio(A, B, of="days", at_most=1),
]


def test_hypotheses_that_state_something_else_have_other_digests():
    assert len({hypothesis_digest(each) for each in STATED}) == len(STATED)
    assert all(len(hypothesis_digest(each)) == 16 for each in STATED)


@pytest.mark.parametrize("hypothesis", STATED, ids=lambda each: type(each).__name__)
def test_what_is_on_record_is_no_part_of_what_is_stated(hypothesis):
    on_record = replace(hypothesis, expected={"micro": Expected("OPEN", "r")})
    assert hypothesis_digest(on_record) == hypothesis_digest(hypothesis)


def test_nor_what_is_on_record_of_a_part():
    part = replace(PARTS[0], expected={"micro": Expected("OPEN", "r")})
    assert hypothesis_digest(All((part, PARTS[1]))) == hypothesis_digest(All(PARTS))


def test_a_digest_stays_what_it_is():
    # Locks on disk hold it: another way to compute it would be a change of every hypothesis.
    text = (
        '{"a": {"architecture": "A", "pretrained_on": "ImageNet-21k", "resolution": null, "variant": "orig"},'
        ' "on": "d",'
        ' "than": {"architecture": "B", "pretrained_on": "ImageNet-21k", "resolution": null, "variant": "orig"}}'
    )
    import hashlib

    assert hypothesis_digest(better("d")) == hashlib.sha256(text.encode()).hexdigest()[:16]


ROWS = [row("p", (90, 0.5), (80, None)), row("q", (91.25, 0.25), (80, 0.1), origin="re-evaluation")]


def test_lines_of_publications_have_their_figures_and_do_not_depend_on_the_order():
    mean = Average(PARTS)
    found = evidence_lines(published({better("d"): ROWS}))
    assert found == ("p: 90 ± 0.5000, 80 ± ?, replication, on d", "q: 91.25 ± 0.2500, 80 ± 0.1000, re-evaluation, on d")
    assert found == evidence_lines(published({better("d"): ROWS[::-1]}))
    two = published({better("d"): ROWS, better("e"): ROWS})
    assert evidence_lines(two) == evidence_lines(published({better("e"): ROWS[::-1], better("d"): ROWS}))
    assert len(evidence_lines(two)) == 4
    assert evidence_lines(published({mean: [row("p", *[(90, 1)] * 4)]}))[0].endswith("on average over d, e")


@pytest.mark.parametrize(
    "changed",
    [
        row("p", (90.01, 0.5), (80, None)),
        row("p", (90, 0.51), (80, None)),
        row("p", (90, 0.5), (80, 1)),
        row("p", (90, 0.5), (80, None), origin="paper"),
        row("p2", (90, 0.5), (80, None)),
    ],
)
def test_any_change_of_a_row_changes_its_line(changed):
    before, after = (evidence_lines(published({better("d"): [each, ROWS[1]]})) for each in (ROWS[0], changed))
    assert len(set(before) - set(after)) == len(set(after) - set(before)) == 1


def test_lines_of_runs_have_their_predictions():
    sides = {(A, "d"): runs_side("a", first(90, None)), (B, "d"): runs_side("b", first(80, 81))}
    found = evidence_lines(measured(sides))
    assert [line.partition(" ")[0] for line in found] == ["a0", "a1", "b0", "b1"]
    assert "a1 diverged" in found
    assert found == evidence_lines(measured(dict(reversed(sides.items()))))
    sides[B, "d"] = runs_side("b", first(80, 82))
    after = evidence_lines(measured(sides))
    assert [a == b for a, b in zip(found, after, strict=True)] == [True, True, True, False]


def test_the_same_number_right_on_other_examples_is_another_line():
    one, other = ([True] * 50 + [False] * 50), ([False] * 50 + [True] * 50)
    lines = [evidence_lines(measured({(A, "d"): runs_side("a", [hits])})) for hits in (one, other)]
    assert lines[0] != lines[1]


def test_lines_of_costs():
    costs = (Cost("b", 9900, "days", "t"), Cost("a", 680.5, "days", "t"))
    assert evidence_lines(Evidence(costs=costs)) == ("a: 680.5 days", "b: 9900 days")
