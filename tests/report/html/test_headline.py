"""The first screen's sentences."""

import pytest

from harness.core.claim import Claim, StatementRecord
from harness.core.verdict import Component
from harness.report.html.headline import figures, headlines, in_words, shortened
from harness.report.verdict_store import VerdictStore
from tests.report.samples import verdict, without_figures

FIRST = StatementRecord("a > b on x", "q", "a is better than b")
SECOND = StatementRecord("a > b on y", "q", "a is better than b on y", "public weights")
CLAIM = Claim(id="claim1", title="t", quote="q", source="s", statements=(FIRST, SECOND))


def headline_of(first, second="", source="published", **changes):
    made = VerdictStore()
    made.add([CLAIM])
    for hypothesis, name in ((FIRST.hypothesis, first), (SECOND.hypothesis, second)):
        if name:
            about = f"m{hypothesis[1:]}" if source == "micro" else ""
            made.add([verdict(hypothesis=hypothesis, verdict=name, source=source, about=about, **changes)])
    ((line,),) = headlines(made).values()
    return line


@pytest.mark.parametrize(
    "first, second, sentence",
    [
        ("REPRODUCED", "", "Published figures support that a is better than b."),
        ("REFUTED", "", "Published figures contradict that a is better than b."),
        ("INCONCLUSIVE", "", "Published figures leave open whether a is better than b."),
        (
            "INCONCLUSIVE",
            "REPRODUCED",
            "Published figures leave open whether a is better than b; they support that a is better than b on y (public"
            " weights).",
        ),
        (
            "INCONCLUSIVE",
            "REFUTED",
            "Published figures leave open whether a is better than b; they contradict that a is better than b on y"
            " (public weights).",
        ),
        (
            "REPRODUCED",
            "REFUTED",
            "Published figures support that a is better than b, but contradict that a is better than b on y (public"
            " weights).",
        ),
    ],
)
def test_an_answer_is_one_sentence(first, second, sentence):
    assert headline_of(first, second).sentence == sentence


def test_the_micro_study_answers_about_its_own_networks_in_its_own_words():
    agrees = headline_of("AGREES", source="micro")
    assert (agrees.look.word, agrees.sentence) == (
        "agrees",
        "The micro study agrees: m is more accurate than b on x.",
    )
    assert headline_of("DISAGREES", source="micro").look.word == "disagrees"
    assert headline_of("OPEN", "DISAGREES", source="micro").sentence == (
        "The micro study leaves open whether m is more accurate than b on x; it is not so that m is more accurate than"
        " b on y."
    )
    assert headline_of("AGREES", "DISAGREES", source="micro").sentence == (
        "The micro study is mixed: m is more accurate than b on x, but it is not so that m is more accurate than b on"
        " y."
    )


def test_what_can_carry_no_answer_is_not_said_to_support_it():
    line = headline_of("INCONCLUSIVE", "REPRODUCED", conditional="one run of each side")
    assert line.sentence == "Published figures leave open whether a is better than b."


def test_a_source_that_was_not_tested_says_why_in_short():
    made = VerdictStore()
    lacking = ", ".join(f"weights-{k}" for k in range(6))
    idle = without_figures(
        hypothesis=FIRST.hypothesis, source="gpu/paper", verdict="NOT RUN", reason=f"not on this machine: {lacking}; x"
    )
    made.add([CLAIM, idle])
    ((line,),) = headlines(made).values()
    assert line.sentence == (
        "Released checkpoints not tested: not on this machine: weights-0, weights-1 and 4 more; x."
    )
    assert (line.figures, line.verdict) == ("", None)
    assert shortened("on a, b, c") == "on a, b, c"
    assert (
        shortened("not here: a, 45 files of Net (Set, v1), b, c; x")
        == "not here: a, 45 files of Net (Set, v1) and 2 more; x"
    )


@pytest.mark.parametrize(
    "stated, words",
    [
        ("m-vit > m-bit on digits", "m-vit is more accurate than m-bit on digits"),
        ("m-vit > m-bit on average over a, b, c-5", "m-vit is more accurate than m-bit on average over three tasks"),
        ("m-vit > both m-bit and m-h on x", "m-vit is more accurate than both m-bit and m-h on x"),
        ("s < m < l on digits", "accuracy rises from s to m to l on digits"),
        ("all of: b > a on x; c > b on x", "b is more accurate than a on x and c is more accurate than b on x"),
        ("gain a to b > gain c to d on x", "from a to b accuracy gains more than from c to d on x"),
        ("the micro ViT gains", "the micro ViT gains"),
    ],
)
def test_signs_become_words(stated, words):
    assert in_words(stated) == words


def test_the_deciding_figures_stand_beside_the_sentence():
    assert figures(verdict()) == "+1.09 pp [+0.61, +1.57] (99.5 %)"
    assert figures(without_figures()) == ""
    assert figures(verdict(kind="Ratio", estimate=0.0687, low=None, high=None)) == "0.0687 of the cost"
    assert figures(verdict(kind="Robust", low=None, high=None)) == "+1.09 pp, median of 0 specifications"
    effects = tuple(Component("s", value, None, None, None, None) for value in (-2.0, 1.09, 3.5))
    curve = verdict(kind="Robust", low=None, high=None, components=effects)
    assert figures(curve) == "+1.09 pp, median of 3 specifications from −2.00 to +3.50"


@pytest.mark.parametrize("names, text", [
    (("A > B on cifar10", "A > B on vtab1k"), ", on VTAB-1k"),
    (("A > B on average over x, y", "C > A on average over x, y"), ", C > A"),
    (("A > B on cifar10",) * 3, ""),
])  # fmt: skip
def test_the_figures_of_a_compound_hypothesis_say_of_which_part_they_are(names, text):
    parts = [Component(name, 5.0 + at, 4.0, 6.0, None, None) for at, name in enumerate(names)]
    parts[1:] = [Component(part.hypothesis, 1.09, 0.61, 1.57, None, None) for part in parts[1:]]
    assert figures(verdict(kind="All", components=tuple(parts))) == f"+1.09 pp [+0.61, +1.57] (99.5 %){text}"
    about = "all of: " + "; ".join(f"micro {name}" for name in names)
    of_micro = verdict(kind="All", source="micro", about=about, components=tuple(parts))
    expected = text if "VTAB" in text or not text else ", micro C > A"
    assert figures(of_micro).removeprefix("+1.09 pp [+0.61, +1.57] (99.5 %)") == expected
