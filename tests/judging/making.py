"""Evidence made by hand: published rows and runs whose figures can be computed on paper."""

import numpy as np

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.source import Source
from harness.core.verdict import RecipeUsed
from harness.judging.evidence import DivergedRun, Evidence, PublishedRow, PublishedSide, RunsSide
from harness.judging.question import ALONE, Question
from harness.judging.scoring import Scored

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B, C, D = (Contender(name, "ImageNet-21k") for name in "ABCD")


def better(on="d", a=A, than=B):
    return Better(a, than=than, on=on)


def asked(hypothesis, source="micro", family=ALONE, claim=CLAIM, statement=""):
    return Question(claim, hypothesis, Source.parse(source), family, statement)


def row(publication, *sides, origin="replication", tolerance=None, cluster=None):
    """Return a publication's row; a side is (percent, standard error in points, or None: not known)."""
    made = tuple(
        PublishedSide(f"side {at}", value / 100, () if error is None else (((error / 100) ** 2, None),), 1000, 1)
        for at, (value, error) in enumerate(sides)
    )
    return PublishedRow(publication, cluster or publication, origin, made, f"cited {publication}", tolerance)


def published(rows_by_hypothesis, **more):
    """Return published evidence: rows by simple hypothesis."""
    return Evidence(
        rows={each.id: tuple(rows) for each, rows in rows_by_hypothesis.items()},
        terms={each.id: tuple((t.contender, t.on) for t in each.contrast.terms) for each in rows_by_hypothesis},
        **more,
    )


def differing(hypothesis, *differences, error=1.0, **more):
    """Return published evidence on a comparison: a row for each difference, with a standard error (points)."""
    side = error / 2**0.5
    rows = [row(f"p{at}", (50 + each, side), (50, side)) for at, each in enumerate(differences)]
    return published({hypothesis: rows}, **more)


def runs_side(name, hits, deterministic=False, labels="labels", upstream=()):
    """Return a side of runs: for each seed its hits as 0/1 per example, or None for a run that diverged."""
    made = tuple(
        DivergedRun(f"{name}{seed}", seed, "the loss was not finite")
        if each is None
        else Scored(f"{name}{seed}", tuple(map(bool, each)), labels)
        for seed, each in enumerate(hits)
    )
    return RunsSide(name, made, RecipeUsed(name, "quick"), deterministic, tuple(upstream))


def first(*right, n=100):
    """Return hits of runs that get the first so many of n examples right."""
    return [None if each is None else [at < each for at in range(n)] for each in right]


def drawn(seed, accuracy, seeds=4, n=500, sd=0.01, flips=0.02):
    """Return hits of runs that err on much the same examples, with a seed effect: shape (seeds, n)."""
    rng = np.random.default_rng(seed)
    latent = np.random.default_rng(99).random(n)  # the examples' difficulty, shared by all sides
    hits = np.stack([latent < accuracy + sd * rng.standard_normal() for _ in range(seeds)])
    return hits ^ (rng.random(hits.shape) < flips)


def measured(sides, **more):
    """Return evidence of runs: hits by (contender, dataset)."""
    return Evidence(
        sides={
            term: hits if isinstance(hits, RunsSide) else runs_side(f"{term[0].architecture}-{term[1]}-", hits)
            for term, hits in sides.items()
        },
        **more,
    )
