"""What a run gave: predicted classes, from which every figure is derived."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count, Natural


@dataclass(frozen=True, config=STRICT)
class Divergence:
    """Where training stopped giving finite numbers; the run ended there."""

    step: Natural
    """Whose loss was not finite, counted from 0; the number of steps where the logits after the last were not."""
    learning_rate: float
    examples: tuple[int, ...]
    """The last batch: indices among the training examples of the run."""
    scored: bool = False
    """Whether all losses were finite and logits of scored images were not."""

    def __str__(self) -> str:
        if self.scored:
            return f"logits were not finite after {self.step:,} steps (last learning rate {self.learning_rate:.3g})"
        return f"the loss was not finite at step {self.step:,} (learning rate {self.learning_rate:.3g})"


@dataclass(frozen=True, config=STRICT)
class Result:
    """What a run gave: the predicted class of every scored example. Accuracy is derived."""

    run_id: str
    predictions: tuple[int, ...]
    labels: tuple[int, ...]
    loss_history: tuple[float, ...]
    """Training loss of each step (mean cross-entropy, nats)."""
    seconds: float
    """Wall time of loading, fine-tuning and evaluation."""
    images_per_second: float
    """Training images per second of wall time of the fine-tuning loop."""
    peak_memory: int
    """Largest resident memory of the process, bytes."""
    environment: tuple[tuple[str, str], ...]
    """(name, version) pairs of what computed it."""
    diverged: Divergence | None = None
    """Set if training ended in numbers that are not finite: then nothing was predicted."""
    device_memory: Natural = 0
    """Largest memory allocated on the accelerator, bytes; 0 on a CPU."""
    waiting: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training loop's time spent waiting for data."""
    micro_batch: Count | None = None
    """Examples that were in memory at once; None: the whole batch."""

    def __post_init__(self) -> None:
        if self.diverged is not None and not self.predictions:
            return
        if not self.labels or len(self.predictions) != len(self.labels):
            raise ClaimsError(
                f"result {self.run_id}: expected one prediction for each label and at least one,"
                f" found {len(self.predictions)} predictions and {len(self.labels)} labels"
            )

    @property
    def n(self) -> int:
        """Number of scored examples."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """Number of examples whose predicted class is the label; 0 for a run that diverged."""
        return sum(p == y for p, y in zip(self.predictions, self.labels, strict=not self.diverged))

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in percent, from integer counts.

        Raises:
            ClaimsError: the run diverged, so there is none.
        """
        if self.diverged is not None:
            raise ClaimsError(f"run {self.run_id}: expected predictions, found none: {self.diverged}")
        return 100 * self.correct / self.n

    @property
    def predictions_sha256(self) -> str:
        """Digest of the predicted classes, comma separated."""
        return digest_of(self.predictions)

    @property
    def labels_sha256(self) -> str:
        """Digest of the labels, comma separated."""
        return digest_of(self.labels)


def digest_of(classes: tuple[int, ...]) -> str:
    """Return the sha256 of class numbers written in decimal, comma separated."""
    return hashlib.sha256(",".join(map(str, classes)).encode()).hexdigest()
