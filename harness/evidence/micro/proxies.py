"""Which tiny network and task of the micro study stand for the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.core.claim import Close, Contender, Hypothesis
from harness.core.errors import ClaimsError
from harness.core.toml import FOLDER, read_toml


@cache
def proxies() -> Mapping[str, Mapping[str, str]]:
    """Return the table of proxies: architectures, pretraining, datasets."""
    path = FOLDER / "micro" / "proxies.toml"
    table: Mapping[str, Mapping[str, str]] = read_toml(path)
    if set(table) != {"architectures", "pretraining", "datasets"}:
        found = ", ".join(sorted(table))
        raise ClaimsError(
            f"{path.name}: expected tables architectures, pretraining, datasets, found {found}; correct the file"
        )
    return table


def checkpoint_of(contender: Contender) -> str | None:
    """Return the id of the checkpoint that stands for a contender, if one does."""
    family = proxies()["architectures"].get(contender.architecture)
    corpus = proxies()["pretraining"].get(contender.pretrained_on)
    return f"micro-{family}-{corpus}" if family and corpus and contender.variant == "orig" else None


def key(hypothesis: Hypothesis) -> tuple[str, ...] | None:
    """Return what the micro study would compare, or None where the hypothesis means nothing to it.

    Two hypotheses of a claim with the same key (B/16 and L/16 have one proxy) are judged once. A
    published accuracy means nothing at this scale.
    """
    task = proxies()["datasets"].get(hypothesis.on)
    names = tuple(checkpoint_of(contender) for contender in hypothesis.contenders)
    if isinstance(hypothesis, Close) or task is None or None in names:
        return None
    return (type(hypothesis).__name__, task, *(name for name in names if name is not None))
