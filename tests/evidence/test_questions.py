"""Which sources are asked, what is never asked, in which families, and what a family is judged by."""

from dataclasses import replace

import pytest

from harness.catalog.recipes import recipe_used
from harness.core.claim import Claim, Statement
from harness.core.errors import ClaimsError
from harness.core.hypotheses import (
    All,
    AtLeast,
    Average,
    Better,
    Close,
    Contender,
    Equivalent,
    Expected,
    Increasing,
    Ratio,
    Robust,
    terms_of,
)
from harness.core.source import GPU, MICRO, Source
from harness.core.specs import BACKENDS
from harness.evidence import questions as module
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import proxies
from harness.evidence.micro.specifications import specifications
from harness.evidence.questions import (
    Answers,
    EvidenceRequest,
    Stated,
    StoredOnly,
    WithSeeds,
    answer,
    questions,
    runs_of,
)
from harness.evidence.source import NotComputed
from harness.judging.evidence import Evidence, Missing, RunsSide
from harness.judging.question import AgreementQuestion, Family, Question
from harness.judging.scoring import scored
from tests.evidence.providing import Made

CLAIM = Claim(id="c", title="t", quote="q", source="s", not_verifiable={"JFT-300M": "never released"})
SETS = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")


def vit(pretrained_on, size="L"):
    return Contender(f"ViT-{size}/16", pretrained_on)


def bit(pretrained_on):
    return Contender("BiT-R152x4", pretrained_on)


def better(on="cifar10", pretrained_on="ImageNet-21k"):
    return Better(vit(pretrained_on), than=bit(pretrained_on), on=on)


RISE = Increasing(tuple(vit(name) for name in SETS), on="cifar10")


def asked(*stated, request=None):
    """Return the questions of hypotheses that one test function states."""
    return questions(CLAIM, [Stated("test_it", stated)], request)


def sources(*stated, **more):
    return [str(question.source) for question in asked(*stated, **more)]


def test_every_source_for_which_the_hypothesis_means_something():
    assert sources(better(pretrained_on="JFT-300M")) == ["published", "micro", "gpu"]
    assert sources(better()) == ["published", "micro", "gpu/notebook"]
    assert sources(better(), request=EvidenceRequest(protocol="paper"))[-1] == "gpu/paper"


def test_publications_are_asked_once_whatever_their_number():
    found = [question for question in asked(better("imagenet")) if question.source.kind == "published"]
    assert len(found) == 1


@pytest.mark.parametrize(
    "hypothesis",
    [
        Close(vit("ImageNet-21k"), to=99.0, on="cifar10", within={"code": 0.5}),
        Equivalent(vit("ImageNet-21k"), bit("ImageNet-21k"), "cifar10", within=0.5),
    ],
    ids=["an accuracy", "a margin"],
)
def test_figures_of_the_papers_scale_mean_nothing_to_the_micro_study(hypothesis):
    assert sources(hypothesis) == ["published", "gpu/notebook"]


@pytest.mark.parametrize("dataset", ["imagenet_real", "vtab1k"])
def test_datasets_without_a_proxy_are_not_asked_of_the_micro_study(dataset):
    assert "micro" not in sources(better(dataset, "JFT-300M"))


def test_costs_are_published_and_never_run():
    cheap = Ratio(vit("JFT-300M"), bit("JFT-300M"), of="core-days", at_most=0.25)
    assert sources(cheap) == ["published"]
    # Nothing else would judge it, so that it would be left out without a word.
    with pytest.raises(
        ClaimsError, match=r"expected a cost of published/costs\.json, found 'cores-days' \(did you mean"
    ):
        sources(replace(cheap, of="cores-days"))
    with pytest.raises(
        ClaimsError, match=r"expected core-days of both sides in .*, found none of ViT-L/16 \(nothing\)$"
    ):
        sources(replace(cheap, a=vit("nothing")))


def test_a_curve_is_asked_of_the_micro_study_alone_on_the_grid_that_is_asked_for():
    curve = Robust("corpus-vit", said="micro ViT-L > micro ViT-S on digits")
    assert sources(curve) == ["micro"]
    assert sources(curve, request=EvidenceRequest("both", specifications="full")) == ["micro/full"]


def test_a_compound_hypothesis_is_asked_only_where_all_of_its_parts_can_be():
    parts = (better(), better("imagenet_real", "JFT-300M"))
    for kind in (All, Average, lambda of: AtLeast(1, of)):
        assert "micro" not in sources(kind(parts))
    assert sources(All((better(), better("pets")))) == ["published", "micro", "gpu/notebook"]
    # One part that was never released leaves the whole unverifiable.
    assert sources(All((better(), better("pets", "JFT-300M"))))[-1] == "gpu"


def test_two_hypotheses_with_the_same_proxies_are_judged_once():
    large, base = (Better(vit("JFT-300M", size), than=bit("JFT-300M"), on="pets") for size in "LB")
    assert sources(large, base).count("micro") == 1
    functions = [Stated("test_one", (large,)), Stated("test_other", (base,))]
    assert [str(question.source) for question in questions(CLAIM, functions)].count("micro") == 1


def test_a_family_is_what_one_function_states_and_a_source_can_judge():
    jft, public, real = better(pretrained_on="JFT-300M"), better("pets"), better("imagenet_real", "JFT-300M")
    found = questions(CLAIM, [Stated("test_one", (jft, public, real)), Stated("test_two", (better("flowers102"),))])
    families = {(str(question.source), question.hypothesis): question.family for question in found}
    assert families["published", jft] == Family("test_one", (jft, public, real))
    assert families["micro", jft] == Family("test_one", (jft, public))
    assert families["gpu", jft] == Family("test_one", (jft, real))
    assert families["gpu/notebook", public] == Family("test_one", (public,))
    assert families["micro", better("flowers102")] == Family("test_two", (better("flowers102"),))


def test_a_function_may_state_several_families_by_name():
    first, second, third = better(), better("pets"), better("flowers102")

    @CLAIM.hypotheses({"one": [first, second], "other": [third]}, expected={})
    def test_f(hypothesis, judge):
        judge(hypothesis)

    asked = questions(CLAIM, [Stated("test_f", test_f.stated[1], families=test_f.families)])
    families = {question.hypothesis: question.family for question in asked if str(question.source) == "published"}
    assert families == {
        first: Family("test_f[one]", (first, second)),
        second: Family("test_f[one]", (first, second)),
        third: Family("test_f[other]", (third,)),
    }
    assert {family.function for family in families.values()} == {"test_f"}


def test_a_question_knows_the_statement_that_it_answers():
    said = Statement("the quote", "ViT is better than BiT", better())
    found = questions(CLAIM, [Stated("test_claim", (better(), better("pets")), (said,))])
    assert {(each.hypothesis.on, each.statement) for each in found} == {
        ("cifar10", "ViT is better than BiT"),
        ("pets", ""),
    }


def test_the_runs_of_a_micro_question_are_every_side_and_seed_once():
    runs = runs_of(asked(RISE, Better(vit("JFT-300M"), than=vit("ImageNet-21k"), on="cifar10")))
    assert len(runs) == 3 * len(proxies().judged) == len({run.id for run in runs})
    assert {run.dataset.id for run in runs} == {"orientation"}
    assert len(proxies().judged) >= 8


def test_the_runs_of_one_question_are_those_of_its_family():
    first, *_ = [each for each in asked(better(), better("pets")) if each.source.kind == MICRO]
    assert {run.dataset.id for run in runs_of([first])} == {"orientation", "digits"}


def test_the_runs_of_a_curve_are_those_of_its_specifications():
    curve = Robust("corpus-vit", said="x")
    for grid, request in (("reduced", EvidenceRequest()), ("full", EvidenceRequest(specifications="full"))):
        expected = {run.id for each in specifications(grid) if each.statement == "corpus-vit" for run in each.runs}
        assert {run.id for run in runs_of(asked(curve, request=request))} == expected


@pytest.mark.parametrize(
    "source, message",
    [
        ("published/nobody", "expected a verdict of published/nobody, which does not judge it; these do"),
        ("micor", "which does not judge it; these do: .'published', 'micro', 'gpu/notebook'.*did you mean 'micro'"),
        ("gpu", "which does not judge it; these do"),
        ("gpu/papre", "unknown recipe 'papre' .did you mean 'paper'"),
        ("micro@jaxx", "unknown backend 'jaxx'"),
    ],
)
def test_a_record_against_a_source_that_does_not_judge_is_refused(source, message):
    with pytest.raises(ClaimsError, match=message):
        asked(replace(better(), expected=((source, Expected("REFUTED", "r")),)))


@pytest.mark.parametrize("source", ["published", "micro", "micro@jax", "micro@both", "gpu/paper", "gpu/notebook@jax"])
def test_a_record_may_be_of_another_framework_or_recipe_than_this_sessions(source):
    assert asked(replace(better(), expected=((source, Expected("REFUTED", "r")),)))


def test_two_frameworks_are_asked_each_and_whether_they_agree():
    found = [each for each in asked(better(), request=EvidenceRequest("both", "paper")) if each.source.measured]
    assert [str(each.source) for each in found] == [
        "micro", "micro@jax", "micro@both", "gpu/paper", "gpu/paper@jax", "gpu/paper@both"
    ]  # fmt: skip
    assert [type(each) for each in found] == [Question, Question, AgreementQuestion] * 2
    *_, agreement = found
    assert agreement.margin == 0.5
    assert [str(part.source) for part in agreement.parts.values()] == ["gpu/paper", "gpu/paper@jax"]
    assert {part.family for part in agreement.parts.values()} == {agreement.family}
    runs = runs_of(found)
    assert {run.backend for run in runs} == set(BACKENDS)
    assert len(runs) == 2 * 2 * len(proxies().judged)


# What a family is judged by.

STRONG, WEAK = better(), better("pets")


def levels(run):
    """ViT is far better than BiT on one task, a little on the other."""
    ahead = {"orientation": 100, "digits": 7}[run.dataset.id] if "vit" in run.checkpoint.id else 0
    return 600 + ahead + 5 * ((run.seed * 7) % 5)


def of_source(name, found):
    return {each.hypothesis: each for each in found if str(each.source) == name}


def test_a_verdict_does_not_depend_on_which_of_its_family_are_asked():
    whole = of_source("micro", asked(STRONG, WEAK))
    together, alone = Answers(Made(levels), whole.values()), Answers(Made(levels), [whole[WEAK]])
    first, second = together.answer(whole[WEAK]), alone.answer(whole[WEAK])
    assert replace(first, date="") == replace(second, date="")
    assert first.family.startswith("2 ")
    assert "test_it" in first.family


def test_holm_leaves_the_last_of_a_family_the_whole_error_rate():
    # Judged by itself a hypothesis has 5 %; beside one that is decided it still has, beside an open one half of it.
    found = of_source("micro", asked(STRONG, WEAK))
    decided = Answers(Made(levels), found.values())
    assert decided.answer(found[STRONG]).verdict == "AGREES"
    assert decided.answer(found[WEAK]).level == pytest.approx(0.95)
    pair = of_source("micro", asked(WEAK, better("flowers102")))

    def open_both(run):
        return 600 + 5 * ((run.seed * 7) % 5)

    undecided = Answers(Made(open_both), pair.values())
    assert {undecided.answer(each).verdict for each in pair.values()} == {"OPEN"}
    assert [undecided.answer(each).level for each in pair.values()] == pytest.approx([0.975, 0.975])


def test_a_familys_evidence_is_gathered_once():
    found = of_source("micro", asked(STRONG, WEAK))
    provider = Made(levels)
    answers = Answers(provider, found.values())
    for each in (*found.values(), *found.values()):
        answers.answer(each)
    assert len(provider.asked) == 2


def test_an_agreement_uses_the_families_of_both_frameworks():
    found = {
        str(each.source): each
        for each in asked(STRONG, WEAK, request=EvidenceRequest("both"))
        if "cifar10" in each.hypothesis.id
    }
    provider = Made(levels)
    answers = Answers(provider, found.values())
    both = answers.answer(found["micro@both"])
    assert both.verdict == "AGREES"
    asked_before = len(provider.asked)
    assert answers.answer(found["micro@jax"]).verdict == "AGREES"
    assert len(provider.asked) == asked_before == 4


class Released:
    """Stands for the released checkpoints: a side of so many runs each, given by what the provider gives."""

    gathered = ()

    def __init__(self, provider):
        self.provider = provider

    def gather(self, question):
        Released.gathered += ((question.hypothesis, self.provider.seeds, type(self.provider).__name__),)
        sides = {}
        for contender, on in terms_of(question.hypothesis):
            runs = made_runs(contender, on, self.provider.seeds)
            results = self.provider.results_for(runs)
            sides[contender, on] = RunsSide(
                str(contender),
                tuple(scored(result) for result in results),
                recipe_used(runs[0]),
                upstream=("w",) * len(runs),
            )
        return Evidence(sides)


def made_runs(contender, on, seeds):
    """Runs of the micro study's networks stand for those of the released ones."""
    first = micro.runs(Better(contender, than=bit("ImageNet-1k"), on=on))[contender, on].runs[0]
    return [replace(first, seed=seed) for seed in range(seeds)]


@pytest.fixture
def released(monkeypatch):
    monkeypatch.setattr("harness.evidence.released.gather.ReleasedCheckpoints", Released)
    Released.gathered = ()
    return Released


def test_of_a_family_that_was_not_asked_only_stored_runs_count(released):
    found = of_source("gpu/notebook", asked(STRONG, WEAK))
    provider = Made(levels)
    verdict = Answers(provider, [found[STRONG]]).answer(found[STRONG])
    assert {run.dataset.id for runs in provider.asked for run in runs} == {"orientation"}
    # The other one counts all the same: nothing is known of it, and it may still be decided.
    assert verdict.level == pytest.approx(0.975)
    assert verdict.family.startswith("2 ")
    # Once its runs are stored they are judged with it, and nothing is computed for it.
    stored = Made(levels, here={run.id for side in ("vit", "bit") for run in side_runs(side, WEAK, 3)})
    again = Answers(stored, [found[STRONG]])
    assert again.answer(found[STRONG]).verdict == "REPRODUCED"
    assert {run.dataset.id for runs in stored.asked for run in runs} == {"orientation"}
    assert again.answer(found[WEAK]).estimate == pytest.approx(100 * 7 / 797)


def side_runs(family, hypothesis, seeds):
    return made_runs(hypothesis.a if family == "vit" else hypothesis.than, hypothesis.on, seeds)


def test_what_one_member_lacks_is_said_by_its_own_test_alone(released, monkeypatch):
    found = of_source("gpu/notebook", asked(STRONG, WEAK))
    gather = Released.gather

    def failing(self, question):
        if question.hypothesis == WEAK:
            raise ClaimsError("weights are not those that were pinned")
        return gather(self, question)

    monkeypatch.setattr(Released, "gather", failing)
    answers = Answers(Made(levels), found.values())
    assert answers.answer(found[STRONG]).verdict == "REPRODUCED"
    with pytest.raises(ClaimsError, match="pinned"):
        Answers(Made(levels), found.values()).answer(found[WEAK])


def test_open_questions_get_more_seeds_look_by_look(released):
    def closer(run):
        # Far apart on one task; on the other so near and so noisy that more seeds may tell.
        ahead = {"orientation": 300, "digits": 12}[run.dataset.id] if "vit" in run.checkpoint.id else 0
        return 600 + ahead + 9 * ((run.seed * 7) % 5 - 2)

    found = of_source("gpu/notebook", asked(STRONG, WEAK))
    answers = Answers(Made(closer, looks=(3, 5, 8)), found.values())
    decided, late = answers.answer(found[STRONG]), answers.answer(found[WEAK])
    looked = [(hypothesis.on, seeds) for hypothesis, seeds, _ in released.gathered]
    assert looked.count(("cifar10", 3)) == 1
    assert ("cifar10", 5) not in looked  # decided at the first look
    assert ("pets", 5) in looked
    assert {name for *_, name in released.gathered} == {"WithSeeds"}
    assert "look 1 of 3, 3 seeds" in decided.family
    assert "look 1 of 3" not in late.family
    # Looking early costs error rate.
    assert decided.level > 0.975


def test_a_fixed_number_of_seeds_is_one_look(released):
    found = of_source("gpu/notebook", asked(STRONG))
    verdict = Answers(Made(levels, looks=(4,)), found.values()).answer(found[STRONG])
    assert [seeds for _, seeds, _ in released.gathered] == [4]
    assert "look" not in verdict.family
    assert [side.seeds for side in verdict.sides] == [4, 4]


def test_a_source_that_computes_nothing_here_is_missing_with_the_reason(monkeypatch, released):
    class Refusing(Made):
        def results_for(self, runs):
            raise NotComputed("no accelerator here")

    (question,) = [each for each in asked(STRONG) if each.source.kind == GPU]
    found = answer(question, Refusing(levels))
    assert (found.verdict, found.reason) == ("NOT RUN", "no accelerator here")


def test_stored_results_alone_are_given_for_what_is_not_asked():
    runs = made_runs(vit("ImageNet-21k"), "cifar10", 2)
    provider = Made(levels, looks=(2, 4))
    only = StoredOnly(provider)
    with pytest.raises(NotComputed):
        only.results_for(runs)
    assert provider.asked == []
    provider.results_for(runs)
    assert only.results_for(runs) == only.stored(runs) == provider.stored(runs)
    assert (only.seeds, only.looks, only.fetches) == (2, (2, 4), False)


def test_one_look_asks_for_its_own_number_of_seeds():
    provider = Made(levels, looks=(2, 4))
    one = WithSeeds(provider, 4)
    runs = made_runs(vit("ImageNet-21k"), "cifar10", 2)
    assert (one.seeds, one.looks, one.fetches) == (4, (4,), False)
    assert one.results_for(runs) == provider.stored(runs) == one.stored(runs)


def test_missing_evidence_is_a_verdict_of_its_own(monkeypatch):
    class Never:
        def __init__(self, provider):
            pass

        def gather(self, question):
            return Missing("it was kept", "not verifiable")

    monkeypatch.setattr("harness.evidence.released.gather.ReleasedCheckpoints", Never)
    (question,) = [each for each in asked(STRONG) if each.source.kind == GPU]
    assert answer(question, Made(levels)).verdict == "NOT VERIFIABLE"


def test_the_source_of_each_kind():
    kinds = {kind: type(module.evidence_source(kind, Made(levels))).__name__ for kind in ("published", MICRO, GPU)}
    assert kinds == {"published": "PublishedFigures", "micro": "MicroStudy", "gpu": "ReleasedCheckpoints"}
    assert Source(GPU, "paper").measured
