"""Which contenders' names anything knows: publications, their costs, the micro study's proxies, or checkpoints."""

from __future__ import annotations

from collections.abc import Iterable

from harness.catalog.checkpoints import checkpoints
from harness.core.errors import ClaimsError, nearest
from harness.core.hypotheses import Hypothesis, contenders_of
from harness.evidence.micro.proxies import proxies
from harness.evidence.published.costs import load as costs
from harness.evidence.published.figures import load as figures


def known_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the architectures, and the pre-training sets, that the current paper's tables and publications name."""
    found = [(each.architecture, each.pretrain) for each in figures()]
    found += [(each.architecture, each.pretrain) for each in costs()]
    found += [(each.architecture, each.pretrained_on) for each in checkpoints().values()]
    table = proxies()
    architectures = {name for name, _ in found} | set(dict(table.architectures))
    return frozenset(architectures), frozenset({name for _, name in found} | set(dict(table.pretraining)))


def unknown_contenders(hypotheses: Iterable[Hypothesis]) -> list[str]:
    """Return a line on each contender with a name that nothing knows, so that nothing can judge it.

    It is no fault: a claim may name what was never released, and no publication has. A misspelt name looks the same.
    """
    try:
        architectures, sets = known_names()
    except ClaimsError:  # a table that can't be read is told where it is needed
        return []
    lines: dict[str, None] = {}
    for hypothesis in hypotheses:
        for contender in contenders_of(hypothesis):
            for what, name, known in (
                ("architecture", contender.architecture, architectures),
                ("pre-training set", contender.pretrained_on, sets),
            ):
                if known and name not in known:
                    lines[
                        f"{contender}: no table and no publication knows the {what} {name!r}{nearest(name, known)}, so"
                        " that nothing judges what is stated of it"
                    ] = None
    return list(lines)
