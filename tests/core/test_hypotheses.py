"""What a hypothesis states: its one line, its contrast of accuracies, what it needs, and what is refused."""

import dataclasses

import pytest

from harness.core.claim import All, AtLeast, Average, Equivalent, Interaction, Ratio, Robust
from harness.core.hypotheses import (
    HYPOTHESIS_KINDS,
    Better,
    Close,
    Contender,
    Contrast,
    Expected,
    Increasing,
    Term,
    contenders_of,
    datasets_of,
    joined,
    mean_contrast,
    simple_parts,
    terms_of,
)
from harness.core.verdict import Verdict

A, B, C, D = (Contender(name, "X") for name in "ABCD")


def better(on, a=A, than=B):
    return Better(a, than=than, on=on)


def weights(hypothesis):
    """The contrast as (contender's name, dataset) to weight; what stands twice adds up."""
    found: dict[tuple[str, str], float] = {}
    for term in hypothesis.contrast.terms:
        at = (term.contender.architecture, term.on)
        found[at] = found.get(at, 0.0) + term.weight
    return found


ONE_OF_EACH = {
    "Better": (better("d"), "A (X) > B (X) on d"),
    "Close": (Close(A, to=88.5, on="d", within={"r": 0.5}), "A (X) = 88.5 on d"),
    "Interaction": (
        Interaction((A, B), over=(C, D), on="d"),
        "gain A (X) to B (X) > gain C (X) to D (X) on d",
    ),
    "Average": (Average((better("d"), better("e"))), "A (X) > B (X) on average over d, e"),
    "Equivalent": (Equivalent(A, B, on=("d", "e"), within=0.5), "A (X) = B (X) within 0.5 on average over d, e"),
    "Increasing": (Increasing((A, B, C), on="d"), "A (X) < B (X) < C (X) on d"),
    "All": (All((better("d"), better("e"))), "A (X) > B (X) on all of d, e"),
    "AtLeast": (AtLeast(1, (better("d"), better("e"))), "A (X) > B (X) on at least 1 of d, e"),
    "Ratio": (Ratio(A, B, of="core-days", at_most=0.25), "core-days of A (X) / B (X) <= 0.25"),
    "Robust": (Robust("sizes", said="micro A > micro B on t"), "micro A > micro B on t, whatever is chosen"),
}


@pytest.mark.parametrize("kind", HYPOTHESIS_KINDS)
def test_every_kind_says_itself_in_one_line(kind):
    hypothesis, line = ONE_OF_EACH[kind]
    assert type(hypothesis).__name__ == kind
    assert hypothesis.id == line
    # A record of each kind is a verdict's, too.
    assert Verdict("c", hypothesis.id, kind, "d", "micro", "OPEN", "r").kind == kind


def test_a_contender_is_named_with_what_sets_it_apart():
    assert str(Contender("A", "X", "augreg")) == "A (X, augreg)"
    assert str(Contender("A", "X", resolution=384)) == "A (X, 384 px)"
    assert str(Contender("A", "X", "augreg", 384)) == "A (X, augreg, 384 px)"


def test_a_name_of_its_own_stands_for_a_long_list():
    parts = (better("d"), better("e"))
    assert Average(parts, named="A > B in general").id == "A > B in general"
    assert All(parts, named="everywhere").id == AtLeast(2, parts, named="everywhere").id == "everywhere"


def test_an_equivalence_names_its_one_dataset():
    one = Equivalent(A, B, on="d", within=0.25)
    assert one.on == ("d",)
    assert one.id == "A (X) = B (X) within 0.25 on d"
    assert one == Equivalent(A, B, on=["d"], within=0.25)


@pytest.mark.parametrize(
    "hypothesis, expected",
    [
        (better("d"), {("A", "d"): 1, ("B", "d"): -1}),
        (Close(A, to=88, on="d", within={"r": 1}), {("A", "d"): 1}),
        # (B - A) - (D - C)
        (
            Interaction((A, B), over=(C, D), on="d"),
            {("B", "d"): 1, ("A", "d"): -1, ("D", "d"): -1, ("C", "d"): 1},
        ),
        # The gain over one and the same start: it stands in both gains and falls out.
        (Interaction((A, B), over=(A, D), on="d"), {("B", "d"): 1, ("A", "d"): 0, ("D", "d"): -1}),
        (
            Average((better("d"), better("e"))),
            {("A", "d"): 0.5, ("B", "d"): -0.5, ("A", "e"): 0.5, ("B", "e"): -0.5},
        ),
        (
            Average((better("d"), better("e", A, C), better("f"), better("g"))),
            {
                ("A", "d"): 0.25, ("B", "d"): -0.25, ("A", "e"): 0.25, ("C", "e"): -0.25,
                ("A", "f"): 0.25, ("B", "f"): -0.25, ("A", "g"): 0.25, ("B", "g"): -0.25,
            },
        ),
        (
            Equivalent(A, B, on=("d", "e"), within=1),
            {("A", "d"): 0.5, ("B", "d"): -0.5, ("A", "e"): 0.5, ("B", "e"): -0.5},
        ),
    ],
)  # fmt: skip
def test_contrasts(hypothesis, expected):
    assert weights(hypothesis) == expected


def test_only_a_published_figure_is_subtracted():
    assert Close(A, to=88.5, on="d", within={"r": 1}).contrast.target == pytest.approx(0.885)
    assert better("d").contrast.target == Equivalent(A, B, on="d", within=1).contrast.target == 0


def test_a_mean_of_one_contrast_is_the_contrast():
    assert mean_contrast([better("d").contrast]) == better("d").contrast


def test_a_contrast_reads_as_a_sum():
    assert str(better("d").contrast) == "A (X) on d - B (X) on d"
    assert str(Contrast((Term(-1.0, A, "d"), Term(1.0, B, "e")))) == "- A (X) on d + B (X) on e"


def test_steps_of_a_rise_compare_each_with_the_one_before():
    rise = Increasing((A, B, C), on="d")
    assert rise.of == (better("d", B, A), better("d", C, B))
    assert rise.k == 2


def test_simple_parts_go_down_to_the_comparisons():
    both = All((better("d"), better("e")))
    assert simple_parts(better("d")) == (better("d"),)
    assert simple_parts(AtLeast(1, (both, Increasing((A, B, C), on="f")))) == (
        better("d"), better("e"), better("f", B, A), better("f", C, B)
    )  # fmt: skip
    # An average is one contrast, and no list of its parts.
    average = Average((better("d"), better("e")))
    assert simple_parts(All((average, better("d")))) == (average, better("d"))
    assert simple_parts(ONE_OF_EACH["Ratio"][0]) == simple_parts(ONE_OF_EACH["Robust"][0]) == ()


def test_all_asks_for_every_part():
    assert All((better("d"), better("e"), better("f"))).k == 3


def test_terms_are_each_accuracy_once_in_order():
    both = All((better("d"), better("e"), better("d", A, C)))
    assert terms_of(both) == ((A, "d"), (B, "d"), (A, "e"), (B, "e"), (C, "d"))
    assert contenders_of(both) == (A, B, C)
    assert datasets_of(both) == ("d", "e")


def test_contenders_of_what_has_no_accuracies():
    assert contenders_of(Ratio(A, B, of="core-days", at_most=1)) == (A, B)
    assert datasets_of(Ratio(A, B, of="core-days", at_most=1)) == ()
    assert contenders_of(Robust("sizes", said="s")) == datasets_of(Robust("sizes", said="s")) == ()
    assert contenders_of(Increasing((C, A, B), on="d")) == (C, A, B)  # the lowest first


@pytest.mark.parametrize(
    "ids, line",
    [
        (["A > B on x", "A > B on y"], "A > B on all of x, y"),
        (["A > B on x", "A > C on x"], "all of: A > B on x; A > C on x"),
        # What has no dataset has nothing to share.
        (["cost of A <= 1", "cost of A <= 1"], "all of: cost of A <= 1; cost of A <= 1"),
        # The dataset is what follows the last "on".
        (["A on a on x", "A on a on y"], "A on a on all of x, y"),
    ],
)
def test_what_statements_share_is_said_once(ids, line):
    assert joined("all of", ids) == line


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: AtLeast(3, (better("d"), better("e"))), "expected k between 1 and the number of parts, found 3 of 2"),
        (lambda: AtLeast(0, (better("d"), better("e"))), "greater than or equal to 1"),
        (lambda: All((better("d"),)), "at least 2 items"),
        (lambda: Average((better("d"),)), "at least 2 items"),
        (lambda: Increasing((A,), on="d"), "at least 2 items"),
        (lambda: Equivalent(A, B, on=(), within=1), "at least 1 item"),
        (lambda: Equivalent(A, B, on="d", within=0), "greater than 0"),
        (lambda: Ratio(A, B, of="days", at_most=0), "greater than 0"),
        (lambda: Close(A, to=float("nan"), on="d", within={"r": 1}), "finite number"),
        (lambda: Interaction((A, B, C), over=(A, B), on="d"), "at most 2 items"),
        (lambda: Average((better("d"), Close(A, to=1, on="d", within={"r": 1}))), "Better|Interaction"),
        (lambda: Better(A, than=B, on="d", margin=1), "[Uu]nexpected keyword argument"),
        (lambda: Expected("CONFIRMED"), "REPRODUCED"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", HYPOTHESIS_KINDS)
def test_what_is_on_record_is_read_from_a_mapping_and_is_no_part_of_the_line(kind):
    plain, line = ONE_OF_EACH[kind]
    on_record = dataclasses.replace(plain, expected={"micro": Expected("OPEN", "r")})
    assert on_record.expected == (("micro", Expected("OPEN", "r")),)
    assert on_record.id == line
    assert hash(on_record) != hash(plain)
