"""What changed between two reports: answers, verdicts, accuracies beyond noise, speed, versions and digests."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Expected
from harness.core.measure import POINTS, figure
from harness.core.verdict import Verdict
from harness.judging.lock import same_verdict, why
from harness.report.labels import natural
from harness.report.records import Records
from harness.report.run_records import RunRecord
from harness.report.verdict_store import Key, says

Kind = Literal["answer", "verdict", "coverage", "accuracy", "speed", "version", "digest"]
ALPHA = 0.05
"""Error rate of all comparisons of accuracies together (Holm)."""
FASTER = 1.25
"""Runs took another time than before if the median ratio of their images/s is beyond this, or below its inverse:
the same loop on the same idle machine varies by less."""


@dataclass(frozen=True)
class Change:
    """One thing that changed."""

    kind: Kind
    subject: str
    """What it is about, e.g. "CLAIM, SOURCE"."""
    before: str
    after: str
    because: str = ""

    @property
    def claim(self) -> str:
        """The claim's id; "" for what is not of one claim."""
        return self.subject.partition(",")[0] if self.decisive else ""

    @property
    def decisive(self) -> bool:
        """Whether an answer or a verdict says something else than before."""
        return self.kind in ("answer", "verdict")

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}: {self.before} -> {self.after}" + (
            f" ({self.because})" if self.because else ""
        )


def compare(before: Records, after: Records) -> tuple[Change, ...]:
    """Return what changed, answers and verdicts first.

    What only one of the reports has judged is a change of coverage, not of a verdict: a report on one claim says
    nothing of the others.
    """
    return (
        *answers(before, after),
        *verdicts(before.store.verdicts, after.store.verdicts),
        *accuracies(before.runs, after.runs),
        *speeds(before.runs, after.runs),
        *versions(before.runs, after.runs),
        *digests(before.runs, after.runs),
    )


def answers(before: Records, after: Records) -> Iterator[Change]:
    """Yield the answers that differ."""
    old, new = ({each.key: each for each in records.store.answers()} for records in (before, after))
    for key in sorted({*old, *new}, key=lambda key: [natural(part) for part in key]):
        a, b = (found[key].answer if key in found else "NOT TESTED" for found in (old, new))
        if a != b:
            kind: Kind = "coverage" if "NOT TESTED" in (a, b) else "answer"
            because = new[key].sentence if key in new else ""
            yield Change(kind, ", ".join(key), a, b, because)


def verdicts(old: Mapping[Key, Verdict], new: Mapping[Key, Verdict]) -> Iterator[Change]:
    """Yield the verdicts that differ, and what is judged that was not before, counted by claim and source."""
    coverage: Counter[tuple[str, str, str]] = Counter()
    for key in sorted({*old, *new}, key=lambda key: [natural(part) for part in (key[0], key[2], key[1])]):
        a, b = old.get(key), new.get(key)
        was, now = (each is not None and says(each) for each in (a, b))
        if a is None or b is None or not (was and now):
            if was or now:
                before, after = ("judged" if there else "not judged" for there in (was, now))
                coverage[f"{key[0]}, {key[2]}", before, after] += 1
            continue
        expected = Expected(a.verdict, a.reason, a.digest, a.rule, a.evidence)
        if not same_verdict(a.verdict, b):
            reasons = why(expected, b, "")[0] if a.digest else []
            yield Change(
                "verdict",
                f"{key[0]}, {key[2]}, {key[1]}",
                a.verdict,
                b.verdict,
                "; ".join(reasons) or f"{a.reason}, now {b.reason}",
            )
        elif a.digest and (reasons := why(expected, b, "")[0]):
            yield Change("digest", f"{key[0]}, {key[2]}, {key[1]}", a.verdict, b.verdict, "; ".join(reasons))
    for (subject, before, after), count in coverage.items():
        yield Change("coverage", f"{count} verdict{'s' * (count > 1)} of {subject}", before, after)


def sides(
    old: Mapping[str, RunRecord], new: Mapping[str, RunRecord]
) -> Iterator[tuple[list[RunRecord], list[RunRecord]]]:
    """Yield the runs of each side that both reports have, a seed each.

    A side is all that agrees but for the seed. What has no such counterpart is matched by the names of checkpoint,
    dataset, recipe and backend, where these are unambiguous: then weights, images or settings changed.
    """

    def by(runs: Iterable[RunRecord], key: Callable[[RunRecord], object]) -> dict[object, list[RunRecord]]:
        found: dict[object, list[RunRecord]] = {}
        for run in sorted(runs, key=lambda run: run.seed):
            found.setdefault(key(run), []).append(run)
        return found

    first, second = (by(runs.values(), lambda run: run.settings) for runs in (old, new))
    both = first.keys() & second.keys()
    for key in first:
        if key in both:
            yield first[key], second[key]
    rest = [
        by(itertools.chain(*(runs for key, runs in of.items() if key not in both)), named) for of in (first, second)
    ]
    for name in rest[0].keys() & rest[1].keys():
        if all(len({run.settings for run in of[name]}) == 1 for of in rest):
            yield rest[0][name], rest[1][name]


def named(run: RunRecord) -> tuple[str, ...]:
    """Return what a side is called."""
    return (run.checkpoint, run.dataset, run.recipe, run.backend, run.split)


def title(run: RunRecord) -> str:
    """Return what a side is called, for a reader."""
    backend = "" if run.backend in ("torch", "") else f", {run.backend}"
    return f"{run.checkpoint} on {run.dataset}, {run.recipe}{', dev split' * (run.split == 'dev')}{backend}"


def accuracies(old: Mapping[str, RunRecord], new: Mapping[str, RunRecord]) -> Iterator[Change]:
    """Yield the sides whose accuracy changed by more than new seeds and new examples explain.

    The difference is judged as that of two sides (harness.stats.predictions): examples are paired, seeds are not. All
    sides share one error rate, by Holm's procedure.
    """
    import numpy as np

    from harness.stats.intervals import holm
    from harness.stats.predictions import judge_scores

    tested = []
    for whole in sides(old, new):
        a, b = ([run for run in runs if not run.diverged] for runs in whole)
        gone = [f"{sum(bool(run.diverged) for run in runs)} of {len(runs)} runs diverged" for runs in whole]
        if bool(whole[0][len(a) :]) != bool(whole[1][len(b) :]):
            yield Change("accuracy", title(whole[1][0]), *gone)
        if not a or not b or {run.predictions_sha256 for run in a} == {run.predictions_sha256 for run in b}:
            continue
        if len({run.labels_sha256 for run in (*a, *b)}) > 1:
            yield Change("digest", f"labels of {title(b[0])}", a[0].labels_sha256[:16], b[0].labels_sha256[:16])
            continue
        try:
            found = judge_scores(
                np.stack([run.scored() for run in b]),
                np.stack([run.scored() for run in a]),
                deterministic=(b[0].evaluates_only, a[0].evaluates_only),
            )
        except ClaimsError:  # no spread: all examples agree
            continue
        tested.append((a, b, found.crossed))
    if not tested:
        return
    adjusted = holm([crossed.p for _, _, crossed in tested])
    beyond = 0
    for (a, b, crossed), p in zip(tested, adjusted, strict=True):
        if p < ALPHA:
            beyond += 1
            yield Change(
                "accuracy",
                title(b[0]),
                mean(a),
                mean(b),
                f"{difference(b[0], crossed.value)}, p {p:.2g} by Holm over {len(tested)}; {crossed.method}",
            )
    if beyond < len(tested):
        within = len(tested) - beyond
        yield Change(
            "digest", f"predictions of {within} side{'s' * (within > 1)}", "as they were", "others, within noise"
        )


def mean(runs: Sequence[RunRecord]) -> str:
    """Return a side's accuracy for a reader."""
    value = statistics.fmean(run.accuracy for run in runs if run.accuracy is not None)
    unit = runs[0].unit
    return f"{figure(value, unit)} {'%' if unit == POINTS else unit} ({len(runs)} seed{'s' * (len(runs) > 1)})"


def difference(run: RunRecord, value: float) -> str:
    """Return a difference of mean scores for a reader."""
    return f"{figure(value if run.unit != POINTS else 100 * value, run.unit, signs=True)} {run.unit}"


def speeds(old: Mapping[str, RunRecord], new: Mapping[str, RunRecord]) -> Iterator[Change]:
    """Yield the backends and devices whose training got faster or slower."""
    ratios: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for a, b in sides(old, new):
        pair = [statistics.median(run.images_per_second for run in runs) for runs in (a, b)]
        if a[0].computed == b[0].computed and a[0].seconds == b[0].seconds:
            continue  # the very same results
        if min(pair) > 0:
            devices = [dict(runs[0].environment).get("device", "an unknown device") for runs in (a, b)]
            ratios.setdefault((b[0].backend, *devices), []).append((pair[0], pair[1]))  # type: ignore[arg-type]
    for (backend, was, now), pairs in sorted(ratios.items()):
        ratio = statistics.median(b / a for a, b in pairs)
        if not 1 / FASTER <= ratio <= FASTER:
            before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
            where = now if was == now else f"{was}, now {now}"
            yield Change(
                "speed",
                f"{backend} on {where}",
                f"{before:,.0f} images/s",
                f"{after:,.0f} images/s",
                f"{ratio:.2f} times, median of {len(pairs)} sides",
            )


def versions(old: Mapping[str, RunRecord], new: Mapping[str, RunRecord]) -> Iterator[Change]:
    """Yield the libraries and devices that runs were computed with and that differ."""

    def found(runs: Mapping[str, RunRecord]) -> dict[tuple[str, str], set[str]]:
        known: dict[tuple[str, str], set[str]] = {}
        for run in runs.values():
            for name, value in run.environment:
                known.setdefault((run.backend or run.recipe, name), set()).add(value)
        return known

    first, second = found(old), found(new)
    for backend, name in sorted(first.keys() & second.keys()):
        a, b = (" and ".join(sorted(of[backend, name])) for of in (first, second))
        if a != b:
            yield Change("version", f"{name} of {backend} runs", a, b)


def digests(old: Mapping[str, RunRecord], new: Mapping[str, RunRecord]) -> Iterator[Change]:
    """Yield the checkpoints and datasets that are other bytes than before."""

    def found(runs: Mapping[str, RunRecord]) -> dict[str, set[str]]:
        known: dict[str, set[str]] = {}
        for run in runs.values():
            computed_by = f"checkpoint {run.checkpoint}" if run.backend else f"function {run.recipe}"
            known.setdefault(computed_by, set()).add(run.checkpoint_sha256[:16])
            known.setdefault(f"dataset {run.dataset}", set()).add(run.dataset_sha256[:16])
        return known

    first, second = found(old), found(new)
    for name in sorted(first.keys() & second.keys()):
        a, b = (" and ".join(sorted(of[name])) for of in (first, second))
        if a != b:
            yield Change("digest", name, a, b)
