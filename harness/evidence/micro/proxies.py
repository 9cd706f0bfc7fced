"""Which tiny network and task of the micro study stand for the paper's (micro/proxies.toml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from harness.core.hypotheses import Close, Contender, Equivalent, Hypothesis, Ratio, simple_parts, terms_of
from harness.core.paper import paper
from harness.core.specs import STRICT, Natural, Sources, build, pairs
from harness.core.toml import read_toml

Seeds = Annotated[tuple[tuple[str, tuple[Natural, ...]], ...], BeforeValidator(pairs)]


@dataclass(frozen=True, config=STRICT)
class Proxies:
    """The table of proxies; empty for a paper without a micro study."""

    architectures: Sources = ()
    """(the paper's architecture, its name in `checkpoint`) pairs."""
    pretraining: Sources = ()
    """(the paper's pre-training set, its name in `checkpoint`) pairs."""
    datasets: Sources = ()
    """(the claims' dataset, the task that stands for it) pairs."""
    checkpoint: str = "micro-{architecture}-{pretraining}"
    """The id of the checkpoint that stands for both."""
    judged: tuple[Natural, ...] = ()
    """Seeds that verdicts are judged on."""
    development: tuple[Natural, ...] = ()
    """Seeds that learning rates and hypotheses were chosen on; never judged."""

    def __post_init__(self) -> None:
        if set(self.judged) & set(self.development):
            raise ValueError("expected seeds to judge on that nothing was chosen on, found some of `development`")

    def task_of(self, dataset: str) -> str | None:
        """Return the task that stands for a claims' dataset, if one does."""
        return dict(self.datasets).get(dataset)


def proxies() -> Proxies:
    """Return the current paper's table of proxies."""
    path = paper().table("micro/proxies.toml")
    return Proxies() if path is None else read_proxies(path)


@cache
def read_proxies(path: Path) -> Proxies:
    """Return the proxies of a table.

    Raises:
        ClaimsError: it is malformed.
    """
    return build(Proxies, read_toml(path), path.name)


def checkpoint_of(contender: Contender) -> str | None:
    """Return the id of the checkpoint that stands for a contender, if one does."""
    table = proxies()
    family = dict(table.architectures).get(contender.architecture)
    corpus = dict(table.pretraining).get(contender.pretrained_on)
    if not family or not corpus or contender.variant != "orig":
        return None
    return table.checkpoint.format(architecture=family, pretraining=corpus)


def key(hypothesis: Hypothesis) -> tuple[str, ...] | None:
    """Return what the micro study would compare, or None where the hypothesis means nothing to it.

    Two hypotheses of a claim with the same key (their contenders have one proxy) are judged once. A
    published accuracy, a cost and a margin of the paper's scale mean nothing at this scale.
    """
    parts = simple_parts(hypothesis)
    if isinstance(hypothesis, Ratio) or any(isinstance(part, (Close, Equivalent)) for part in parts):
        return None
    compared = [type(hypothesis).__name__]
    for part in parts:
        for term in part.contrast.terms:
            name, task = checkpoint_of(term.contender), proxies().task_of(term.on)
            if name is None or task is None:
                return None
            compared.append(f"{term.weight:g} {name} {task}")
    return tuple(compared)


def own_names(hypothesis: Hypothesis) -> tuple[tuple[str, str], ...]:
    """Return (the paper's name, the micro study's) pairs of a hypothesis' contenders and datasets."""
    names = {}
    for contender, on in terms_of(hypothesis):
        names[str(contender)] = str(checkpoint_of(contender))
        names[on] = str(proxies().task_of(on))
    return tuple(names.items())
