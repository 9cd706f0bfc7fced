"""What is asked: one hypothesis of one source of evidence, or whether the frameworks agree on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.core.claim import Claim
from harness.core.hypotheses import Expected, Hypothesis
from harness.core.source import AGREEMENT, Source
from harness.core.specs import BACKENDS, Backend

ALPHA = 0.05
"""Error rate of a family's verdicts from one source, all together."""


FEWEST_SEEDS = 3
"""With fewer, a spread over seeds says too little: the examples of one run are compared."""


@dataclass(frozen=True)
class Family:
    """The hypotheses that share one error rate for one source: those of one test function that the source can judge,
    or those of one name within it."""

    name: str = ""
    """The test function, with the name within it in brackets; "" for a hypothesis that stands for itself."""
    hypotheses: tuple[Hypothesis, ...] = ()
    """In the order in which they are stated."""

    @property
    def function(self) -> str:
        """The test function that states them."""
        return self.name.partition("[")[0]


ALONE = Family()
"""Of a hypothesis that stands for itself."""


@dataclass(frozen=True)
class Question:
    """One hypothesis put to one source of evidence."""

    claim: Claim
    hypothesis: Hypothesis
    source: Source
    family: Family = ALONE
    statement: str = ""
    """The claim's statement that the hypothesis answers, in plain words; "" for any other."""

    @property
    def members(self) -> tuple[Question, ...]:
        """The questions of the family, this one among them."""
        others = self.family.hypotheses or (self.hypothesis,)
        return tuple(replace(self, hypothesis=each) for each in others)

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
    margin: float
    """Percentage points within which two accuracies are the same."""
    family: Family = ALONE
    statement: str = ""

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
        return {
            each: Question(self.claim, self.hypothesis, self.base.on(each), self.family, self.statement)
            for each in BACKENDS
        }

    @property
    def expected(self) -> Expected | None:
        """The verdict on record of the agreement itself, if any."""
        return dict(self.hypothesis.expected).get(str(self.source))


AnyQuestion = Question | AgreementQuestion
