"""models/: a file of dataset -> accuracy in percent for each fine-tuned model, such as vit.json.

A file's name ends in a digest of its runs and their predictions: the same runs give the same file again, and other runs
another one beside it, so that no earlier file is overwritten.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.paths import write_atomic
from harness.core.source import AGREEMENT, Source
from harness.core.verdict import Verdict
from harness.report.run_records import RunRecord


@dataclass(frozen=True)
class ModelAccuracies:
    """The accuracies of one checkpoint, as one source of evidence fine-tuned it."""

    source: str
    checkpoint: str
    runs: Mapping[str, tuple[RunRecord, ...]]
    """The runs on each dataset, a seed each; few-shot evaluation on it stands apart, e.g. "imagenet, 5 shots"."""

    @property
    def accuracies(self) -> dict[str, float]:
        """Mean top-1 accuracy over the seeds on each dataset, percent."""
        return {
            on: statistics.fmean(run.accuracy for run in runs if run.accuracy is not None)
            for on, runs in self.runs.items()
        }

    @property
    def name(self) -> str:
        """The file's name, e.g. "gpu-PROTOCOL_CHECKPOINT_1a2b3c4d.json"."""
        said = sorted(f"{run.id} {run.predictions_sha256}" for runs in self.runs.values() for run in runs)
        digest = hashlib.sha256("\n".join(said).encode()).hexdigest()[:8]
        return f"{re.sub('[^A-Za-z0-9.]+', '-', self.source)}_{self.checkpoint}_{digest}.json"


def model_accuracies(verdicts: Iterable[Verdict], runs: Mapping[str, RunRecord]) -> list[ModelAccuracies]:
    """Return the accuracies of each model behind verdicts, by source and checkpoint.

    Runs on the dev split and those that diverged have no place in it, nor has what varies its settings on purpose (a
    specification curve).
    """
    found: dict[tuple[str, str], dict[str, dict[str, RunRecord]]] = {}
    for verdict in verdicts:
        if Source.parse(verdict.source).backend == AGREEMENT or verdict.kind == "Robust":
            continue
        for run in (runs[run_id] for run_id in verdict.runs if run_id in runs):
            if run.split == "test" and not run.diverged:
                by_dataset = found.setdefault((verdict.source, run.checkpoint), {})
                by_dataset.setdefault(evaluation(run), {})[run.id] = run
    return [
        ModelAccuracies(
            source,
            checkpoint,
            {on: tuple(sorted(of.values(), key=lambda run: run.seed)) for on, of in sorted(by_dataset.items())},
        )
        for (source, checkpoint), by_dataset in sorted(found.items())
    ]


def evaluation(run: RunRecord) -> str:
    """Return what a run's accuracy is on: its dataset, and the shots of few-shot evaluation."""
    return run.dataset if run.shots is None else f"{run.dataset}, {run.shots} shot{'s' * (run.shots > 1)}"


def write_models(folder: Path, verdicts: Iterable[Verdict], runs: Mapping[str, RunRecord]) -> None:
    """Write a file of accuracies for each model that is not there yet.

    Args:
        folder: of the files.
        verdicts: of the report.
        runs: its runs by id.

    Raises:
        ClaimsError: a file can't be written.
    """
    for model in model_accuracies(verdicts, runs):
        path = folder / model.name
        if not path.exists():
            write_atomic(path, (json.dumps(model.accuracies, indent=1) + "\n").encode())
