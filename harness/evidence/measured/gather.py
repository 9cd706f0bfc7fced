"""A paper's own numbers as a source of evidence: one call of its function for each contender, dataset and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Hypothesis, terms_of
from harness.core.measure import Measure
from harness.core.measurement import Measurement, Scores
from harness.core.own_modules import source_digest
from harness.core.paper import FILE, paper
from harness.core.run import Run
from harness.core.specs import build
from harness.core.toml import table_stamp
from harness.core.verdict import RecipeUsed
from harness.evidence.source import RunProvider
from harness.judging.evidence import Evidence, MeasuredAs, RunsSide, Term
from harness.judging.question import Question
from harness.judging.scoring import measured

LANES = {"cpu": "cpu", "gpu": "accelerator"}
"""Of measurements, by the lane of their measure."""


@dataclass(frozen=True)
class OwnNumbers:
    """Gathers what functions of the paper's folder measure."""

    provider: RunProvider

    def gather(self, question: Question) -> Evidence:
        """Return what every call for every side gave.

        Raises:
            ClaimsError: the measure is malformed, or its function failed or returned what it should not.
        """
        measure = paper().measure(question.claim.measure)
        planned = measurements(question.claim, question.hypothesis)
        asked = [each for of in planned.values() for each in of]
        found = dict(zip((each.id for each in asked), results_for(self.provider, asked), strict=True))
        sides = {term: side(term, measure, of, [found[each.id] for each in of]) for term, of in planned.items()}
        as_what = MeasuredAs(
            measure.unit,
            measure.better,
            measure.scores == "number",
            measure.shared_examples,
            question.claim.measure,
            measure.negligible,
        )
        return Evidence(sides, measured_as=as_what)


def results_for(provider: RunProvider, asked: Sequence[Measurement]) -> list[Scores]:
    """Return what measurements gave, computing what is not stored."""
    # What computes and stores knows of a run its id, label and lane alone.
    return cast("list[Scores]", provider.results_for(cast("list[Run]", asked)))


def side(term: Term, measure: Measure, of: Sequence[Measurement], found: Sequence[Scores]) -> RunsSide:
    """Return one side.

    Raises:
        ClaimsError: its seeds scored different examples, or a score is none in the measure's unit.
    """
    first = found[0]
    for each, scores in zip(of, found, strict=True):
        if (scores.n, scores.examples_sha256) != (first.n, first.examples_sha256):
            raise ClaimsError(
                f"{each.label}: expected scores on the {first.n:,} examples of seed {of[0].seed}, found"
                f" {scores.n:,}{' of other names' if scores.n == first.n else ''}"
            )
    settings = [("unit", measure.unit, ""), ("better", measure.better, ""), ("seeds", str(len(of)), "")]
    if not measure.shared_examples:
        settings.append(("examples", "not shared", ""))  # verify.py of a bundle looks for it
    settings += [(name, version, "") for name, version in of[0].packages]
    return RunsSide(
        title=str(term[0]),
        runs=tuple(measured(each, scores) for each, scores in zip(of, found, strict=True)),
        recipe=RecipeUsed(str(term[0]), measure.function, tuple(settings)),
        deterministic=not measure.random,
    )


def measurements(claim: Claim, hypothesis: Hypothesis) -> dict[Term, tuple[Measurement, ...]]:
    """Return the measurements of each contender of a hypothesis on each dataset, a seed each.

    Raises:
        ClaimsError: there is no such measure, function, input or package.
    """
    name = claim.measure
    measure = paper().measure(name)
    folder = paper().folder
    where = f"{folder / FILE}: measures.{name}" if ":" not in name else f"{claim.id}: measure {name}"
    module = measure.function.partition(":")[0]
    parts = {
        "function": measure.function,
        "source_sha256": source_digest(module, folder, where),
        "inputs": digests_of(measure.inputs, folder, where),
        "packages": versions_of(measure.packages, where),
        "scores": measure.scores,
        "measure": name,
        "unit": measure.unit,
        "better": measure.better,
        "lane": LANES[measure.lane],
        "time_limit": measure.time_limit,
    }
    seeds = range((measure.seeds or paper().defaults.seeds) if measure.random else 1)
    return {
        (contender, on): tuple(
            build(Measurement, parts | {"contender": contender, "dataset": on, "seed": seed}, where) for seed in seeds
        )
        for contender, on in terms_of(hypothesis)
    }


def digests_of(patterns: Sequence[str], folder: Path, where: str) -> tuple[tuple[str, str], ...]:
    """Return (path, sha256) pairs of the files that a measure declares to read, in order.

    Raises:
        ClaimsError: a pattern fits no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        files = [path for path in folder.glob(pattern) if path.is_file()]
        if not files:
            raise ClaimsError(f"{where}: inputs: expected files that fit {pattern!r} in {folder}, found none")
        found.update(files)
    return tuple((path.relative_to(folder).as_posix(), _digest(path, table_stamp(path))) for path in sorted(found))


@cache
def _digest(path: Path, stamp: tuple[int, ...]) -> str:
    del stamp  # a file that was changed is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions_of(packages: Sequence[str], where: str) -> tuple[tuple[str, str], ...]:
    """Return (name, version) pairs of installed packages.

    Raises:
        ClaimsError: one is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in packages:
        try:
            found.append((name, version(name)))
        except (PackageNotFoundError, ValueError):
            raise ClaimsError(
                f"{where}: packages: expected an installed package, found none called {name!r}; install or correct it"
            ) from None
    return tuple(found)
