"""Which sources of evidence each hypothesis of a claim is put to, and at what error rate."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.catalog.recipes import require_protocol
from harness.core.claim import Claim, Hypothesis, Verdict
from harness.core.errors import ClaimsError, nearest, unknown
from harness.core.specs import BACKENDS, Run
from harness.core.toml import VARIABLE as TABLES
from harness.evidence.micro import judge as micro
from harness.evidence.published import judge as published
from harness.judging.judge import ALPHA, BOTH, Question, comparisons, on, without_figures

if TYPE_CHECKING:
    from harness.evidence.released.runner import Lab

GPU = "gpu"
KINDS = ("published", micro.SOURCE, GPU)
"""The sources of evidence, each a pytest marker."""


@dataclass(frozen=True)
class Asking:
    """What a session asks of the sources that measure."""

    backend: str = "torch"
    """"torch", "jax", or "both": each, and whether they agree."""
    protocol: str = "notebook"
    """Whose recipes the released checkpoints are fine-tuned by (recipes.toml)."""

    def sources(self, base: str) -> list[str]:
        """Return a measured source on each framework that is asked for."""
        backends = (*BACKENDS, BOTH) if self.backend == BOTH else (self.backend,)
        return [on(base, backend) for backend in backends]

    def require(self) -> None:
        """Refuse recipes that do not exist and tables of the user's own that can't be read.

        Otherwise each question would be NOT RUN for it, and a session that judged nothing would end well.

        Raises:
            ClaimsError: there is no such protocol or recipe, or a table is malformed.
        """
        require_protocol(self.protocol)
        if os.environ.get(TABLES):
            from harness.catalog.checkpoints import checkpoints
            from harness.data.registry import entries

            checkpoints()
            entries()


def never_released(claim: Claim, hypothesis: Hypothesis) -> str | None:
    """Return why a hypothesis can't be measured on the paper's own material, or None."""
    reasons = dict(claim.not_verifiable)
    for contender in hypothesis.contenders:
        for name in (str(contender), contender.architecture, contender.pretrained_on):
            if name in reasons:
                return f"{name}: {reasons[name]}"
    return None


def sources_of(claim: Claim, hypothesis: Hypothesis, judged: set[tuple[str, ...]], asking: Asking) -> list[str]:
    """Return the sources for which a hypothesis means something.

    Args:
        claim: whose hypothesis it is.
        hypothesis: what is stated.
        judged: the micro study's comparisons that earlier hypotheses of the claim already ask for;
            this one's is added.
        asking: by which frameworks and recipes.
    """
    sources = [f"published/{publication}" for publication in published.publications(hypothesis)]
    key = micro.key(hypothesis)
    if key is not None and key not in judged:
        judged.add(key)
        sources += asking.sources(micro.SOURCE)
    # What was never released stays so whatever the framework and the recipe.
    never = never_released(claim, hypothesis) is not None
    sources += [GPU] if never else asking.sources(f"{GPU}/{asking.protocol}")
    for name in dict(hypothesis.expected):
        require_source(claim, hypothesis, name, sources)
    return sources


def require_source(claim: Claim, hypothesis: Hypothesis, name: str, sources: Sequence[str]) -> None:
    """Refuse a record of a source that never judges a hypothesis.

    Args:
        claim: whose hypothesis it is.
        hypothesis: what is recorded of.
        name: the source that the record is of. It may be of another framework or recipe than this session's.
        sources: those that judge the hypothesis in this session.

    Raises:
        ClaimsError: there is no such source, or it does not judge the hypothesis.
    """
    base, at, backend = name.partition("@")
    bases = list(dict.fromkeys(source.partition("@")[0] for source in sources))
    where = f"{claim.id}, {hypothesis.id}: known names {[name]}"
    if at and backend not in (*BACKENDS, BOTH):
        raise unknown("backend", backend, (*BACKENDS, BOTH), where)
    kind, slash, recipes = base.partition("/")
    if kind == GPU and slash and any(source.startswith(f"{GPU}/") for source in bases):
        try:
            require_protocol(recipes)
        except ClaimsError as error:
            raise ClaimsError(f"{where}: {error}") from None
    elif base not in bases:
        raise ClaimsError(
            f"{where}, expected sources that judge it: {bases}{nearest(base, bases)}; correct or remove the record"
        )


def questions(claim: Claim, stated: Sequence[Hypothesis], asking: Asking | None = None) -> tuple[Question, ...]:
    """Return every question that a claim's hypotheses put, with the error rate of each.

    ALPHA is divided by the comparisons that the claim puts to the same source, all of them, whether
    or not they are run tonight.
    """
    judged: set[tuple[str, ...]] = set()
    asking = asking or Asking()
    pairs = [(hypothesis, source) for hypothesis in stated for source in sources_of(claim, hypothesis, judged, asking)]
    sizes: Counter[str] = Counter()
    for hypothesis, source in pairs:
        sizes[source] += len(comparisons(hypothesis))
    return tuple(Question(claim, hypothesis, source, ALPHA / sizes[source]) for hypothesis, source in pairs)


def runs_of(questions_asked: Iterable[Question]) -> list[Run]:
    """Return the micro study's runs that questions need, in order, each once."""
    planned: dict[str, Run] = {}
    for question in questions_asked:
        if question.kind == micro.SOURCE:
            for backend in BACKENDS if question.backend == BOTH else (question.backend,):
                for of_contender in micro.runs(question.hypothesis, backend).values():
                    planned |= {run.id: run for run in of_contender.runs}
    return list(planned.values())


def answer(question: Question, lab: Lab) -> Verdict:
    """Return the verdict on a question.

    Args:
        question: what is asked, of which source.
        lab: returns the results of runs, computing what is not stored.
    """
    if question.kind == "published":
        return published.answer(question)
    if question.kind == micro.SOURCE:
        return micro.answer(question, lab.give)
    reason = never_released(question.claim, question.hypothesis)
    if reason is not None:
        return without_figures(question, "NOT VERIFIABLE", reason)
    from harness.evidence.released import judge as gpu

    return gpu.answer(question, lab)
