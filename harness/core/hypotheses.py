"""What can be stated of contenders: a few kinds of hypotheses, each a contrast of accuracies or made of others.

A *contrast* is a weighted sum of accuracies: a difference of two, a mean difference over datasets, a difference of two
gains. A simple hypothesis asks one thing of one contrast: that it is positive, or that it lies within a margin. A
compound one (`All`, `AtLeast`, `Increasing`) asks for so many of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from harness.core.errors import warn_renamed
from harness.core.specs import STRICT, pairs

VerdictName = Literal[
    "REPRODUCED", "REFUTED", "INCONCLUSIVE", "AGREES", "DISAGREES", "OPEN", "NOT VERIFIABLE", "NOT RUN"
]
"""AGREES, DISAGREES and OPEN are the micro study's words: it speaks of its own networks, not of the paper's."""


@dataclass(frozen=True, config=STRICT)
class Contender:
    """A model as the paper names it, with what it was pre-trained on; or any method that a number is measured of."""

    architecture: str
    """The paper's name, e.g. "ViT-L/16", "BiT-R152x4", "R50+ViT-B/16"."""
    pretrained_on: str = ""
    """The pre-training set, as the paper names it; "" for what is not pre-trained."""
    variant: str = "orig"
    """Which release of the weights: "orig" (the paper's own), or a name of the paper's tables."""
    resolution: int | None = None
    """Side of the test input in pixels, where the claim is about one; None: the source's own."""

    def __str__(self) -> str:
        variant = "" if self.variant == "orig" else f", {self.variant}"
        resolution = f", {self.resolution} px" if self.resolution else ""
        known = f"{self.pretrained_on}{variant}{resolution}".removeprefix(", ")
        return f"{self.architecture} ({known})" if known else self.architecture


@dataclass(frozen=True, config=STRICT)
class Term:
    """One accuracy in a contrast."""

    weight: float
    contender: Contender
    on: str
    """The dataset."""


@dataclass(frozen=True, config=STRICT)
class Contrast:
    """A weighted sum of accuracies (fractions), less a fixed figure."""

    terms: Annotated[tuple[Term, ...], Field(min_length=1)]
    target: float = 0.0
    """What is subtracted, a fraction: the published accuracy of `Close`."""

    def __str__(self) -> str:
        signs = [f"{'-' if term.weight < 0 else '+'} {term.contender} on {term.on}" for term in self.terms]
        return " ".join(signs).removeprefix("+ ")


@dataclass(frozen=True, config=STRICT)
class Expected:
    """The verdict that is on record of a hypothesis and a source; a change of it is a failure."""

    verdict: VerdictName
    reason: str = ""
    """With the figures."""
    hypothesis: str = ""
    """Digest of the hypothesis when it was recorded; "" in records that were written by hand."""
    rule: str = ""
    """How it was decided: the version of the rules, the procedure and the family."""
    evidence: tuple[str, ...] = ()
    """What it rests on: "PUBLICATION: figures" of published evidence, "RUN PREDICTIONS" digests of runs."""
    machine: str = ""
    """The processor that computed the runs."""
    date: str = ""
    """When it was recorded, ISO 8601."""


ExpectedBySource = Annotated[tuple[tuple[str, Expected], ...], BeforeValidator(pairs)]
"""(source of evidence, expected verdict) pairs; a mapping in a claim file."""


def known_as_expected(values: Any) -> Any:
    """Read a hypothesis' argument `known` as `expected`, its name since; the old one is dropped after one version."""
    named = values.kwargs if isinstance(values, ArgsKwargs) else values
    if not isinstance(named, Mapping) or "known" not in named:
        return values
    warn_renamed("the argument known= of a hypothesis", "expected=")
    renamed = {"expected" if key == "known" else key: value for key, value in named.items()}
    return ArgsKwargs(values.args, renamed) if isinstance(values, ArgsKwargs) else renamed


def require_two(a: Contender, b: Contender) -> None:
    """Refuse a comparison of a contender with itself.

    Raises:
        ValueError: it says which.
    """
    if a == b:
        raise ValueError(f"expected two contenders, found {a} on both sides")


@dataclass(frozen=True, config=STRICT)
class Better:
    """The top-1 accuracy of `a` is higher than that of `than` on one dataset."""

    a: Contender
    than: Contender
    on: str
    expected: ExpectedBySource = ()

    _renamed = model_validator(mode="before")(known_as_expected)

    def __post_init__(self) -> None:
        require_two(self.a, self.than)

    @property
    def contrast(self) -> Contrast:
        """The first accuracy minus the second."""
        return Contrast((Term(1.0, self.a, self.on), Term(-1.0, self.than, self.on)))

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{self.a} > {self.than} on {self.on}"


@dataclass(frozen=True, config=STRICT)
class Increasing:
    """Top-1 accuracy rises from each contender to the next on one dataset."""

    steps: Annotated[tuple[Contender, ...], Field(min_length=2)]
    on: str
    expected: ExpectedBySource = ()

    _renamed = model_validator(mode="before")(known_as_expected)

    @property
    def of(self) -> tuple[Better, ...]:
        """The steps, each a comparison; the hypothesis holds if all do."""
        return tuple(Better(high, than=low, on=self.on) for low, high in zip(self.steps, self.steps[1:], strict=False))

    @property
    def k(self) -> int:
        """How many of the parts must hold."""
        return len(self.steps) - 1

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{' < '.join(map(str, self.steps))} on {self.on}"


@dataclass(frozen=True, config=STRICT)
class Close:
    """The top-1 accuracy of `a`, or the claim's measure of it, lies within a tolerance of a published figure."""

    a: Contender
    to: Annotated[float, Field(allow_inf_nan=False)]
    """Percent; of a claim about a measure in its unit."""
    on: str
    within: Annotated[tuple[tuple[str, float], ...], BeforeValidator(pairs)]
    """(recipe, tolerance in percentage points) pairs: the recipes under which the comparison
    means something. A run under any other recipe is not judged by it. Of a claim about a measure: (its name as the
    claim has it, tolerance in its unit)."""
    expected: ExpectedBySource = ()

    _renamed = model_validator(mode="before")(known_as_expected)

    @property
    def contrast(self) -> Contrast:
        """The accuracy less the published figure."""
        return Contrast((Term(1.0, self.a, self.on),), target=self.to / 100)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{self.a} = {self.to:g} on {self.on}"


@dataclass(frozen=True, config=STRICT)
class Interaction:
    """What one pair of contenders gains is more than what another pair gains, on one dataset."""

    gain: tuple[Contender, Contender]
    """(from, to): the accuracy of the second minus that of the first."""
    over: tuple[Contender, Contender]
    on: str
    expected: ExpectedBySource = ()

    @property
    def contrast(self) -> Contrast:
        """The first gain minus the second."""
        (low, high), (other_low, other_high) = self.gain, self.over
        weights = ((1.0, high), (-1.0, low), (-1.0, other_high), (1.0, other_low))
        return Contrast(merged(Term(weight, contender, self.on) for weight, contender in weights))

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"gain {self.gain[0]} to {self.gain[1]} > gain {self.over[0]} to {self.over[1]} on {self.on}"


@dataclass(frozen=True, config=STRICT)
class Average:
    """The mean of its parts' differences, mostly over datasets, is positive."""

    of: Annotated[tuple[Better | Interaction, ...], Field(min_length=2)]
    named: str = ""
    """The hypothesis in one line; "": made of the parts' own."""
    expected: ExpectedBySource = ()

    @property
    def contrast(self) -> Contrast:
        """The mean of the parts' contrasts; the datasets weigh the same."""
        return mean_contrast(part.contrast for part in self.of)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return self.named or joined("average over", [part.id for part in self.of])


@dataclass(frozen=True, config=STRICT)
class Equivalent:
    """Two contenders' accuracies differ by less than a margin, on one dataset or on average over several."""

    a: Contender
    b: Contender
    on: Annotated[
        tuple[str, ...], Field(min_length=1), BeforeValidator(lambda on: (on,) if isinstance(on, str) else on)
    ]
    within: Annotated[float, Field(gt=0)]
    """Percentage points."""
    expected: ExpectedBySource = ()

    def __post_init__(self) -> None:
        require_two(self.a, self.b)

    @property
    def contrast(self) -> Contrast:
        """The mean difference over the datasets."""
        return mean_contrast(Better(self.a, than=self.b, on=dataset).contrast for dataset in self.on)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        where = self.on[0] if len(self.on) == 1 else f"average over {', '.join(self.on)}"
        return f"{self.a} = {self.b} within {self.within:g} on {where}"


Part = Better | Increasing | Close | Interaction | Average | Equivalent


@dataclass(frozen=True, config=STRICT)
class All:
    """All of its parts hold: an intersection-union test, in which the error rate is not divided."""

    of: Annotated[tuple[Part, ...], Field(min_length=2)]
    named: str = ""
    """The hypothesis in one line; "": made of the parts' own."""
    expected: ExpectedBySource = ()

    @property
    def k(self) -> int:
        """How many of the parts must hold."""
        return len(self.of)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return self.named or joined("all of", [part.id for part in self.of])


@dataclass(frozen=True, config=STRICT)
class AtLeast:
    """At least `k` of its parts hold: a partial conjunction test (Benjamini and Heller 2008, Biometrics 64)."""

    k: Annotated[int, Field(ge=1)]
    of: Annotated[tuple[Part | All, ...], Field(min_length=2)]
    named: str = ""
    """The hypothesis in one line; "": made of the parts' own."""
    expected: ExpectedBySource = ()

    def __post_init__(self) -> None:
        if self.k > len(self.of):
            raise ValueError(f"expected k between 1 and the number of parts, found {self.k} of {len(self.of)}")

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return self.named or joined(f"at least {self.k} of", [part.id for part in self.of])


@dataclass(frozen=True, config=STRICT)
class Ratio:
    """What `a` costs is at most so many times what `b` costs; costs are figures without an error."""

    a: Contender
    b: Contender
    of: str
    """The cost, e.g. "TPUv3-core-days", as the paper's costs.json names it; on a dataset one of those that are counted
    or measured here (harness.evidence.released.costs)."""
    at_most: Annotated[float, Field(gt=0)]
    on: str = ""
    """The dataset on which released checkpoints are fine-tuned or evaluated; "": costs that were published."""
    expected: ExpectedBySource = ()

    def __post_init__(self) -> None:
        require_two(self.a, self.b)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        where = f" on {self.on}" if self.on else ""
        return f"{self.of} of {self.a} / {self.b} <= {self.at_most:g}{where}"


@dataclass(frozen=True, config=STRICT)
class Robust:
    """An ordering holds whatever is chosen: in the median over every reasonable specification (a specification curve).

    The paper's table of specifications (micro/specifications.toml) has the statement and the choices; every combination
    is a run of the micro study.
    """

    of: str
    """The statement's name in the table."""
    said: str
    """The statement in the study's own names, e.g. "micro A > micro B on TASK"."""
    expected: ExpectedBySource = ()

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{self.said}, whatever is chosen"


Simple = Better | Close | Interaction | Average | Equivalent
"""A hypothesis on one contrast."""
Compound = Increasing | All | AtLeast
"""A hypothesis that asks for `k` of its parts `of`."""
Hypothesis = Simple | Compound | Ratio | Robust
HYPOTHESIS_KINDS = (
    "Better",
    "Close",
    "Interaction",
    "Average",
    "Equivalent",
    "Increasing",
    "All",
    "AtLeast",
    "Ratio",
    "Robust",
)


def simple_parts(hypothesis: Hypothesis) -> tuple[Simple, ...]:
    """Return the simple hypotheses that a hypothesis is made of, itself if it is one; none of a ratio or a curve."""
    if isinstance(hypothesis, Compound):
        return tuple(simple for part in hypothesis.of for simple in simple_parts(part))
    return () if isinstance(hypothesis, (Ratio, Robust)) else (hypothesis,)


def terms_of(hypothesis: Hypothesis) -> tuple[tuple[Contender, str], ...]:
    """Return the (contender, dataset) pairs whose accuracies or costs a hypothesis needs, each once, in order."""
    if isinstance(hypothesis, Ratio):
        return ((hypothesis.a, hypothesis.on), (hypothesis.b, hypothesis.on)) if hypothesis.on else ()
    terms = (term for part in simple_parts(hypothesis) for term in part.contrast.terms)
    return tuple(dict.fromkeys((term.contender, term.on) for term in terms))


def contenders_of(hypothesis: Hypothesis) -> tuple[Contender, ...]:
    """Return the contenders of a hypothesis, each once, in order; an increase lists the lowest first."""
    if isinstance(hypothesis, Ratio):
        return (hypothesis.a, hypothesis.b)
    if isinstance(hypothesis, Increasing):
        return hypothesis.steps
    return tuple(dict.fromkeys(contender for contender, _ in terms_of(hypothesis)))


def datasets_of(hypothesis: Hypothesis) -> tuple[str, ...]:
    """Return the datasets of a hypothesis, each once, in order; none of a ratio of published costs."""
    return tuple(dict.fromkeys(dataset for _, dataset in terms_of(hypothesis)))


def mean_contrast(contrasts: Any) -> Contrast:
    """Return the mean of contrasts."""
    listed = list(contrasts)
    return Contrast(
        merged(Term(term.weight / len(listed), term.contender, term.on) for each in listed for term in each.terms)
    )


def merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms with each accuracy once, for the same runs are no two independent sides."""
    weights: dict[tuple[Contender, str], float] = {}
    for term in terms:
        weights[term.contender, term.on] = weights.get((term.contender, term.on), 0.0) + term.weight
    return tuple(Term(weight, contender, on) for (contender, on), weight in weights.items())


def joined(how: str, ids: list[str]) -> str:
    """Return statements in one line: what they share, then where they differ, e.g. "A > B on all of x, y"."""
    heads = {statement.rpartition(" on ")[0] for statement in ids}
    if len(heads) == 1 and (head := heads.pop()):
        return f"{head} on {how} {', '.join(statement.rpartition(' on ')[2] for statement in ids)}"
    return f"{how}: {'; '.join(ids)}"
