"""What is asked: one hypothesis of one source of evidence, or whether the frameworks agree on it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.claim import Claim, Expected, Hypothesis
from harness.core.source import AGREEMENT, Source
from harness.core.specs import BACKENDS, Backend

ALPHA = 0.05
"""Error rate of a claim's verdicts from one source, all together."""


@dataclass(frozen=True)
class Question:
    """One hypothesis put to one source of evidence."""

    claim: Claim
    hypothesis: Hypothesis
    source: Source
    alpha: float
    """Error rate of each comparison: ALPHA divided among the comparisons of claim and source."""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The framework that computes the runs; none for published figures."""
        return tuple(each for each in BACKENDS if self.source.measured and each == self.source.backend)

    @property
    def expected(self) -> Expected | None:
        """The verdict on record, if any.

        What is on record of a source is expected of every framework that has no record of its own.
        """
        on_record = dict(self.hypothesis.expected)
        return on_record.get(str(self.source)) or on_record.get(str(self.source.base))


@dataclass(frozen=True)
class AgreementQuestion:
    """Whether all frameworks say the same of a hypothesis, by one source of evidence."""

    claim: Claim
    hypothesis: Hypothesis
    base: Source
    """The source that is asked on each framework."""
    alpha: float
    """Error rate, as of a `Question`."""
    margin: float
    """Percentage points within which two accuracies are the same."""

    @property
    def source(self) -> Source:
        """What records call the answer's source."""
        return self.base.on(AGREEMENT)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The frameworks that are compared."""
        return BACKENDS

    @property
    def parts(self) -> dict[Backend, Question]:
        """The same question put to each framework."""
        return {each: Question(self.claim, self.hypothesis, self.base.on(each), self.alpha) for each in BACKENDS}

    @property
    def expected(self) -> Expected | None:
        """The verdict on record of the agreement itself, if any."""
        return dict(self.hypothesis.expected).get(str(self.source))


AnyQuestion = Question | AgreementQuestion
