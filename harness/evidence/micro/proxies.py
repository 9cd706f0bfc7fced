"""Which tiny network and task of the micro study stand for the paper's (micro/proxies.toml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from harness.core.claim import Close, Contender, Hypothesis
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
    published accuracy means nothing at this scale.
    """
    task = proxies().task_of(hypothesis.on)
    names = tuple(checkpoint_of(contender) for contender in hypothesis.contenders)
    if isinstance(hypothesis, Close) or task is None or None in names:
        return None
    return (type(hypothesis).__name__, task, *(name for name in names if name is not None))
