"""The way of a question: which sources are asked, in which families; what they gather, judged in one place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from harness.catalog.recipes import require_protocol
from harness.core.claim import Claim, Statement
from harness.core.config import config
from harness.core.errors import ClaimsError, nearest, unknown
from harness.core.hypotheses import Close, Hypothesis, Ratio, Robust, simple_parts
from harness.core.measure import POINTS
from harness.core.measurement import Measurement
from harness.core.paper import paper
from harness.core.result import Result
from harness.core.run import Run
from harness.core.source import AGREEMENT, GPU, MEASURED, MICRO, PUBLISHED, Source
from harness.core.specs import BACKENDS, Backend
from harness.core.verdict import Verdict
from harness.evidence.measured import gather as measured
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import key
from harness.evidence.published.gather import PublishedFigures, judges, no_costs
from harness.evidence.source import EvidenceSource, NotComputed, RunProvider
from harness.judging.agreement import judge_agreement
from harness.judging.evidence import Evidence, Missing
from harness.judging.judge import FamilyEvidence, family_evidence, judge
from harness.judging.question import ALONE, ALPHA, AgreementQuestion, AnyQuestion, Family, Question

MARGINS: Mapping[str, float] = {MICRO: 1.0, GPU: 0.5}
"""Percentage points within which two frameworks' accuracies are the same. Micro study: 8 to 10 of its 800 to 1,000 test
examples. Released checkpoints: what two runs of one framework with other seeds differ by (two runs of the authors'
code differ by up to 0.11 on CIFAR-10, 0.38 on CIFAR-100)."""


@dataclass(frozen=True)
class EvidenceRequest:
    """What a session asks of the sources that measure."""

    backend: str = "torch"
    """"torch", "jax", or "both": each, and whether they agree."""
    protocol: str = ""
    """Whose recipes the released checkpoints are fine-tuned by (recipes.toml); "": the paper's default."""

    specifications: str = ""
    """Which grid of specifications is computed: "full", or "" for the reduced one."""

    def on_each(self, source: Source) -> list[Source]:
        """Return a measured source for each requested framework, and their agreement if all are requested."""
        backends = (*BACKENDS, AGREEMENT) if self.backend == AGREEMENT else (self.backend,)
        return [source.on(backend) for backend in backends]

    def require(self) -> None:
        """Refuse recipes that do not exist and tables of the user's own that can't be read.

        Otherwise each question would be NOT RUN for it, and a session that judged nothing would end well.

        Raises:
            ClaimsError: there is no such protocol or recipe, or a table is malformed.
        """
        if self.protocol:
            require_protocol(self.protocol)
        if config().tables is not None:
            from harness.catalog.checkpoints import checkpoints
            from harness.catalog.recipes import all_definitions
            from harness.data.registry import entries

            for read in (all_definitions, checkpoints, entries):
                read()


class Answers:
    """Answers the questions of one session: a source gathers what bears on a family, one place judges.

    A family's evidence is gathered once, with the first of its questions: the variance between seeds is pooled over
    it, and its hypotheses share an error rate.

    Args:
        provider: returns the results of runs, computing what is not stored.
        asked: the questions of the session. Of other members of a family only what is stored is used.
    """

    def __init__(self, provider: RunProvider, asked: Iterable[AnyQuestion] = ()):
        self.provider = provider
        self.asked = {(question.source.base, question.hypothesis.id) for question in asked}
        self._families: dict[tuple[Source, str, Family], dict[Hypothesis, FamilyEvidence]] = {}

    def answer(self, question: AnyQuestion) -> Verdict:
        """Return the verdict on a question.

        Raises:
            ClaimsError: material differs from what was pinned, a check failed, or computing failed.
        """
        if isinstance(question, AgreementQuestion):
            return judge_agreement(question, {backend: self._family(part) for backend, part in question.parts.items()})
        return judge(question, self._family(question))

    def _family(self, question: Question) -> FamilyEvidence:
        family = question.family if question.family.hypotheses else Family("", (question.hypothesis,))
        key = (question.source, question.claim.id, family)
        if key not in self._families:
            self._families[key] = self._looks(question)
        return self._families[key][question.hypothesis]

    def _looks(self, question: Question) -> dict[Hypothesis, FamilyEvidence]:
        """Return each hypothesis' family as it was when it was decided, or at the last look that was worth it."""
        looks = self.provider.looks if question.source.kind == GPU else (0,)
        members = {member.hypothesis: member for member in question.members}
        found = {hypothesis: self._gather(member, question, looks[0]) for hypothesis, member in members.items()}
        if len(looks) == 1:
            return dict.fromkeys(members, family_evidence(found))
        from harness.judging.sequential import worth_more_seeds
        from harness.stats.sequential import boundaries

        bounds = boundaries(looks, ALPHA)
        ended: dict[Hypothesis, FamilyEvidence] = {}
        for at, (seeds, bound) in enumerate(zip(looks, bounds, strict=True)):
            if at:
                found |= {h: self._gather(members[h], question, seeds) for h in members if h not in ended}
            family = family_evidence(found, bound, f"look {at + 1} of {len(looks)}, {seeds} seeds")
            last = at == len(looks) - 1
            ended |= {
                h: family
                for h in members
                if h not in ended and (last or not worth_more_seeds(h, family, looks[-1], bounds[-1]))
            }
        return ended

    def _gather(self, member: Question, question: Question, seeds: int) -> Evidence | Missing:
        # The micro study takes minutes: there a family is always whole. So is one of own numbers.
        asked = member.source.kind in (MICRO, MEASURED) or (member.source.base, member.hypothesis.id) in self.asked
        computed = member.hypothesis == question.hypothesis or asked
        provider = self.provider if computed else StoredOnly(self.provider)
        if seeds:
            provider = WithSeeds(provider, seeds)
        try:
            return evidence_source(member.source.kind, provider).gather(member)
        except NotComputed as reason:
            return Missing(str(reason))
        except ClaimsError as error:
            if member.hypothesis == question.hypothesis:
                raise
            return Missing(str(error))  # its own test says so


@dataclass(frozen=True)
class WithSeeds:
    """Gives results of runs by so many seeds, for one of several looks."""

    provider: RunProvider
    seeds: int

    @property
    def looks(self) -> tuple[int, ...]:
        """The one number of seeds."""
        return (self.seeds,)

    @property
    def fetches(self) -> bool:
        """Whether what is not here is fetched."""
        return self.provider.fetches

    def results_for(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, computing what is not stored."""
        return self.provider.results_for(runs)

    def stored(self, runs: Sequence[Run]) -> list[Result]:
        """Return stored results."""
        return self.provider.stored(runs)


@dataclass(frozen=True)
class StoredOnly:
    """Gives results that are stored and computes none: for what is not asked, but shares a family with what is."""

    provider: RunProvider

    @property
    def seeds(self) -> int:
        """Seeds of the final runs on released checkpoints."""
        return self.provider.seeds

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which results are judged."""
        return self.provider.looks

    @property
    def fetches(self) -> bool:
        """Nothing is fetched."""
        return False

    def results_for(self, runs: Sequence[Run]) -> list[Result]:
        """Return stored results.

        Raises:
            NotComputed: one is not stored.
        """
        return self.provider.stored(runs)

    def stored(self, runs: Sequence[Run]) -> list[Result]:
        """Return stored results."""
        return self.provider.stored(runs)


def answer(question: AnyQuestion, provider: RunProvider) -> Verdict:
    """Return the verdict on one question: see `Answers`, which answers many."""
    return Answers(provider, [question]).answer(question)


def evidence_source(kind: str, provider: RunProvider) -> EvidenceSource:
    """Return the source of evidence of a kind."""
    if kind == PUBLISHED:
        return PublishedFigures()
    if kind == MICRO:
        return micro.MicroStudy(provider)
    if kind == MEASURED:
        return measured.OwnNumbers(provider)
    from harness.evidence.released.gather import ReleasedCheckpoints

    return ReleasedCheckpoints(provider)


def sources_of(
    claim: Claim, hypothesis: Hypothesis, judged: set[tuple[str, ...]], request: EvidenceRequest
) -> list[Source]:
    """Return the sources for which a hypothesis means something.

    Args:
        claim: whose hypothesis it is.
        hypothesis: what is stated.
        judged: the micro study's comparisons that earlier hypotheses of the claim already ask for;
            this one's is added.
        request: by which frameworks and recipes.

    Raises:
        ClaimsError: a verdict is on record of a source that does not judge the hypothesis, or nothing can judge it.
    """
    if claim.measure:
        return own_source(claim, hypothesis)
    require_shares(claim, hypothesis)
    if isinstance(hypothesis, Robust):  # frameworks are among what is chosen
        return [Source(MICRO, request.specifications)]
    sources = [Source(PUBLISHED)] if judges(hypothesis) else []
    compared = key(hypothesis)
    if compared is not None and compared not in judged:
        judged.add(compared)
        sources += request.on_each(Source(MICRO))
    # What was never released stays so whatever the framework and the recipe.
    protocol = request.protocol or paper().defaults.protocol
    if isinstance(hypothesis, Ratio):
        if not sources and not hypothesis.on:
            raise ClaimsError(f"{claim.id}, {hypothesis.id}: {no_costs(hypothesis)}")
        sources += sources_of_costs(hypothesis, protocol, request)
    elif claim.why_not_verifiable(hypothesis) is not None:
        sources.append(Source(GPU))
    elif protocol:  # a paper without recipes has no released checkpoints to fine-tune
        sources += request.on_each(Source(GPU, protocol))
    for name in dict(hypothesis.expected):
        require_source(claim, hypothesis, name, sources)
    return sources


def own_source(claim: Claim, hypothesis: Hypothesis) -> list[Source]:
    """Return the source that measures a paper's own number: no other one knows what it is.

    Raises:
        ClaimsError: a hypothesis about something else, there is no such measure, or a record is of another source.
    """
    if isinstance(hypothesis, (Ratio, Robust)):
        raise ClaimsError(
            f"{claim.id}: expected comparisons of the measure {claim.measure!r}, found {type(hypothesis).__name__};"
            " state it in a claim without a measure"
        )
    for part in simple_parts(hypothesis):
        if isinstance(part, Close) and claim.measure not in dict(part.within):
            named = [name for name, _ in part.within]
            raise ClaimsError(
                f"{claim.id}, {part.id}: within: expected a tolerance for the measure {claim.measure!r}, found"
                f" {', '.join(named) or 'none'}{nearest(claim.measure, named)}; write within="
                f"{{{json.dumps(claim.measure)}: TOLERANCE}}"
            )
    if paper().measure(claim.measure).unit == POINTS:
        require_shares(claim, hypothesis)
    source = Source(MEASURED, GPU if paper().measure(claim.measure).lane == GPU else "")
    for name in dict(hypothesis.expected):
        require_source(claim, hypothesis, name, [source])
    return [source]


def require_shares(claim: Claim, hypothesis: Hypothesis) -> None:
    """Refuse a published accuracy that is none.

    Raises:
        ClaimsError: it is below 0 or above 100 %.
    """
    for part in simple_parts(hypothesis):
        if isinstance(part, Close) and not 0 <= part.to <= 100:
            raise ClaimsError(f"{claim.id}, {part.id}: to: expected a percentage from 0 to 100, found {part.to:g}")


def sources_of_costs(hypothesis: Ratio, protocol: str, request: EvidenceRequest) -> list[Source]:
    """Return the sources that say what released checkpoints cost on a dataset; none of published costs.

    Raises:
        ClaimsError: there is no such cost.
    """
    from harness.evidence.released.costs import COUNTED, require_quantity

    if not hypothesis.on or not protocol:
        return []
    require_quantity(hypothesis)
    source = Source(GPU, protocol)
    # FLOPs are the network's, whatever computes it; two frameworks need not be equally fast.
    return [source] if hypothesis.of in COUNTED else [s for s in request.on_each(source) if s.backend != AGREEMENT]


def require_source(claim: Claim, hypothesis: Hypothesis, name: str, sources: Sequence[Source]) -> None:
    """Refuse an expected verdict of a source that never judges a hypothesis.

    Args:
        claim: whose hypothesis it is.
        hypothesis: what a verdict is expected of.
        name: the source of the verdict. It may be of another framework or recipe than this session's.
        sources: those that judge the hypothesis in this session.

    Raises:
        ClaimsError: there is no such source, or it does not judge the hypothesis.
    """
    expected = Source.parse(name)
    bases = list(dict.fromkeys(str(source.base) for source in sources))
    where = f"{claim.id}, {hypothesis.id}: expected a verdict of {name}"
    if expected.backend not in (*BACKENDS, AGREEMENT):
        raise unknown("backend", expected.backend, (*BACKENDS, AGREEMENT), where)
    if expected.kind == GPU and expected.detail and any(each.kind == GPU and each.detail for each in sources):
        try:
            require_protocol(expected.detail)
        except ClaimsError as error:
            raise ClaimsError(f"{where}: {error}") from None
    elif str(expected.base) not in bases:
        raise ClaimsError(
            f"{where}, which does not judge it; these do: {bases}{nearest(str(expected.base), bases)}; correct or"
            " remove the record"
        )


def questions(
    claim: Claim, functions: Sequence[Stated], request: EvidenceRequest | None = None
) -> tuple[AnyQuestion, ...]:
    """Return every question that a claim's hypotheses put.

    Args:
        claim: whose hypotheses they are.
        functions: the test functions that state them, in order. The hypotheses of one are a family, or several that it
            names: they share one error rate for each source that can judge them, whether or not all are run in this
            session.
        request: by which frameworks and recipes.
    """
    judged: set[tuple[str, ...]] = set()
    request = request or EvidenceRequest()
    found: list[AnyQuestion] = []
    for function in functions:
        pairs = [(each, sources_of(claim, each, judged, request)) for each in function.hypotheses]
        members: dict[tuple[str, Source], list[Hypothesis]] = {}
        for each, sources in pairs:
            for source in sources:
                members.setdefault((function.family(each), source), []).append(each)
        found += [
            question(claim, each, source, Family(name, tuple(members[name, source])), function.says(each))
            for each, sources in pairs
            for source in sources
            for name in [function.family(each)]
        ]
    return tuple(found)


@dataclass(frozen=True)
class Stated:
    """What one test function states."""

    name: str
    hypotheses: tuple[Hypothesis, ...]
    statements: tuple[Statement, ...] = ()
    """What the claim comes down to, where the function states that."""
    families: Mapping[str, str] = field(default_factory=dict)
    """The name of each hypothesis' family within the function, by the hypothesis' id; "" or none: there is one."""

    def family(self, hypothesis: Hypothesis) -> str:
        """Return the name of a hypothesis' family."""
        within = self.families.get(hypothesis.id)
        return f"{self.name}[{within}]" if within else self.name

    def says(self, hypothesis: Hypothesis) -> str:
        """Return the statement that a hypothesis answers, in plain words; "" if it answers none."""
        return next((each.says for each in self.statements if each.by.id == hypothesis.id), "")


def question(
    claim: Claim, hypothesis: Hypothesis, source: Source, family: Family = ALONE, statement: str = ""
) -> AnyQuestion:
    """Return the question that a source answers on a hypothesis."""
    if source.backend == AGREEMENT:
        return AgreementQuestion(claim, hypothesis, source.base, MARGINS[source.kind], family, statement)
    return Question(claim, hypothesis, source, family, statement)


def runs_of(questions_asked: Sequence[AnyQuestion]) -> list[Run]:
    """Return the runs of the micro study and the measurements of own numbers that questions need, each once, in order.

    Raises:
        ClaimsError: a table is malformed; a measure that is, is told where it is needed.
    """
    planned: dict[str, Run] = {run.id: run for run in micro_runs(questions_asked)}
    for asked in measurements_of(questions_asked):
        if asked.lane == "cpu":  # on an accelerator only what a test asks for, which may be refused there
            planned.setdefault(asked.id, cast("Run", asked))  # what computes knows its id, label and lane alone
    return list(planned.values())


def measurements_of(questions_asked: Iterable[AnyQuestion]) -> list[Measurement]:
    """Return the measurements of own numbers that questions need, each once, in order."""
    planned: dict[str, Measurement] = {}
    for asked in questions_asked:
        if asked.source.kind == MEASURED:
            for hypothesis in asked.family.hypotheses or (asked.hypothesis,):
                with contextlib.suppress(ClaimsError):  # told where it is needed; others go on
                    for of_side in measured.measurements(asked.claim, hypothesis).values():
                        planned |= {each.id: each for each in of_side}
    return list(planned.values())


def micro_runs(questions_asked: Sequence[AnyQuestion]) -> list[Run]:
    """Return the micro study's runs that questions need, in order, each once."""
    planned: dict[str, Run] = {}
    hypotheses: dict[tuple[Backend, Hypothesis], None] = {}
    for asked in questions_asked:
        if asked.source.kind == MICRO:
            members = asked.family.hypotheses or (asked.hypothesis,)
            hypotheses |= {(backend, each): None for backend in asked.backends for each in members}
    for backend, hypothesis in hypotheses:
        if isinstance(hypothesis, Robust):
            continue
        for of_contender in micro.runs(hypothesis, backend).values():
            planned |= {run.id: run for run in of_contender.runs}
    for asked in questions_asked:
        if isinstance(asked.hypothesis, Robust):
            planned |= {run.id: run for run in micro.specification_runs(asked.hypothesis, micro.grid_of(asked.source))}
    return list(planned.values())
