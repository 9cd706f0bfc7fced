"""What the functions of a paper's folder measured, as evidence: sides, seeds, directions and what is refused."""

import statistics

import pytest
from scipy.stats import ttest_ind

from harness.core.claim import All, Better, Claim, Close, Contender, Equivalent, Increasing, Ratio
from harness.core.errors import ClaimsError
from harness.core.measurement import Scores
from harness.core.paper import using
from harness.core.source import Source
from harness.evidence.measured.gather import OwnNumbers, measurements
from harness.evidence.questions import EvidenceRequest, measurements_of, runs_of, sources_of
from harness.judging.judge import judge
from harness.judging.question import Question

A, B = Contender("A"), Contender("B")
HYPOTHESIS = Better(A, than=B, on="d")
STEPS = {"A": (11.0, 12.0, 14.0, 10.0), "B": (20.0, 23.0, 19.0, 25.0)}


def claim(measure):
    return Claim(id="c", title="t", quote="q", source="s", measure=measure)


@pytest.fixture
def paper(tmp_path):
    (tmp_path / "mine.py").write_text("def steps(contender, dataset, seed): return 1.0\n")
    (tmp_path / "x.csv").write_text("1")
    once = 'function = "mine:steps"\nrandom = false\n'
    common = 'function = "mine:steps"\nseeds = 4\n'
    (tmp_path / "paper.toml").write_text(
        f'[measures.steps]\n{common}unit = "steps"\nbetter = "lower"\nscores = "number"\n'
        f"[measures.right]\n{common}[measures.own]\n{common}shared_examples = false\n"
        f'[measures.cost]\n{common}unit = "s"\n[measures.card]\nfunction = "mine:other"\nseeds = 4\nlane = "gpu"\n'
        f'[measures.once]\n{once}[measures.seconds]\n{once}unit = "s"\nbetter = "lower"\n'
        f'[measures.fixed]\n{once}unit = "steps"\nbetter = "lower"\nscores = "number"\n'
        f'[measures.data]\n{common}inputs = ["*.csv"]\npackages = ["numpy"]\n'
        f'[measures.absent]\n{common}inputs = ["*.npz"]\n[measures.lacks]\n{common}packages = ["no-such-package"]\n'
    )
    with using(tmp_path):
        yield tmp_path


class Given:
    """Gives scores by contender and seed."""

    def __init__(self, values, examples=lambda asked: "e"):
        self.values, self.examples = values, examples

    def results_for(self, asked):
        return [
            Scores(each.id, tuple(self.values(each)), self.examples(each), 0.1, 1, (("device", "cpu"),))
            for each in asked
        ]


def verdict(measure, provider, hypothesis=HYPOTHESIS):
    question = Question(claim(measure), hypothesis, Source("measured"))
    return judge(question, found=OwnNumbers(provider).gather(question))


def numbers(asked):
    return [STEPS[asked.contender.architecture][asked.seed]]


def test_numbers_are_compared_by_welch_s_t_and_lower_is_better(paper):
    found = verdict("steps", Given(numbers))
    expected = ttest_ind(STEPS["B"], STEPS["A"], equal_var=True).confidence_interval(0.95)
    assert found.verdict == "REPRODUCED"
    assert found.estimate == pytest.approx(statistics.fmean(STEPS["B"]) - statistics.fmean(STEPS["A"]))
    assert (found.unit, found.better, found.se_examples) == ("steps", "lower", None)
    assert found.low < expected.low + 1  # pooled over the two sides, as Student's t
    assert found.reason.startswith("B minus A: +10 steps [")
    assert [(side.accuracy, side.n, side.seeds) for side in found.sides] == [(11.75, None, 4), (21.75, None, 4)]
    assert verdict("steps", Given(numbers), Better(B, than=A, on="d")).verdict == "REFUTED"


def test_a_margin_has_no_better_direction(paper):
    found = verdict("steps", Given(numbers), Equivalent(A, B, on="d", within=30))
    assert (found.verdict, found.estimate) == ("REPRODUCED", pytest.approx(-10))


def test_a_figure_has_a_tolerance_for_the_measure(paper):
    far, near = (Close(A, to=each, on="d", within={"steps": 5}) for each in (112, 12))
    assert verdict("steps", Given(numbers), near).verdict == "REPRODUCED"
    found = verdict("steps", Given(numbers), far)
    assert (found.verdict, found.estimate, found.tolerance) == ("REFUTED", pytest.approx(-100.25), 5)
    both = All((near, far))
    assert verdict("steps", Given(numbers), both).verdict == "REFUTED"
    assert sources_of(claim("steps"), both, set(), EvidenceRequest()) == [Source("measured")]


@pytest.mark.parametrize(
    ("measure", "close", "said"),
    [
        ("steps", Close(A, to=12, on="d", within={"step": 5}), r"for the measure 'steps', found step \(did you mean"),
        ("steps", All((Close(A, to=1, on="d", within={}), HYPOTHESIS)), "for the measure 'steps', found none; write"),
        ("right", Close(A, to=101, on="d", within={"right": 5}), "expected a percentage from 0 to 100, found 101"),
        ("", Close(A, to=-1, on="d", within={"r": 5}), "expected a percentage from 0 to 100, found -1"),
    ],
)
def test_a_figure_that_cannot_be_judged_is_refused_when_it_is_collected(paper, measure, close, said):
    with pytest.raises(ClaimsError, match=said):
        sources_of(claim(measure), close, set(), EvidenceRequest())


ONCE = {"A": 11.0, "B": 20.0, "C": 20.0}


@pytest.mark.parametrize(
    ("hypothesis", "expected"),
    [
        (Better(A, than=B, on="d"), "REPRODUCED"),
        (Better(B, than=A, on="d"), "REFUTED"),
        (Better(B, than=Contender("C"), on="d"), "REFUTED"),
        (Close(A, to=14, on="d", within={"fixed": 3}), "REPRODUCED"),
        (Close(A, to=14, on="d", within={"fixed": 2.9}), "REFUTED"),
        (Equivalent(A, B, on="d", within=9.1), "REPRODUCED"),
        (Equivalent(A, B, on="d", within=9), "REFUTED"),
        (All((Better(A, than=B, on="d"), Better(B, than=A, on="d"))), "REFUTED"),
        (Increasing((Contender("C"), A), on="d"), "REPRODUCED"),
    ],
)
def test_what_is_not_random_is_decided_by_its_value(paper, hypothesis, expected):
    found = verdict("fixed", Given(lambda asked: [ONCE[asked.contender.architecture]]), hypothesis)
    assert found.verdict == expected


def test_a_number_without_an_error_has_no_interval(paper):
    found = verdict("fixed", Given(lambda asked: [ONCE[asked.contender.architecture]]))
    assert found.reason == "B minus A: +9 steps, without an error"
    assert (found.estimate, found.p, found.method) == (pytest.approx(9), None, "numbers without an error")
    assert found.smallest_detectable is None


def test_one_difference_of_all_examples_is_decided_where_nothing_is_random(paper):
    def scores(asked):
        return [k / 7 + (asked.contender == A) for k in range(9)]

    assert verdict("seconds", Given(scores)).verdict == "REFUTED"  # lower is better
    assert verdict("cost", Given(scores)).verdict == "INCONCLUSIVE"  # the next seed may give another difference


def test_numbers_that_never_vary_decide_nothing(paper):
    found = verdict("steps", Given(lambda asked: [3.0]))
    assert (found.verdict, found.reason) == (
        "INCONCLUSIVE",
        "every seed and example gives the same difference: there is no spread to judge by",
    )


def hits(asked):
    return [float((k * 7 + asked.seed) % 10 < (8 if asked.contender == A else 4)) for k in range(200)]


def test_scores_of_examples_are_fractions_shown_in_percent(paper):
    found = verdict("right", Given(hits))
    assert (found.verdict, found.unit, found.sides[0].accuracy, found.sides[0].n) == ("REPRODUCED", "points", 80.0, 200)
    assert found.estimate == pytest.approx(40)
    assert found.negligible is False
    assert found.recipes[0].recipe == "mine:steps"


def test_another_unit_is_not_scaled(paper):
    found = verdict(
        "cost", Given(lambda asked: [2.0 + k % 3 + (asked.contender == A) + asked.seed / 9 for k in range(9)])
    )
    assert found.estimate == pytest.approx(1.0)
    assert "A minus B: +1 s [" in found.reason
    assert found.negligible is None  # points say nothing of seconds


def test_sides_that_share_no_examples_are_no_pairs(paper):
    def drawn(asked):
        return hits(asked)[: 200 if asked.contender == A else 150]

    def names(asked):
        return str(asked.contender)

    found = verdict("own", Given(drawn, names))
    assert found.verdict == "REPRODUCED"
    assert found.se_examples > verdict("right", Given(hits)).se_examples / 2
    with pytest.raises(ClaimsError, match="B: expected scores on the same examples as A, found 150 and 200"):
        verdict("right", Given(drawn, names))
    with pytest.raises(ClaimsError, match="found examples of other names"):
        verdict("right", Given(hits, names))


def test_seeds_of_a_side_score_the_same_examples(paper):
    with pytest.raises(
        ClaimsError, match="A on d, right, seed 2: expected scores on the 200 examples of seed 0, found 199"
    ):
        verdict("right", Given(lambda asked: hits(asked)[asked.seed == 2 :]))


def test_percentages_are_no_fractions(paper):
    with pytest.raises(ClaimsError, match="expected scores from 0 to 1 with the unit 'points', found 93"):
        verdict("right", Given(lambda asked: [93.0]))


def test_what_is_not_random_is_called_once(paper):
    asked = measurements(claim("once"), HYPOTHESIS)
    assert [[each.seed for each in of] for of in asked.values()] == [[0], [0]]
    found = verdict("once", Given(hits))
    assert (found.conditional, found.verdict) == ("", "REPRODUCED")


def test_declared_files_and_packages_are_part_of_a_measurement(paper):
    def ids():
        return [each.id for of in measurements(claim("data"), HYPOTHESIS).values() for each in of]

    before = ids()
    assert len(set(before)) == 8
    (paper / "x.csv").write_text("12")
    changed = ids()
    assert not set(before) & set(changed)
    (paper / "mine.py").write_text("def steps(contender, dataset, seed): return 2.0\n")
    assert not set(changed) & set(ids())


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("absent", r"measures.absent: inputs: expected files that fit '\*.npz'"),
        ("lacks", "measures.lacks: packages: expected an installed package, found none called 'no-such-package'"),
    ],
)
def test_what_is_declared_and_missing_is_told_where_it_is_needed(paper, measure, said):
    question = Question(claim(measure), HYPOTHESIS, Source("measured"))
    assert measurements_of([question]) == []  # planning leaves it to the test that needs it
    with pytest.raises(ClaimsError, match=said):
        OwnNumbers(Given(hits)).gather(question)


def test_what_takes_an_accelerator_is_not_computed_ahead(paper):
    asked = [Question(claim(name), HYPOTHESIS, Source("measured")) for name in ("right", "card")]
    assert {each.lane for each in measurements_of(asked)} == {"cpu", "accelerator"}
    assert {each.lane for each in runs_of(asked)} == {"cpu"}


def test_one_source_judges_an_own_number(paper):
    def sources(measure, hypothesis=HYPOTHESIS):
        return [str(each) for each in sources_of(claim(measure), hypothesis, set(), request)]

    from harness.evidence.questions import EvidenceRequest

    request = EvidenceRequest("both")
    assert (sources("right"), sources("card")) == (["measured"], ["measured/gpu"])
    assert Source.parse("measured/gpu").markers == ("measured", "gpu")
    with pytest.raises(ClaimsError, match="expected comparisons of the measure 'right', found Ratio"):
        sources("right", Ratio(A, B, of="days", at_most=1))
    with pytest.raises(ClaimsError, match="unknown measure"):
        sources("rihgt")
