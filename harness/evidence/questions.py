"""From a question to its verdict: which sources are asked, at what error rate, and the judging of what they gather."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.catalog.recipes import require_protocol
from harness.core.claim import Claim, Hypothesis, Verdict
from harness.core.config import config
from harness.core.errors import ClaimsError, nearest, unknown
from harness.core.paper import paper
from harness.core.source import AGREEMENT, GPU, MICRO, PUBLISHED, Source
from harness.core.specs import BACKENDS, Run
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import key
from harness.evidence.published.gather import PublishedFigures, publications_judging
from harness.evidence.source import EvidenceSource, RunProvider
from harness.judging.compare import comparisons
from harness.judging.judge import judge, judge_agreement
from harness.judging.question import ALPHA, AgreementQuestion, AnyQuestion, Question

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


def answer(question: AnyQuestion, provider: RunProvider) -> Verdict:
    """Return the verdict on a question: a source gathers, one place judges.

    Args:
        question: what is asked, of which source.
        provider: returns the results of runs, computing what is not stored.

    Raises:
        ClaimsError: material differs from what was pinned, a check failed, or computing failed.
    """
    source = evidence_source(question.source.kind, provider)
    if isinstance(question, AgreementQuestion):
        return judge_agreement(question, {backend: source.gather(part) for backend, part in question.parts.items()})
    return judge(question, source.gather(question))


def evidence_source(kind: str, provider: RunProvider) -> EvidenceSource:
    """Return the source of evidence of a kind."""
    if kind == PUBLISHED:
        return PublishedFigures()
    if kind == MICRO:
        return micro.MicroStudy(provider)
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
        ClaimsError: a verdict is on record of a source that does not judge the hypothesis.
    """
    sources = [Source(PUBLISHED, publication) for publication in publications_judging(hypothesis)]
    compared = key(hypothesis)
    if compared is not None and compared not in judged:
        judged.add(compared)
        sources += request.on_each(Source(MICRO))
    # What was never released stays so whatever the framework and the recipe.
    protocol = request.protocol or paper().defaults.protocol
    if claim.why_not_verifiable(hypothesis) is not None:
        sources.append(Source(GPU))
    elif protocol:  # a paper without recipes has no released checkpoints to fine-tune
        sources += request.on_each(Source(GPU, protocol))
    for name in dict(hypothesis.expected):
        require_source(claim, hypothesis, name, sources)
    return sources


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
    claim: Claim, stated: Sequence[Hypothesis], request: EvidenceRequest | None = None
) -> tuple[AnyQuestion, ...]:
    """Return every question that a claim's hypotheses put, with the error rate of each.

    ALPHA is divided by the comparisons that the claim puts to the same source, all of them, whether
    or not they are run in this session.
    """
    judged: set[tuple[str, ...]] = set()
    request = request or EvidenceRequest()
    pairs = [(hypothesis, source) for hypothesis in stated for source in sources_of(claim, hypothesis, judged, request)]
    sizes: Counter[Source] = Counter()
    for hypothesis, source in pairs:
        sizes[source] += len(comparisons(hypothesis))
    return tuple(question(claim, hypothesis, source, ALPHA / sizes[source]) for hypothesis, source in pairs)


def question(claim: Claim, hypothesis: Hypothesis, source: Source, alpha: float) -> AnyQuestion:
    """Return the question that a source answers on a hypothesis."""
    if source.backend == AGREEMENT:
        return AgreementQuestion(claim, hypothesis, source.base, alpha, MARGINS[source.kind])
    return Question(claim, hypothesis, source, alpha)


def runs_of(questions_asked: Iterable[AnyQuestion]) -> list[Run]:
    """Return the micro study's runs that questions need, in order, each once."""
    planned: dict[str, Run] = {}
    for asked in questions_asked:
        if asked.source.kind == MICRO:
            for backend in asked.backends:
                for of_contender in micro.runs(asked.hypothesis, backend).values():
                    planned |= {run.id: run for run in of_contender.runs}
    return list(planned.values())
