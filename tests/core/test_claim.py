"""What a claim file states, and what is refused."""

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Better, Contender, Expected

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B = (Contender(name, "ImageNet-21k") for name in "AB")


def test_a_hypothesis_stated_twice_is_refused():
    with pytest.raises(ClaimsError, match="c: a hypothesis is stated twice"):
        CLAIM.hypotheses(
            [Better(A, than=B, on="d"), Better(A, than=B, on="d", expected={"micro": Expected("REFUTED", "r")})]
        )


def test_what_was_never_released_is_named_with_the_reason():
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={"JFT-300M": "never released"})
    assert claim.why_not_verifiable(Better(A, than=B, on="d")) is None
    assert claim.why_not_verifiable(Better(A, than=Contender("B", "JFT-300M"), on="d")) == "JFT-300M: never released"
