"""A claim in the paper's own terms: the quoted sentence, what it states, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, warn_renamed
from harness.core.hypotheses import (
    All,
    AtLeast,
    Average,
    Better,
    Close,
    Contender,
    Equivalent,
    Expected,
    Hypothesis,
    Increasing,
    Interaction,
    Ratio,
    Robust,
    contenders_of,
)
from harness.core.specs import STRICT, Sources

__all__ = [
    "All",
    "AtLeast",
    "Average",
    "Better",
    "Claim",
    "Close",
    "Contender",
    "Equivalent",
    "Hypothesis",
    "Increasing",
    "Interaction",
    "Ratio",
    "Robust",
    "Statement",
]

PLUGIN = "harness.suite.plugin"
"""The pytest plugin that makes tests of hypotheses."""

F = TypeVar("F", bound=Callable[..., Any])


ExpectedVerdicts = Mapping[str, Mapping[str, Expected]]
"""The verdicts on record: by hypothesis id, then by source of evidence."""


@dataclass(frozen=True, config=STRICT)
class Statement:
    """What a claim comes down to, in words that somebody wrote, and the hypothesis that answers it."""

    quote: str
    """The words of the paper, or of the text that the claim was taken from."""
    says: str
    """The same as a plain sentence about what is tested, without a full stop: the answer repeats it."""
    by: Hypothesis
    material: str = ""
    """What was released and is tested in place of the paper's own, e.g. weights of a smaller pre-training set."""

    @property
    def record(self) -> StatementRecord:
        """The statement for verdicts.json, which names its hypothesis."""
        return StatementRecord(self.by.id, self.quote, self.says, self.material)


@dataclass(frozen=True, config=STRICT)
class StatementRecord:
    """A statement as a report keeps it."""

    hypothesis: str
    """The id of what answers it."""
    quote: str
    says: str
    material: str = ""


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One claim of the paper: the quoted sentence, where it stands, and what of it can't be verified."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: str
    quote: str
    source: str
    not_verifiable: Sources = ()
    """(what, why) pairs; `what` may name a pre-training set."""
    negligible: Annotated[float, Field(gt=0)] = 0.2
    """Percentage points: a difference that is surely smaller does not matter for this claim. A measure in another unit
    says so itself (`[measures.NAME]` of paper.toml)."""
    measure: str = ""
    """The number that the claim is about, where that is not the accuracy of fine-tuned networks: a name in `[measures]`
    of paper.toml, or "module:function" of the paper's folder."""
    statements: tuple[StatementRecord, ...] = ()
    """What the claim comes down to; filled in for a report from `answered_by`."""

    def why_not_verifiable(self, hypothesis: Hypothesis) -> str | None:
        """Return why a hypothesis can't be measured on the paper's own material, or None."""
        reasons = dict(self.not_verifiable)
        for contender in contenders_of(hypothesis):
            for name in (str(contender), contender.architecture, contender.pretrained_on):
                if name in reasons:
                    return f"{name}: {reasons[name]}"
        return None

    def hypotheses(
        self,
        stated: Iterable[Hypothesis] | Mapping[str, Iterable[Hypothesis]],
        expected: ExpectedVerdicts | None = None,
        *,
        known: ExpectedVerdicts | None = None,
    ) -> Callable[[F], F]:
        """Return the decorator that states hypotheses of this claim for a test function to judge.

        Args:
            stated: the hypotheses, which share one error rate; or several such families by name, each with its own.
            expected: the verdicts on record, by hypothesis id and source; None: those of the file expected.toml beside
                the claim file, if there is one.
            known: the old name of `expected`, read for one more version.

        Raises:
            ClaimsError: none is stated, one twice, or something that is no hypothesis.
        """
        if known is not None:
            warn_renamed("the argument known= of Claim.hypotheses", "expected=")
        given = next((records for records in (expected, known) if records is not None), None)
        families = {name: stated_ones(self.id, of) for name, of in named_families(self.id, stated).items()}
        hypotheses = tuple(each for of in families.values() for each in of)
        if len({h.id for h in hypotheses}) != len(hypotheses):
            raise ClaimsError(f"{self.id}: a hypothesis is stated twice; state each once")

        def attach(function: F) -> F:
            records = beside(function) if given is None else given
            listed = tuple(
                replace(h, expected=tuple(records[h.id].items())) if h.id in records else h for h in hypotheses
            )
            function.stated = (self, listed)  # type: ignore[attr-defined]
            function.families = {h.id: name for name, of in families.items() for h in of}  # type: ignore[attr-defined]
            function.records = records  # type: ignore[attr-defined]
            # pytest calls this of a module whether or not it has loaded the plugin.
            function.__globals__.setdefault("pytest_generate_tests", require_plugin)
            return function

        return attach

    def answered_by(self, *statements: Statement, expected: ExpectedVerdicts | None = None) -> Callable[[F], F]:
        """Return the decorator that states what the claim comes down to, for a test function to judge.

        The answer of a source of evidence follows from its verdicts on these statements (harness.judging.answer): the
        first that it can judge decides; one that says the opposite makes it mixed.

        Args:
            statements: in order of importance, the quoted sentence first.
            expected: as for `hypotheses`.

        Raises:
            ClaimsError: as for `hypotheses`, or something that is no statement.
        """
        for each in statements:
            if not isinstance(each, Statement):
                raise ClaimsError(
                    f"{self.id}: answered_by: expected Statement(...) each, found {type(each).__name__}; correct it"
                )
        attach_hypotheses = self.hypotheses([statement.by for statement in statements], expected)

        def attach(function: F) -> F:
            function.statements = statements  # type: ignore[attr-defined]
            return attach_hypotheses(function)

        return attach


def named_families(claim: str, stated: Any) -> Mapping[str, Any]:
    """Return what a claim file states by family: one without a name, or those that it names.

    Raises:
        ClaimsError: a name is empty or no text, or nothing is named.
    """
    if not isinstance(stated, Mapping):
        return {"": stated}
    for name in stated:
        if not isinstance(name, str) or not name.strip():
            raise ClaimsError(f"{claim}: expected a name for each family of hypotheses, found {name!r}; name it")
    return stated or {"": ()}


def stated_ones(claim: str, stated: Any) -> tuple[Hypothesis, ...]:
    """Return the hypotheses that a claim file states.

    Raises:
        ClaimsError: there are none, or one is something else.
    """
    if not isinstance(stated, Iterable) or isinstance(stated, str):
        hint = "; put it in brackets" if isinstance(stated, Hypothesis) else ""
        raise ClaimsError(f"{claim}: expected a list of hypotheses, found {type(stated).__name__}{hint}")
    hypotheses = tuple(stated)
    if not hypotheses:
        raise ClaimsError(f"{claim}: expected at least one hypothesis, found an empty list; nothing would be judged")
    for each in hypotheses:
        if not isinstance(each, Hypothesis):
            raise ClaimsError(
                f"{claim}: expected hypotheses, e.g. Better(...), found {type(each).__name__}; correct it"
            )
    return hypotheses


def beside(function: Callable[..., Any]) -> ExpectedVerdicts:
    """Return the verdicts on record in the file expected.toml beside a test function's file; none without one."""
    from harness.core.expected import FILE, OLD_FILE, expected

    claim_file = Path(function.__globals__.get("__file__") or "unknown")
    there = any(claim_file.with_name(name).exists() for name in (FILE, OLD_FILE))
    return expected(str(claim_file)) if there else {}


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
