"""A claim in the paper's own terms: contenders, hypotheses, and the verdict they end in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from harness.core.errors import ClaimsError, warn_renamed
from harness.core.specs import STRICT, Sources, pairs

VerdictName = Literal["REPRODUCED", "REFUTED", "INCONCLUSIVE", "NOT VERIFIABLE", "NOT RUN"]

PLUGIN = "harness.suite.plugin"
"""The pytest plugin that makes tests of hypotheses."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, config=STRICT)
class Contender:
    """A model as the paper names it, with what it was pre-trained on."""

    architecture: str
    """The paper's name, e.g. "ViT-L/16", "BiT-R152x4", "R50+ViT-B/16"."""
    pretrained_on: str
    """The pre-training set, as the paper names it."""
    variant: str = "orig"
    """Which release of the weights: "orig" (the paper's own), or a name of the paper's tables."""
    resolution: int | None = None
    """Side of the test input in pixels, where the claim is about one; None: the source's own."""

    def __str__(self) -> str:
        variant = "" if self.variant == "orig" else f", {self.variant}"
        resolution = f", {self.resolution} px" if self.resolution else ""
        return f"{self.architecture} ({self.pretrained_on}{variant}{resolution})"


@dataclass(frozen=True, config=STRICT)
class Expected:
    """The verdict that is on record against a hypothesis; another one from the same source is a failure."""

    verdict: Literal["REFUTED", "INCONCLUSIVE"]
    reason: str
    """With the figures."""


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


@dataclass(frozen=True, config=STRICT)
class Better:
    """The top-1 accuracy of `a` is higher than that of `than` on one dataset."""

    a: Contender
    than: Contender
    on: str
    expected: ExpectedBySource = ()

    _renamed = model_validator(mode="before")(known_as_expected)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """The sides, in the order of the comparison."""
        return (self.a, self.than)

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
    def contenders(self) -> tuple[Contender, ...]:
        """The sides, lowest expected accuracy first."""
        return self.steps

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{' < '.join(map(str, self.steps))} on {self.on}"


@dataclass(frozen=True, config=STRICT)
class Close:
    """The top-1 accuracy of `a` lies within a tolerance of a published figure."""

    a: Contender
    to: Annotated[float, Field(ge=0, le=100)]
    """Percent."""
    on: str
    within: Annotated[tuple[tuple[str, float], ...], BeforeValidator(pairs)]
    """(recipe, tolerance in percentage points) pairs: the recipes under which the comparison
    means something. A run under any other recipe is not judged by it."""
    expected: ExpectedBySource = ()

    _renamed = model_validator(mode="before")(known_as_expected)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """The one side."""
        return (self.a,)

    @property
    def id(self) -> str:
        """The hypothesis in one line."""
        return f"{self.a} = {self.to:g} on {self.on}"


Hypothesis = Better | Increasing | Close

ExpectedVerdicts = Mapping[str, Mapping[str, Expected]]
"""The verdicts on record against hypotheses: by hypothesis id, then by source of evidence."""


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One claim of the paper: the quoted sentence, where it stands, and what of it can't be verified."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: str
    quote: str
    source: str
    not_verifiable: Sources = ()
    """(what, why) pairs; `what` may name a pre-training set."""

    def why_not_verifiable(self, hypothesis: Hypothesis) -> str | None:
        """Return why a hypothesis can't be measured on the paper's own material, or None."""
        reasons = dict(self.not_verifiable)
        for contender in hypothesis.contenders:
            for name in (str(contender), contender.architecture, contender.pretrained_on):
                if name in reasons:
                    return f"{name}: {reasons[name]}"
        return None

    def hypotheses(
        self,
        stated: Iterable[Hypothesis],
        expected: ExpectedVerdicts | None = None,
        *,
        known: ExpectedVerdicts | None = None,
    ) -> Callable[[F], F]:
        """Return the decorator that states hypotheses of this claim for a test function to judge.

        Args:
            stated: the hypotheses.
            expected: the verdicts on record against them, by hypothesis id and source (harness.core.expected).
            known: the old name of `expected`, read for one more version.
        """
        if known is not None:
            warn_renamed("the argument known= of Claim.hypotheses", "expected=")
        records = next((given for given in (expected, known) if given is not None), {})
        listed = tuple(replace(h, expected=tuple(records[h.id].items())) if h.id in records else h for h in stated)
        if len({h.id for h in listed}) != len(listed):
            raise ClaimsError(f"{self.id}: a hypothesis is stated twice; state each once")

        def attach(function: F) -> F:
            function.stated = (self, listed)  # type: ignore[attr-defined]
            function.records = records  # type: ignore[attr-defined]
            # pytest calls this of a module whether or not it has loaded the plugin.
            function.__globals__.setdefault("pytest_generate_tests", require_plugin)
            return function

        return attach


def require_plugin(metafunc: Any) -> None:
    """Stop the collection of a claim file by pytest without the plugin that judges claims.

    Args:
        metafunc: pytest's description of a test function.
    """
    if hasattr(metafunc.function, "stated") and not metafunc.config.pluginmanager.has_plugin(PLUGIN):
        import pytest

        pytest.fail(
            f"{metafunc.module.__file__}: expected the plugin {PLUGIN}, which judges claims, found that pytest has not"
            f" loaded it; add -p {PLUGIN}",
            pytrace=False,
        )


@dataclass(frozen=True, config=STRICT)
class Side:
    """One contender's measured or published accuracy, as it entered a verdict."""

    name: str
    """The contender, and for micro evidence the checkpoint that stands for it."""
    accuracy: float
    """Percent; the mean over seeds."""
    low: float | None
    high: float | None
    """95 % interval of the accuracy, percent; None where no uncertainty is known."""
    n: int | None
    """Test examples; None where there is no one number (VTAB's 19 tasks)."""
    seeds: int


@dataclass(frozen=True, config=STRICT)
class RecipeUsed:
    """How the final runs of one checkpoint were made, every setting of it."""

    checkpoint: str
    recipe: str
    """Id of the recipe that was resolved for the checkpoint and the dataset."""
    settings: tuple[tuple[str, str, str], ...] = ()
    """(field, value, the paper's value where it differs, else "") as text."""


@dataclass(frozen=True, config=STRICT)
class Searched:
    """One learning rate that was tried on the dev split."""

    checkpoint: str
    learning_rate: float
    accuracy: float | None
    """Of the dev split, percent; None: the runs diverged."""
    chosen: bool
    """Whether the final runs used it."""
    runs: tuple[str, ...] = ()
    """Ids of the runs that it was judged by."""


@dataclass(frozen=True, config=STRICT)
class Verdict:
    """What one source of evidence says about one hypothesis: the record in verdicts.json."""

    claim: str
    hypothesis: str
    kind: Literal["Better", "Increasing", "Close"]
    dataset: str
    """The paper's dataset."""
    source: str
    """Text form of the source of evidence (harness.core.source), e.g. "published/PUBLICATION", "micro@jax"."""
    verdict: VerdictName
    reason: str
    """One line for a reader."""
    estimate: float | None = None
    """Percentage points: accuracy of the first side minus the second (Better), the smallest step
    (Increasing), the difference to the published figure (Close)."""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    """Confidence level of [low, high], a fraction."""
    p: float | None = None
    method: str = ""
    """How estimate, interval and p were computed."""
    sides: tuple[Side, ...] = ()
    citations: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """Ids of the runs used."""
    task: str = ""
    """What stood for the dataset, e.g. the micro task."""
    tolerance: float | None = None
    """Percentage points, for Close."""
    published: float | None = None
    """The paper's figure in percent where the hypothesis has one (Close)."""
    known: str = ""
    """The expected verdict, if one is on record against the hypothesis; records keep the field's old name."""
    date: str = ""
    """When it was judged, ISO 8601 with time zone."""
    backend: str = ""
    """What computed the runs, e.g. "torch"; "" where nothing was computed, and in records from before it was kept."""
    recipes: tuple[RecipeUsed, ...] = ()
    """How the final runs were made, a checkpoint each."""
    searched: tuple[Searched, ...] = ()
    """The search for learning rates, if there was one."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the verdict in a report: a later one replaces it."""
        return (self.claim, self.hypothesis, self.source)
