"""What a question asks: of which framework, in which family, and which verdict is on record."""

from harness.core.hypotheses import Better, Contender, Expected
from harness.core.source import Source
from harness.judging.question import ALONE, AgreementQuestion, Family, Question
from tests.judging.making import CLAIM, better

A, B = (Contender(name, "ImageNet-21k") for name in "AB")
FAMILY = Family("test_f", (better("d"), better("e")))


def test_what_is_on_record_of_a_source_is_expected_of_every_framework_but_not_of_their_agreement():
    torch, jax = Expected("REFUTED", "t"), Expected("INCONCLUSIVE", "j")

    def expected(source, **on_record):
        stated = Better(A, than=B, on="pets", expected=on_record)
        if source.endswith("@both"):
            return AgreementQuestion(CLAIM, stated, Source.parse(source).base, 1.0).expected
        return Question(CLAIM, stated, Source.parse(source)).expected

    assert expected("micro", micro=torch) == expected("micro@jax", micro=torch) == torch
    assert expected("micro@jax", **{"micro": torch, "micro@jax": jax}) == jax
    assert expected("micro@both", micro=torch) is None
    assert expected("micro@both", **{"micro@both": jax}) == jax


def test_published_figures_are_computed_by_no_framework():
    asked = {name: Question(CLAIM, better("pets"), Source.parse(name)) for name in ("published", "micro", "gpu/p@jax")}
    assert {name: question.backends for name, question in asked.items()} == {
        "published": (),
        "micro": ("torch",),
        "gpu/p@jax": ("jax",),
    }


def test_members_are_the_whole_family_asked_of_the_same_source():
    question = Question(CLAIM, better("e"), Source("micro"), FAMILY, "says")
    assert [member.hypothesis for member in question.members] == list(FAMILY.hypotheses)
    assert {member.source for member in question.members} == {Source("micro")}
    alone = Question(CLAIM, better("e"), Source("micro"))
    assert (alone.family, alone.members) == (ALONE, (alone,))


def test_an_agreement_puts_the_same_question_to_each_framework():
    question = AgreementQuestion(CLAIM, better("e"), Source("gpu", "paper"), 0.5, FAMILY, "says")
    assert str(question.source) == "gpu/paper@both"
    assert {name: str(part.source) for name, part in question.parts.items()} == {
        "torch": "gpu/paper", "jax": "gpu/paper@jax"
    }  # fmt: skip
    assert {part.family for part in question.parts.values()} == {FAMILY}
    assert question.backends == ("torch", "jax")
