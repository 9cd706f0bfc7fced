"""The accuracies behind all verdicts, each once: what the figures for the whole are drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.measure import POINTS
from harness.core.paper import paper
from harness.core.source import MICRO
from harness.core.verdict import Side, Verdict
from harness.report.labels import LOOKS, group, natural, stated

CONTENDER = re.compile(r"^(?P<architecture>.+?) \((?P<pretraining>[^,()]+)(?P<rest>(?:, [^()]*)?)\)$")
AS = " as "
"""Between a contender and the checkpoint that stands for it in the micro study."""


@dataclass(frozen=True)
class Measurement:
    """The accuracy of one contender on one dataset, by one group of sources."""

    group: str
    dataset: str
    """As the report names it; of the micro study its task."""
    name: str
    """Of the contender; of the micro study its own network."""
    accuracy: float
    low: float | None
    high: float | None
    architecture: str
    pretraining: str
    """The pre-training set, "" where the name does not say."""
    plain: bool
    """Whether the name says nothing besides: no other release of weights, no resolution."""


def measurements(verdicts: Iterable[Verdict]) -> list[Measurement]:
    """Return each accuracy once, by group of sources, dataset and name; what stands on several datasets is left out."""
    found: dict[tuple[str, str, str], Measurement] = {}
    titles = dict(paper().titles)
    for verdict in verdicts:
        several = ", " in verdict.dataset or bool(verdict.components and verdict.kind != "Increasing")
        if several or not verdict.dataset or verdict.unit != POINTS:
            continue
        kind = group(verdict.source)
        place = verdict.task.partition(":")[0] if kind == MICRO and verdict.task else ""
        place = place or titles.get(verdict.dataset, verdict.dataset)
        for side in verdict.sides:
            one = measurement(side, kind, place)
            found.setdefault((one.group, one.dataset, one.name), one)
    return sorted(found.values(), key=lambda one: (one.group, natural(one.dataset), natural(one.name)))


def measurement(side: Side, kind: str, place: str) -> Measurement:
    """Return one side of a verdict as a measurement."""
    contender, _, network = side.name.partition(AS)
    match = CONTENDER.match(contender)
    name = network if kind == MICRO and network else contender
    architecture = name.rpartition("-")[0] if name == network and network else match["architecture"] if match else name
    return Measurement(
        group=kind,
        dataset=place,
        name=name,
        accuracy=side.accuracy,
        low=side.low,
        high=side.high,
        architecture=architecture,
        pretraining=match["pretraining"] if match else "",
        plain=match is not None and not match["rest"],
    )


@dataclass(frozen=True)
class Pair:
    """An accuracy that the paper states, and the one that was found."""

    name: str
    group: str
    paper: float
    found: float
    low: float
    high: float
    tolerance: float
    color: str
    """Of its verdict."""


def pairs(verdicts: Iterable[Verdict]) -> list[Pair]:
    """Return the paper's accuracies beside those found, of hypotheses that compare them."""
    return [
        Pair(
            stated(verdict),
            group(verdict.source),
            verdict.published,
            verdict.published + verdict.estimate,
            verdict.published + (verdict.estimate if verdict.low is None else verdict.low),
            verdict.published + (verdict.estimate if verdict.high is None else verdict.high),
            verdict.tolerance or 0.0,
            LOOKS[verdict.verdict].color,
        )
        for verdict in verdicts
        if verdict.published is not None and verdict.estimate is not None
    ]
