"""What a question asks: of which framework, and which verdict is on record."""

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender, Expected
from harness.core.source import Source
from harness.judging.question import AgreementQuestion, Question

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B = (Contender(name, "ImageNet-21k") for name in "AB")


def test_what_is_on_record_of_a_source_is_expected_of_every_framework_but_not_of_their_agreement():
    torch, jax = Expected("REFUTED", "t"), Expected("INCONCLUSIVE", "j")

    def expected(source, **on_record):
        better = Better(A, than=B, on="pets", expected=on_record)
        if source.endswith("@both"):
            return AgreementQuestion(CLAIM, better, Source.parse(source).base, 0.05, 1.0).expected
        return Question(CLAIM, better, Source.parse(source), 0.05).expected

    assert expected("micro", micro=torch) == expected("micro@jax", micro=torch) == torch
    assert expected("micro@jax", **{"micro": torch, "micro@jax": jax}) == jax
    assert expected("micro@both", micro=torch) is None
    assert expected("micro@both", **{"micro@both": jax}) == jax


def test_published_figures_are_computed_by_no_framework():
    better = Better(A, than=B, on="pets")
    asked = {name: Question(CLAIM, better, Source.parse(name), 0.05) for name in ("published/p", "micro", "gpu/p@jax")}
    assert {name: question.backends for name, question in asked.items()} == {
        "published/p": (),
        "micro": ("torch",),
        "gpu/p@jax": ("jax",),
    }
