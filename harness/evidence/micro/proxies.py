"""Which tiny network and task of the micro study stand for the paper's (micro/proxies.toml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from harness.core.hypotheses import Close, Compound, Contender, Equivalent, Hypothesis, Ratio, Robust, terms_of
from harness.core.paper import paper
from harness.core.specs import STRICT, Natural, Sources, build, pairs
from harness.core.toml import read_toml

Seeds = tuple[Natural, ...]
SeedsByNetwork = Annotated[tuple[tuple[str, tuple[Seeds, ...]], ...], BeforeValidator(pairs)]


@dataclass(frozen=True)
class UpstreamNetwork:
    """One pre-trained network that stands for a contender, and the seeds that it is fine-tuned with."""

    checkpoint: str
    """Id."""
    seeds: Seeds


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
    judged: Seeds = ()
    """Seeds that verdicts are judged on, of networks that were pre-trained once."""
    upstream: SeedsByNetwork = ()
    """(id of the checkpoint, seeds) pairs, of networks that were pre-trained several times: the seeds that each is
    fine-tuned with and judged on. The second one's id is CHECKPOINT-2, and so on."""
    development: Seeds = ()
    """Seeds that learning rates and hypotheses were chosen on; never judged."""

    def __post_init__(self) -> None:
        if set(self.all_judged) & set(self.development):
            raise ValueError("expected seeds to judge on that nothing was chosen on, found some of `development`")
        stood_for = product(dict(self.architectures).values(), dict(self.pretraining).values())
        known = {self.first(*names) for names in stood_for}
        for name, groups in self.upstream:
            if name not in known:
                raise ValueError(f"upstream: expected a checkpoint that stands for something, found {name!r}")
            seeds = [seed for group in groups for seed in group]
            # With equal numbers the mean over runs is the mean over pre-trainings.
            if len({len(group) for group in groups}) != 1 or not seeds or len(set(seeds)) < len(seeds):
                raise ValueError(
                    f"upstream: expected groups of equally many seeds for {name!r}, no seed twice, found"
                    f" {[list(group) for group in groups]}"
                )

    @property
    def all_judged(self) -> Seeds:
        """Every seed that some network is judged on, in order."""
        return tuple(sorted({*self.judged, *(seed for _, groups in self.upstream for g in groups for seed in g)}))

    def networks(self, architecture: str, pretraining: str) -> tuple[UpstreamNetwork, ...]:
        """Return the networks of an architecture and a pre-training set, by their names in `checkpoint`."""
        first = self.first(architecture, pretraining)
        groups = dict(self.upstream).get(first, (self.judged,))
        return tuple(UpstreamNetwork(numbered(first, i), seeds) for i, seeds in enumerate(groups, start=1))

    def first(self, architecture: str, pretraining: str) -> str:
        """Return the id of the first checkpoint of an architecture and a pre-training set."""
        return self.checkpoint.format(architecture=architecture, pretraining=pretraining)

    @property
    def again(self) -> Mapping[str, str]:
        """The first checkpoint's id by that of each later pre-training."""
        return {numbered(name, i): name for name, groups in self.upstream for i in range(2, len(groups) + 1)}

    def task_of(self, dataset: str) -> str | None:
        """Return the task that stands for a claims' dataset, if one does."""
        return dict(self.datasets).get(dataset)


def numbered(first: str, index: int) -> str:
    """Return the id of the checkpoint of a network's pre-training, counted from 1."""
    return first if index == 1 else f"{first}-{index}"


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


def networks_of(contender: Contender) -> tuple[UpstreamNetwork, ...]:
    """Return the networks that stand for a contender, one a pre-training; none where nothing does."""
    table = proxies()
    architecture = dict(table.architectures).get(contender.architecture)
    corpus = dict(table.pretraining).get(contender.pretrained_on)
    if not architecture or not corpus or contender.variant != "orig":
        return ()
    return table.networks(architecture, corpus)


def checkpoint_of(contender: Contender) -> str | None:
    """Return the id of the checkpoint that stands for a contender, the first pre-training's; None if none does."""
    return next((network.checkpoint for network in networks_of(contender)), None)


def key(hypothesis: Hypothesis) -> tuple[str, ...] | None:
    """Return what the micro study would compare, or None where the hypothesis means nothing to it.

    Two hypotheses of a claim with the same key (their contenders have one proxy) are judged once. A
    published accuracy, a cost and a margin of the paper's scale mean nothing at this scale.
    """
    if isinstance(hypothesis, Robust):
        return ("Robust", hypothesis.of)
    if isinstance(hypothesis, Compound):
        parts = [key(part) for part in hypothesis.of]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return (f"{type(hypothesis).__name__} {hypothesis.k}", *(f"({', '.join(part)})" for part in known))
    if isinstance(hypothesis, (Close, Equivalent, Ratio)):
        return None
    compared = [type(hypothesis).__name__]
    for term in hypothesis.contrast.terms:
        name, task = checkpoint_of(term.contender), proxies().task_of(term.on)
        if name is None or task is None:
            return None
        compared.append(f"{term.weight:g} {name} {task} {paper().measured_by_on(term.on)}".rstrip())
    return tuple(compared)


def own_names(hypothesis: Hypothesis) -> tuple[tuple[str, str], ...]:
    """Return (the paper's name, the micro study's) pairs of a hypothesis' contenders and datasets."""
    names = {}
    for contender, on in terms_of(hypothesis):
        names[str(contender)] = str(checkpoint_of(contender))
        way = paper().measured_by_on(on)
        names[on] = str(proxies().task_of(on)) + (f" by {way}" if way else "")
    return tuple(names.items())
