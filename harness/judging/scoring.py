"""Which scored examples a run got right: by its one label each, or by ReaL's several."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.measure import POINTS
from harness.core.measurement import Measurement, Scores
from harness.core.result import Result

FEWEST_AGREE = 0.75
"""Share of ImageNet's original labels that are among the ReaL labels if images and labels are in one order: 0.90
(arXiv:2006.07159); in another order it is a matter of chance, about 1 in 1,000."""


@dataclass(frozen=True)
class Scored:
    """One run's predictions, right or wrong, on the examples that are scored."""

    run_id: str
    hits: tuple[bool, ...] | tuple[float, ...]
    """Whether each scored example was predicted correctly, in the order of the examples; of a measured number its
    scores, in hundredths of what is shown, as accuracies are."""
    examples: str
    """Digest of the labels and of which examples are scored: two sides can be paired only if theirs agree."""
    values_sha256: str = ""
    """Digest of the scores of a measured number, as they were returned."""

    @property
    def digest(self) -> str:
        """Digest of the hits: the first 16 hexadecimal digits."""
        return (self.values_sha256 or hashlib.sha256(bytes(map(bool, self.hits))).hexdigest())[:16]

    @property
    def counted(self) -> bool:
        """Whether every score is right or wrong, so that the mean is that of counts."""
        return all(score in (0, 1) for score in self.hits)

    @property
    def n(self) -> int:
        """Number of scored examples."""
        return len(self.hits)

    @property
    def correct(self) -> float:
        """Number of examples predicted correctly; the sum of the scores of a measured number."""
        return sum(self.hits)

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in percent, from integer counts."""
        return 100 * self.correct / self.n


def scored(result: Result) -> Scored:
    """Return a result scored by its labels.

    Raises:
        ClaimsError: the run diverged, so nothing was predicted.
    """
    if result.diverged is not None:
        raise ClaimsError(f"run {result.run_id}: expected predictions, found none: {result.diverged}")
    hits = tuple(p == y for p, y in zip(result.predictions, result.labels, strict=True))
    return Scored(result.run_id, hits, result.labels_sha256)


def real_scored(result: Result, labels: Sequence[Sequence[int]]) -> Scored:
    """Return an ImageNet result scored by ReaL labels: any of an image's labels counts, images without are left out.

    Args:
        result: predictions in the order of the validation images' numbers.
        labels: of every validation image, in the same order (real_labels.read_real).

    Raises:
        ClaimsError: not one prediction for each image, the images are in another order, or the run diverged.
    """
    if result.diverged is not None:
        raise ClaimsError(f"run {result.run_id}: expected predictions, found none: {result.diverged}")
    if len(result.predictions) != len(labels):
        raise ClaimsError(
            f"run {result.run_id}: expected {len(labels):,} predictions for the ReaL labels, found"
            f" {len(result.predictions):,}; score all validation images"
        )
    hits = tuple(p in allowed for p, allowed in zip(result.predictions, labels, strict=True) if allowed)
    agree = sum(y in allowed for y, allowed in zip(result.labels, labels, strict=True) if allowed)
    if agree < FEWEST_AGREE * len(hits):
        raise ClaimsError(
            f"run {result.run_id}: expected images in the order of the ReaL labels, found {agree:,} of {len(hits):,}"
            " original labels among them; the images are in another order, so they can't be scored by ReaL"
        )
    written = ";".join(",".join(map(str, allowed)) for allowed in labels)
    return Scored(result.run_id, hits, hashlib.sha256(written.encode()).hexdigest())


def measured(measurement: Measurement, found: Scores) -> Scored:
    """Return a measurement's scores as they are judged: in hundredths of what is shown.

    Fractions are shown as percent, so they are that already; a number in another unit is shown as it is.

    Raises:
        ClaimsError: the unit is points, and a score is no fraction.
    """
    if measurement.unit != POINTS:
        return Scored(
            found.run_id, tuple(value / 100 for value in found.values), found.examples_sha256, found.values_sha256
        )
    bad = next((value for value in found.values if not 0 <= value <= 1), None)
    if bad is not None:
        raise ClaimsError(
            f"{measurement.label}: expected scores from 0 to 1 with the unit {POINTS!r}, found {bad:g}; divide"
            " percentages by 100, or declare another unit"
        )
    return Scored(found.run_id, found.values, found.examples_sha256, found.values_sha256)
